//! A second person for what goes live: which changes need one, what a request is about, and when it ends.
//!
//! A request is written under the lock of its datasource, as is everything that it pins: versions, secrets, and
//! what is published. Whoever changes one of these ends the requests that are about something else now, in the same
//! transaction; and whoever decides on a request or uses it compares once more.

mod decide;
mod policy;
mod request;

pub use decide::{Decide, Verdict, WithdrawApproval};
pub use policy::SetApprovalPolicy;
pub use request::RequestApproval;
pub(super) use request::WaitingSecret;

use std::collections::HashMap;

use serde_json::json;
use uuid::Uuid;

use super::change::{Journal, change, journal};
use super::lifecycle::check_pins_exist;
use super::{App, OpContext};
use crate::auth::Authorized;
use crate::auth::policy::Grant;
use crate::auth::policy::grant::AskApproval;
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    Approval, ApprovalAction, ApprovalFilter, ApprovalStatus, Datasource, EventType, Version, VersionState, now,
};
use crate::error::{Error, ErrorCode, Result};
use crate::store::Tx;

impl App {
    /// Newest first, each as it is now.
    pub async fn approvals(
        &self,
        ctx: &OpContext,
        filter: &ApprovalFilter,
        page: &PageRequest<Uuid>,
    ) -> Result<Page<Approval>> {
        let proof = ctx.authorize::<AskApproval>()?;
        let at = now();
        let tx = self.store.read(proof.scope()).await?;
        let found = tx.approvals(filter, at, page).await?;
        let mut asked = HashMap::new();
        for tenant in found.items.iter().map(|approval| &approval.tenant) {
            if !asked.contains_key(tenant) {
                asked.insert(tenant.clone(), tx.approval_rules(tenant).await?.approvers);
            }
        }
        Ok(found.map(|approval| {
            let open = approval.is_open_at(at);
            let asked = asked.get(&approval.tenant).copied().filter(|_| open).unwrap_or_default();
            Approval { status: approval.status_at(at), required: approval.required.max(asked), ..approval }
        }))
    }

    /// Lets a version pass that needs nobody, or that was agreed to: then the request is used up, and answered with.
    /// `version` is as it is to go live, with the secrets that it is to run with.
    pub(super) async fn pass<P: Grant>(
        &self,
        proof: &Authorized<P>,
        tx: &mut Tx,
        row: &Datasource,
        action: ApprovalAction,
        version: &Version,
    ) -> Result<Option<Uuid>> {
        let rules = tx.approval_rules(&row.tenant).await?;
        if !rules.asks(action) {
            return Ok(None);
        }
        let number = version.version;
        let what = match action {
            ApprovalAction::Rollback => format!("a rollback to version {number}"),
            _ => format!("publishing version {number}"),
        };
        let refused = |why: String| Error::new(ErrorCode::ApprovalRequired, format!("{what} needs approval: {why}"));
        let ask = "ask for it with requestApproval (POST …/approvals)";
        let found = tx.open_approvals(row.id).await?.into_iter();
        let found = found.filter(|a| a.is_open_at(now())).find(|a| (a.action, a.version) == (action, Some(number)));
        let Some(mut approval) = found else { return Err(refused(ask.to_owned())) };
        let missing = approval.missing(rules.approvers);
        if missing > 0 {
            let who = if missing == 1 { "one more person".to_owned() } else { format!("{missing} more people") };
            return Err(refused(format!("the request {} waits for {who} to agree (approveVersion)", approval.id)));
        }
        if let Some(reason) = self.void_reason(tx, row, &approval).await? {
            return Err(refused(format!("the request {} is void, as {reason}; {ask} again", approval.id)));
        }
        // To the values of the secrets: a rollback with those of then and one with those of today are two things.
        if (approval.checksum.as_ref(), &approval.secret_pins) != (Some(&version.checksum), &version.secret_pins) {
            let with = if approval.repin { "those of today" } else { "those that it was published with" };
            return Err(refused(format!("the request {} is for the secrets as {with}", approval.id)));
        }
        approval.status = ApprovalStatus::Used;
        approval.closed_at = Some(now());
        tx.save_approval(proof, &approval).await?;
        Ok(Some(approval.id))
    }

    /// The same for what an import publishes, which the policy may except.
    pub(super) async fn pass_import<P: Grant>(
        &self,
        ctx: &OpContext,
        proof: &Authorized<P>,
        tx: &mut Tx,
        row: &Datasource,
        version: &Version,
    ) -> Result<Option<Uuid>> {
        if ctx.first_content || tx.approval_rules(&row.tenant).await?.imports_exempt {
            return Ok(None);
        }
        self.pass(proof, tx, row, ApprovalAction::Publish, version).await.map_err(|error| match error.code() {
            ErrorCode::ApprovalRequired => Error::new(
                ErrorCode::ApprovalRequired,
                format!(
                    "{}; an import is no second person: import it with publish: false and publish the draft once it \
                     is approved, or let the policy except imports",
                    error.message()
                ),
            ),
            _ => error,
        })
    }

