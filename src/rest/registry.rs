//! The nodes, and what runs on them.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::extract::Caller;
use super::link::Position;
use super::model::{Registry, WorkerStatus};
use super::reply::Answer;
use crate::auth::policy::grant::ReadRegistry;
use crate::domain::WorkerFilter;

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct WorkerParameters {
    /// Only workers whose lease this node holds.
    node: Option<String>,
    /// Only workers that do this.
    #[param(inline)]
    status: Option<WorkerStatus>,
    /// At most so many workers; 50 without a number.
    #[param(minimum = 1, maximum = 200, value_type = Option<u64>)]
    limit: Option<String>,
    /// Skip so many workers first.
    #[param(minimum = 0, maximum = 10000, value_type = Option<u64>)]
    offset: Option<String>,
    /// Only workers that follow; from the `Link` of an earlier page. Not together with `offset`.
    cursor: Option<String>,
}

/// Read the registry
///
/// The nodes of this server, and a page of what runs on them. Workers are not counted: `Link` leads on while there is more.
#[utoipa::path(
    get, path = "/registry", operation_id = "registry", tag = "registry", params(WorkerParameters),
    responses((status = 200, description = "All nodes, and the page of workers.", body = Registry)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn registry(State(api): State<Api>, caller: Caller<ReadRegistry, WorkerParameters>) -> Answer {
    let (caller, query) = caller.split();
    let position = Position { limit: query.limit, offset: query.offset, cursor: query.cursor, total: None };
    let filter = WorkerFilter { node: query.node, status: query.status.map(|status| status.0) };
    let page = api.app.workers(&caller.ctx, &filter, &position.request()?).await?;
    let nodes = api.app.nodes(&caller.ctx).await?.into_iter().map(Into::into).collect();
    let key = |worker: &crate::domain::Worker| (worker.datasource_id, worker.slot);
    Ok(position.reply_as(&caller, page, key, |workers| Registry {
        nodes,
        workers: workers.into_iter().map(Into::into).collect(),
    })?)
}
