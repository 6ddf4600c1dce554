//! Key rotations: every value moves to the new key, one by one, each proven to open before it counts.
//!
//! What is left to do is read from the rows themselves; a rotation that was cut off anywhere is gone on with
//! by whichever node takes it next. Old keys stay until somebody retires them, so that all can be read meanwhile.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use subtle::ConstantTimeEq;
use uuid::Uuid;

use super::{Deps, Registry, Shared};
use crate::config::NodeRole;
use crate::domain::{FieldChange, KeyRotation, Outcome, RotationKind, Tenant, WrappedDataKey};
use crate::error::{Error, ErrorCode, Result};
use crate::secrets::{DataKey, INSTALLATION, SecretAddress, SecretError};
use crate::store::NewAudit;
use crate::store::rotation::{SealedFor, StaleSecret};

/// Values that move in one transaction.
const BATCH: u64 = 25;
/// How long a rotation waits after a failure that may pass.
const WAIT: Duration = Duration::from_secs(5);

/// Takes and runs rotations until the registry stops.
pub(super) async fn work(shared: &Arc<Shared>) {
    if shared.node.role == NodeRole::Gateway {
        return;
    }
    let mut timer = tokio::time::interval(shared.node.reconcile_interval);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            () = shared.rotation_asked.notified() => {}
            _ = timer.tick() => {}
        }
        let all = work_off(shared, None);
        if shared.stop.run_until_cancelled(all).await.is_none() {
            return;
        }
    }
}

impl Registry {
    /// Looks for rotations at once.
    pub fn nudge_rotations(&self) {
        self.0.rotation_asked.notify_one();
    }

    /// Runs the open rotation of an organisation here, if no other node does.
    pub async fn rotate_now(&self, org: &str) {
        work_off(&self.0, Some(org)).await;
    }
}

async fn work_off(shared: &Shared, org: Option<&str>) {
    let ttl = shared.node.lease_ttl;
    loop {
        match shared.deps.store.claim_rotation(&shared.node.name, ttl, org).await {
            Ok(Some(rotation)) => run(&shared.deps, rotation, ttl).await,
            Ok(None) => return,
            Err(error) => return tracing::warn!(%error, "could not look for key rotations"),
        }
    }
}

/// How a run of a rotation came to its end.
enum End {
    Done,
    /// Another node has it now.
    Lost,
    /// So many values could not be moved; the first one is told of.
    Left(u64, String),
}

async fn run(deps: &Deps, rotation: KeyRotation, ttl: Duration) {
    tracing::info!(rotation = %rotation.id, kind = %rotation.kind, "a key rotation goes on");
    let result = match (rotation.kind, rotation.data_key_id) {
        (RotationKind::MasterKey, _) => rewrap_all(deps, &rotation, ttl).await,
        (RotationKind::DataKey, Some(target)) => reseal_all(deps, &rotation, target, ttl).await,
        (RotationKind::DataKey, None) => Err(Error::internal("a rotation of data keys names none")),
    };
    let error = match result {
        Ok(End::Lost) => return tracing::warn!(rotation = %rotation.id, "another node has the rotation now"),
        Ok(End::Done) => None,
        Ok(End::Left(count, first)) => {
            Some(format!("{count} could not be moved and stay under their old key; the first one: {first}"))
        }
        Err(error) if matches!(error.code(), ErrorCode::Unavailable | ErrorCode::Internal) => {
            tracing::warn!(rotation = %rotation.id, %error, detail = error.detail(), "a key rotation waits");
            let why = error.detail().unwrap_or(error.message());
            if let Err(error) = deps.store.postpone_rotation(&rotation, Some(why), WAIT).await {
                tracing::warn!(%error, "a key rotation could not be postponed; its lease ends by itself");
            }
            return;
        }
        Err(error) => Some(error.message().to_owned()),
    };
    deps.metrics.key_rotation(rotation.kind.as_str(), error.is_none());
    let entry = NewAudit {
        tenant: Tenant { org: Arc::clone(&rotation.org), project: "default".into() },
        datasource_id: None,
        action: "key_rotation_ended".to_owned(),
        actor: "system:registry".to_owned(),
        source_address: None,
        request_id: rotation.id.to_string(),
        reason: rotation.reason.clone(),
        outcome: if error.is_none() { Outcome::Success } else { Outcome::Failed },
        changes: vec![FieldChange {
            field: format!("keys.{}", rotation.kind),
            old: json!(null),
            new: json!({ "rotation": rotation.id, "dataKey": rotation.data_key_id, "total": rotation.total }),
        }],
    };
    match deps.store.end_rotation(&rotation, error.as_deref(), entry).await {
        Ok(Ok(())) => tracing::info!(rotation = %rotation.id, error, "a key rotation ended"),
        Ok(Err(_)) => tracing::warn!(rotation = %rotation.id, "another node has the rotation now"),
        Err(error) => tracing::warn!(%error, "the end of a key rotation could not be stored; it is found again"),
    }
}

