//! Publish, roll back, start, stop and restart. Each answers with the datasource as it is now.

use axum::extract::State;
use uuid::Uuid;

use super::Api;
use super::datasources::{DatasourcePath, shown};
use super::etag;
use super::extract::{Body, Caller, Named, OptionalBody, once};
use super::idempotency;
use super::model::{Action, DatasourceDetail, Publish, Rollback};
use super::reply::Answer;
use crate::app::{self, ActOn, App, OpContext};
use crate::auth::policy::grant;
use crate::domain::Datasource;
use crate::error::Result;

/// Publish a version
///
/// Makes a draft go live. The worker takes it over without losing a record.
#[utoipa::path(
    post, path = "/datasources/{id}/publish", operation_id = "publishDatasource", tag = "lifecycle",
    params(DatasourcePath), request_body = Option<Publish>,
    responses((status = 200, description = "The datasource as it is now.", body = DatasourceDetail)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn publish(
    State(api): State<Api>,
    caller: Caller<grant::Publish>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<Publish>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let Publish { version, comment } = body.value;
    let input = app::Publish { id: path.id, version, comment, expected_revision: etag::if_match(&caller.headers)? };
    let effect = async {
        api.app.publish(&ctx, input).await?;
        shown(&api, &ctx, path.id).await
    };
    idempotency::run(&api.app, &ctx, effect, |_| shown(&api, &caller.ctx, path.id)).await
}

/// Roll back
///
/// Makes a version that was published before go live again.
#[utoipa::path(
    post, path = "/datasources/{id}/rollback", operation_id = "rollbackDatasource", tag = "lifecycle",
    params(DatasourcePath), request_body = Option<Rollback>,
    responses((status = 200, description = "The datasource as it is now.", body = DatasourceDetail)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn rollback(
    State(api): State<Api>,
    caller: Caller<grant::Publish>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<Rollback>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let Rollback { target_version, comment, repin_secrets } = body.value;
    let expected_revision = etag::if_match(&caller.headers)?;
    let input = app::Rollback { id: path.id, target_version, comment, expected_revision, repin_secrets };
    let effect = async {
        api.app.rollback(&ctx, input).await?;
        shown(&api, &ctx, path.id).await
    };
    idempotency::run(&api.app, &ctx, effect, |_| shown(&api, &caller.ctx, path.id)).await
}

/// Does what takes no more than a reason, and answers with the datasource as it is then.
pub(super) async fn act<P, F: Future<Output = Result<Datasource>>>(
    api: &Api,
    caller: &Caller<P>,
    id: Uuid,
    body: Body<Action>,
    verb: impl FnOnce(App, OpContext, ActOn) -> F,
) -> Answer {
    let ctx = once(api, caller, &body.raw).await?;
    let input = ActOn { id, reason: body.value.reason, expected_revision: etag::if_match(&caller.headers)? };
    let effect = async {
        verb(api.app.clone(), ctx.clone(), input).await?;
        shown(api, &ctx, id).await
    };
    idempotency::run(&api.app, &ctx, effect, |_| shown(api, &caller.ctx, id)).await
}

/// Start
///
/// Asks for the published version to run.
#[utoipa::path(
    post, path = "/datasources/{id}/start", operation_id = "startDatasource", tag = "lifecycle",
    params(DatasourcePath), request_body = Option<Action>,
    responses((status = 200, description = "The datasource as it is now.", body = DatasourceDetail)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn start(
    State(api): State<Api>,
    caller: Caller<grant::Operate>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<Action>,
) -> Answer {
    act(&api, &caller, path.id, body, |app, ctx, input| async move { app.start(&ctx, input).await }).await
}

/// Stop
///
/// Asks for the worker to drain and stop.
#[utoipa::path(
    post, path = "/datasources/{id}/stop", operation_id = "stopDatasource", tag = "lifecycle",
    params(DatasourcePath), request_body = Option<Action>,
    responses((status = 200, description = "The datasource as it is now.", body = DatasourceDetail)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn stop(
    State(api): State<Api>,
    caller: Caller<grant::Operate>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<Action>,
) -> Answer {
    act(&api, &caller, path.id, body, |app, ctx, input| async move { app.stop(&ctx, input).await }).await
}

/// Restart
///
/// Asks for a fresh worker of the same version.
#[utoipa::path(
    post, path = "/datasources/{id}/restart", operation_id = "restartDatasource", tag = "lifecycle",
    params(DatasourcePath), request_body = Option<Action>,
    responses((status = 200, description = "The datasource as it is now.", body = DatasourceDetail)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn restart(
    State(api): State<Api>,
    caller: Caller<grant::Operate>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<Action>,
) -> Answer {
    act(&api, &caller, path.id, body, |app, ctx, input| async move { app.restart(&ctx, input).await }).await
}
