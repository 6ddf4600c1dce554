//! A second person for what goes live: policies, requests, and what is said to them.

use async_graphql::connection::EmptyFields;
use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::connection::{Plain, edges};
use super::error::Shape;
use super::guard::HasRole;
use super::inputs::uuid;
use super::types::{ApprovalAction, ApprovalStatus, SecretPin, pins};
use crate::app::{self, App, Decide, OpContext, Verdict};
use crate::auth::Permission;
use crate::domain::paging::PageRequest;
use crate::domain::{self, HumanDuration, Timestamp};

/// What of an organisation, or of one of its projects, needs a second person.
struct ApprovalPolicy(domain::ApprovalPolicy);

/// What of an organisation, or of one of its projects, needs a second person. Where both have a policy, the stricter
/// of both counts in each point.
#[Object]
impl ApprovalPolicy {
    /// The project; null means all of the organisation.
    async fn project(&self) -> Option<&str> {
        self.0.project.as_deref()
    }

    /// Whether a draft goes live only with approval.
    async fn publish(&self) -> bool {
        self.0.rules.publish
    }

    /// Whether an earlier version goes live again only with approval.
    async fn rollback(&self) -> bool {
        self.0.rules.rollback
    }

    /// Whether the value of a secret counts only with approval.
    async fn secret_change(&self) -> bool {
        self.0.rules.secret_change
    }

    /// How many people have to agree.
    async fn approvers(&self) -> i32 {
        self.0.rules.approvers
    }

    /// How long a request is open, such as `3d`.
    async fn expires_after(&self) -> String {
        HumanDuration(self.0.rules.expires_after).to_string()
    }

    /// Whether imports of files may publish without.
    async fn imports_exempt(&self) -> bool {
        self.0.rules.imports_exempt
    }

    /// When it was set.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }

    /// Who set it.
    async fn updated_by(&self) -> &str {
        &self.0.updated_by
    }
}

/// A request for a second person.
pub(super) struct Approval(pub(super) domain::Approval);

/// A request for a second person, with all that it is about as it was when it was asked for. When any of it changes,
/// the request is void.
#[Object]
impl Approval {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The datasource.
    async fn datasource_id(&self) -> ID {
        self.0.datasource_id.into()
    }

    /// What it is for.
    async fn action(&self) -> ApprovalAction {
        self.0.action.into()
    }

    /// The version that is to go live; null for a secret.
    async fn version(&self) -> Option<i32> {
        self.0.version
    }

    /// The checksum of its configuration.
    async fn checksum(&self) -> Option<&str> {
        self.0.checksum.as_deref()
    }

    /// The author of the version, who cannot approve it.
    async fn author(&self) -> Option<&str> {
        self.0.author.as_deref()
    }

    /// The secret that is to get a value; null for a version.
    async fn secret_key(&self) -> Option<&str> {
        self.0.secret_key.as_deref()
    }

    /// The version of the value that waits.
    async fn secret_version(&self) -> Option<i32> {
        self.0.secret_version
    }

    /// Where the value that waits is, if it is kept elsewhere, such as `vault://path#field`.
    async fn secret_reference(&self) -> Option<&str> {
        self.0.secret_reference.as_deref()
    }

    /// For a rollback: with the secrets of today. For a secret: the published version is to run with it at once.
    async fn repin(&self) -> bool {
        self.0.repin
    }

    /// The values that the version is to run with; for a secret, the value that the new one takes the place of.
    async fn secret_pins(&self) -> Vec<SecretPin> {
        pins(&self.0.secret_pins)
    }

    /// The event of the version's last test; null when it was never tested.
    async fn test_event(&self) -> Option<ID> {
        self.0.evidence.as_ref().map(|evidence| evidence.event.into())
    }

    /// Whether that test succeeded.
    async fn test_succeeded(&self) -> Option<bool> {
        self.0.evidence.as_ref().map(|evidence| evidence.success)
    }

    /// A hash of what was tested, on what, and what came out; of a test that failed, its event.
    async fn test_digest(&self) -> Option<&str> {
        self.0.evidence.as_ref().map(|evidence| evidence.digest.as_str())
    }

    /// Where it is in its life.
    async fn status(&self) -> ApprovalStatus {
        self.0.status.into()
    }

