//! What signs for an endpoint. Each opening of a secret is audited; a node that goes on opens it once.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use uuid::Uuid;

use super::super::Deps;
use super::unusable;
use crate::domain::{FieldChange, Outcome, Tenant};
use crate::error::{Error, Result};
use crate::secrets::{SecretAddress, SigningKey, data_key_id};
use crate::store::NewAudit;
use crate::store::outbox::{SealedSigningSecret, Tenure};

/// Endpoints whose keys a node remembers.
const REMEMBERED: usize = 1_000;

/// The newest first.
pub(super) type Signers = Vec<Arc<SigningKey>>;

/// Keys that were opened, each with the id of its secret.
type Opened = Vec<(Uuid, Arc<SigningKey>)>;

/// What this node opened, by endpoint.
#[derive(Default)]
pub(super) struct SigningKeys(Mutex<HashMap<Uuid, Opened>>);

impl SigningKeys {
    pub(super) async fn of(&self, deps: &Deps, tenure: &Tenure) -> Result<Signers> {
        let endpoint = tenure.endpoint.id;
        let stored = deps.store.signing_secrets(tenure).await?;
        let known = self.known(endpoint);
        let mut signers = Vec::with_capacity(stored.len());
        for secret in stored {
            let key = match known.iter().find(|(id, _)| *id == secret.id) {
                Some((_, key)) => Arc::clone(key),
                None => Arc::new(open_audited(deps, tenure, &secret).await?),
            };
            signers.push((secret.id, key));
        }
        if signers.is_empty() {
            return Err(unusable(endpoint));
        }
        let keys = signers.iter().map(|(_, key)| Arc::clone(key)).collect();
        self.remember(endpoint, signers);
        Ok(keys)
    }

    fn known(&self, endpoint: Uuid) -> Opened {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keys.get(&endpoint).cloned().unwrap_or_default()
    }

    fn remember(&self, endpoint: Uuid, signers: Opened) {
        let mut keys = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= REMEMBERED && !keys.contains_key(&endpoint) {
            keys.clear();
        }
        keys.insert(endpoint, signers);
    }
}

async fn open_audited(deps: &Deps, tenure: &Tenure, secret: &SealedSigningSecret) -> Result<SigningKey> {
    let opened = open(deps, tenure, secret).await;
    deps.metrics.secret_operation("open", opened.is_ok());
    let entry = NewAudit {
        tenant: Tenant { org: Arc::clone(&tenure.endpoint.org), project: "".into() },
        datasource_id: None,
        action: "secrets_opened".to_owned(),
        actor: "system:notifications".to_owned(),
        source_address: None,
        request_id: Uuid::now_v7().to_string(),
        reason: Some("notifications".to_owned()),
        outcome: if opened.is_ok() { Outcome::Success } else { Outcome::Failed },
        changes: vec![FieldChange {
            field: format!("notificationEndpoints.{}.secret", tenure.endpoint.id),
            old: json!(null),
            new: json!({ "version": secret.version }),
        }],
    };
    let audited = deps.store.audit_secret_use(entry).await;
    // Why it did not open matters more than that this could not be written down.
    let opened = opened?;
    audited?;
    Ok(opened)
}

async fn open(deps: &Deps, tenure: &Tenure, secret: &SealedSigningSecret) -> Result<SigningKey> {
    let org = &tenure.endpoint.org;
    let id = data_key_id(&secret.ciphertext)?;
    let wrapped = deps.store.data_key_of(org, id).await?;
    // A rotation that ended between the two reads retired it: the next look reads both anew.
    let wrapped = wrapped.ok_or_else(|| Error::unavailable("the key of a secret has changed", id))?;
    let key = deps.keyring.unwrap_data_key(org, &wrapped).await?;
    let address = SecretAddress::signing(org, tenure.endpoint.id, secret.version);
    SigningKey::parse(&key.open(&address, &secret.ciphertext)?).ok_or_else(|| unusable(tenure.endpoint.id))
}