    /// Ends the requests of a datasource that are about something else since this transaction.
    pub(super) async fn settle_approvals<P: Grant>(
        &self,
        ctx: &OpContext,
        proof: &Authorized<P>,
        tx: &mut Tx,
        row: &Datasource,
    ) -> Result<()> {
        for approval in tx.open_approvals(row.id).await? {
            if let Some(reason) = self.void_reason(tx, row, &approval).await? {
                self.void(ctx, proof, tx, row, approval, reason).await?;
            }
        }
        Ok(())
    }

    /// The same after a test of a version, of which `digest` says what came out; `None` when it failed. Its event is
    /// written last of all, so the test is not to be found yet.
    pub(super) async fn settle_after_test<P: Grant>(
        &self,
        ctx: &OpContext,
        proof: &Authorized<P>,
        tx: &mut Tx,
        row: &Datasource,
        version: i32,
        digest: Option<&str>,
    ) -> Result<()> {
        let differs = |a: &Approval| {
            let pinned = a.evidence.as_ref().map(|evidence| evidence.digest.as_str());
            a.version == Some(version) && (digest.is_none() || pinned != digest)
        };
        if !tx.open_approvals(row.id).await?.iter().any(differs) {
            return Ok(());
        }
        let row = tx.datasource_for_update(row.id).await?;
        for approval in tx.open_approvals(row.id).await?.into_iter().filter(differs) {
            let outcome = if digest.is_some() { "with another outcome" } else { "and failed" };
            let reason = format!("version {version} was tested again, {outcome}");
            self.void(ctx, proof, tx, &row, approval, reason).await?;
        }
        Ok(())
    }

    async fn void<P: Grant>(
        &self,
        ctx: &OpContext,
        proof: &Authorized<P>,
        tx: &mut Tx,
        row: &Datasource,
        mut approval: Approval,
        reason: String,
    ) -> Result<()> {
        let was = approval.status;
        approval.status = ApprovalStatus::Void;
        approval.closed_at = Some(now());
        let payload = json!({ "approvalId": approval.id, "action": approval.action, "reason": reason });
        approval.reason = Some(reason);
        tx.save_approval(proof, &approval).await?;
        let entry = entry(row, &approval, was, EventType::ApprovalVoided, payload);
        ctx.journal(tx, Journal { reason: approval.reason.as_deref(), ..entry });
        self.metrics.lifecycle_event(EventType::ApprovalVoided);
        Ok(())
    }

    /// What is not as it was when the request was made.
    async fn void_reason(&self, tx: &Tx, row: &Datasource, approval: &Approval) -> Result<Option<String>> {
        if row.archived_at.is_some() {
            return Ok(Some("the datasource was archived".to_owned()));
        }
        if let Some(key) = &approval.secret_key {
            let newest = tx.secrets(&[row.id]).await?.into_iter().find(|s| s.key == *key).map(|s| s.version);
            let same = newest == approval.secret_pins.get(key).copied();
            return Ok((!same).then(|| format!("the secret {key:?} was set or deleted meanwhile")));
        }
        let number = approval.version.unwrap_or_default();
        let Some(version) = tx.version(row.id, number).await? else {
            return Ok(Some(format!("version {number} is gone")));
        };
        let state = match approval.action {
            ApprovalAction::Rollback => VersionState::Archived,
            _ => VersionState::Draft,
        };
        if version.state != state {
            return Ok(Some(format!("version {number} is {} now", version.state)));
        }
        if approval.checksum.as_ref() != Some(&version.checksum) {
            return Ok(Some(format!("the configuration of version {number} is another one")));
        }
        let pins = match (approval.action, approval.repin) {
            (ApprovalAction::Rollback, false) => check_pins_exist(tx, &version).await.map(|()| version.secret_pins),
            _ => self.pin_secrets(tx, &version).await,
        };
        match pins {
            Ok(pins) if pins == approval.secret_pins => {}
            Ok(pins) => {
                let changed = pins.iter().filter(|(key, number)| approval.secret_pins.get(*key) != Some(*number));
                let keys: Vec<_> = changed.map(|(key, _)| format!("{key:?}")).collect();
                return Ok(Some(format!("its secrets were changed meanwhile: {}", keys.join(", "))));
            }
            Err(error) if matches!(error.code(), ErrorCode::SecretMissing | ErrorCode::ConfigInvalid) => {
                return Ok(Some(error.message().to_owned()));
            }
            Err(error) => return Err(error),
        }
        let tested = tx.last_test(row.id, number).await?.map(|evidence| evidence.digest);
        let same = tested.as_ref() == approval.evidence.as_ref().map(|evidence| &evidence.digest);
        Ok((!same).then(|| format!("version {number} was tested again, with another outcome")))
    }
}

/// What a step in the life of a request leaves behind.
fn entry<'a>(
    row: &'a Datasource,
    approval: &Approval,
    was: ApprovalStatus,
    event: EventType,
    payload: serde_json::Value,
) -> Journal<'a> {
    let field = format!("approvals.{}", approval.id);
    let changes = change(&field, was.as_str(), approval.status.as_str()).into_iter().collect();
    Journal { version: approval.version, changes, ..journal(row, event, payload) }
}
