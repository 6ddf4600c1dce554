//! Encryption keys: what there is, rotation, and the end of old ones.

use async_graphql::{Context, ID, InputObject, Object, Result, SimpleObject};

use super::error::Shape;
use super::guard::HasRole;
use super::types::{RotationKind, RotationStatus};
use crate::app::{self, App, OpContext};
use crate::auth::Permission;
use crate::domain::{self, Timestamp};

/// A key that seals the secrets of the organisation. It is stored wrapped by a master key.
#[derive(SimpleObject)]
pub(super) struct DataKey {
    /// Its id.
    id: ID,
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
    created_at: Timestamp,
    /// When it was last wrapped.
    wrapped_at: Timestamp,
}

impl From<(domain::DataKeyInfo, bool)> for DataKey {
    fn from((key, held): (domain::DataKeyInfo, bool)) -> Self {
        Self {
            id: key.id.into(),
            active: key.active,
            secrets: key.secrets,
            provider: key.provider,
            master_key: key.master_key_id,
            master_key_version: key.master_key_version,
            held,
            created_at: key.created_at,
            wrapped_at: key.wrapped_at,
        }
    }
}

/// Keys on their way to others.
#[derive(SimpleObject)]
pub(super) struct KeyRotation {
    /// Its id.
    id: ID,
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
    created_at: Timestamp,
    /// Who asked.
    created_by: String,
    /// When it ended.
    finished_at: Option<Timestamp>,
}

impl From<domain::KeyRotation> for KeyRotation {
    fn from(rotation: domain::KeyRotation) -> Self {
        Self {
            id: rotation.id.into(),
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

/// The keys of your organisation.
#[derive(SimpleObject)]
pub(super) struct EncryptionKeys {
    /// Who wraps data keys from now on: `local`, `vault` or `aws-kms`.
    provider: String,
    /// The master key that wraps them, by its name.
    master_key: String,
    /// The data keys, oldest first.
    data_keys: Vec<DataKey>,
    /// The last 20 rotations, newest first.
    rotations: Vec<KeyRotation>,
}

impl From<app::EncryptionKeys> for EncryptionKeys {
    fn from(keys: app::EncryptionKeys) -> Self {
        Self {
            provider: keys.provider.to_owned(),
            master_key: keys.master_key,
            data_keys: keys.data_keys.into_iter().map(Into::into).collect(),
            rotations: keys.rotations.into_iter().map(Into::into).collect(),
        }
    }
}

/// What is to move.
#[derive(InputObject)]
pub(super) struct RotateKeysInput {
    /// What moves.
    kind: RotationKind,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// The end of old keys.
#[derive(InputObject, Default)]
pub(super) struct RetireKeysInput {
    /// Why; for the audit log.
    reason: Option<String>,
}

/// The rotation as it begins.
#[derive(SimpleObject)]
struct RotateKeysPayload {
    /// The rotation; `encryptionKeys` tells how far it is.
    rotation: KeyRotation,
}

/// What was retired.
#[derive(SimpleObject)]
struct RetireKeysPayload {
    /// The ids of the data keys that are gone.
    retired: Vec<ID>,
}

#[derive(Default)]
pub struct KeyQuery;

#[Object]
impl KeyQuery {
    /// The encryption keys of your organisation, and their rotations.
    #[graphql(directive = HasRole::apply(Permission::ManageKeys))]
    async fn encryption_keys(&self, ctx: &Context<'_>) -> Result<EncryptionKeys> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.encryption_keys(op)).await.shaped(ctx).map(Into::into)
    }
}

#[derive(Default)]
pub struct KeyMutation;

#[Object]
impl KeyMutation {
    /// Moves the keys of your organisation to new ones, in the background; all secrets can be read meanwhile.
    /// Asked while that goes on, it answers with it.
    #[graphql(directive = HasRole::apply(Permission::ManageKeys))]
    async fn rotate_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What is to move.")] input: RotateKeysInput,
    ) -> Result<RotateKeysPayload> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let rotation = Box::pin(app.rotate_keys(op, input.kind.into(), input.reason.as_deref())).await.shaped(ctx)?;
        Ok(RotateKeysPayload { rotation: rotation.into() })
    }

    /// Forgets the data keys of your organisation that seal nothing any more.
    #[graphql(directive = HasRole::apply(Permission::ManageKeys))]
    async fn retire_keys(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Why.")] input: RetireKeysInput,
    ) -> Result<RetireKeysPayload> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let retired = Box::pin(app.retire_keys(op, input.reason.as_deref())).await.shaped(ctx)?;
        Ok(RetireKeysPayload { retired: retired.into_iter().map(|key| key.id.into()).collect() })
    }
}
