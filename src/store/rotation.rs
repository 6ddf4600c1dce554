//! Rotations of keys: asked for, taken by a node, advanced, ended. Which rows are left to do is read from the rows
//! themselves, so that whoever takes over goes on where the last one ended.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    UpdateMany,
};

use super::data_key::wrapped;
use super::entity::key_rotation::{ActiveModel, Column, Entity, Model};
use super::entity::{data_key, secret};
use super::worker::Fenced;
use super::{NewAudit, Store, Tx, classify, corrupt};
use crate::auth::policy::grant::ManageKeys;
use crate::auth::{Actor, Authorized};
use crate::domain::{
    DataKeyInfo, KeyRotation, MasterKeyUse, RotationKind, RotationStatus, Scope, Timestamp, WrappedDataKey, now,
};
use crate::error::{Error, Result};

/// A stored value that is sealed with an older data key.
pub struct StaleSecret {
    pub id: Uuid,
    pub of: SealedFor,
    pub version: i32,
    pub data_key_id: Uuid,
    pub ciphertext: Vec<u8>,
}

/// What a stored value is of.
#[derive(Clone, Debug)]
pub enum SealedFor {
    Datasource {
        id: Uuid,
        key: String,
        /// The value is elsewhere: what is sealed says where.
        is_reference: bool,
    },
    /// It signs for this endpoint of notifications.
    Endpoint(Uuid),
}

impl Tx {
    /// Newest first.
    pub async fn rotations(&self, limit: u64) -> Result<Vec<KeyRotation>> {
        let query = Entity::find().filter(Column::OrgId.eq(self.scope.org_id().as_ref()));
        let rows = query.order_by_desc(Column::Id).limit(limit).all(&self.db).await.map_err(classify)?;
        rows.into_iter().map(KeyRotation::try_from).collect()
    }

    pub async fn open_rotation(&self) -> Result<Option<KeyRotation>> {
        let query = Entity::find().filter(Column::OrgId.eq(self.scope.org_id().as_ref()));
        let row = query.filter(Column::FinishedAt.is_null()).one(&self.db).await.map_err(classify)?;
        row.map(KeyRotation::try_from).transpose()
    }

