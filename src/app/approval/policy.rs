//! Says what needs a second person.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::change::{change, check, check_comment};
use super::super::{App, OpContext};
use crate::auth::policy::grant::{AskApproval, ManageApprovals};
use crate::domain::{
    APPROVERS_MAX, ApprovalPolicy, ApprovalRules, HumanDuration, Tenant, check_name, now, parse_duration,
};
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::store::NewAudit;

const EXPIRES_LEAST: Duration = Duration::from_secs(60);
const EXPIRES_MOST: Duration = Duration::from_secs(90 * 86_400);

/// The policy from now on; what is absent is as it is without one.
#[derive(Clone, Debug, Default)]
pub struct SetApprovalPolicy {
    /// Absent: of the organisation, for all projects.
    pub project: Option<String>,
    pub publish: bool,
    pub rollback: bool,
    pub secret_change: bool,
    pub approvers: Option<i32>,
    /// Such as `72h`.
    pub expires_after: Option<String>,
    pub imports_exempt: bool,
    pub reason: Option<String>,
}

impl App {
    /// That of the organisation first, then those of the projects that the caller covers.
    pub async fn approval_policies(&self, ctx: &OpContext) -> Result<Vec<ApprovalPolicy>> {
        let proof = ctx.authorize::<AskApproval>()?;
        self.store.read(proof.scope()).await?.approval_policies().await
    }

    pub async fn set_approval_policy(&self, ctx: &OpContext, input: SetApprovalPolicy) -> Result<ApprovalPolicy> {
        let proof = ctx.authorize::<ManageApprovals>()?;
        check_comment("/reason", input.reason.as_deref())?;
        let policy = ApprovalPolicy {
            rules: rules(&input)?,
            project: input.project,
            updated_at: now(),
            updated_by: ctx.actor.subject.to_string(),
        };
        let tenant = match &policy.project {
            Some(project) => proof.tenant(project)?,
            None if proof.scope().project_ids().is_some() => {
                let message = "your token covers some projects only; name one of them as the project of the policy";
                return Err(Error::new(ErrorCode::Forbidden, message));
            }
            None => Tenant { org: proof.scope().org_id().clone(), project: "".into() },
        };
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let all = tx.approval_policies().await?;
        let before = all.into_iter().find(|p| p.project == policy.project).map(|p| p.rules).unwrap_or_default();
        tx.put_approval_policy(&proof, &policy).await?;
        let changes = fields(&before).into_iter().zip(fields(&policy.rules));
        let changes = changes.filter_map(|((name, old), (_, new))| change(&format!("approvalPolicy.{name}"), old, new));
        let entry = ctx.audit("approval_policy_set", input.reason.as_deref(), changes.collect());
        tx.record_audit(NewAudit { tenant, ..entry });
        tx.commit().await?;
        Ok(policy)
    }
}

fn rules(input: &SetApprovalPolicy) -> Result<ApprovalRules> {
    let mut problems = Vec::new();
    if let Some(project) = &input.project {
        check_name("/project", project, &mut problems);
    }
    let default = ApprovalRules::default();
    let approvers = input.approvers.unwrap_or(default.approvers);
    if !(1..=APPROVERS_MAX).contains(&approvers) {
        problems.push(Problem::new("/approvers", format!("must be between 1 and {APPROVERS_MAX}")));
    }
    let expires_after = match input.expires_after.as_deref().map(parse_duration) {
        None => default.expires_after,
        Some(Ok(duration)) if (EXPIRES_LEAST..=EXPIRES_MOST).contains(&duration) => duration,
        Some(Ok(_)) => {
            problems.push(Problem::new("/expiresAfter", "must be between 1m and 90d"));
            default.expires_after
        }
        Some(Err(message)) => {
            problems.push(Problem::new("/expiresAfter", message));
            default.expires_after
        }
    };
    check(problems)?;
    let SetApprovalPolicy { publish, rollback, secret_change, imports_exempt, .. } = *input;
    Ok(ApprovalRules { publish, rollback, secret_change, approvers, expires_after, imports_exempt })
}

fn fields(rules: &ApprovalRules) -> [(&'static str, Value); 6] {
    [
        ("publish", json!(rules.publish)),
        ("rollback", json!(rules.rollback)),
        ("secretChange", json!(rules.secret_change)),
        ("approvers", json!(rules.approvers)),
        ("expiresAfter", json!(HumanDuration(rules.expires_after).to_string())),
        ("importsExempt", json!(rules.imports_exempt)),
    ]
}
