//! Asks for a second person.

use serde_json::json;
use uuid::Uuid;

use super::super::change::{Journal, change, check_comment, check_not_archived, journal};
use super::super::lifecycle::{check_pins_exist, no_such_version};
use super::super::{App, OpContext};
use super::entry;
use crate::auth::Authorized;
use crate::auth::policy::Grant;
use crate::auth::policy::grant::{AskApproval, ManageSecrets};
use crate::domain::{
    Approval, ApprovalAction, ApprovalRules, ApprovalStatus, Datasource, EventType, SecretPins, VersionState, now,
};
use crate::error::{Error, ErrorCode, Result};
use crate::store::Tx;

/// A version that is to go live: a draft to be published, one that was published before to be rolled back to.
#[derive(Clone, Debug, Default)]
pub struct RequestApproval {
    pub id: Uuid,
    /// Absent: the newest.
    pub version: Option<i32>,
    /// For a rollback: with the secrets as they are today.
    pub repin_secrets: bool,
    pub comment: Option<String>,
}

/// A value of a secret that is stored and does not count yet.
pub(in crate::app) struct WaitingSecret<'a> {
    pub(in crate::app) key: &'a str,
    pub(in crate::app) version: i32,
    pub(in crate::app) reference: Option<&'a str>,
    /// Of the value that it is to take the place of.
    pub(in crate::app) before: Option<i32>,
    pub(in crate::app) repin: bool,
    pub(in crate::app) reason: Option<&'a str>,
}

impl App {
    pub async fn request_approval(&self, ctx: &OpContext, input: RequestApproval) -> Result<Approval> {
        let proof = ctx.authorize::<AskApproval>()?;
        check_comment("/comment", input.comment.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(input.id).await?;
        check_not_archived(&row)?;
        let number = input.version.unwrap_or(row.latest_version);
        let version = tx.version(row.id, number).await?.ok_or_else(|| no_such_version(&row, number))?;
        let (action, verb) = match version.state {
            VersionState::Draft => (ApprovalAction::Publish, "publish it"),
            VersionState::Archived => (ApprovalAction::Rollback, "roll back to it"),
            VersionState::Published => {
                return Err(Error::conflict(format!("version {number} is the published one already")));
            }
        };
        let rules = tx.approval_rules(&row.tenant).await?;
        if !rules.asks(action) {
            return Err(Error::conflict(format!("no policy asks for approval here; {verb}")));
        }
        let again = |a: &Approval| a.version == Some(number);
        self.make_room(ctx, &proof, &mut tx, &row, again).await?;
        let secret_pins = match (action, input.repin_secrets) {
            (ApprovalAction::Rollback, false) => {
                check_pins_exist(&tx, &version).await?;
                version.secret_pins.clone()
            }
            _ => self.pin_secrets(&tx, &version).await?,
        };
        let approval = Approval {
            version: Some(number),
            checksum: Some(version.checksum),
            author: Some(version.created_by),
            repin: action == ApprovalAction::Rollback && input.repin_secrets,
            secret_pins,
            evidence: tx.last_test(row.id, number).await?,
            comment: input.comment.filter(|comment| !comment.is_empty()),
            ..blank(ctx, &row, action, &rules)
        };
        self.ask(ctx, &proof, &mut tx, &row, &approval).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::ApprovalRequested);
        Ok(approval)
    }

    /// Whether a secret may be set at once, or only asked to be, as `asked` says that it is.
    pub(in crate::app) async fn may_set_secret(&self, tx: &Tx, row: &Datasource, asked: bool) -> Result<()> {
        let needed = tx.approval_rules(&row.tenant).await?.asks(ApprovalAction::SecretChange);
        match (needed, asked) {
            (true, false) => Err(Error::new(
                ErrorCode::ApprovalRequired,
                "a change of a secret needs approval: send it with requestApproval: true; the value counts as soon as \
                 somebody else agrees",
            )),
            (false, true) => {
                Err(Error::conflict("no policy asks for approval here; set the secret without requestApproval"))
            }
            _ => Ok(()),
        }
    }