    pub async fn insert_rotation(&self, _: &Authorized<ManageKeys>, rotation: &KeyRotation) -> Result<()> {
        let count = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
        let row = ActiveModel {
            id: Set(rotation.id),
            org_id: Set(rotation.org.to_string()),
            kind: Set(rotation.kind.as_str().to_owned()),
            status: Set(rotation.status.as_str().to_owned()),
            data_key_id: Set(rotation.data_key_id),
            total: Set(count(rotation.total)),
            done: Set(count(rotation.done)),
            error_message: Set(None),
            reason: Set(rotation.reason.clone()),
            node: Set(None),
            epoch: Set(0),
            lease_until: Set(None),
            created_at: Set(rotation.created_at),
            created_by: Set(rotation.created_by.clone()),
            finished_at: Set(None),
            updated_at: Set(rotation.updated_at),
        };
        Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// From here on secrets are sealed with `key`.
    pub async fn activate_data_key(&self, _: &Authorized<ManageKeys>, key: &WrappedDataKey) -> Result<()> {
        data_key::Entity::update_many()
            .col_expr(data_key::Column::Active, Expr::value(false))
            .filter(data_key::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(data_key::Column::Active.eq(true))
            .exec(&self.db)
            .await
            .map_err(classify)?;
        let row = self.row(key, true);
        data_key::Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// Oldest first, with how many values each seals.
    pub async fn data_keys(&self) -> Result<Vec<DataKeyInfo>> {
        let org = self.scope.org_id().as_ref();
        let used: Vec<(Uuid, i64)> = secret::Entity::find()
            .select_only()
            .column(secret::Column::DataKeyId)
            .column_as(secret::Column::Id.count(), "used")
            .filter(secret::Column::OrgId.eq(org))
            .filter(secret::Column::Ciphertext.is_not_null())
            .group_by(secret::Column::DataKeyId)
            .into_tuple()
            .all(&self.db)
            .await
            .map_err(classify)?;
        let rows = data_key::Entity::find()
            .filter(data_key::Column::OrgId.eq(org))
            .order_by_asc(data_key::Column::Id)
            .all(&self.db)
            .await
            .map_err(classify)?;
        let signing = self.signing_secrets_by_key().await?;
        let count = |uses: &[(Uuid, i64)], key: Uuid| {
            uses.iter().find(|(id, _)| *id == key).map_or(0, |(_, n)| u64::try_from(*n).unwrap_or(0))
        };
        let info = |row: data_key::Model| DataKeyInfo {
            secrets: count(&used, row.id) + count(&signing, row.id),
            id: row.id,
            provider: row.provider,
            master_key_id: row.master_key_id,
            master_key_version: row.master_key_version,
            active: row.active,
            created_at: row.created_at,
            wrapped_at: row.wrapped_at.unwrap_or(row.created_at),
        };
        Ok(rows.into_iter().map(info).collect())
    }

    /// Forgets data keys that seal nothing any more; values that were deleted count as nothing.
    pub async fn retire_data_key(&self, _: &Authorized<ManageKeys>, id: Uuid, heir: Uuid) -> Result<()> {
        let org = self.scope.org_id().as_ref();
        secret::Entity::update_many()
            .col_expr(secret::Column::DataKeyId, Expr::value(heir))
            .filter(secret::Column::OrgId.eq(org))
            .filter(secret::Column::DataKeyId.eq(id))
            .filter(secret::Column::Ciphertext.is_null())
            .exec(&self.db)
            .await
            .map_err(classify)?;
        Entity::update_many()
            .col_expr(Column::DataKeyId, Expr::value(Option::<Uuid>::None))
            .filter(Column::OrgId.eq(org))
            .filter(Column::DataKeyId.eq(id))
            .exec(&self.db)
            .await
            .map_err(classify)?;
        data_key::Entity::delete_many()
            .filter(data_key::Column::OrgId.eq(org))
            .filter(data_key::Column::Id.eq(id))
            .filter(data_key::Column::Active.eq(false))
            .exec(&self.db)
            .await
            .map(drop)
            .map_err(classify)
    }

    /// Values that are sealed with another key than `current`, after `after`; bounded.
    pub async fn stale_secrets(&self, current: Uuid, after: Option<Uuid>, limit: u64) -> Result<Vec<StaleSecret>> {
        let mut query =
            secret::Entity::find().filter(self.stale(current)).order_by_asc(secret::Column::Id).limit(limit);
        if let Some(after) = after {
            query = query.filter(secret::Column::Id.gt(after));
        }
        let rows = query.all(&self.db).await.map_err(classify)?;
        let stale = rows.into_iter().filter_map(|row| {
            Some(StaleSecret {
                id: row.id,
                of: SealedFor::Datasource {
                    id: row.datasource_id,
                    key: row.secret_key,
                    is_reference: row.reference.is_some(),
                },
                version: row.version,
                data_key_id: row.data_key_id,
                ciphertext: row.ciphertext?,
            })
        });
        let mut all: Vec<_> = stale.chain(self.stale_signing_secrets(current, after, limit).await?).collect();
        // The next page begins after the last one of both.
        all.sort_by_key(|stale| stale.id);
        all.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(all)
    }

    pub async fn count_stale_secrets(&self, current: Uuid) -> Result<u64> {
        let secrets = secret::Entity::find().filter(self.stale(current)).count(&self.db).await.map_err(classify)?;
        Ok(secrets + self.count_stale_signing_secrets(current).await?)
    }

    fn stale(&self, current: Uuid) -> Condition {
        Condition::all()
            .add(secret::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .add(secret::Column::DataKeyId.ne(current))
            .add(secret::Column::Ciphertext.is_not_null())
    }

    /// Puts the value under its new key, unless it was deleted or moved meanwhile; answers with what is stored then.
    pub async fn reseal(&self, stale: &StaleSecret, data_key: Uuid, ciphertext: Vec<u8>) -> Result<Option<Vec<u8>>> {
        if matches!(stale.of, SealedFor::Endpoint(_)) {
            return self.reseal_signing_secret(stale, data_key, ciphertext).await;
        }
        let updated = secret::Entity::update_many()
            .col_expr(secret::Column::Ciphertext, Expr::value(Some(ciphertext)))
            .col_expr(secret::Column::DataKeyId, Expr::value(data_key))
            .filter(secret::Column::Id.eq(stale.id))
            .filter(secret::Column::DataKeyId.eq(stale.data_key_id))
            .filter(secret::Column::Ciphertext.is_not_null())
            .exec(&self.db)
            .await
            .map_err(classify)?;
        if updated.rows_affected == 0 {
            return Ok(None);
        }
        let row = secret::Entity::find_by_id(stale.id).one(&self.db).await.map_err(classify)?;
        Ok(row.and_then(|row| row.ciphertext))
    }

    /// Data keys that were last wrapped before `since`, after `after`; bounded.
    pub async fn stale_data_keys(
        &self,
        since: Timestamp,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<WrappedDataKey>> {
        let mut query = data_key::Entity::find().filter(self.wrapped_before(since));
        if let Some(after) = after {
            query = query.filter(data_key::Column::Id.gt(after));
        }
        let rows = query.order_by_asc(data_key::Column::Id).limit(limit).all(&self.db).await.map_err(classify)?;
        Ok(rows.into_iter().map(wrapped).collect())
    }

    pub async fn count_stale_data_keys(&self, since: Timestamp) -> Result<u64> {
        data_key::Entity::find().filter(self.wrapped_before(since)).count(&self.db).await.map_err(classify)
    }

    fn wrapped_before(&self, since: Timestamp) -> Condition {
        let old =
            Condition::any().add(data_key::Column::WrappedAt.is_null()).add(data_key::Column::WrappedAt.lt(since));
        Condition::all().add(data_key::Column::OrgId.eq(self.scope.org_id().as_ref())).add(old)
    }

    /// Stores a key wrapped anew, unless it changed meanwhile. `since` bounds the clock of another node from below.
    pub async fn keep_rewrapped(&self, old: &WrappedDataKey, new: &WrappedDataKey, since: Timestamp) -> Result<()> {
        data_key::Entity::update_many()
            .col_expr(data_key::Column::Wrapped, Expr::value(new.wrapped.clone()))
            .col_expr(data_key::Column::Provider, Expr::value(new.provider.clone()))
            .col_expr(data_key::Column::MasterKeyId, Expr::value(new.master_key_id.clone()))
            .col_expr(data_key::Column::MasterKeyVersion, Expr::value(new.master_key_version.clone()))
            .col_expr(data_key::Column::WrappedAt, Expr::value(Some(std::cmp::max(now(), since))))
            .filter(data_key::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(data_key::Column::Id.eq(old.id))
            .filter(data_key::Column::Wrapped.eq(old.wrapped.clone()))
            .exec(&self.db)
            .await
            .map(drop)
            .map_err(classify)
    }
}

impl Store {
    /// Takes an open rotation whose node has not been heard of in time, or that nobody has; of `org`, if one is named.
    pub async fn claim_rotation(&self, node: &str, ttl: Duration, org: Option<&str>) -> Result<Option<KeyRotation>> {
        let free = self.is_free(Expr::col(Column::LeaseUntil));
        let tx = self.begin_everything().await?;
        let mut open = Entity::find().filter(Column::FinishedAt.is_null()).filter(free);
        if let Some(org) = org {
            open = open.filter(Column::OrgId.eq(org));
        }
        let found = open
            .order_by_asc(Column::Id)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .one(&tx.db)
            .await
            .map_err(classify)?;
        let Some(row) = found else { return Ok(None) };
        let taken = Entity::update_many()
            .filter(Column::Id.eq(row.id))
            .col_expr(Column::Node, Expr::value(Some(node)))
            .col_expr(Column::Epoch, Expr::col(Column::Epoch).add(1))
            .col_expr(Column::LeaseUntil, self.lease_end(ttl))
            .exec_with_returning(&tx.db)
            .await
            .map_err(classify)?;
        tx.commit().await?;
        taken.into_iter().next().map(KeyRotation::try_from).transpose()
    }

    /// A transaction of the rotation in its organisation.
    pub async fn rotate_in(&self, org: &Arc<str>) -> Result<Tx> {
        self.write_as_system(&Actor::system("registry", Arc::clone(org))).await
    }

    /// Says how far it is, and keeps it for another `ttl`.
    pub async fn advance_rotation(
        &self,
        tx: &Tx,
        rotation: &KeyRotation,
        done: u64,
        ttl: Duration,
    ) -> Result<Result<(), Fenced>> {
        let update = held(rotation)
            .col_expr(Column::Done, Expr::value(i64::try_from(done).unwrap_or(i64::MAX)))
            .col_expr(Column::ErrorMessage, Expr::value(Option::<String>::None))
            .col_expr(Column::LeaseUntil, self.lease_end(ttl))
            .col_expr(Column::UpdatedAt, Expr::value(now()));
        let saved = update.exec(&tx.db).await.map_err(classify)?.rows_affected == 1;
        Ok(if saved { Ok(()) } else { Err(Fenced) })
    }

    /// Gives it back to be gone on with after `wait`, and says why.
    pub async fn postpone_rotation(&self, rotation: &KeyRotation, why: Option<&str>, wait: Duration) -> Result<()> {
        let tx = self.rotate_in(&rotation.org).await?;
        held(rotation)
            .col_expr(Column::ErrorMessage, Expr::value(why))
            .col_expr(Column::LeaseUntil, self.lease_end(wait))
            .col_expr(Column::UpdatedAt, Expr::value(now()))
            .exec(&tx.db)
            .await
            .map_err(classify)?;
        tx.commit().await
    }

    /// Writes how it ended, with the audit entry that tells of it.
    pub async fn end_rotation(
        &self,
        rotation: &KeyRotation,
        error: Option<&str>,
        entry: NewAudit,
    ) -> Result<Result<(), Fenced>> {
        let status = if error.is_some() { RotationStatus::Failed } else { RotationStatus::Succeeded };
        let mut tx = self.rotate_in(&rotation.org).await?;
        let update = held(rotation)
            .col_expr(Column::Status, Expr::value(status.as_str()))
            .col_expr(Column::ErrorMessage, Expr::value(error))
            .col_expr(Column::FinishedAt, Expr::value(Some(now())))
            .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
            .col_expr(Column::Node, Expr::value(Option::<String>::None))
            .col_expr(Column::UpdatedAt, Expr::value(now()));
        if update.exec(&tx.db).await.map_err(classify)?.rows_affected == 0 {
            return Ok(Err(Fenced));
        }
        tx.record_audit(entry);
        tx.commit().await.map(Ok)
    }

    /// Which master keys the data keys of all organisations need. Reads nothing that is wrapped.
    pub async fn master_keys_in_use(&self) -> Result<Vec<MasterKeyUse>> {
        use data_key::Column as Key;
        let tx = self.read_everything().await?;
        let rows: Vec<(String, String, Option<String>, i64)> = data_key::Entity::find()
            .select_only()
            .columns([Key::Provider, Key::MasterKeyId, Key::MasterKeyVersion])
            .column_as(Key::Id.count(), "data_keys")
            .group_by(Key::Provider)
            .group_by(Key::MasterKeyId)
            .group_by(Key::MasterKeyVersion)
            .order_by_asc(Key::Provider)
            .order_by_asc(Key::MasterKeyId)
            .order_by_asc(Key::MasterKeyVersion)
            .into_tuple()
            .all(&tx.db)
            .await
            .map_err(classify)?;
        let uses = rows.into_iter().map(|(provider, master_key_id, master_key_version, n)| MasterKeyUse {
            provider,
            master_key_id,
            master_key_version,
            data_keys: u64::try_from(n).unwrap_or(0),
        });
        Ok(uses.collect())
    }

    /// Organisations that have a data key.
    pub async fn orgs_with_keys(&self) -> Result<Vec<String>> {
        let tx = self.read_everything().await?;
        let query = data_key::Entity::find().select_only().column(data_key::Column::OrgId).distinct();
        query.order_by_asc(data_key::Column::OrgId).into_tuple().all(&tx.db).await.map_err(classify)
    }

    /// One data key of an organisation.
    pub async fn data_key_of(&self, org: &Arc<str>, id: Uuid) -> Result<Option<WrappedDataKey>> {
        self.read(&Scope::org(Arc::clone(org))).await?.data_key(id).await
    }
}

fn held(rotation: &KeyRotation) -> UpdateMany<Entity> {
    Entity::update_many()
        .filter(Column::Id.eq(rotation.id))
        .filter(Column::Epoch.eq(rotation.epoch))
        .filter(Column::FinishedAt.is_null())
}

impl TryFrom<Model> for KeyRotation {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let at = |what: String| corrupt("key_rotations", row.id, what);
        let kind: RotationKind = row.kind.parse().map_err(at)?;
        let status: RotationStatus = row.status.parse().map_err(at)?;
        Ok(Self {
            id: row.id,
            org: row.org_id.into(),
            kind,
            status,
            data_key_id: row.data_key_id,
            total: u64::try_from(row.total).unwrap_or(0),
            done: u64::try_from(row.done).unwrap_or(0),
            error: row.error_message,
            reason: row.reason,
            node: row.node,
            epoch: row.epoch,
            created_at: row.created_at,
            created_by: row.created_by,
            finished_at: row.finished_at,
            updated_at: row.updated_at,
        })
    }
}
