//! Governance metadata in a document. What a file does not say of visibility, lifecycle, service level and rate limit
//! is not the file's to say: it is decided in the database while the datasource runs.

use serde::Serialize;
use serde_json::Value;

use super::fields::Fields;
use super::resource::Source;
use crate::app::{MetadataChanges, SlaChanges, VisibilityChanges};
use crate::domain::{CustomRateLimit, Datasource, Lifecycle, Sla, Visibility};

/// `metadata` is what lies at `/metadata` of `document`.
pub(super) fn read(document: &Value, metadata: &Fields<'_>, source: &mut Source) -> MetadataChanges {
    MetadataChanges {
        owner: metadata.text("owner", source),
        team: Some(metadata.text("team", source)),
        category: Some(metadata.text("category", source)),
        tags: Some(metadata.texts("tags", source)),
        visibility: metadata.get("visibility").map(|_| visibility(document, source)),
        lifecycle: lifecycle(metadata, source),
        sla: metadata.get("sla").map(|_| Some(sla(document, source))),
        rate_limit: metadata.get("rateLimit").map(|_| rate_limit(document, source)),
    }
}

fn lifecycle(metadata: &Fields<'_>, source: &mut Source) -> Option<Lifecycle> {
    let text = metadata.text("lifecycle", source)?;
    text.parse().map_err(|problem: String| source.invalid(metadata.pointer("lifecycle"), problem)).ok()
}

fn visibility(document: &Value, source: &mut Source) -> VisibilityChanges {
    let fields = Fields::at(document, "/metadata/visibility", source);
    fields.refuse_others(&["communities", "groups"], source);
    let communities = Some(fields.texts("communities", source));
    VisibilityChanges { communities, groups: Some(fields.texts("groups", source)) }
}

fn sla(document: &Value, source: &mut Source) -> SlaChanges {
    let fields = Fields::at(document, "/metadata/sla", source);
    fields.refuse_others(&["availabilityPercent", "maxLagSeconds", "supportTier"], source);
    let percent = fields.get("availabilityPercent");
    if percent.is_some_and(|value| !value.is_number()) {
        source.invalid(fields.pointer("availabilityPercent"), "must be a number");
    }
    SlaChanges {
        availability_percent: Some(percent.and_then(Value::as_f64)),
        max_lag_seconds: Some(whole(&fields, "maxLagSeconds", source)),
        support_tier: Some(fields.text("supportTier", source)),
    }
}

fn rate_limit(document: &Value, source: &mut Source) -> Option<CustomRateLimit> {
    let fields = Fields::at(document, "/metadata/rateLimit", source);
    fields.refuse_others(&["recordsPerSecond"], source);
    let records_per_second = whole(&fields, "recordsPerSecond", source);
    if fields.get("recordsPerSecond").is_none() {
        source.invalid(fields.pointer("recordsPerSecond"), "is missing");
    }
    records_per_second.map(|records_per_second| CustomRateLimit { records_per_second })
}

fn whole(fields: &Fields<'_>, key: &str, source: &mut Source) -> Option<i32> {
    let value = fields.get(key)?;
    let number = value.as_i64().and_then(|n| i32::try_from(n).ok());
    if number.is_none() {
        source.invalid(fields.pointer(key), "must be a whole number");
    }
    number
}

/// As a document has it: nothing of what is as it would be without.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Printed<'a> {
    name: &'a str,
    project: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
    owner: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    team: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    tags: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle: Option<Lifecycle>,
    #[serde(skip_serializing_if = "Option::is_none")]
    visibility: Option<PrintedVisibility<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sla: Option<PrintedSla<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rate_limit: Option<CustomRateLimit>,
}

#[derive(Serialize)]
struct PrintedVisibility<'a> {
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    communities: &'a [String],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    groups: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PrintedSla<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    availability_percent: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_lag_seconds: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    support_tier: Option<&'a str>,
}

impl<'a> From<&'a Datasource> for Printed<'a> {
    fn from(row: &'a Datasource) -> Self {
        let metadata = &row.metadata;
        let Visibility { communities, groups } = &metadata.visibility;
        let shown = (!metadata.visibility.is_for_all()).then_some(PrintedVisibility { communities, groups });
        let sla = metadata.sla.as_ref().map(|Sla { availability_percent, max_lag_seconds, support_tier }| PrintedSla {
            availability_percent: *availability_percent,
            max_lag_seconds: *max_lag_seconds,
            support_tier: support_tier.as_deref(),
        });
        Self {
            name: &row.name,
            project: &row.tenant.project,
            description: &row.description,
            owner: &metadata.owner,
            team: metadata.team.as_deref(),
            category: metadata.category.as_deref(),
            tags: &metadata.tags,
            lifecycle: Some(metadata.lifecycle).filter(|lifecycle| *lifecycle != Lifecycle::default()),
            visibility: shown,
            sla,
            rate_limit: metadata.rate_limit,
        }
    }
}
