//! Agrees to a request, refuses it, or takes it back.

use serde_json::json;
use uuid::Uuid;

use super::super::change::{Journal, check_comment, journal};
use super::super::secret::pinned;
use super::super::{App, OpContext};
use super::entry;
use crate::auth::policy::allows_on;
use crate::auth::policy::grant::{Approve, AskApproval, ManageSecrets};
use crate::auth::{ActorKind, Permission};
use crate::domain::{Approval, ApprovalDecision, ApprovalStatus, Datasource, EventType, FieldChange, now};
use crate::error::{Error, ErrorCode, Result};
use crate::store::Tx;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    Approve,
    Reject,
}

#[derive(Clone, Debug)]
pub struct Decide {
    pub id: Uuid,
    pub verdict: Verdict,
    /// A rejection says why.
    pub comment: Option<String>,
}

#[derive(Clone, Debug)]
pub struct WithdrawApproval {
    pub id: Uuid,
    pub comment: Option<String>,
}

impl App {
    pub async fn decide(&self, ctx: &OpContext, input: Decide) -> Result<Approval> {
        let proof = ctx.authorize::<Approve>()?;
        let comment = input.comment.filter(|comment| !comment.trim().is_empty());
        check_comment("/comment", comment.as_deref())?;
        if input.verdict == Verdict::Reject && comment.is_none() {
            return Err(Error::invalid("/comment", "must say why: whoever asked reads it"));
        }
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let (row, mut approval) = open_request(&tx, input.id).await?;
        check_person(ctx, &approval)?;
        check_programs(ctx, &tx, &approval).await?;
        if let Some(reason) = self.void_reason(&tx, &row, &approval).await? {
            return Err(Error::conflict(format!("the request is void, as {reason}; it has to be asked for again")));
        }
        let was = approval.status;
        let rules = tx.approval_rules(&row.tenant).await?;
        let decision = ApprovalDecision {
            by: ctx.actor.subject.to_string(),
            approved: input.verdict == Verdict::Approve,
            comment,
            at: now(),
        };
        let event = match input.verdict {
            Verdict::Approve => {
                if approval.decisions.iter().any(|d| d.by == decision.by) {
                    return Err(Error::conflict("you agreed to it already"));
                }
                if approval.missing(rules.approvers) == 0 {
                    return Err(Error::conflict("as many agreed to it as have to"));
                }
                approval.decisions.push(decision.clone());
                if approval.missing(rules.approvers) == 0 {
                    approval.status = ApprovalStatus::Approved;
                }
                EventType::ApprovalGranted
            }
            Verdict::Reject => {
                approval.decisions.push(decision.clone());
                approval.status = ApprovalStatus::Rejected;
                approval.closed_at = Some(now());
                EventType::ApprovalRejected
            }
        };
        // A version goes live when somebody publishes it; a secret counts at once.
        let counts = approval.status == ApprovalStatus::Approved && approval.secret_key.is_some();
        let journalled = |approval: &Approval| {
            json!({
                "approvalId": approval.id,
                "action": approval.action,
                "missing": approval.missing(rules.approvers),
                "comment": decision.comment,
            })
        };
        if !counts {
            tx.save_approval(&proof, &approval).await?;
        }
        let entry = entry(&row, &approval, was, event, journalled(&approval));
        ctx.journal(&mut tx, Journal { reason: decision.comment.as_deref(), ..entry });
        if counts {
            self.release(ctx, &mut tx, &row, &mut approval).await?;
        }
        tx.commit().await?;
        approval.required = approval.required.max(rules.approvers);
        self.metrics.lifecycle_event(event);
        if counts {
            self.metrics.lifecycle_event(EventType::SecretSet);
            self.metrics.secret_operation("set", true);
        }
        Ok(approval)
    }

