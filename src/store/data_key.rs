//! The wrapped data key of an organisation.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::entity::data_key::{ActiveModel, Column, Entity, Model};
use super::{Tx, classify};
use crate::auth::Authorized;
use crate::auth::policy::grant::ManageSecrets;
use crate::domain::{WrappedDataKey, now};
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
        let row = ActiveModel {
            id: Set(key.id),
            org_id: Set(self.scope.org_id().to_string()),
            wrapped: Set(key.wrapped.clone()),
            master_key_id: Set(key.master_key_id.clone()),
            active: Set(true),
            created_at: Set(now()),
        };
        Entity::insert(row)
            .on_conflict(OnConflict::new().do_nothing().to_owned())
            .exec_without_returning(&self.db)
            .await
            .map_err(classify)?;
        Ok(self.active_data_key().await?.unwrap_or_else(|| key.clone()))
    }
}

fn wrapped(row: Model) -> WrappedDataKey {
    WrappedDataKey { id: row.id, wrapped: row.wrapped, master_key_id: row.master_key_id }
}
