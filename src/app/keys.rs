//! Encryption keys of an organisation: what there is, rotation, and the end of old ones.

use serde_json::json;
use uuid::Uuid;

use super::change::check_comment;
use super::{App, OpContext};
use crate::auth::policy::grant::ManageKeys;
use crate::domain::{DataKeyInfo, FieldChange, KeyRotation, MasterKeyUse, RotationKind, RotationStatus, now};
use crate::error::{Error, Result};
use crate::store::Tx;

/// How many rotations are shown.
const SHOWN: u64 = 20;

/// The keys of an organisation.
#[derive(Clone, Debug)]
pub struct EncryptionKeys {
    /// Who wraps data keys from now on, and with which key.
    pub provider: &'static str,
    pub master_key: String,
    /// Oldest first, each with whether this node can open it.
    pub data_keys: Vec<(DataKeyInfo, bool)>,
    /// Newest first.
    pub rotations: Vec<KeyRotation>,
}

/// A master key that wraps something, and whether this node can ask for it.
#[derive(Clone, Debug)]
pub struct MasterKeyState {
    pub used: MasterKeyUse,
    pub held: bool,
    /// Whether it wraps from now on.
    pub current: bool,
}

impl App {
    pub async fn encryption_keys(&self, ctx: &OpContext) -> Result<EncryptionKeys> {
        let proof = ctx.authorize::<ManageKeys>()?;
        let tx = self.store.read(proof.scope()).await?;
        let (provider, master_key) = self.keyring.wraps_with();
        let held = |key: DataKeyInfo| {
            let held = self.keyring.holds(&key.provider, &key.master_key_id);
            (key, held)
        };
        let data_keys = tx.data_keys().await?.into_iter().map(held).collect();
        Ok(EncryptionKeys {
            provider,
            master_key: master_key.to_owned(),
            data_keys,
            rotations: tx.rotations(SHOWN).await?,
        })
    }

    /// Moves what the organisation has to a new key, in the background. Asked while that goes on, it answers with it.
    pub async fn rotate_keys(&self, ctx: &OpContext, kind: RotationKind, reason: Option<&str>) -> Result<KeyRotation> {
        let proof = ctx.authorize::<ManageKeys>()?;
        check_comment("/reason", reason)?;
        let org = proof.scope().org_id();
        // Made before the transaction: a key service may take its time.
        let fresh = match kind {
            RotationKind::DataKey => Some(self.keyring.generate_data_key(org).await?),
            RotationKind::MasterKey => None,
        };
        let mut tx = ctx.begin(&self.store, &proof).await?;
        if let Some(open) = tx.open_rotation().await? {
            return match open.kind == kind {
                true => Ok(open),
                false => {
                    Err(Error::conflict(format!("a rotation of the {} goes on; wait for its end", open.kind.noun())))
                }
            };
        }
        let at = now();
        let total = match &fresh {
            Some(key) => {
                tx.activate_data_key(&proof, key).await?;
                tx.count_stale_secrets(key.id).await?
            }
            None => tx.count_stale_data_keys(at).await?,
        };
        let rotation = KeyRotation {
            id: Uuid::now_v7(),
            org: org.clone(),
            kind,
            status: RotationStatus::Running,
            data_key_id: fresh.map(|key| key.id),
            total,
            done: 0,
            error: None,
            reason: reason.map(str::to_owned),
            node: None,
            epoch: 0,
            created_at: at,
            created_by: ctx.actor.subject.to_string(),
            finished_at: None,
            updated_at: at,
        };
        tx.insert_rotation(&proof, &rotation).await?;
        let what = json!({ "rotation": rotation.id, "dataKey": rotation.data_key_id, "total": total });
        audit(ctx, &mut tx, "key_rotation_started", &format!("keys.{kind}"), what, reason);
        tx.commit().await?;
        self.registry.nudge_rotations();
        Ok(rotation)
    }

    /// Forgets the data keys that seal nothing any more; answers with them.
    pub async fn retire_keys(&self, ctx: &OpContext, reason: Option<&str>) -> Result<Vec<DataKeyInfo>> {
        let proof = ctx.authorize::<ManageKeys>()?;
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        if tx.open_rotation().await?.is_some() {
            return Err(Error::conflict("a key rotation goes on; old keys can be retired when it has ended"));
        }
        let all = tx.data_keys().await?;
        let heir = all.iter().find(|key| key.active).map(|key| key.id);
        let mut retired = Vec::new();
        for key in all.into_iter().filter(|key| !key.active && key.secrets == 0) {
            let Some(heir) = heir else { break };
            tx.retire_data_key(&proof, key.id, heir).await?;
            audit(ctx, &mut tx, "data_key_retired", "keys.data_key", json!({ "dataKey": key.id }), reason);
            retired.push(key);
        }
        tx.commit().await?;
        Ok(retired)
    }

    /// Which master keys the data keys of all organisations need. For who runs the server, not for a tenant.
    pub async fn master_keys(&self) -> Result<Vec<MasterKeyState>> {
        let current = self.keyring.wraps_with();
        let state = |used: MasterKeyUse| MasterKeyState {
            held: self.keyring.holds(&used.provider, &used.master_key_id),
            current: current == (used.provider.as_str(), used.master_key_id.as_str()),
            used,
        };
        Ok(self.store.master_keys_in_use().await?.into_iter().map(state).collect())
    }

    /// Organisations that have a data key.
    pub async fn orgs_with_keys(&self) -> Result<Vec<String>> {
        self.store.orgs_with_keys().await
    }

    /// Whether a data key needs a master key that this process does not have.
    pub(super) async fn missing_master_key(&self) -> Option<String> {
        // A database that does not answer is told of elsewhere.
        let missing = self.master_keys().await.ok()?.into_iter().find(|key| !key.held)?.used;
        Some(format!(
            "{} data keys are wrapped by the {} master key {}, which this server does not have",
            missing.data_keys, missing.provider, missing.master_key_id
        ))
    }
}

fn audit(ctx: &OpContext, tx: &mut Tx, action: &str, field: &str, new: serde_json::Value, reason: Option<&str>) {
    let change = FieldChange { field: field.to_owned(), old: json!(null), new };
    tx.record_audit(ctx.audit(action, reason, vec![change]));
}
