//! `/approvals` and `/approval-policies`: a second person for what goes live.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Api;
use super::datasources::DatasourcePath;
use super::extract::{Body, Caller, Named, OptionalBody, once};
use super::idempotency::{self, lost};
use super::link::{Position, whole};
use super::model::{
    Approval, ApprovalAction, ApprovalPolicy, ApprovalStatus, ApproveVersion, RejectVersion, RequestApproval,
    SetApprovalPolicy, WithdrawApproval,
};
use super::reply::{Answer, Reply};
use crate::app::{self, Decide, Verdict};
use crate::auth::policy::grant::{Approve, AskApproval, ManageApprovals};
use crate::domain::ApprovalFilter;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct ApprovalPath {
    /// The id of the request.
    approval: Uuid,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct ApprovalParameters {
    /// In this state; may be repeated.
    #[serde(default)]
    status: Vec<ApprovalStatus>,
    /// For this.
    action: Option<ApprovalAction>,
    /// About this datasource.
    datasource_id: Option<Uuid>,
    /// At most so many; 50 without a number.
    #[param(minimum = 1, maximum = 200, value_type = Option<u64>)]
    limit: Option<String>,
    /// Skip so many first.
    #[param(minimum = 0, maximum = 10000, value_type = Option<u64>)]
    offset: Option<String>,
    /// Only what follows; from the `Link` of an earlier page. Not together with `offset`.
    cursor: Option<String>,
}

/// List requests for approval
///
/// Newest first. They are not counted: `Link` leads on while there is more.
#[utoipa::path(
    get, path = "/approvals", operation_id = "approvals", tag = "approvals",
    params(ApprovalParameters),
    responses((status = 200, description = "The page.", body = Vec<Approval>)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn list(State(api): State<Api>, caller: Caller<AskApproval, ApprovalParameters>) -> Answer {
    let (caller, query) = caller.split();
    let filter = ApprovalFilter {
        statuses: query.status.into_iter().map(|status| status.0).collect(),
        action: query.action.map(|action| action.0),
        datasource_id: query.datasource_id,
    };
    let position = Position { limit: query.limit, offset: query.offset, cursor: query.cursor, total: None };
    let page = api.app.approvals(&caller.ctx, &filter, &position.request()?).await?;
    Ok(position.reply(&caller, page, |approval| approval.id, Approval::from)?)
}

/// Ask for approval
///
/// Of a draft that is to be published, or of a version that is to be rolled back to. For a secret, send
/// `requestApproval` with its value.
#[utoipa::path(
    post, path = "/datasources/{id}/approvals", operation_id = "requestApproval", tag = "approvals",
    params(DatasourcePath), request_body = Option<RequestApproval>,
    responses((status = 200, description = "The request.", body = Approval)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn request(
    State(api): State<Api>,
    caller: Caller<AskApproval>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<RequestApproval>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let RequestApproval { version, repin_secrets, comment } = body.value;
    let input = app::RequestApproval { id: path.id, version, repin_secrets, comment };
    let effect = async { Reply::ok(&Approval::from(api.app.request_approval(&ctx, input).await?)) };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("it was asked for; see /approvals")) }).await
}

/// Approve
///
/// Agrees to a request of somebody else. The value of a secret counts with the last agreement; a version goes live
/// when it is published.
#[utoipa::path(
    post, path = "/approvals/{approval}/approve", operation_id = "approveVersion", tag = "approvals",
    params(ApprovalPath), request_body = Option<ApproveVersion>,
    responses((status = 200, description = "The request as it is now.", body = Approval)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn approve(
    State(api): State<Api>,
    caller: Caller<Approve>,
    Named(path): Named<ApprovalPath>,
    OptionalBody(body): OptionalBody<ApproveVersion>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let input = Decide { id: path.approval, verdict: Verdict::Approve, comment: body.value.comment };
    let effect = async { Reply::ok(&Approval::from(api.app.decide(&ctx, input).await?)) };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("it was approved; see /approvals")) }).await
}

/// Reject
///
/// Refuses a request of somebody else, which ends it.
#[utoipa::path(
    post, path = "/approvals/{approval}/reject", operation_id = "rejectVersion", tag = "approvals",
    params(ApprovalPath), request_body = RejectVersion,
    responses((status = 200, description = "The request as it is now.", body = Approval)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn reject(
    State(api): State<Api>,
    caller: Caller<Approve>,
    Named(path): Named<ApprovalPath>,
    body: Body<RejectVersion>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let input = Decide { id: path.approval, verdict: Verdict::Reject, comment: Some(body.value.comment) };
    let effect = async { Reply::ok(&Approval::from(api.app.decide(&ctx, input).await?)) };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("it was rejected; see /approvals")) }).await
}

/// Withdraw
///
/// Takes a request back. That of somebody else needs the role admin.
#[utoipa::path(
    post, path = "/approvals/{approval}/withdraw", operation_id = "withdrawApproval", tag = "approvals",
    params(ApprovalPath), request_body = Option<WithdrawApproval>,
    responses((status = 200, description = "The request as it is now.", body = Approval)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn withdraw(
    State(api): State<Api>,
    caller: Caller<AskApproval>,
    Named(path): Named<ApprovalPath>,
    OptionalBody(body): OptionalBody<WithdrawApproval>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let input = app::WithdrawApproval { id: path.approval, comment: body.value.comment };
    let effect = async { Reply::ok(&Approval::from(api.app.withdraw_approval(&ctx, input).await?)) };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("it was withdrawn; see /approvals")) }).await
}

/// List approval policies
///
/// That of the organisation first, then those of projects, by name. Where both have one, the stricter of both counts
/// in each point.
#[utoipa::path(
    get, path = "/approval-policies", operation_id = "approvalPolicies", tag = "approvals",
    responses((status = 200, description = "All of them.", body = Vec<ApprovalPolicy>)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn policies(State(api): State<Api>, caller: Caller<AskApproval>) -> Answer {
    let all = api.app.approval_policies(&caller.ctx).await?;
    Ok(whole(&all.into_iter().map(ApprovalPolicy::from).collect::<Vec<_>>())?)
}

/// Set an approval policy
///
/// Says what needs a second person, in the organisation or in one project. It takes the place of the one that was
/// there; what is left out is as it is without a policy.
#[utoipa::path(
    put, path = "/approval-policies", operation_id = "setApprovalPolicy", tag = "approvals",
    request_body = SetApprovalPolicy,
    responses((status = 200, description = "The policy.", body = ApprovalPolicy)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn set_policy(
    State(api): State<Api>,
    caller: Caller<ManageApprovals>,
    body: Body<SetApprovalPolicy>,
) -> Answer {
    let policy = api.app.set_approval_policy(&caller.ctx, body.value.into()).await?;
    Ok(Reply::ok(&ApprovalPolicy::from(policy))?)
}
