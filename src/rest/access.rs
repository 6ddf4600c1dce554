//! `/service-accounts`, `/api-keys` and `/revoked-tokens`.

use axum::extract::State;
use axum::http::header;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::extract::{Body, Caller, Named, NoBody, idempotency_key, once};
use super::idempotency;
use super::link::whole;
use super::model::{
    ApiKey, CreateApiKey, CreateServiceAccount, NewApiKey, RevokeToken, RevokedToken, ServiceAccount,
    SetServiceAccountDisabled,
};
use super::reply::{Answer, Reply};
use super::{Api, etag};
use crate::app;
use crate::auth::api_key;
use crate::auth::policy::grant::ManageAccess;
use crate::domain;
use crate::error::Error;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct AccountPath {
    /// The id of the service account.
    account: Uuid,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct KeyPath {
    /// The public part of the key.
    #[serde(rename = "apiKey")]
    #[param(rename = "apiKey")]
    api_key: String,
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct TokenPath {
    /// The claim `jti` of the token.
    jti: String,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ReasonParameters {
    /// Why; for the audit log.
    #[param(max_length = 4000)]
    pub(super) reason: Option<String>,
}

/// Revoke a token
///
/// Refuses a token from now on, on every node, and ends what was opened with it. Again, it changes nothing.
#[utoipa::path(
    put, path = "/revoked-tokens/{jti}", operation_id = "revokeToken", tag = "access",
    params(TokenPath), request_body = RevokeToken,
    responses((status = 200, description = "What is refused.", body = RevokedToken)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn revoke_token(
    State(api): State<Api>,
    caller: Caller<ManageAccess>,
    Named(path): Named<TokenPath>,
    body: Body<RevokeToken>,
) -> Answer {
    etag::refuse(&caller.headers)?;
    let RevokeToken { expires_at, reason } = body.value;
    let input = app::RevokeToken { jti: path.jti, expires_at, reason };
    Ok(Reply::ok(&RevokedToken::from(api.app.revoke_token(&caller.ctx, input).await?))?)
}

/// List service accounts
///
/// By name, with their keys; at most 500.
#[utoipa::path(
    get, path = "/service-accounts", operation_id = "serviceAccounts", tag = "access",
    responses((status = 200, description = "All of them.", body = Vec<ServiceAccount>)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller<ManageAccess>) -> Answer {
    let all = api.app.service_accounts(&caller.ctx).await?;
    Ok(whole(&all.into_iter().map(ServiceAccount::from).collect::<Vec<_>>())?)
}

/// Create a service account
///
/// For a program, with at most the rights of the caller.
#[utoipa::path(
    post, path = "/service-accounts", operation_id = "createServiceAccount", tag = "access",
    request_body = CreateServiceAccount,
    responses((status = 201, description = "The account.", body = ServiceAccount)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn create(
    State(api): State<Api>,
    caller: Caller<ManageAccess>,
    body: Body<CreateServiceAccount>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let CreateServiceAccount { name, description, role, projects, reason } = body.value;
    let wanted = name.clone();
    let input = app::CreateServiceAccount { name, description, role: role.0, projects, reason };
    let created = |account: domain::ServiceAccount| {
        let place = caller.locate(&format!("/service-accounts/{}", account.id));
        Ok(Reply::ok(&ServiceAccount::from(account))?.created(place))
    };
    let effect = async { created(api.app.create_service_account(&ctx, input).await?) };
    idempotency::run(&api.app, &ctx, effect, |_| async {
        let all = api.app.service_accounts(&caller.ctx).await?;
        let made = all.into_iter().find(|account| account.name == wanted);
        created(made.ok_or_else(|| Error::not_found("service account"))?)
    })
    .await
}

/// Disable or enable a service account
///
/// Refuses all of its keys from now on, on every node, or lets them in again.
#[utoipa::path(
    patch, path = "/service-accounts/{account}", operation_id = "setServiceAccountDisabled", tag = "access",
    params(AccountPath), request_body = SetServiceAccountDisabled,
    responses((status = 200, description = "The account as it is now.", body = ServiceAccount)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn set_disabled(
    State(api): State<Api>,
    caller: Caller<ManageAccess>,
    Named(path): Named<AccountPath>,
    body: Body<SetServiceAccountDisabled>,
) -> Answer {
    let SetServiceAccountDisabled { disabled, reason } = body.value;
    let input = app::SetServiceAccountDisabled { id: path.account, disabled, reason };
    Ok(Reply::ok(&ServiceAccount::from(api.app.set_service_account_disabled(&caller.ctx, input).await?))?)
}

/// Create an API key
///
/// The key is shown in this answer and never again; an `Idempotency-Key` is refused, for nothing is kept to repeat.
#[utoipa::path(
    post, path = "/service-accounts/{account}/api-keys", operation_id = "createApiKey", tag = "access",
    params(AccountPath), request_body = CreateApiKey,
    responses((status = 201, description = "The key, and its text for this once.", body = NewApiKey)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn create_key(
    State(api): State<Api>,
    caller: Caller<ManageAccess>,
    Named(path): Named<AccountPath>,
    body: Body<CreateApiKey>,
) -> Answer {
    if idempotency_key(&caller.headers)?.is_some() {
        let message = "is not honoured here: a key is shown once and kept nowhere; send the request without it, and \
                       revoke what you did not receive";
        return Err(Error::invalid("/headers/idempotency-key", message).into());
    }
    let CreateApiKey { name, role, projects, expires_at, reason } = body.value;
    let role = role.map(|role| role.0);
    let input = app::CreateApiKey { account_id: path.account, name, role, projects, expires_at, reason };
    let made = api.app.create_api_key(&caller.ctx, input).await?;
    let key = api_key::reveal(&made.text);
    let place = caller.locate(&format!("/api-keys/{}", made.key.id));
    let reply = Reply::ok(&NewApiKey { api_key: ApiKey::from(made.key), key })?.created(place);
    Ok(reply.header(header::CACHE_CONTROL, "no-store"))
}

/// Revoke an API key
///
/// Refuses it from now on, on every node, and ends what was opened with it.
#[utoipa::path(
    delete, path = "/api-keys/{apiKey}", operation_id = "revokeApiKey", tag = "access",
    params(KeyPath, ReasonParameters),
    responses((status = 200, description = "The key as it is now.", body = ApiKey)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn revoke_key(
    State(api): State<Api>,
    caller: Caller<ManageAccess, ReasonParameters>,
    Named(path): Named<KeyPath>,
    _: NoBody,
) -> Answer {
    let (caller, query) = caller.split();
    let done = api.app.revoke_api_key(&caller.ctx, &path.api_key, query.reason.as_deref()).await?;
    Ok(Reply::ok(&ApiKey::from(done))?)
}
