//! `/governance`: what metadata must be like, and what is not.

use axum::extract::State;

use super::extract::{Body, Caller};
use super::link::Position;
use super::model::{GovernanceRules, GovernanceViolation, SetGovernanceRules};
use super::reply::{Answer, Reply};
use super::versions::PageParameters;
use super::{Api, etag};
use crate::auth::policy::grant::{ManageGovernance, ManageMetadata, Read};
use crate::domain;
use crate::error::Result;

fn shown(rules: domain::GovernanceRules) -> Result<Reply> {
    let rules = GovernanceRules::from(rules);
    Ok(Reply::ok(&rules)?.revision(rules.revision()))
}

/// Read the governance rules
///
/// What the organisation allows of metadata, whichever way it comes.
#[utoipa::path(
    get, path = "/governance/rules", operation_id = "governanceRules", tag = "metadata",
    responses(
        (status = 200, description = "The rules.", body = GovernanceRules),
        (status = 304, description = "They are as the caller has them."),
    ),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn rules(State(api): State<Api>, caller: Caller<Read>) -> Answer {
    let rules = api.app.governance_rules(&caller.ctx).await?;
    Ok(shown(rules)?.unless_known(&caller.headers))
}

/// Set the governance rules
///
/// They take the place of those that were there, and hold for every change from now on. What is against them already
/// stays as it is, and is listed by `GET /governance/violations`. Each rule that changed has an audit entry.
#[utoipa::path(
    put, path = "/governance/rules", operation_id = "setGovernanceRules", tag = "metadata",
    request_body = SetGovernanceRules,
    responses((status = 200, description = "The rules as they are now.", body = GovernanceRules)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn set_rules(
    State(api): State<Api>,
    caller: Caller<ManageGovernance>,
    body: Body<SetGovernanceRules>,
) -> Answer {
    let input = body.value.expecting(etag::if_match(&caller.headers)?);
    Ok(shown(api.app.set_governance_rules(&caller.ctx, input).await?)?)
}

/// List what is against the governance rules
///
/// Datasources whose metadata the rules of today would refuse, by id. They are not counted: `Link` leads on while there
/// is more.
#[utoipa::path(
    get, path = "/governance/violations", operation_id = "governanceViolations", tag = "metadata",
    params(PageParameters),
    responses((status = 200, description = "The page.", body = Vec<GovernanceViolation>)),
    security(("bearer" = ["admin"]))
)]
pub(super) async fn violations(State(api): State<Api>, caller: Caller<ManageMetadata, PageParameters>) -> Answer {
    let (caller, query) = caller.split();
    let position = Position::from(query);
    let page = api.app.governance_violations(&caller.ctx, &position.request()?).await?;
    Ok(position.reply(&caller, page, |found| found.datasource_id, GovernanceViolation::from)?)
}
