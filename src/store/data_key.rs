//! The wrapped data keys of an organisation, and the one of the installation itself.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::entity::data_key::{ActiveModel, Column, Entity, Model};
use super::{Store, Tx, classify};
use crate::auth::policy::grant::ManageSecrets;
use crate::auth::{Actor, Authorized};
use crate::domain::{Scope, WrappedDataKey, now};
use crate::error::Result;

impl Tx {
    pub async fn active_data_key(&self) -> Result<Option<WrappedDataKey>> {
        let query =
            Entity::find().filter(Column::OrgId.eq(self.scope.org_id().as_ref())).filter(Column::Active.eq(true));
        Ok(query.one(&self.db).await.map_err(classify)?.map(wrapped))
    }

    pub async fn data_key(&self, id: Uuid) -> Result<Option<WrappedDataKey>> {
        let query = Entity::find().filter(Column::OrgId.eq(self.scope.org_id().as_ref())).filter(Column::Id.eq(id));
        Ok(query.one(&self.db).await.map_err(classify)?.map(wrapped))
    }

    /// Stores the first data key of the organisation, unless another writer was first; answers with the one that counts.
    pub async fn keep_data_key(&self, _: &Authorized<ManageSecrets>, key: &WrappedDataKey) -> Result<WrappedDataKey> {
        self.keep_first_key(key).await
    }

    async fn keep_first_key(&self, key: &WrappedDataKey) -> Result<WrappedDataKey> {
        Entity::insert(self.row(key, true))
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&self.db)
            .await
            .map_err(classify)?;
        Ok(self.active_data_key().await?.unwrap_or_else(|| key.clone()))
    }

    pub(super) fn row(&self, key: &WrappedDataKey, active: bool) -> ActiveModel {
        let at = now();
        ActiveModel {
            id: Set(key.id),
            org_id: Set(self.scope.org_id().to_string()),
            wrapped: Set(key.wrapped.clone()),
            provider: Set(key.provider.clone()),
            master_key_id: Set(key.master_key_id.clone()),
            master_key_version: Set(key.master_key_version.clone()),
            active: Set(active),
            created_at: Set(at),
            wrapped_at: Set(Some(at)),
        }
    }
}

impl Store {
    /// The data key of an organisation that is no tenant.
    pub async fn installation_key(&self, org: &str) -> Result<Option<WrappedDataKey>> {
        self.read(&Scope::org(org)).await?.active_data_key().await
    }

    /// Stores that key, unless another node was first; answers with the one that counts.
    pub async fn keep_installation_key(&self, org: &str, key: &WrappedDataKey) -> Result<WrappedDataKey> {
        let tx = self.write_as_system(&Actor::system("keys", org)).await?;
        let key = tx.keep_first_key(key).await?;
        tx.commit().await?;
        Ok(key)
    }
}

pub(super) fn wrapped(row: Model) -> WrappedDataKey {
    WrappedDataKey {
        id: row.id,
        wrapped: row.wrapped,
        provider: row.provider,
        master_key_id: row.master_key_id,
        master_key_version: row.master_key_version,
    }
}
