//! What an organisation allows of governance metadata.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::ProblemDetail;
use super::metadata::objects;
use super::words::{Comment, Lifecycle, MetadataField};
use crate::app;
use crate::domain;

/// What metadata must be like.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct GovernanceRules {
    /// Counts the changes; 0 before the first one. The ETag begins with it.
    revision: i64,
    /// The categories that there are; null means any.
    categories: Option<Vec<String>>,
    /// The tags that there are, or patterns of them in which `*` stands for any text; null means any.
    tags: Option<Vec<String>>,
    /// Who may own a datasource; null means anybody.
    owners: Option<Vec<String>>,
    /// The teams that there are; null means any.
    teams: Option<Vec<String>>,
    /// What may follow what. A state that is not here is the last one.
    transitions: Vec<LifecycleTransition>,
    /// What must be said of a datasource in a state.
    required: Vec<LifecycleRequirement>,
    /// The most tags of a datasource; null means 32.
    max_tags: Option<i32>,
    /// The highest custom rate limit; null means 1000000.
    max_records_per_second: Option<i32>,
    /// When they were last set; null before the first time.
    updated_at: Option<DateTime<Utc>>,
    /// Who set them last.
    updated_by: Option<String>,
}

/// What may follow one state of the lifecycle.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct LifecycleTransition {
    /// The state.
    from: Lifecycle,
    /// What may follow it.
    to: Vec<Lifecycle>,
}

/// What must be said of a datasource in one state of the lifecycle.
#[derive(Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct LifecycleRequirement {
    /// The state.
    lifecycle: Lifecycle,
    /// The fields that must be given.
    fields: Vec<MetadataField>,
}

impl GovernanceRules {
    pub(in crate::rest) fn revision(&self) -> i64 {
        self.revision
    }
}

impl From<domain::GovernanceRules> for GovernanceRules {
    fn from(set: domain::GovernanceRules) -> Self {
        let rules = set.rules;
        let transitions = rules
            .transitions
            .into_iter()
            .map(|(from, to)| LifecycleTransition { from: from.into(), to: to.into_iter().map(Into::into).collect() });
        let required = rules.required.into_iter().map(|(lifecycle, fields)| LifecycleRequirement {
            lifecycle: lifecycle.into(),
            fields: fields.into_iter().map(Into::into).collect(),
        });
        Self {
            revision: set.revision,
            categories: rules.categories,
            tags: rules.tags,
            owners: rules.owners,
            teams: rules.teams,
            transitions: transitions.collect(),
            required: required.collect(),
            max_tags: rules.max_tags,
            max_records_per_second: rules.max_records_per_second,
            updated_at: set.updated_at,
            updated_by: set.updated_by,
        }
    }
}

/// The rules from now on; they take the place of those that were there. What is left out is no rule.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct SetGovernanceRules {
    /// The categories that there are. Absent: any.
    #[schema(max_items = 500)]
    categories: Option<Vec<String>>,
    /// The tags that there are, or patterns of them in which `*` stands for any text. Absent: any.
    #[schema(max_items = 500)]
    tags: Option<Vec<String>>,
    /// Who may own a datasource. Absent: anybody.
    #[schema(max_items = 500)]
    owners: Option<Vec<String>>,
    /// The teams that there are. Absent: any.
    #[schema(max_items = 500)]
    teams: Option<Vec<String>>,
    /// What may follow what. Absent: one step forth or back of draft, published, deprecated, retired.
    #[serde(default, deserialize_with = "objects")]
    #[schema(value_type = Option<Vec<LifecycleTransition>>)]
    transitions: Option<Vec<LifecycleTransition>>,
    /// What must be said of a datasource in a state.
    #[serde(default, deserialize_with = "objects")]
    #[schema(value_type = Option<Vec<LifecycleRequirement>>)]
    required: Option<Vec<LifecycleRequirement>>,
    /// The most tags of a datasource.
    #[schema(minimum = 0, maximum = 32)]
    max_tags: Option<i32>,
    /// The highest custom rate limit.
    #[schema(minimum = 1, maximum = 1_000_000)]
    max_records_per_second: Option<i32>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    reason: Option<String>,
}

impl SetGovernanceRules {
    pub(in crate::rest) fn expecting(self, expected_revision: Option<i64>) -> app::SetGovernanceRules {
        let step = |step: LifecycleTransition| (step.from.0, step.to.into_iter().map(|state| state.0).collect());
        let needs =
            |row: LifecycleRequirement| (row.lifecycle.0, row.fields.into_iter().map(|field| field.0).collect());
        app::SetGovernanceRules {
            categories: self.categories,
            tags: self.tags,
            owners: self.owners,
            teams: self.teams,
            transitions: self.transitions.map(|table| table.into_iter().map(step).collect()),
            required: self.required.unwrap_or_default().into_iter().map(needs).collect(),
            max_tags: self.max_tags,
            max_records_per_second: self.max_records_per_second,
            expected_revision,
            reason: self.reason,
        }
    }
}

/// A datasource whose metadata is against the rules of today.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct GovernanceViolation {
    /// The datasource.
    datasource_id: Uuid,
    /// Its name.
    name: String,
    /// Its project.
    project_id: String,
    /// Each thing that is against a rule.
    problems: Vec<ProblemDetail>,
}

impl From<domain::GovernanceViolation> for GovernanceViolation {
    fn from(found: domain::GovernanceViolation) -> Self {
        Self {
            datasource_id: found.datasource_id,
            name: found.name,
            project_id: found.project,
            problems: found.problems.into_iter().map(ProblemDetail::from).collect(),
        }
    }
}
