use async_graphql::connection::EmptyFields;
use async_graphql::{Context, ID, Json, Object, Result};
use serde_json::Value;
use uuid::Uuid;

use super::connection::{Plain, TotalCount, edges};
use super::error::Shape;
use super::guard::HasRole;
use super::inputs::{AuditFilterInput, DatasourceFilterInput, DatasourceOrderInput, EventPageArgs, uuid};
use super::loaders::Loaders;
use super::runs::TestSample;
use super::types::{
    AuditEntry, ConfigProblem, ConnectorType, Datasource, DatasourceEvent, DatasourceMetadata, DatasourceMetric,
    DatasourceVersion, DatasourceVersionDiff, EventType, SinkType, Viewer,
};
use crate::app::{App, OpContext};
use crate::auth::Permission;
use crate::domain::AuditFilter;
use crate::domain::DatasourceFilter;
use crate::domain::EventFilter;
use crate::domain::paging::PageRequest;
use crate::domain::parse_duration;
use crate::error::Error;

pub(super) type DatasourceConnection = async_graphql::connection::Connection<String, Datasource, TotalCount>;

#[derive(Default)]
pub struct CatalogQuery;

/// Everything that can be read.
#[Object]
impl CatalogQuery {
    /// A page of datasources.
    #[graphql(
        directive = HasRole::apply(Permission::Read)
    )]
    #[allow(clippy::too_many_arguments, reason = "Relay's four and two of ours")]
    async fn datasources(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<DatasourceFilterInput>,
        #[graphql(desc = "In which order. Absent: the newest first.")] order_by: Option<DatasourceOrderInput>,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "How many to take from the end, at most 200.")] last: Option<i64>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<DatasourceConnection> {
        let filter = DatasourceFilter::from(filter.unwrap_or_default());
        let order = DatasourceOrderInput::or_default(order_by);
        let page = PageRequest::relay(first, after.as_deref(), last, before.as_deref()).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let rows = Box::pin(app.datasources(op, &filter, order, &page)).await.shaped(ctx)?;
        Ok(edges(rows, TotalCount { filter }, |row| order.key(row), Datasource))
    }

    /// One datasource; null when there is none of this id in your organisation.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Result<Option<Datasource>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let found = ctx.data::<Loaders>()?.datasources.load_one(id).await;
        let found = found.map_err(|e| {
            super::error::shape(&e, &ctx.data::<OpContext>().map(|c| c.request_id.clone()).unwrap_or_default())
        })?;
        Ok(found.map(|row| Datasource(row.as_ref().clone())))
    }

    /// The timeline of a datasource, newest first.
    #[graphql(
        directive = HasRole::apply(Permission::Read)
    )]
    #[allow(clippy::too_many_arguments, reason = "Relay's four and two of ours")]
    async fn datasource_events(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
        #[graphql(desc = "Only these kinds.")] types: Option<Vec<EventType>>,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "How many to take from the end, at most 200.")] last: Option<i64>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<Plain<DatasourceEvent>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        event_page(ctx, id, EventPageArgs { types, first, after, last, before }).await
    }

    /// What a datasource counts, now and over a window.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource_metrics(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
        #[graphql(
            desc = "How far back the points go, such as 15m; at most 1h is kept.",
            default_with = "\"15m\".to_owned()"
        )]
        window: String,
    ) -> Result<Vec<DatasourceMetric>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let span = parse_duration(&window).map_err(|e| Error::invalid("/window", e)).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let metrics = Box::pin(app.datasource_metrics(op, id, span)).await.shaped(ctx)?;
        Ok(metrics.into_iter().map(|m| DatasourceMetric::new(m, window.clone())).collect())
    }

    /// The stored sample payloads of a datasource.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource_samples(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
    ) -> Result<Vec<TestSample>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Ok(Box::pin(app.test_samples(op, id)).await.shaped(ctx)?.into_iter().map(TestSample::from).collect())
    }

    /// Everything that is wrong with a configuration, without storing it; empty when it is valid.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn validate_config(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The connector type.", name = "type")] connector_type: String,
        #[graphql(desc = "The configuration document.")] config: Json<Value>,
    ) -> Result<Vec<ConfigProblem>> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let problems = app.validate_config(op, &connector_type, config.0).shaped(ctx)?;
        Ok(problems.into_iter().map(ConfigProblem::from).collect())
    }

    /// The kinds of source that this server has.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn connector_types(&self, ctx: &Context<'_>) -> Result<Vec<ConnectorType>> {
        Ok(ctx.data::<App>()?.connector_types().map(ConnectorType::from).collect())
    }

    /// The kinds of sink that this server has.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn sink_types(&self, ctx: &Context<'_>) -> Result<Vec<SinkType>> {
        Ok(ctx.data::<App>()?.sink_types().map(SinkType::from).collect())
    }

    /// The audit log, newest first.
    #[graphql(
        directive = HasRole::apply(Permission::ReadAudit)
    )]
    async fn audit_log(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which entries.")] filter: Option<AuditFilterInput>,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "How many to take from the end, at most 200.")] last: Option<i64>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<Plain<AuditEntry>> {
        let filter = filter.unwrap_or_default();
        let datasource_id = filter.datasource_id.map(|id| uuid("/filter/datasourceId", &id)).transpose().shaped(ctx)?;
        let filter = AuditFilter {
            datasource_id,
            actor: filter.actor,
            action: filter.action,
            outcome: filter.outcome.map(Into::into),
            fields: Vec::new(),
        };
        let page = PageRequest::relay(first, after.as_deref(), last, before.as_deref()).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let rows = Box::pin(app.audit_log(op, &filter, &page)).await.shaped(ctx)?;
        Ok(edges(rows, EmptyFields, |e| e.seq, AuditEntry))
    }

    /// What changed from one version of a datasource to another.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource_version_diff(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
        #[graphql(desc = "The number of the old version.")] from: i32,
        #[graphql(desc = "The number of the new version.")] to: i32,
    ) -> Result<DatasourceVersionDiff> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.diff_versions(op, id, from, to)).await.shaped(ctx).map(DatasourceVersionDiff::from)
    }

    /// Who answers for a datasource, where it belongs and who sees it; null when there is none of this id in your organisation.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource_metadata(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
    ) -> Result<Option<DatasourceMetadata>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Ok(Box::pin(app.datasource(op, id)).await.shaped(ctx)?.map(DatasourceMetadata::from))
    }

    /// How the governance metadata of a datasource changed, newest first: one entry a changed field.
    #[graphql(directive = HasRole::apply(Permission::ReadAudit))]
    #[allow(clippy::too_many_arguments, reason = "Relay's four and one of ours")]
    async fn datasource_metadata_audit(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "How many to take from the end, at most 200.")] last: Option<i64>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<Plain<AuditEntry>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let page = PageRequest::relay(first, after.as_deref(), last, before.as_deref()).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let rows = Box::pin(app.metadata_audit(op, id, &page)).await.shaped(ctx)?;
        Ok(edges(rows, EmptyFields, |e| e.seq, AuditEntry))
    }

    /// Who is asking, and what that caller may do.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn viewer(&self, ctx: &Context<'_>) -> Result<Viewer> {
        Ok(Viewer(ctx.data::<OpContext>()?.actor.clone()))
    }

    /// One version of a datasource; null when there is none.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource_version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
        #[graphql(desc = "The number of the version.")] version: i32,
    ) -> Result<Option<DatasourceVersion>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        Ok(ctx.data::<Loaders>()?.versions.load_one((id, version)).await?.map(DatasourceVersion))
    }
}

pub(super) async fn event_page(ctx: &Context<'_>, id: Uuid, args: EventPageArgs) -> Result<Plain<DatasourceEvent>> {
    let page = PageRequest::relay(args.first, args.after.as_deref(), args.last, args.before.as_deref()).shaped(ctx)?;
    let types = args.types.unwrap_or_default().into_iter().map(Into::into).collect();
    let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
    let rows = Box::pin(app.events(op, &EventFilter { datasource_id: Some(id), types }, &page)).await.shaped(ctx)?;
    Ok(edges(rows, EmptyFields, |e| e.seq, DatasourceEvent::from))
}
