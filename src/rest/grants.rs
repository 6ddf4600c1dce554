//! `/access-grants`: roles on single projects and datasources.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Api;
use super::access::ReasonParameters;
use super::extract::{Body, Caller, Named, NoBody};
use super::link::whole;
use super::model::{AccessGrant, GrantAccess};
use super::reply::{Answer, Reply};
use crate::app::{self, GrantTarget};
use crate::auth::policy::grant::ManageAccess;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct GrantPath {
    /// The id of the grant.
    grant: Uuid,
}

/// List grants
///
/// By principal; at most 10,000.
#[utoipa::path(
    get, path = "/access-grants", operation_id = "accessGrants", tag = "access",
    responses((status = 200, description = "All of them.", body = Vec<AccessGrant>)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller<ManageAccess>) -> Answer {
    let all = api.app.access_grants(&caller.ctx).await?;
    Ok(whole(&all.into_iter().map(AccessGrant::from).collect::<Vec<_>>())?)
}

/// Grant access
///
/// Gives a role on one project or one datasource, in place of the one that the principal had there. Again, it changes nothing.
#[utoipa::path(
    put, path = "/access-grants", operation_id = "grantAccess", tag = "access",
    request_body = GrantAccess,
    responses((status = 200, description = "The grant.", body = AccessGrant)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn put(State(api): State<Api>, caller: Caller<ManageAccess>, body: Body<GrantAccess>) -> Answer {
    let GrantAccess { principal_kind, principal, role, project_id, datasource_id, reason } = body.value;
    let target = GrantTarget::of(project_id, datasource_id)?;
    let input = app::GrantAccess { principal_kind: principal_kind.into(), principal, target, role: role.0, reason };
    Ok(Reply::ok(&AccessGrant::from(api.app.grant_access(&caller.ctx, input).await?))?)
}

/// Revoke access
///
/// Ends a grant, on every node at once, and with it what was opened by it.
#[utoipa::path(
    delete, path = "/access-grants/{grant}", operation_id = "revokeAccess", tag = "access",
    params(GrantPath, ReasonParameters),
    responses((status = 200, description = "The grant as it was.", body = AccessGrant)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn revoke(
    State(api): State<Api>,
    caller: Caller<ManageAccess, ReasonParameters>,
    Named(path): Named<GrantPath>,
    _: NoBody,
) -> Answer {
    let (caller, query) = caller.split();
    let done = api.app.revoke_access(&caller.ctx, path.grant, query.reason.as_deref()).await?;
    Ok(Reply::ok(&AccessGrant::from(done))?)
}
