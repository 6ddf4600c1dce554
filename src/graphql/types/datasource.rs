//! A datasource and its parts.

use async_graphql::{Context, ID, Object, Result, SimpleObject};

use super::metadata::{DatasourceRateLimit, DatasourceSla, DatasourceVisibility};
use super::{
    DatasourceEvent, DatasourceState, DatasourceStatus, DatasourceVersion, EventType, Lifecycle, VersionState,
};
use crate::app::{App, OpContext};
use crate::auth::Permission;
use crate::domain::paging::PageRequest;
use crate::domain::{self, Timestamp};
use crate::graphql::connection::{Plain, edges};
use crate::graphql::error::Shape;
use crate::graphql::grants::AccessGrant;
use crate::graphql::guard::HasRole;
use crate::graphql::inputs::EventPageArgs;
use crate::graphql::loaders::Loaders;
use crate::graphql::templates::DatasourceTemplate;

use std::sync::Arc;

/// A governed feed: what it is, which configuration runs, and how it is doing.
pub(in crate::graphql) struct Datasource(pub(in crate::graphql) domain::Datasource);

/// A feed: one connector, its versions, and the worker that runs the published one.
#[Object]
impl Datasource {
    /// Its id, a UUIDv7.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// Its name, unique among the datasources of the project that are not archived.
    async fn name(&self) -> &str {
        &self.0.name
    }

    /// The connector type, such as `webhook`.
    #[graphql(name = "type")]
    async fn connector_type(&self) -> &str {
        &self.0.connector_type
    }

    /// Who has a role on it, by itself or by its project, besides what tokens grant.
    #[graphql(directive = HasRole::apply(Permission::ManageAccess))]
    async fn access(&self, ctx: &Context<'_>) -> Result<Vec<AccessGrant>> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let all = app.datasource_access(op, &self.0).shaped(ctx)?;
        Ok(all.into_iter().map(AccessGrant).collect())
    }

    /// What it is for.
    async fn description(&self) -> &str {
        &self.0.description
    }

    /// Who answers for it.
    async fn owner(&self) -> &str {
        &self.0.metadata.owner
    }

    /// The team that it belongs to.
    async fn team(&self) -> Option<&str> {
        self.0.metadata.team.as_deref()
    }

    /// Its category.
    async fn category(&self) -> Option<&str> {
        self.0.metadata.category.as_deref()
    }

    /// Its tags, in alphabetical order.
    async fn tags(&self) -> &[String] {
        &self.0.metadata.tags
    }

    /// Who sees it.
    async fn visibility(&self) -> DatasourceVisibility {
        self.0.metadata.visibility.clone().into()
    }

    /// What people say of it; what runs does not follow it.
    async fn lifecycle(&self) -> Lifecycle {
        self.0.metadata.lifecycle.into()
    }

    /// What consumers may expect; null where nothing is promised.
    async fn sla(&self) -> Option<DatasourceSla> {
        self.0.metadata.sla.clone().map(Into::into)
    }

    /// A limit besides that of the configuration; null where there is none.
    async fn rate_limit(&self) -> Option<DatasourceRateLimit> {
        self.0.metadata.rate_limit.map(Into::into)
    }

    /// How it is at a glance.
    async fn status(&self) -> DatasourceStatus {
        self.0.status.into()
    }

    /// Counts the changes; quote it as `expectedRevision` to not overwrite somebody else's.
    async fn revision(&self) -> i64 {
        self.0.revision
    }

    /// The organisation that owns it.
    async fn org(&self) -> &str {
        &self.0.tenant.org
    }

    /// The project that it belongs to.
    async fn project(&self) -> &str {
        &self.0.tenant.project
    }

    /// Who keeps it as it is: `ui`, `api`, or `git:` and the name of the source that it was imported from.
    async fn managed_by(&self) -> String {
        self.0.managed_by.to_string()
    }

    /// The templates that it was created from; null when it was not.
    async fn template(&self) -> Option<DatasourceTemplate> {
        self.0.template.clone().map(Into::into)
    }

    /// When it was created.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// Who created it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When it was last changed.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }

    /// Who last changed it.
    async fn updated_by(&self) -> &str {
        &self.0.updated_by
    }

    /// When it was archived; null while it is not.
    async fn archived_at(&self) -> Option<Timestamp> {
        self.0.archived_at
    }