    /// Takes a request back: whoever made it, or an admin.
    pub async fn withdraw_approval(&self, ctx: &OpContext, input: WithdrawApproval) -> Result<Approval> {
        let proof = ctx.authorize::<AskApproval>()?;
        check_comment("/comment", input.comment.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let (row, mut approval) = open_request(&tx, input.id).await?;
        let own = approval.requested_by == *ctx.actor.subject;
        if !own && !allows_on(&ctx.actor, Permission::Approve, &row.tenant, row.id) {
            return Err(Error::new(
                ErrorCode::Forbidden,
                format!("the request is of {}; to withdraw it needs the role datasource:admin", approval.requested_by),
            ));
        }
        let was = approval.status;
        approval.status = ApprovalStatus::Withdrawn;
        approval.closed_at = Some(now());
        tx.save_approval(&proof, &approval).await?;
        let payload = json!({ "approvalId": approval.id, "action": approval.action, "comment": input.comment });
        let entry = entry(&row, &approval, was, EventType::ApprovalWithdrawn, payload);
        ctx.journal(&mut tx, Journal { reason: input.comment.as_deref(), ..entry });
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::ApprovalWithdrawn);
        Ok(approval)
    }

    /// The value that waited takes effect, in the transaction of the last agreement.
    async fn release(&self, ctx: &OpContext, tx: &mut Tx, row: &Datasource, approval: &mut Approval) -> Result<()> {
        let proof = ctx.authorize_on::<ManageSecrets>(row)?;
        let (Some(key), Some(number)) = (approval.secret_key.clone(), approval.secret_version) else {
            return Err(Error::internal(format!("the request {} is for no secret", approval.id)));
        };
        // Before the request ends, which wipes what still waits.
        tx.release_secret(&proof, row.id, &key, number).await?;
        approval.status = ApprovalStatus::Used;
        approval.closed_at = Some(now());
        tx.save_approval(&proof, approval).await?;
        let reason = approval.comment.as_deref();
        let entry = Journal {
            changes: vec![FieldChange { field: format!("secrets.{key}"), old: json!(null), new: json!(null) }],
            reason,
            ..journal(
                row,
                EventType::SecretSet,
                json!({
                    "key": key,
                    "version": number,
                    "reference": approval.secret_reference,
                    "approvalId": approval.id,
                    "requestedBy": approval.requested_by,
                }),
            )
        };
        ctx.journal(tx, entry);
        if approval.repin && pinned(tx, row, &key).await?.is_some() {
            self.repin_within(ctx, &proof, tx, row, reason).await?;
        }
        self.settle_approvals(ctx, &proof, tx, row).await
    }
}

/// The request as it is under the lock of its datasource.
async fn open_request(tx: &Tx, id: Uuid) -> Result<(Datasource, Approval)> {
    let missing = || Error::not_found("approval");
    let found = tx.approval(id).await?.ok_or_else(missing)?;
    let row = tx.datasource_for_update(found.datasource_id).await?;
    let approval = tx.approval(id).await?.ok_or_else(missing)?;
    if approval.is_open_at(now()) {
        return Ok((row, approval));
    }
    let why = match approval.status_at(now()) {
        ApprovalStatus::Expired => format!("it expired at {}", approval.expires_at.to_rfc3339()),
        ApprovalStatus::Void => format!("it is void, as {}", approval.reason.as_deref().unwrap_or("it is out of date")),
        status => format!("it is {status}"),
    };
    Err(Error::conflict(format!("the request is open no more: {why}")))
}

/// A second person is a person, and another one.
fn check_person(ctx: &OpContext, approval: &Approval) -> Result<()> {
    let refused = |why: &'static str| Err(Error::new(ErrorCode::Forbidden, why));
    if ctx.actor.kind != ActorKind::User {
        // Who holds the key of an account would be a second person to themselves.
        return refused("only a person decides on a request, with a token of their own; this is a program");
    }
    approval.bars(&ctx.actor.subject).map_or(Ok(()), refused)
}

/// Nor is whoever let a program in the second person to it: they hold its key, or could.
async fn check_programs(ctx: &OpContext, tx: &Tx, approval: &Approval) -> Result<()> {
    for subject in [Some(&approval.requested_by), approval.author.as_ref()].into_iter().flatten() {
        if tx.makers_of(subject).await?.iter().any(|maker| *maker == *ctx.actor.subject) {
            let message = format!("{subject} acts by an account or key that you made; somebody else has to agree");
            return Err(Error::new(ErrorCode::Forbidden, message));
        }
    }
    Ok(())
}
