//! Encryption keys.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::{Comment, RotationKind, RotationStatus};
use crate::{app, domain};

/// The keys of your organisation.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct EncryptionKeys {
    /// Who wraps data keys from now on: `local`, `vault` or `aws-kms`.
    provider: String,
    /// The master key that wraps them, by its name.
    master_key: String,
    /// The data keys, oldest first.
    data_keys: Vec<DataKey>,
    /// The last 20 rotations, newest first.
    rotations: Vec<KeyRotation>,
}

/// A key that seals the secrets of the organisation. It is stored wrapped by a master key.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct DataKey {
    /// Its id.
    id: Uuid,
    /// Whether new secrets are sealed with it.
    active: bool,
    /// How many stored values it seals.
    secrets: u64,
    /// Who has the master key that wraps it: `local`, `vault` or `aws-kms`.
    provider: String,
    /// The master key that wraps it, by its name.
    master_key: String,
    /// The version of the master key, where its provider tells.
    master_key_version: Option<String>,
    /// Whether this server has that master key; without it, what the data key seals cannot be opened.
    held: bool,
    /// When it was made.
    created_at: DateTime<Utc>,
    /// When it was last wrapped.
    wrapped_at: DateTime<Utc>,
}

/// Keys on their way to others.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct KeyRotation {
    /// Its id.
    id: Uuid,
    /// What moves.
    kind: RotationKind,
    /// How far it is.
    status: RotationStatus,
    /// How many keys or values had to move.
    total: u64,
    /// How many did.
    done: u64,
    /// Why it failed, or waits for its next try.
    error: Option<String>,
    /// Why, in the words of who asked.
    reason: Option<String>,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// Who asked.
    created_by: String,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
}

/// What was retired.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct RetiredKeys {
    /// The ids of the data keys that are gone.
    pub(in crate::rest) retired: Vec<Uuid>,
}

/// What is to move.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct RotateKeys {
    /// What moves.
    pub(in crate::rest) kind: RotationKind,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

impl From<app::EncryptionKeys> for EncryptionKeys {
    fn from(keys: app::EncryptionKeys) -> Self {
        let data_key = |(key, held): (domain::DataKeyInfo, bool)| DataKey {
            id: key.id,
            active: key.active,
            secrets: key.secrets,
            provider: key.provider,
            master_key: key.master_key_id,
            master_key_version: key.master_key_version,
            held,
            created_at: key.created_at,
            wrapped_at: key.wrapped_at,
        };
        Self {
            provider: keys.provider.to_owned(),
            master_key: keys.master_key,
            data_keys: keys.data_keys.into_iter().map(data_key).collect(),
            rotations: keys.rotations.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<domain::KeyRotation> for KeyRotation {
    fn from(rotation: domain::KeyRotation) -> Self {
        Self {
            id: rotation.id,
            kind: rotation.kind.into(),
            status: rotation.status.into(),
            total: rotation.total,
            done: rotation.done,
            error: rotation.error,
            reason: rotation.reason,
            created_at: rotation.created_at,
            created_by: rotation.created_by,
            finished_at: rotation.finished_at,
        }
    }
}
