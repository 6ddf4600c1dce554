//! Governance metadata of a datasource, as it is and as it was.

use async_graphql::{ID, SimpleObject};

use super::Lifecycle;
use crate::domain::{self, Timestamp};

/// Who sees a datasource, besides its owner, its admins and whoever is granted a role on it. Both lists empty:
/// everybody within whose reach it is.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DatasourceVisibility {
    /// Communities, as tokens name them.
    communities: Vec<String>,
    /// Groups, as tokens name them.
    groups: Vec<String>,
}

impl From<domain::Visibility> for DatasourceVisibility {
    fn from(visibility: domain::Visibility) -> Self {
        let domain::Visibility { communities, groups } = visibility;
        Self { communities, groups }
    }
}

/// What consumers may expect.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DatasourceSla {
    /// The part of the time in which it is available, in percent.
    availability_percent: Option<f64>,
    /// How long a record is under way at most, in seconds.
    max_lag_seconds: Option<i32>,
    /// How it is supported, in the words of the organisation.
    support_tier: Option<String>,
}

impl From<domain::Sla> for DatasourceSla {
    fn from(sla: domain::Sla) -> Self {
        let domain::Sla { availability_percent, max_lag_seconds, support_tier } = sla;
        Self { availability_percent, max_lag_seconds, support_tier }
    }
}

/// A limit besides that of the configuration; the smaller of both holds.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DatasourceRateLimit {
    /// Records a second, on one node.
    records_per_second: i32,
}

impl From<domain::CustomRateLimit> for DatasourceRateLimit {
    fn from(limit: domain::CustomRateLimit) -> Self {
        Self { records_per_second: limit.records_per_second }
    }
}

/// Who answers for a datasource, where it belongs, who sees it, and what to expect of it.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DatasourceMetadata {
    /// The datasource.
    datasource_id: ID,
    /// Who answers for it.
    owner: String,
    /// The team that it belongs to.
    team: Option<String>,
    /// Its category.
    category: Option<String>,
    /// Its tags, in alphabetical order.
    tags: Vec<String>,
    /// Who sees it.
    visibility: DatasourceVisibility,
    /// What people say of it; what runs does not follow it.
    lifecycle: Lifecycle,
    /// What consumers may expect; null where nothing is promised.
    sla: Option<DatasourceSla>,
    /// A limit besides that of the configuration; null where there is none.
    rate_limit: Option<DatasourceRateLimit>,
    /// The revision of the datasource; quote it as `expectedRevision`.
    revision: i64,
}

impl DatasourceMetadata {
    fn new(id: uuid::Uuid, revision: i64, metadata: domain::Metadata) -> Self {
        Self {
            datasource_id: id.into(),
            owner: metadata.owner,
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
}

impl From<domain::Datasource> for DatasourceMetadata {
    fn from(row: domain::Datasource) -> Self {
        Self::new(row.id, row.revision, row.metadata)
    }
}

/// The metadata as it was from one revision of its datasource on.
#[derive(SimpleObject)]
pub(in crate::graphql) struct MetadataRevision {
    /// The revision of the datasource, by which it can be brought back.
    revision: i64,
    /// The metadata then.
    metadata: DatasourceMetadata,
    /// When it became so.
    at: Timestamp,
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
