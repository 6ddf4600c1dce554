use uuid::Uuid;

use super::{RotationKind, RotationStatus, Timestamp};

/// A data key as it is stored: encrypted by the master key that `master_key_id` names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedDataKey {
    pub id: Uuid,
    pub wrapped: Vec<u8>,
    /// Who has the master key: `local`, `vault` or `aws-kms`.
    pub provider: String,
    pub master_key_id: String,
    /// Which version of the master key, where its provider tells.
    pub master_key_version: Option<String>,
}

/// What is told of a data key.
#[derive(Clone, Debug, PartialEq)]
pub struct DataKeyInfo {
    pub id: Uuid,
    pub provider: String,
    pub master_key_id: String,
    pub master_key_version: Option<String>,
    /// Whether new secrets are sealed with it.
    pub active: bool,
    /// How many stored values it seals.
    pub secrets: u64,
    pub created_at: Timestamp,
    pub wrapped_at: Timestamp,
}

/// How many data keys of all organisations a master key wraps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MasterKeyUse {
    pub provider: String,
    pub master_key_id: String,
    pub master_key_version: Option<String>,
    pub data_keys: u64,
}

/// Keys of an organisation on their way to others.
#[derive(Clone, Debug, PartialEq)]
pub struct KeyRotation {
    pub id: Uuid,
    pub org: std::sync::Arc<str>,
    pub kind: RotationKind,
    pub status: RotationStatus,
    /// The data key that takes over.
    pub data_key_id: Option<Uuid>,
    pub total: u64,
    pub done: u64,
    /// Why it failed, or waits for its next try.
    pub error: Option<String>,
    pub reason: Option<String>,
    pub node: Option<String>,
    /// Which run of it may write.
    pub epoch: i64,
    pub created_at: Timestamp,
    pub created_by: String,
    pub finished_at: Option<Timestamp>,
    pub updated_at: Timestamp,
}
