//! What this server has, and who is asking.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::Api;
use super::extract::{Body, Caller, Named};
use super::link::whole;
use super::model::{CheckConfig, ConfigCheck, ConnectorType, SinkType, Viewer};
use super::reply::{Answer, Reply};
use crate::auth::policy::grant::Read;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ConnectorPath {
    /// The name of the connector type.
    #[serde(rename = "type")]
    #[param(rename = "type", required = true)]
    connector_type: String,
}

/// List connector types
///
/// The kinds of source that this server has, each with the JSON Schema of its configuration.
#[utoipa::path(
    get, path = "/connector-types", operation_id = "connectorTypes", tag = "catalog",
    responses((status = 200, description = "All of them.", body = Vec<ConnectorType>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn connector_types(State(api): State<Api>, _: Caller<Read>) -> Answer {
    Ok(whole(&api.app.connector_types().map(ConnectorType::from).collect::<Vec<_>>())?)
}

/// Check a configuration
///
/// Everything that is wrong with it, without storing it.
#[utoipa::path(
    post, path = "/connector-types/{type}/validate", operation_id = "validateConfig", tag = "catalog",
    params(ConnectorPath), request_body = CheckConfig,
    responses((status = 200, description = "What is wrong with it, if anything.", body = ConfigCheck)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn validate_config(
    State(api): State<Api>,
    caller: Caller<Read>,
    Named(path): Named<ConnectorPath>,
    body: Body<CheckConfig>,
) -> Answer {
    let problems = api.app.validate_config(&caller.ctx, &path.connector_type, body.value.config)?;
    Ok(Reply::ok(&ConfigCheck::from(problems))?)
}

/// List sink types
///
/// The kinds of sink that this server has, each with the JSON Schema of its settings.
#[utoipa::path(
    get, path = "/sink-types", operation_id = "sinkTypes", tag = "catalog",
    responses((status = 200, description = "All of them.", body = Vec<SinkType>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn sink_types(State(api): State<Api>, _: Caller<Read>) -> Answer {
    Ok(whole(&api.app.sink_types().map(SinkType::from).collect::<Vec<_>>())?)
}

/// Who is asking
///
/// The caller, and what the caller may do.
#[utoipa::path(
    get, path = "/viewer", operation_id = "viewer", tag = "catalog",
    responses((status = 200, description = "The caller.", body = Viewer)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn viewer(State(api): State<Api>, caller: Caller<Read>) -> Answer {
    let quotas = api.app.quotas(&caller.ctx).await?;
    Ok(Reply::ok(&Viewer::new(&caller.ctx.actor, quotas))?)
}