    /// Why it is void.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// What its requester said.
    async fn comment(&self) -> Option<&str> {
        self.0.comment.as_deref()
    }

    /// How many people have to agree: as many as when it was asked for, or more where a policy asks for more by now.
    async fn required(&self) -> i32 {
        self.0.required
    }

    /// How many more have to agree.
    async fn missing(&self) -> i32 {
        i32::try_from(self.0.missing(0)).unwrap_or(i32::MAX)
    }

    /// What was said to it, oldest first.
    async fn decisions(&self) -> Vec<ApprovalDecision> {
        self.0.decisions.iter().cloned().map(ApprovalDecision::from).collect()
    }

    /// When it was asked for.
    async fn requested_at(&self) -> Timestamp {
        self.0.requested_at
    }

    /// Who asked for it, and cannot approve it.
    async fn requested_by(&self) -> &str {
        &self.0.requested_by
    }

    /// When it ends, approved or not, unless it was used.
    async fn expires_at(&self) -> Timestamp {
        self.0.expires_at
    }

    /// When it ended; null while it is open.
    async fn closed_at(&self) -> Option<Timestamp> {
        self.0.closed_at
    }
}

/// What one person said to a request.
#[derive(SimpleObject)]
struct ApprovalDecision {
    /// Who.
    by: String,
    /// Whether they agreed.
    approved: bool,
    /// Why.
    comment: Option<String>,
    /// When.
    at: Timestamp,
}

impl From<domain::ApprovalDecision> for ApprovalDecision {
    fn from(decision: domain::ApprovalDecision) -> Self {
        Self { by: decision.by, approved: decision.approved, comment: decision.comment, at: decision.at }
    }
}

/// The request as it is now.
#[derive(SimpleObject)]
struct ApprovalPayload {
    /// As it is now.
    approval: Approval,
}

impl From<domain::Approval> for ApprovalPayload {
    fn from(approval: domain::Approval) -> Self {
        Self { approval: Approval(approval) }
    }
}

/// The policy as it is now.
#[derive(SimpleObject)]
struct ApprovalPolicyPayload {
    /// As it is now.
    policy: ApprovalPolicy,
}

/// Narrows requests for approval. What is absent does not narrow.
#[derive(InputObject, Default)]
struct ApprovalFilterInput {
    /// In one of these states.
    status: Option<Vec<ApprovalStatus>>,
    /// For this.
    action: Option<ApprovalAction>,
    /// About this datasource.
    datasource_id: Option<ID>,
}

/// What to ask for.
#[derive(InputObject)]
struct RequestApprovalInput {
    /// The datasource.
    id: ID,
    /// The version: a draft that is to be published, or one that was published before and is to be rolled back to.
    /// Absent: the latest.
    version: Option<i32>,
    /// For a rollback: with the secrets as they are today, not with those that the version was published with.
    #[graphql(default = false)]
    repin_secrets: bool,
    /// What to say to those who decide.
    comment: Option<String>,
}

/// A request to agree to.
#[derive(InputObject)]
struct ApproveVersionInput {
    /// The request.
    id: ID,
    /// Why; for the timeline and the audit log.
    comment: Option<String>,
}

/// A request to refuse.
#[derive(InputObject)]
struct RejectVersionInput {
    /// The request.
    id: ID,
    /// Why, for whoever asked; it must not be empty.
    comment: String,
}

/// A request to take back.
#[derive(InputObject)]
struct WithdrawApprovalInput {
    /// The request.
    id: ID,
    /// Why; for the timeline and the audit log.
    comment: Option<String>,
}

/// A policy; it takes the place of the one that was there.
#[derive(InputObject)]
struct SetApprovalPolicyInput {
    /// The project. Absent: all of the organisation.
    project: Option<String>,
    /// Whether a draft goes live only with approval.
    #[graphql(default = false)]
    publish: bool,
    /// Whether an earlier version goes live again only with approval.
    #[graphql(default = false)]
    rollback: bool,
    /// Whether the value of a secret counts only with approval.
    #[graphql(default = false)]
    secret_change: bool,
    /// How many people have to agree, 1 to 10. Absent: 1.
    approvers: Option<i32>,
    /// How long a request is open, such as `8h`: 1m to 90d. Absent: `72h`.
    expires_after: Option<String>,
    /// Whether imports of files may publish without.
    #[graphql(default = false)]
    imports_exempt: bool,
    /// Why; for the audit log.
    reason: Option<String>,
}

