//! What happened and how it goes: events, metrics, state, and the audit log.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Api;
use super::datasources::DatasourcePath;
use super::extract::{Caller, Named};
use super::link::{Position, whole};
use super::model::{AuditEntry, DatasourceEvent, DatasourceMetric, DatasourceState, EventType, Outcome};
use super::reply::{Answer, Reply};
use crate::auth::policy::grant::{Read, ReadAudit};
use crate::domain::{AuditFilter, EventFilter, parse_duration};
use crate::error::Error;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventParameters {
    /// Only these kinds; may be repeated.
    #[serde(default, rename = "type")]
    types: Vec<EventType>,
    /// At most so many; 50 without a number.
    #[param(minimum = 1, maximum = 200, value_type = Option<u64>)]
    limit: Option<String>,
    /// Skip so many first.
    #[param(minimum = 0, maximum = 10000, value_type = Option<u64>)]
    offset: Option<String>,
    /// Only what follows; from the `Link` of an earlier page. Not together with `offset`.
    cursor: Option<String>,
}

/// Read the timeline
///
/// Newest first. It is not counted: `Link` leads on while there is more.
#[utoipa::path(
    get, path = "/datasources/{id}/events", operation_id = "datasourceEvents", tag = "history",
    params(DatasourcePath, EventParameters),
    responses((status = 200, description = "The page.", body = Vec<DatasourceEvent>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn events(
    State(api): State<Api>,
    caller: Caller<Read, EventParameters>,
    Named(path): Named<DatasourcePath>,
) -> Answer {
    let (caller, query) = caller.split();
    let types = query.types.into_iter().map(|t| t.0).collect();
    let filter = EventFilter { datasource_id: Some(path.id), types };
    let position = Position { limit: query.limit, offset: query.offset, cursor: query.cursor, total: None };
    let page = api.app.events(&caller.ctx, &filter, &position.request()?).await?;
    Ok(position.reply(&caller, page, |e| e.seq, DatasourceEvent::from)?)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct MetricParameters {
    /// How far back the points go, such as `15m`, which it is without one; at most an hour is kept.
    #[param(pattern = r"^[0-9]{1,6}(ms|s|m|h|d)$")]
    window: Option<String>,
}

/// Read the metrics
///
/// What the datasource counts, now and over a window.
#[utoipa::path(
    get, path = "/datasources/{id}/metrics", operation_id = "datasourceMetrics", tag = "history",
    params(DatasourcePath, MetricParameters),
    responses((status = 200, description = "All figures.", body = Vec<DatasourceMetric>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn metrics(
    State(api): State<Api>,
    caller: Caller<Read, MetricParameters>,
    Named(path): Named<DatasourcePath>,
) -> Answer {
    let (caller, query) = caller.split();
    let window = query.window.unwrap_or_else(|| "15m".to_owned());
    let span = parse_duration(&window).map_err(|e| Error::invalid("/window", e))?;
    let metrics = api.app.datasource_metrics(&caller.ctx, path.id, span).await?;
    Ok(whole(&metrics.into_iter().map(|m| DatasourceMetric::new(m, &window)).collect::<Vec<_>>())?)
}

/// Read the state
///
/// What the worker should do and what it does.
#[utoipa::path(
    get, path = "/datasources/{id}/state", operation_id = "datasourceState", tag = "history",
    params(DatasourcePath),
    responses((status = 200, description = "The state.", body = DatasourceState)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn state(State(api): State<Api>, caller: Caller<Read>, Named(path): Named<DatasourcePath>) -> Answer {
    let state = api.app.state(&caller.ctx, path.id).await?;
    Ok(Reply::ok(&DatasourceState::from(state))?)
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct AuditParameters {
    /// About this datasource.
    datasource_id: Option<Uuid>,
    /// By this actor.
    actor: Option<String>,
    /// Of this action, by the name of its event (such as `publish`); for what was refused, of its operation
    /// (such as `publishDatasource`).
    action: Option<String>,
    /// That ended so.
    outcome: Option<Outcome>,
    /// At most so many; 50 without a number.
    #[param(minimum = 1, maximum = 200, value_type = Option<u64>)]
    limit: Option<String>,
    /// Skip so many first.
    #[param(minimum = 0, maximum = 10000, value_type = Option<u64>)]
    offset: Option<String>,
    /// Only what follows; from the `Link` of an earlier page. Not together with `offset`.
    cursor: Option<String>,
}

/// Read the audit log
///
/// Newest first. It is not counted: `Link` leads on while there is more.
#[utoipa::path(
    get, path = "/audit-log", operation_id = "auditLog", tag = "history", params(AuditParameters),
    responses((status = 200, description = "The page.", body = Vec<AuditEntry>)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn audit_log(State(api): State<Api>, caller: Caller<ReadAudit, AuditParameters>) -> Answer {
    let (caller, query) = caller.split();
    let AuditParameters { datasource_id, actor, action, outcome, limit, offset, cursor } = query;
    let filter = AuditFilter { datasource_id, actor, action, outcome: outcome.map(|o| o.0), fields: Vec::new() };
    let position = Position { limit, offset, cursor, total: None };
    let page = api.app.audit_log(&caller.ctx, &filter, &position.request()?).await?;
    Ok(position.reply(&caller, page, |e| e.seq, AuditEntry::from)?)
}