    /// The published version; null before the first one.
    async fn current_version(&self, ctx: &Context<'_>) -> Result<Option<DatasourceVersion>> {
        let Some(number) = self.0.current_version else { return Ok(None) };
        let loaders = ctx.data::<Loaders>()?;
        Ok(loaders.versions.load_one((self.0.id, number)).await?.map(DatasourceVersion))
    }

    /// The version that was drafted last; null before the first one.
    async fn latest_version(&self, ctx: &Context<'_>) -> Result<Option<DatasourceVersion>> {
        if self.0.latest_version == 0 {
            return Ok(None);
        }
        let loaders = ctx.data::<Loaders>()?;
        Ok(loaders.versions.load_one((self.0.id, self.0.latest_version)).await?.map(DatasourceVersion))
    }

    /// All versions, newest first.
    async fn versions(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "How many to take from the start, at most 200.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
    ) -> Result<Plain<DatasourceVersion>> {
        let page = PageRequest::relay(first, after.as_deref(), None, None).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let versions = Box::pin(app.versions(op, self.0.id, &page)).await.shaped(ctx)?;
        let fields = async_graphql::connection::EmptyFields;
        Ok(edges(versions, fields, |v| v.version, |v| DatasourceVersion(Arc::new(v))))
    }

    /// One version by its number; null when there is none.
    async fn version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The number of the version.")] version: i32,
    ) -> Result<Option<DatasourceVersion>> {
        let loaders = ctx.data::<Loaders>()?;
        Ok(loaders.versions.load_one((self.0.id, version)).await?.map(DatasourceVersion))
    }

    /// Desired against observed state of its worker.
    async fn state(&self, ctx: &Context<'_>) -> Result<Option<DatasourceState>> {
        let loaders = ctx.data::<Loaders>()?;
        Ok(loaders.states.load_one(self.0.id).await?.map(DatasourceState))
    }

    /// Its secrets, by key. Values cannot be read.
    async fn secrets(&self, ctx: &Context<'_>) -> Result<Vec<DatasourceSecret>> {
        let loaders = ctx.data::<Loaders>()?;
        let secrets = loaders.secrets.load_one(self.0.id).await?.unwrap_or_default();
        Ok(secrets.into_iter().map(DatasourceSecret::from).collect())
    }

    /// Its timeline, newest first.
    async fn events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Only these kinds.")] types: Option<Vec<EventType>>,
        #[graphql(desc = "How many to take from the start, at most 200.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
    ) -> Result<Plain<DatasourceEvent>> {
        let args = EventPageArgs { types, first, after, last: None, before: None };
        crate::graphql::query::event_page(ctx, self.0.id, args).await
    }

    /// The path that a webhook is posted to; null for other connector types.
    async fn webhook_path(&self) -> Option<String> {
        (self.0.connector_type == "webhook").then(|| format!("/hooks/{}", self.0.id))
    }
}

/// A stored secret; its value cannot be read.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DatasourceSecret {
    /// The stored key.
    key: String,
    /// Grows with each new value.
    version: i32,
    /// When it was first set.
    created_at: Timestamp,
    /// Who first set it.
    created_by: String,
    /// When it last got a new value.
    rotated_at: Option<Timestamp>,
    /// Who gave it its last new value.
    rotated_by: Option<String>,
    /// Where the value is, if it is kept elsewhere: `vault://path#field` or `env://NAME`.
    reference: Option<String>,
    /// The versions that were published with a value of it, newest first.
    used_by: Vec<SecretUse>,
}

/// A version that was published with a value of a secret.
#[derive(SimpleObject)]
pub(in crate::graphql) struct SecretUse {
    /// The version of the configuration.
    version: i32,
    /// Where that version is in its life.
    state: VersionState,
    /// The value that it is pinned to.
    secret_version: i32,
    /// The nodes on which workers run it.
    nodes: Vec<String>,
}

impl From<domain::SecretUse> for SecretUse {
    fn from(u: domain::SecretUse) -> Self {
        Self { version: u.version, state: u.state.into(), secret_version: u.secret_version, nodes: u.nodes }
    }
}

impl From<domain::SecretInfo> for DatasourceSecret {
    fn from(s: domain::SecretInfo) -> Self {
        Self {
            key: s.key,
            version: s.version,
            created_at: s.created_at,
            created_by: s.created_by,
            rotated_at: s.rotated_at,
            rotated_by: s.rotated_by,
            reference: s.reference,
            used_by: s.used_by.into_iter().map(Into::into).collect(),
        }
    }
}
