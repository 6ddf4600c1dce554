//! The opening of secrets: for the start of a worker or a job, or a look at a source. Each one is audited.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use uuid::Uuid;

use super::Deps;
use super::supervisor::fsm::Failure;
use super::worker::{from_error, permanent};
use crate::domain::{FieldChange, Outcome, Scope, Tenant};
use crate::secrets::{DataKey, SecretAddress, SecretError, data_key_id};
use crate::store::NewAudit;
use crate::store::secret::SealedSecret;

/// The values of secrets, by their stored keys. Nothing is opened without an entry in the audit log that says so.
pub(super) async fn open_secrets(
    deps: &Deps,
    tenant: &Tenant,
    datasource_id: Uuid,
    sealed: &[SealedSecret],
    purpose: &str,
) -> Result<BTreeMap<String, SecretString>, Failure> {
    if sealed.is_empty() {
        return Ok(BTreeMap::new());
    }
    let opened = open_all(deps, tenant, datasource_id, sealed).await;
    deps.metrics.secret_operation("open", opened.is_ok());
    let change = |secret: &SealedSecret| FieldChange {
        field: format!("secrets.{}", secret.key),
        old: json!(null),
        new: json!({ "version": secret.version, "reference": secret.is_reference }),
    };
    let entry = NewAudit {
        tenant: tenant.clone(),
        datasource_id: Some(datasource_id),
        action: "secrets_opened".to_owned(),
        actor: "system:registry".to_owned(),
        source_address: None,
        request_id: Uuid::now_v7().to_string(),
        reason: Some(purpose.to_owned()),
        outcome: if opened.is_ok() { Outcome::Success } else { Outcome::Failed },
        changes: sealed.iter().map(change).collect(),
    };
    let audited = deps.store.audit_secret_use(entry).await.map_err(from_error);
    // Why it did not open matters more than that this could not be written down.
    let opened = opened?;
    audited?;
    Ok(opened)
}

async fn open_all(
    deps: &Deps,
    tenant: &Tenant,
    datasource_id: Uuid,
    sealed: &[SealedSecret],
) -> Result<BTreeMap<String, SecretString>, Failure> {
    let org = &tenant.org;
    let mut keys: HashMap<Uuid, Arc<DataKey>> = HashMap::new();
    let mut opened = BTreeMap::new();
    for secret in sealed {
        let id = data_key_id(&secret.ciphertext).map_err(unreadable)?;
        let key = match keys.get(&id) {
            Some(key) => Arc::clone(key),
            None => {
                // Read without holding the database while a key service takes its time.
                let tx = deps.store.read(&Scope::org(org.clone())).await.map_err(from_error)?;
                let wrapped = tx.data_key(id).await.map_err(from_error)?;
                drop(tx);
                let wrapped = wrapped.ok_or_else(|| moved(id))?;
                let key = deps.keyring.unwrap_data_key(org, &wrapped).await.map_err(unreadable)?;
                keys.insert(id, Arc::clone(&key));
                key
            }
        };
        let address = SecretAddress {
            org,
            datasource_id,
            key: &secret.key,
            version: secret.version,
            reference: secret.is_reference,
        };
        let value = key.open(&address, &secret.ciphertext).map_err(unreadable)?;
        let value = match secret.is_reference {
            true => deps.external.fetch(tenant, value.expose_secret()).await.map_err(unreadable)?,
            false => value,
        };
        opened.insert(secret.key.clone(), value);
    }
    Ok(opened)
}

/// Between reading the value and its key a rotation ended and the old key was retired: the next try reads both anew.
fn moved(data_key: Uuid) -> Failure {
    Failure { permanent: false, ..permanent("secret_unreadable", &format!("the data key {data_key} is gone")) }
}

/// What a key service says or does not say now it may say later; stored bytes that do not open never will.
fn unreadable(error: SecretError) -> Failure {
    let (code, permanent) = match &error {
        SecretError::Outage { .. } | SecretError::Refused { .. } => ("key_service_unavailable", false),
        SecretError::Reference { .. } => ("secret_not_found", false),
        _ => ("secret_unreadable", true),
    };
    Failure { code: code.into(), message: error.to_string(), permanent, retry_after: None }
}
