//! Governance metadata of a datasource.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::input::given;
use super::words::{Comment, Label, Lifecycle};
use crate::app::{self, SlaChanges, VisibilityChanges};
use crate::domain;
use crate::rest::json::object;

/// Who sees a datasource, besides its owner, its admins and whoever is granted a role on it. Both lists empty:
/// everybody within whose reach it is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct Visibility {
    /// Communities, as tokens name them.
    communities: Vec<String>,
    /// Groups, as tokens name them.
    groups: Vec<String>,
}

impl From<domain::Visibility> for Visibility {
    fn from(visibility: domain::Visibility) -> Self {
        let domain::Visibility { communities, groups } = visibility;
        Self { communities, groups }
    }
}

/// What consumers may expect.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct Sla {
    /// The part of the time in which it is available, in percent.
    availability_percent: Option<f64>,
    /// How long a record is under way at most, in seconds.
    max_lag_seconds: Option<i32>,
    /// How it is supported, in the words of the organisation.
    support_tier: Option<String>,
}

impl From<domain::Sla> for Sla {
    fn from(sla: domain::Sla) -> Self {
        let domain::Sla { availability_percent, max_lag_seconds, support_tier } = sla;
        Self { availability_percent, max_lag_seconds, support_tier }
    }
}

/// A limit besides that of the configuration; the smaller of both holds.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct CustomRateLimit {
    /// Records a second, on one node.
    #[schema(minimum = 1, maximum = 1_000_000)]
    records_per_second: i32,
}

impl From<domain::CustomRateLimit> for CustomRateLimit {
    fn from(limit: domain::CustomRateLimit) -> Self {
        Self { records_per_second: limit.records_per_second }
    }
}

impl From<CustomRateLimit> for domain::CustomRateLimit {
    fn from(limit: CustomRateLimit) -> Self {
        Self { records_per_second: limit.records_per_second }
    }
}

/// Who answers for a datasource, where it belongs, who sees it, and what to expect of it.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct DatasourceMetadata {
    /// The datasource.
    datasource_id: Uuid,
    /// Who answers for it.
    owner_id: String,
    /// The team that it belongs to.
    team: Option<String>,
    /// Its category.
    category: Option<String>,
    /// Its tags, in alphabetical order.
    tags: Vec<String>,
    /// Who sees it.
    visibility: Visibility,
    /// What people say of it; what runs does not follow it.
    lifecycle: Lifecycle,
    /// What consumers may expect; null where nothing is promised.
    sla: Option<Sla>,
    /// A limit besides that of the configuration; null where there is none.
    rate_limit: Option<CustomRateLimit>,
    /// The revision of the datasource; the ETag begins with it.
    revision: i64,
}

impl DatasourceMetadata {
    fn new(id: Uuid, revision: i64, metadata: domain::Metadata) -> Self {
        Self {
            datasource_id: id,
            owner_id: metadata.owner,
            team: metadata.team,
            category: metadata.category,
            tags: metadata.tags,
            visibility: metadata.visibility.into(),
            lifecycle: metadata.lifecycle.into(),
            sla: metadata.sla.map(Into::into),
            rate_limit: metadata.rate_limit.map(Into::into),
            revision,
        }
    }

    pub(in crate::rest) fn revision(&self) -> i64 {
        self.revision
    }
}

impl From<domain::Datasource> for DatasourceMetadata {
    fn from(row: domain::Datasource) -> Self {
        Self::new(row.id, row.revision, row.metadata)
    }
}

/// The metadata as it was from one revision of its datasource on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct MetadataRevision {
    /// The revision of the datasource, by which it can be brought back.
    revision: i64,
    /// The metadata then.
    metadata: DatasourceMetadata,
    /// When it became so.
    at: DateTime<Utc>,
    /// Who made it so.
    by: String,
    /// Why.
    reason: Option<String>,
}

impl From<domain::MetadataRevision> for MetadataRevision {
    fn from(kept: domain::MetadataRevision) -> Self {
        let metadata = DatasourceMetadata::new(kept.datasource_id, kept.revision, kept.metadata);
        Self { revision: kept.revision, metadata, at: kept.at, by: kept.by, reason: kept.reason }
    }
}

/// Who is to see it. What is absent stays; null is nobody of that kind.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct VisibilityPatch {
    /// The communities from now on, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    communities: Option<Option<Vec<String>>>,
    /// The groups from now on, all of them.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Vec<String>>, max_items = 100)]
    groups: Option<Option<Vec<String>>>,
}

impl From<VisibilityPatch> for VisibilityChanges {
    fn from(patch: VisibilityPatch) -> Self {
        let list = |names: Option<Option<Vec<String>>>| names.map(Option::unwrap_or_default);
        Self { communities: list(patch.communities), groups: list(patch.groups) }
    }
}

/// What consumers may expect from now on. What is absent stays; null clears.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct SlaPatch {
    /// The part of the time in which it is available, in percent.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<f64>, minimum = 0, maximum = 100)]
    availability_percent: Option<Option<f64>>,
    /// How long a record is under way at most, in seconds.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<i32>, minimum = 1, maximum = 31_536_000)]
    max_lag_seconds: Option<Option<i32>>,
    /// How it is supported, in the words of the organisation.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Label>)]
    support_tier: Option<Option<String>>,
}

impl From<SlaPatch> for SlaChanges {
    fn from(patch: SlaPatch) -> Self {
        let SlaPatch { availability_percent, max_lag_seconds, support_tier } = patch;
        Self { availability_percent, max_lag_seconds, support_tier }
    }
}

/// A visibility as a client sends it: null is that everybody sees it.
pub(super) fn visibility(patch: Option<Option<VisibilityPatch>>) -> Option<VisibilityChanges> {
    patch.map(|patch| patch.map_or_else(VisibilityChanges::everybody, Into::into))
}

/// What a whole object of `T` is read from; a derived `T` by itself would take an array too.
struct Whole<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Whole<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        object(deserializer).map(Self)
    }
}

/// Tells an object that is null from one that is absent.
pub(super) fn given_object<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Option<T>>, D::Error> {
    let found: Option<Option<Whole<T>>> = given(deserializer)?;
    Ok(found.map(|given| given.map(|whole| whole.0)))
}

/// A list of whole objects, where there is one.
pub(super) fn objects<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Option<Vec<T>>, D::Error> {
    let found: Option<Vec<Whole<T>>> = Option::deserialize(deserializer)?;
    Ok(found.map(|list| list.into_iter().map(|whole| whole.0).collect()))
}

/// Which metadata to bring back.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct RollbackMetadata {
    /// A revision of the datasource: the metadata becomes what it was then.
    #[schema(minimum = 1)]
    pub(in crate::rest) revision: i64,
    /// Why; for the timeline and the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

impl RollbackMetadata {
    pub(in crate::rest) fn of(self, id: Uuid, expected_revision: Option<i64>) -> app::RollbackMetadata {
        app::RollbackMetadata { id, revision: self.revision, expected_revision, reason: self.reason }
    }
}