/// What a run goes past.
#[derive(Default)]
struct Left {
    damaged: u64,
    first: Option<String>,
    /// Why something else was left that another node, or a later run, may do.
    waits: Option<Error>,
}

/// Wraps the data keys anew; the secrets themselves stay as they are.
async fn rewrap_all(deps: &Deps, rotation: &KeyRotation, ttl: Duration) -> Result<End> {
    let (mut left, mut after) = (Left::default(), None);
    rewrap_installation(deps, rotation, &mut left).await?;
    loop {
        let tx = deps.store.rotate_in(&rotation.org).await?;
        let stale = tx.stale_data_keys(rotation.created_at, after, BATCH).await?;
        let Some(last) = stale.last() else { break };
        after = Some(last.id);
        // Outside of a transaction: a key service may take its time.
        drop(tx);
        let fresh = wrap_anew(deps, &rotation.org, &stale, &mut left).await?;
        let tx = deps.store.rotate_in(&rotation.org).await?;
        for (old, new) in &fresh {
            tx.keep_rewrapped(old, new, rotation.created_at).await?;
        }
        let done = rotation.total.saturating_sub(tx.count_stale_data_keys(rotation.created_at).await?);
        if deps.store.advance_rotation(&tx, rotation, done, ttl).await?.is_err() {
            return Ok(End::Lost);
        }
        tx.commit().await?;
    }
    match left {
        Left { waits: Some(error), .. } => Err(error),
        Left { damaged, first: Some(first), .. } => Ok(End::Left(damaged, first)),
        Left { .. } => Ok(End::Done),
    }
}

/// The key that is nobody's goes with the first organisation that asks.
async fn rewrap_installation(deps: &Deps, rotation: &KeyRotation, left: &mut Left) -> Result<()> {
    let org: Arc<str> = INSTALLATION.into();
    let tx = deps.store.rotate_in(&org).await?;
    let stale = tx.stale_data_keys(rotation.created_at, None, BATCH).await?;
    drop(tx);
    let fresh = wrap_anew(deps, &org, &stale, left).await?;
    let tx = deps.store.rotate_in(&org).await?;
    for (old, new) in &fresh {
        tx.keep_rewrapped(old, new, rotation.created_at).await?;
    }
    tx.commit().await
}

/// Those of the keys that can be wrapped anew: one that cannot holds up no other. Only an outage is all of theirs.
async fn wrap_anew<'a>(
    deps: &Deps,
    org: &str,
    stale: &'a [WrappedDataKey],
    left: &mut Left,
) -> Result<Vec<(&'a WrappedDataKey, WrappedDataKey)>> {
    let mut fresh = Vec::with_capacity(stale.len());
    for key in stale {
        let error = match deps.keyring.rewrap(org, key).await {
            Ok(new) => {
                fresh.push((key, new));
                deps.metrics.secret_operation("rewrap", true);
                continue;
            }
            Err(error) => error,
        };
        if error.is_outage() {
            return Err(lasting(&error));
        }
        deps.metrics.secret_operation("rewrap", false);
        tracing::warn!(org, data_key = %key.id, %error, "a data key cannot be wrapped anew");
        if is_damage(&error) {
            left.damaged += 1;
            left.first.get_or_insert_with(|| format!("data key {}: {error}", key.id));
        } else {
            left.waits.get_or_insert_with(|| lasting(&error));
        }
    }
    Ok(fresh)
}

/// What is damaged is damaged everywhere.
fn is_damage(error: &SecretError) -> bool {
    matches!(error, SecretError::Tampered(_) | SecretError::Format(_))
}

/// A key that is missing here may be there on another node or after a restart, so the rotation waits for it.
fn lasting(error: &SecretError) -> Error {
    if is_damage(error) {
        return Error::conflict(format!("a data key does not open: {error}"));
    }
    Error::unavailable("a data key cannot be used right now", error)
}

