//! Secrets go in and never come out.

use std::sync::Arc;

use secrecy::SecretString;
use serde_json::json;
use uuid::Uuid;

use super::approval::WaitingSecret;
use super::change::{Journal, check, check_comment, check_not_archived, check_revision, journal};
use super::{ActOn, App, OpContext};
use crate::auth::Authorized;
use crate::auth::policy::grant::{ManageSecrets, Read};
use crate::domain::{Approval, ApprovalAction, Datasource, EventType, FieldChange, SecretInfo, check_secret_key};
use crate::error::{Error, ErrorCode, Problem, Result};
use crate::secrets::{DataKey, SecretAddress};
use crate::store::Tx;
use crate::store::secret::NewSecret;

/// The longest value that is stored, in bytes.
const VALUE_MAX: usize = 64 * 1024;

#[derive(Clone, Debug)]
pub struct SetSecret {
    pub id: Uuid,
    pub key: String,
    /// Either this or `reference`.
    pub value: Option<SecretString>,
    /// Where the value is kept instead.
    pub reference: Option<String>,
    /// Also let the published version run with the new value, at once.
    pub repin: bool,
    /// Ask for approval: the value counts as soon as somebody else agrees.
    pub request_approval: bool,
    pub reason: Option<String>,
}

#[derive(Clone, Debug)]
pub struct DeleteSecret {
    pub id: Uuid,
    pub key: String,
    /// Delete it although the published version runs with it.
    pub force: bool,
    pub reason: Option<String>,
}

/// The secret as it is now, and whether the published version runs with an older value.
pub struct SecretChange {
    pub datasource: Datasource,
    pub secret: SecretInfo,
    pub repin_required: bool,
    /// Present: the value waits for it, and the secret is shown as it would be.
    pub approval: Option<Approval>,
}

impl App {
    pub async fn secrets(&self, ctx: &OpContext, ids: &[Uuid]) -> Result<Vec<SecretInfo>> {
        let proof = ctx.authorize::<Read>()?;
        self.store.read(proof.scope()).await?.secrets(ids).await
    }

