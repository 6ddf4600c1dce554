//! `/datasources/{id}/secrets`: values go in and never come out.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::datasources::DatasourcePath;
use super::extract::{Body, Caller, Named, NoBody, OptionalBody, flag, once};
use super::idempotency::{self, lost};
use super::lifecycle::act;
use super::link::whole;
use super::model::{Action, DatasourceDetail, DatasourceSecret, SecretSet, SetSecret};
use super::reply::{Answer, Reply};
use super::{Api, etag};
use crate::app;
use crate::auth::policy::grant::{ManageSecrets, Read};
use crate::error::Error;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct SecretPath {
    /// The id of the datasource.
    id: Uuid,
    /// The key of the secret.
    key: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeleteParameters {
    /// `true`: also when the published version runs with it; its next start will fail.
    #[serde(default, deserialize_with = "flag")]
    force: bool,
    /// Why; for the audit log.
    #[param(max_length = 4000)]
    reason: Option<String>,
}

/// List secrets
///
/// Keys and versions; values cannot be read.
#[utoipa::path(
    get, path = "/datasources/{id}/secrets", operation_id = "datasourceSecrets", tag = "secrets",
    params(DatasourcePath),
    responses((status = 200, description = "All secrets, by key.", body = Vec<DatasourceSecret>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller<Read>, Named(path): Named<DatasourcePath>) -> Answer {
    let secrets = api.app.secrets_of(&caller.ctx, path.id).await?;
    Ok(whole(&secrets.into_iter().map(DatasourceSecret::from).collect::<Vec<_>>())?)
}

/// Set a secret
///
/// Its first value or a new one. The published version runs with the old value until it is pinned anew. Where a policy
/// asks for approval, send `requestApproval`.
#[utoipa::path(
    post, path = "/datasources/{id}/secrets", operation_id = "setDatasourceSecret", tag = "secrets",
    params(DatasourcePath), request_body = SetSecret,
    responses((status = 200, description = "The secret, without its value.", body = SecretSet)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn set(
    State(api): State<Api>,
    caller: Caller<ManageSecrets>,
    Named(path): Named<DatasourcePath>,
    body: Body<SetSecret>,
) -> Answer {
    etag::refuse(&caller.headers)?;
    let ctx = once(&api, &caller, &body.raw).await?;
    let SetSecret { key, value, reference, repin, request_approval, reason } = body.value;
    let wanted = key.clone();
    let input = app::SetSecret { id: path.id, key, value, reference, repin, request_approval, reason };
    let effect = async {
        let done = api.app.set_secret(&ctx, input).await?;
        Reply::ok(&SecretSet::new(done.secret, done.repin_required, done.approval.map(|approval| approval.id)))
    };
    idempotency::run(&api.app, &ctx, effect, |_| async {
        if request_approval {
            return Err(lost("it was asked for; see /approvals"));
        }
        let secrets = api.app.secrets_of(&caller.ctx, path.id).await?;
        let secret = secrets.into_iter().find(|s| s.key == wanted).ok_or_else(|| Error::not_found("secret"))?;
        let (_, published) = api.app.datasource_detail(&caller.ctx, path.id).await?;
        let pinned = published.and_then(|v| v.secret_pins.get(&wanted).copied());
        let behind = pinned.is_some_and(|number| number != secret.version);
        Reply::ok(&SecretSet::new(secret, behind, None))
    })
    .await
}

/// Delete a secret
///
/// Forgets every value of it. Refused while the published version runs with it, unless `force` says so.
#[utoipa::path(
    delete, path = "/datasources/{id}/secrets/{key}", operation_id = "deleteDatasourceSecret", tag = "secrets",
    params(SecretPath, DeleteParameters),
    responses((status = 200, description = "The secret as it was, without its value.", body = DatasourceSecret)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn delete(
    State(api): State<Api>,
    caller: Caller<ManageSecrets, DeleteParameters>,
    Named(path): Named<SecretPath>,
    _: NoBody,
) -> Answer {
    let (caller, query) = caller.split();
    etag::refuse(&caller.headers)?;
    let input = app::DeleteSecret { id: path.id, key: path.key, force: query.force, reason: query.reason };
    let (_, secret) = api.app.delete_secret(&caller.ctx, input).await?;
    Ok(Reply::ok(&DatasourceSecret::from(secret))?)
}

/// Pin the newest values
///
/// Lets the published version run with the newest values of its secrets.
#[utoipa::path(
    post, path = "/datasources/{id}/repin-secrets", operation_id = "repinDatasourceSecrets", tag = "secrets",
    params(DatasourcePath), request_body = Option<Action>,
    responses((status = 200, description = "The datasource as it is now.", body = DatasourceDetail)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn repin(
    State(api): State<Api>,
    caller: Caller<ManageSecrets>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<Action>,
) -> Answer {
    act(&api, &caller, path.id, body, |app, ctx, input| async move { app.repin_secrets(&ctx, input).await }).await
}
