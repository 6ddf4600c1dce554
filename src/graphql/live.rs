//! A datasource as it runs: samples of its records, and its log.

use async_graphql::{Context, ID, InputObject, Json, Object, Result, SimpleObject, Subscription};
use futures::{Stream, StreamExt};
use serde_json::Value;

use super::error::Shape;
use super::guard::HasRole;
use super::inputs::uuid;
use super::mutation::DatasourcePayload;
use super::types::LogLevel;
use crate::app::{App, OpContext, Watched};
use crate::auth::Permission;
use crate::domain::{Timestamp, parse_duration};
use crate::error::Error;
use crate::registry::live;

/// A record that the sink acknowledged; one of some, when there are many.
#[derive(SimpleObject)]
pub(super) struct RecordSample {
    /// Its id.
    id: String,
    /// Its kind.
    kind: String,
    /// Its fields; null where they are longer than 4 KiB.
    data: Option<Json<Value>>,
    /// The version that mapped it.
    version: i32,
    /// When it was mapped.
    ingested_at: Timestamp,
    /// The node that delivered it.
    node: String,
    /// Records that went by unshown since the one before.
    passed: u64,
}

impl From<Watched<live::Sample>> for RecordSample {
    fn from(Watched { item, passed }: Watched<live::Sample>) -> Self {
        Self {
            id: item.id.clone(),
            kind: item.kind.clone(),
            data: item.data.clone().map(Json),
            version: item.version,
            ingested_at: item.ingested_at,
            node: item.node.to_string(),
            passed,
        }
    }
}

/// A line of a datasource's log.
#[derive(SimpleObject)]
pub(super) struct LogLine {
    /// When.
    at: Timestamp,
    /// How much it matters.
    level: LogLevel,
    /// What happened.
    message: String,
    /// The version that it is about.
    version: Option<i32>,
    /// The record that it is about.
    record_id: Option<String>,
    /// The node that it comes from.
    node: String,
    /// Lines that went by unshown since the one before.
    passed: u64,
}

impl From<Watched<live::LogLine>> for LogLine {
    fn from(Watched { item, passed }: Watched<live::LogLine>) -> Self {
        Self {
            at: item.at,
            level: item.level.into(),
            message: item.message.clone(),
            version: item.version,
            record_id: item.record_id.clone(),
            node: item.node.to_string(),
            passed,
        }
    }
}

/// How much a datasource logs, and for how long.
#[derive(InputObject)]
pub(super) struct SetDatasourceLogLevelInput {
    /// The datasource.
    id: ID,
    /// The level from now on.
    level: LogLevel,
    /// For how long, such as 10m; at most 24h.
    #[graphql(default_with = "\"10m\".to_owned()")]
    duration: String,
    /// Why; for the audit log.
    reason: Option<String>,
}

#[derive(Default)]
pub struct LiveMutation;

#[Object]
impl LiveMutation {
    /// Raises what the worker of a datasource logs, for some time; INFO takes it back.
    #[graphql(directive = HasRole::apply(Permission::Operate))]
    async fn set_datasource_log_level(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, how much, and for how long.")] input: SetDatasourceLogLevelInput,
    ) -> Result<DatasourcePayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let span = parse_duration(&input.duration).map_err(|e| Error::invalid("/duration", e)).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let level = input.level.into();
        Box::pin(app.set_log_level(op, id, level, span, input.reason.as_deref()))
            .await
            .shaped(ctx)
            .map(super::mutation::payload)
    }
}

#[derive(Default)]
pub struct LiveSubscription;

#[Subscription]
impl LiveSubscription {
    /// Some of the records that the sink acknowledges from now on: at most 20 a second, and never at the cost of the delivery.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource_records(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
    ) -> Result<impl Stream<Item = RecordSample> + use<>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Ok(Box::pin(app.watch_records(op, id)).await.shaped(ctx)?.map(RecordSample::from))
    }

    /// What the workers of a datasource log from now on: at most 20 lines a second.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource_logs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
        #[graphql(desc = "Lines of this level and those before it. Absent: all.")] level: Option<LogLevel>,
    ) -> Result<impl Stream<Item = LogLine> + use<>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Ok(app
            .watch_logs(op, id, level.map_or(crate::domain::LogLevel::Debug, Into::into))
            .await
            .shaped(ctx)?
            .map(LogLine::from))
    }
}