    pub async fn set_secret(&self, ctx: &OpContext, input: SetSecret) -> Result<SecretChange> {
        use secrecy::ExposeSecret as _;
        let proof = ctx.authorize::<ManageSecrets>()?;
        let mut problems = Vec::new();
        check_secret_key("/key", &input.key, &mut problems);
        match (&input.value, &input.reference) {
            (Some(value), None) => match value.expose_secret().len() {
                0 => problems.push(Problem::new("/value", "must not be empty")),
                n if n > VALUE_MAX => {
                    problems.push(Problem::new("/value", format!("must have at most {VALUE_MAX} bytes")));
                }
                _ => {}
            },
            (None, Some(_)) => {}
            (Some(_), Some(_)) => problems.push(Problem::new("/reference", "must not be given together with value")),
            (None, None) => problems.push(Problem::new("/value", "must be given, or reference in its place")),
        }
        check(problems)?;
        let reference = input.reference.as_deref();
        let sealed = input.value.clone().unwrap_or_else(|| reference.unwrap_or_default().into());
        check_comment("/reason", input.reason.as_deref())?;

        // Before the transaction: a key service may take its time, and must not hold up other writers.
        let data_key = self.data_key(&proof).await?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(input.id).await?;
        check_not_archived(&row)?;
        if let Some(reference) = reference {
            self.registry.check_reference(&row.tenant, reference).map_err(|why| Error::invalid("/reference", why))?;
        }
        self.may_set_secret(&tx, &row, input.request_approval).await?;
        let version = tx.next_secret_version(row.id, &input.key).await?;
        let address = SecretAddress {
            org: &row.tenant.org,
            datasource_id: row.id,
            key: &input.key,
            version,
            reference: reference.is_some(),
        };
        let ciphertext = data_key.seal(&address, &sealed)?;
        let new = NewSecret {
            tenant: &row.tenant,
            datasource_id: row.id,
            key: &input.key,
            version,
            data_key_id: data_key.id(),
            ciphertext,
            reference,
            created_by: &ctx.actor.subject,
            waits: input.request_approval,
        };
        tx.insert_secret(&proof, new).await?;
        if input.request_approval {
            return self.set_later(ctx, &proof, tx, row, version, &input).await;
        }
        let field = format!("secrets.{}", input.key);
        let entry = Journal {
            changes: vec![FieldChange { field, old: json!(null), new: json!(null) }],
            reason: input.reason.as_deref(),
            ..journal(
                &row,
                EventType::SecretSet,
                json!({ "key": input.key, "version": version, "reference": reference }),
            )
        };
        ctx.journal(&mut tx, entry);
        let pinned = pinned(&tx, &row, &input.key).await?;
        let mut repin_required = pinned.is_some();
        if input.repin && repin_required {
            self.repin_within(ctx, &proof, &mut tx, &row, input.reason.as_deref()).await?;
            repin_required = false;
        }
        let secret = info(&tx, &row, &input.key).await?;
        self.settle_approvals(ctx, &proof, &mut tx, &row).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::SecretSet);
        self.metrics.secret_operation("set", true);
        Ok(SecretChange { datasource: row, secret, repin_required, approval: None })
    }

    /// The value is stored; that it counts is for somebody else to say.
    async fn set_later(
        &self,
        ctx: &OpContext,
        proof: &Authorized<ManageSecrets>,
        mut tx: Tx,
        row: Datasource,
        version: i32,
        input: &SetSecret,
    ) -> Result<SecretChange> {
        let before = tx.secrets(&[row.id]).await?.into_iter().find(|secret| secret.key == input.key);
        let waiting = WaitingSecret {
            key: &input.key,
            version,
            reference: input.reference.as_deref(),
            before: before.as_ref().map(|secret| secret.version),
            repin: input.repin,
            reason: input.reason.as_deref(),
        };
        let approval = self.ask_for_secret(ctx, proof, &mut tx, &row, waiting).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::ApprovalRequested);
        let (at, by) = (approval.requested_at, approval.requested_by.clone());
        let secret = match before {
            Some(secret) => SecretInfo {
                version,
                rotated_at: Some(at),
                rotated_by: Some(by),
                reference: input.reference.clone(),
                ..secret
            },
            None => SecretInfo {
                datasource_id: row.id,
                key: input.key.clone(),
                version,
                created_at: at,
                created_by: by,
                rotated_at: None,
                rotated_by: None,
                reference: input.reference.clone(),
                used_by: Vec::new(),
            },
        };
        Ok(SecretChange { datasource: row, secret, repin_required: false, approval: Some(approval) })
    }

    pub async fn delete_secret(&self, ctx: &OpContext, input: DeleteSecret) -> Result<(Datasource, SecretInfo)> {
        let proof = ctx.authorize::<ManageSecrets>()?;
        check_comment("/reason", input.reason.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(input.id).await?;
        let secret = info(&tx, &row, &input.key).await?;
        if let Some(number) = pinned(&tx, &row, &input.key).await? {
            if !input.force {
                return Err(Error::conflict(format!(
                    "the published version {number} runs with the secret {:?}; publish a version without it, or delete it with force",
                    input.key
                )));
            }
            if tx.approval_rules(&row.tenant).await?.asks(ApprovalAction::SecretChange) {
                return Err(Error::new(
                    ErrorCode::ApprovalRequired,
                    format!(
                        "the published version {number} runs with the secret {:?}, of which each change needs approval; \
                         publish a version without it, and delete it then",
                        input.key
                    ),
                ));
            }
        }
        tx.delete_secret(&proof, row.id, &input.key).await?;
        let field = format!("secrets.{}", input.key);
        let entry = Journal {
            changes: vec![FieldChange { field, old: json!(null), new: json!(null) }],
            reason: input.reason.as_deref(),
            ..journal(&row, EventType::SecretDeleted, json!({ "key": input.key, "forced": input.force }))
        };
        ctx.journal(&mut tx, entry);
        self.settle_approvals(ctx, &proof, &mut tx, &row).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::SecretDeleted);
        self.metrics.secret_operation("delete", true);
        Ok((row, secret))
    }

    /// Lets the published version run with the newest values of its secrets.
    pub async fn repin_secrets(&self, ctx: &OpContext, input: ActOn) -> Result<Datasource> {
        let proof = ctx.authorize::<ManageSecrets>()?;
        let reason = input.reason.as_deref();
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(input.id).await?;
        check_revision(&row, input.expected_revision)?;
        check_not_archived(&row)?;
        self.repin_within(ctx, &proof, &mut tx, &row, reason).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::SecretsRepinned);
        Ok(row)
    }

    pub(super) async fn repin_within(
        &self,
        ctx: &OpContext,
        proof: &Authorized<ManageSecrets>,
        tx: &mut Tx,
        row: &Datasource,
        reason: Option<&str>,
    ) -> Result<()> {
        let Some(number) = row.current_version else {
            return Err(Error::conflict("no version is published; secrets are pinned when one is"));
        };
        let mut version = tx.version(row.id, number).await?.ok_or_else(|| Error::not_found("version"))?;
        let pins = self.pin_secrets(tx, &version).await?;
        if pins == version.secret_pins {
            return Ok(());
        }
        let change = FieldChange { field: "secretPins".into(), old: json!(version.secret_pins), new: json!(pins) };
        version.secret_pins = pins;
        tx.save_version(proof, &version).await?;
        // The version is the same, so the worker would not notice by itself.
        tx.raise_generation(proof, row.id).await?;
        let entry = Journal {
            version: Some(number),
            changes: vec![change],
            reason,
            ..journal(row, EventType::SecretsRepinned, json!({ "pins": version.secret_pins }))
        };
        ctx.journal(tx, entry);
        Ok(())
    }

    pub(super) async fn data_key(&self, proof: &Authorized<ManageSecrets>) -> Result<Arc<DataKey>> {
        let org = proof.scope().org_id();
        let active = self.store.read(proof.scope()).await?.active_data_key().await?;
        let wrapped = match active {
            Some(key) => key,
            None => {
                let fresh = self.keyring.generate_data_key(org).await?;
                let tx = self.store.write(proof).await?;
                let kept = tx.keep_data_key(proof, &fresh).await?;
                tx.commit().await?;
                kept
            }
        };
        Ok(self.keyring.unwrap_data_key(org, &wrapped).await?)
    }
}

async fn info(tx: &Tx, row: &Datasource, key: &str) -> Result<SecretInfo> {
    let all = tx.secrets(&[row.id]).await?;
    all.into_iter().find(|s| s.key == key).ok_or_else(|| Error::not_found("secret"))
}

/// The published version, if it runs with this key.
pub(super) async fn pinned(tx: &Tx, row: &Datasource, key: &str) -> Result<Option<i32>> {
    let Some(number) = row.current_version else { return Ok(None) };
    let version = tx.version(row.id, number).await?;
    Ok(version.filter(|v| v.secret_pins.contains_key(key)).map(|v| v.version))
}
