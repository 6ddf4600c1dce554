//! What this server has, and who is asking.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::ProblemDetail;
use super::words::Role;
use crate::auth::{Actor, Permission, policy};
use crate::connectors::ConnectorSpec;
use crate::domain::QuotaUse;
use crate::error;
use crate::sinks::SinkSpec;

/// A kind of source that a datasource can read.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct ConnectorType {
    /// The value of `connector.type`.
    name: &'static str,
    /// Its name for people.
    title: &'static str,
    /// What it does.
    description: &'static str,
    /// Grows when its configuration changes incompatibly.
    schema_version: i32,
    /// JSON Schema (2020-12) of the `connector` section, without `type`.
    #[schema(value_type = Object)]
    config_schema: Value,
    /// A payload as the real system sends it.
    #[schema(value_type = Value)]
    sample: Value,
}

impl From<&ConnectorSpec> for ConnectorType {
    fn from(spec: &ConnectorSpec) -> Self {
        Self {
            name: spec.name,
            title: spec.title,
            description: spec.description,
            schema_version: spec.schema_version,
            config_schema: spec.config_schema.clone(),
            sample: spec.sample.clone(),
        }
    }
}

/// A kind of destination that records can go to.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct SinkType {
    /// The value of `delivery.sink.type`.
    name: &'static str,
    /// Its name for people.
    title: &'static str,
    /// What it does.
    description: &'static str,
    /// JSON Schema (2020-12) of the `sink` section, without `type`.
    #[schema(value_type = Object)]
    config_schema: Value,
}

impl From<&SinkSpec> for SinkType {
    fn from(spec: &SinkSpec) -> Self {
        Self {
            name: spec.name,
            title: spec.title,
            description: spec.description,
            config_schema: spec.config_schema.clone(),
        }
    }
}

/// The caller, and what the caller may do.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct Viewer {
    /// The subject of the token.
    subject: String,
    /// The role that the token grants.
    role: Role,
    /// The organisation that the token is for.
    org_id: String,
    /// The projects that the token is limited to; null means all.
    projects: Option<Vec<String>>,
    /// When the token ends.
    expires_at: Option<DateTime<Utc>>,
    /// Everything that the token allows, by name.
    permissions: Vec<&'static str>,
    /// What the organisation may have at most, and what it has.
    quotas: Vec<Quota>,
}

/// A quota of the organisation, and what it has of it.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct Quota {
    /// What it is of, such as `datasources`.
    name: &'static str,
    /// The most; null means no limit.
    limit: Option<u64>,
    /// What there is; null for a rate, and for what is not counted. Of versions, those of the datasource that has the most.
    used: Option<u64>,
}

impl Viewer {
    pub(in crate::rest) fn new(actor: &Actor, quotas: Vec<QuotaUse>) -> Self {
        let allowed = Permission::ALL.iter().filter(|p| policy::by_token(actor, **p));
        Self {
            subject: actor.subject.to_string(),
            role: actor.role.into(),
            org_id: actor.scope.org_id().to_string(),
            projects: actor.scope.project_ids().map(<[String]>::to_vec),
            expires_at: actor.expires_at,
            permissions: allowed.map(|p| p.as_str()).collect(),
            quotas: quotas.into_iter().map(|q| Quota { name: q.name.as_str(), limit: q.limit, used: q.used }).collect(),
        }
    }
}

/// Whether a configuration is valid.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct ConfigCheck {
    /// Whether it could be stored as it is.
    valid: bool,
    /// Everything that is wrong with it.
    problems: Vec<ProblemDetail>,
}

impl From<Vec<error::Problem>> for ConfigCheck {
    fn from(problems: Vec<error::Problem>) -> Self {
        let detail = |p: error::Problem| ProblemDetail { pointer: p.pointer, message: p.message };
        Self { valid: problems.is_empty(), problems: problems.into_iter().map(detail).collect() }
    }
}