    /// Asks for a value to count that this transaction stored.
    pub(in crate::app) async fn ask_for_secret(
        &self,
        ctx: &OpContext,
        proof: &Authorized<ManageSecrets>,
        tx: &mut Tx,
        row: &Datasource,
        secret: WaitingSecret<'_>,
    ) -> Result<Approval> {
        let again = |a: &Approval| a.secret_key.as_deref() == Some(secret.key);
        self.make_room(ctx, proof, tx, row, again).await?;
        let rules = tx.approval_rules(&row.tenant).await?;
        let approval = Approval {
            secret_key: Some(secret.key.to_owned()),
            secret_version: Some(secret.version),
            secret_reference: secret.reference.map(str::to_owned),
            repin: secret.repin,
            secret_pins: secret.before.map(|number| (secret.key.to_owned(), number)).into_iter().collect(),
            comment: secret.reason.filter(|reason| !reason.is_empty()).map(str::to_owned),
            ..blank(ctx, row, ApprovalAction::SecretChange, &rules)
        };
        self.ask(ctx, proof, tx, row, &approval).await?;
        Ok(approval)
    }

    /// One request at a time is open for the same thing. One that is over or void makes room for the next.
    async fn make_room<P: Grant>(
        &self,
        ctx: &OpContext,
        proof: &Authorized<P>,
        tx: &mut Tx,
        row: &Datasource,
        same: impl Fn(&Approval) -> bool,
    ) -> Result<()> {
        let found = tx.open_approvals(row.id).await?.into_iter().find(|approval| same(approval));
        let Some(mut approval) = found else { return Ok(()) };
        if approval.is_open_at(now()) {
            if let Some(reason) = self.void_reason(tx, row, &approval).await? {
                return self.void(ctx, proof, tx, row, approval, reason).await;
            }
            return Err(Error::conflict(format!(
                "the request {} of {} is open already; wait for it, or withdraw it first",
                approval.id, approval.requested_by
            )));
        }
        let was = approval.status;
        approval.status = ApprovalStatus::Expired;
        approval.closed_at = Some(now());
        tx.save_approval(proof, &approval).await?;
        let payload = json!({ "approvalId": approval.id, "action": approval.action });
        ctx.journal(tx, entry(row, &approval, was, EventType::ApprovalExpired, payload));
        Ok(())
    }

    async fn ask<P: Grant>(
        &self,
        ctx: &OpContext,
        proof: &Authorized<P>,
        tx: &mut Tx,
        row: &Datasource,
        approval: &Approval,
    ) -> Result<()> {
        tx.insert_approval(proof, approval).await?;
        let payload = json!({
            "approvalId": approval.id,
            "action": approval.action,
            "checksum": approval.checksum,
            "secretKey": approval.secret_key,
            "reference": approval.secret_reference,
            "secretPins": approval.secret_pins,
            "testEvent": approval.evidence.as_ref().map(|evidence| evidence.event),
            "testSucceeded": approval.evidence.as_ref().map(|evidence| evidence.success),
            "required": approval.required,
            "expiresAt": approval.expires_at,
            "comment": approval.comment,
        });
        let field = format!("approvals.{}", approval.id);
        let entry = Journal {
            version: approval.version,
            changes: change(&field, json!(null), approval.status.as_str()).into_iter().collect(),
            reason: approval.comment.as_deref(),
            ..journal(row, EventType::ApprovalRequested, payload)
        };
        ctx.journal(tx, entry);
        Ok(())
    }
}

fn blank(ctx: &OpContext, row: &Datasource, action: ApprovalAction, rules: &ApprovalRules) -> Approval {
    let at = now();
    Approval {
        id: Uuid::now_v7(),
        tenant: row.tenant.clone(),
        datasource_id: row.id,
        action,
        version: None,
        checksum: None,
        author: None,
        secret_key: None,
        secret_version: None,
        secret_reference: None,
        repin: false,
        secret_pins: SecretPins::new(),
        evidence: None,
        status: ApprovalStatus::Pending,
        reason: None,
        comment: None,
        required: rules.approvers,
        decisions: Vec::new(),
        requested_at: at,
        requested_by: ctx.actor.subject.to_string(),
        expires_at: at + rules.expires_after,
        closed_at: None,
    }
}
