//! What this server has, and who is asking.

use async_graphql::{Context, ID, Json, Object, Result, SimpleObject};
use serde_json::Value;

use super::Role;
use crate::app::{App, OpContext};
use crate::auth::Permission;
use crate::domain::{self, Timestamp};
use crate::error::Error;
use crate::graphql::error::Shape;
use crate::graphql::inputs::uuid;

/// A kind of source that a datasource can read.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ConnectorType {
    /// The value of `connector.type`.
    name: &'static str,
    /// Its name for people.
    title: &'static str,
    /// What it does.
    description: &'static str,
    /// Grows when its configuration changes incompatibly.
    schema_version: i32,
    /// JSON Schema (2020-12) of the `connector` section, without `type`.
    config_schema: Json<Value>,
    /// A payload as the real system sends it.
    sample: Json<Value>,
}

impl From<&crate::connectors::ConnectorSpec> for ConnectorType {
    fn from(spec: &crate::connectors::ConnectorSpec) -> Self {
        Self {
            name: spec.name,
            title: spec.title,
            description: spec.description,
            schema_version: spec.schema_version,
            config_schema: Json(spec.config_schema.clone()),
            sample: Json(spec.sample.clone()),
        }
    }
}

/// A kind of destination that records can go to.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SinkType {
    /// The value of `delivery.sink.type`.
    name: &'static str,
    /// Its name for people.
    title: &'static str,
    /// What it does.
    description: &'static str,
    /// JSON Schema (2020-12) of the `sink` section, without `type`.
    config_schema: Json<Value>,
}

impl From<&crate::sinks::SinkSpec> for SinkType {
    fn from(spec: &crate::sinks::SinkSpec) -> Self {
        Self {
            name: spec.name,
            title: spec.title,
            description: spec.description,
            config_schema: Json(spec.config_schema.clone()),
        }
    }
}

/// A quota of the organisation, and what it has of it.
#[derive(SimpleObject)]
#[graphql(name = "Quota")]
struct QuotaUse {
    /// What it is of, such as `datasources`.
    name: &'static str,
    /// The most; null means no limit.
    limit: Option<u64>,
    /// What there is; null for a rate, and for what is not counted. Of versions, those of the datasource that has the most.
    used: Option<u64>,
}

impl From<domain::QuotaUse> for QuotaUse {
    fn from(quota: domain::QuotaUse) -> Self {
        Self { name: quota.name.as_str(), limit: quota.limit, used: quota.used }
    }
}

/// Who is asking.
pub(in crate::graphql) struct Viewer(pub(in crate::graphql) crate::auth::Actor);

/// The caller, and what the caller may do.
#[Object]
impl Viewer {
    /// The subject of the token.
    async fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The role that the token grants.
    async fn role(&self) -> Role {
        self.0.role.into()
    }

    /// The organisation that the token is for.
    async fn org(&self) -> &str {
        self.0.scope.org_id()
    }

    /// The projects that the token is limited to; null means all.
    async fn projects(&self) -> Option<&[String]> {
        self.0.scope.project_ids()
    }

    /// When the token ends.
    async fn expires_at(&self) -> Option<Timestamp> {
        self.0.expires_at
    }

    /// What the organisation may have at most, and what it has.
    async fn quotas(&self, ctx: &Context<'_>) -> Result<Vec<QuotaUse>> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Ok(Box::pin(app.quotas(op)).await.shaped(ctx)?.into_iter().map(QuotaUse::from).collect())
    }

    /// Whether you may do something, such as `datasource:publish`: on this datasource, or without one on any at all.
    async fn can(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The name of a permission.")] permission: String,
        #[graphql(desc = "The datasource; one that you do not see is answered with false.")] datasource: Option<ID>,
    ) -> Result<bool> {
        let named = Permission::ALL.iter().find(|p| p.as_str() == permission);
        let named =
            named.copied().ok_or_else(|| Error::invalid("/permission", "is no permission; `permissions` names some"));
        let id = datasource.map(|id| uuid("/datasource", &id)).transpose().shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.may(op, named.shaped(ctx)?, id)).await.shaped(ctx)
    }

    /// Everything that the token allows, by name.
    async fn permissions(&self) -> Vec<&'static str> {
        let allowed = Permission::ALL.iter().filter(|p| crate::auth::policy::by_token(&self.0, **p));
        allowed.map(|p| p.as_str()).collect()
    }
}

/// One thing that is wrong with a document.
#[derive(SimpleObject)]
pub(in crate::graphql) struct ConfigProblem {
    /// JSON pointer (RFC 6901) of the part that is wrong; empty for the whole.
    pointer: String,
    /// What is wrong and what would be right.
    message: String,
}

impl From<crate::error::Problem> for ConfigProblem {
    fn from(p: crate::error::Problem) -> Self {
        Self { pointer: p.pointer, message: p.message }
    }
}