async fn reseal_all(deps: &Deps, rotation: &KeyRotation, target: Uuid, ttl: Duration) -> Result<End> {
    let mut keys = Keys { deps, org: &rotation.org, opened: HashMap::new() };
    let new = keys.get(target).await?.map_err(|e| lasting(&e))?;
    let (mut after, mut stuck, mut first) = (None, 0_u64, None);
    loop {
        let tx = deps.store.rotate_in(&rotation.org).await?;
        let stale = tx.stale_secrets(target, after, BATCH).await?;
        let Some(last) = stale.last() else { break };
        after = Some(last.id);
        // Each old key is opened before the transaction that writes: a key service may take its time.
        drop(tx);
        let mut sealed = Vec::with_capacity(stale.len());
        for row in &stale {
            let moved = match keys.get(row.data_key_id).await? {
                Ok(old) => reseal(&rotation.org, row, &old, &new),
                Err(error) if error.is_outage() => return Err(lasting(&error)),
                Err(error) => Err(error),
            };
            match moved {
                Ok(ciphertext) => sealed.push((row, ciphertext)),
                Err(error) => {
                    stuck += 1;
                    deps.metrics.secret_operation("reseal", false);
                    let place = place(row);
                    tracing::warn!(place, %error, "a secret cannot be moved to a new key");
                    first.get_or_insert_with(|| format!("{place}: {error}"));
                }
            }
        }
        let tx = deps.store.rotate_in(&rotation.org).await?;
        for (row, ciphertext) in sealed {
            // What was deleted or moved meanwhile needs nothing more.
            if let Some(stored) = tx.reseal(row, target, ciphertext).await? {
                prove(&rotation.org, row, &keys, &new, &stored)?;
                deps.metrics.secret_operation("reseal", true);
            }
        }
        let left = tx.count_stale_secrets(target).await?;
        let done = rotation.total.saturating_sub(left);
        if deps.store.advance_rotation(&tx, rotation, done, ttl).await?.is_err() {
            return Ok(End::Lost);
        }
        tx.commit().await?;
    }
    Ok(first.map_or(End::Done, |first| End::Left(stuck, first)))
}

fn address<'a>(org: &'a str, row: &'a StaleSecret) -> SecretAddress<'a> {
    match &row.of {
        SealedFor::Datasource { id, key, is_reference } => {
            SecretAddress { org, datasource_id: *id, key, version: row.version, reference: *is_reference }
        }
        SealedFor::Endpoint(id) => SecretAddress::signing(org, *id, row.version),
    }
}

fn place(row: &StaleSecret) -> String {
    match &row.of {
        SealedFor::Datasource { id, key, .. } => format!("{key} version {} of datasource {id}", row.version),
        SealedFor::Endpoint(id) => format!("signing secret version {} of notification endpoint {id}", row.version),
    }
}

fn reseal(org: &str, row: &StaleSecret, old: &DataKey, new: &DataKey) -> std::result::Result<Vec<u8>, SecretError> {
    let address = address(org, row);
    new.seal(&address, &old.open(&address, &row.ciphertext)?)
}

/// What was stored opens to what it was; else the transaction is not committed.
fn prove(org: &str, row: &StaleSecret, keys: &Keys<'_>, new: &DataKey, stored: &[u8]) -> Result<()> {
    let address = address(org, row);
    let old = keys.opened.get(&row.data_key_id).ok_or_else(|| Error::internal("the old key was not opened"))?;
    let (before, after) = (old.open(&address, &row.ciphertext)?, new.open(&address, stored)?);
    if before.expose_secret().as_bytes().ct_eq(after.expose_secret().as_bytes()).into() {
        return Ok(());
    }
    Err(Error::internal(format!("the secret {} under its new key is not what it was", row.id)))
}

/// The data keys of an organisation, each opened once.
struct Keys<'a> {
    deps: &'a Deps,
    org: &'a Arc<str>,
    opened: HashMap<Uuid, Arc<DataKey>>,
}

impl Keys<'_> {
    async fn get(&mut self, id: Uuid) -> Result<std::result::Result<Arc<DataKey>, SecretError>> {
        if let Some(key) = self.opened.get(&id) {
            return Ok(Ok(Arc::clone(key)));
        }
        let stored = self.deps.store.data_key_of(self.org, id).await?;
        let stored = stored.ok_or_else(|| Error::internal(format!("the data key {id} is gone")))?;
        let opened = self.deps.keyring.unwrap_data_key(self.org, &stored).await;
        if let Ok(key) = &opened {
            self.opened.insert(id, Arc::clone(key));
        }
        Ok(opened)
    }
}