#[derive(Default)]
pub struct ApprovalQuery;

/// A second person for what goes live.
#[Object]
impl ApprovalQuery {
    /// What was asked for, newest first.
    #[graphql(directive = HasRole::apply(Permission::AskApproval))]
    async fn approvals(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones.")] filter: Option<ApprovalFilterInput>,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
    ) -> Result<Plain<Approval>> {
        let input = filter.unwrap_or_default();
        let filter = domain::ApprovalFilter {
            statuses: input.status.unwrap_or_default().into_iter().map(Into::into).collect(),
            action: input.action.map(Into::into),
            datasource_id: input.datasource_id.map(|id| uuid("/filter/datasourceId", &id)).transpose().shaped(ctx)?,
        };
        let page = PageRequest::relay(first, after.as_deref(), None, None).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let found = Box::pin(app.approvals(op, &filter, &page)).await.shaped(ctx)?;
        Ok(edges(found, EmptyFields, |approval| approval.id, Approval))
    }

    /// The policies: that of the organisation first, then those of projects, by name.
    #[graphql(directive = HasRole::apply(Permission::AskApproval))]
    async fn approval_policies(&self, ctx: &Context<'_>) -> Result<Vec<ApprovalPolicy>> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let all = Box::pin(app.approval_policies(op)).await.shaped(ctx)?;
        Ok(all.into_iter().map(ApprovalPolicy).collect())
    }
}

#[derive(Default)]
pub struct ApprovalMutation;

/// A second person for what goes live.
#[Object]
impl ApprovalMutation {
    /// Asks for a second person to agree that a version goes live. For a secret, ask with `setDatasourceSecret`.
    #[graphql(directive = HasRole::apply(Permission::AskApproval))]
    async fn request_approval(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which version, and why.")] input: RequestApprovalInput,
    ) -> Result<ApprovalPayload> {
        let input = app::RequestApproval {
            id: uuid("/id", &input.id).shaped(ctx)?,
            version: input.version,
            repin_secrets: input.repin_secrets,
            comment: input.comment,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.request_approval(op, input)).await.shaped(ctx).map(Into::into)
    }

    /// Agrees to a request of somebody else, for a version or a secret. The value of a secret counts with the last
    /// agreement; a version goes live when it is published.
    #[graphql(directive = HasRole::apply(Permission::Approve))]
    async fn approve_version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The request, and why.")] input: ApproveVersionInput,
    ) -> Result<ApprovalPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let input = Decide { id, verdict: Verdict::Approve, comment: input.comment };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.decide(op, input)).await.shaped(ctx).map(Into::into)
    }

    /// Refuses a request of somebody else, which ends it.
    #[graphql(directive = HasRole::apply(Permission::Approve))]
    async fn reject_version(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The request, and why.")] input: RejectVersionInput,
    ) -> Result<ApprovalPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let input = Decide { id, verdict: Verdict::Reject, comment: Some(input.comment) };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.decide(op, input)).await.shaped(ctx).map(Into::into)
    }

    /// Takes a request back. That of somebody else needs the role ADMIN.
    #[graphql(directive = HasRole::apply(Permission::AskApproval))]
    async fn withdraw_approval(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The request, and why.")] input: WithdrawApprovalInput,
    ) -> Result<ApprovalPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let input = app::WithdrawApproval { id, comment: input.comment };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.withdraw_approval(op, input)).await.shaped(ctx).map(Into::into)
    }

    /// Says what needs a second person, in the organisation or in one project.
    #[graphql(directive = HasRole::apply(Permission::ManageApprovals))]
    async fn set_approval_policy(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The policy.")] input: SetApprovalPolicyInput,
    ) -> Result<ApprovalPolicyPayload> {
        let input = app::SetApprovalPolicy {
            project: input.project,
            publish: input.publish,
            rollback: input.rollback,
            secret_change: input.secret_change,
            approvers: input.approvers,
            expires_after: input.expires_after,
            imports_exempt: input.imports_exempt,
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let policy = Box::pin(app.set_approval_policy(op, input)).await.shaped(ctx)?;
        Ok(ApprovalPolicyPayload { policy: ApprovalPolicy(policy) })
    }
}
