//! Signing secrets of notifications under the keys of their organisation, which rotate.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::notification_secret::{Column, Entity};
use super::rotation::{SealedFor, StaleSecret};
use super::{Tx, classify};
use crate::error::Result;

impl Tx {
    /// How many each data key seals.
    pub(super) async fn signing_secrets_by_key(&self) -> Result<Vec<(Uuid, i64)>> {
        let query = Entity::find()
            .select_only()
            .column(Column::DataKeyId)
            .column_as(Column::Id.count(), "used")
            .filter(Column::OrgId.eq(self.scope.org_id().as_ref()))
            .group_by(Column::DataKeyId);
        query.into_tuple().all(&self.db).await.map_err(classify)
    }

    /// Those that are sealed with another key than `current`, after `after`; bounded.
    pub(super) async fn stale_signing_secrets(
        &self,
        current: Uuid,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<StaleSecret>> {
        let mut query = Entity::find().filter(self.stale_signing(current)).order_by_asc(Column::Id).limit(limit);
        if let Some(after) = after {
            query = query.filter(Column::Id.gt(after));
        }
        let rows = query.all(&self.db).await.map_err(classify)?;
        let stale = rows.into_iter().map(|row| StaleSecret {
            id: row.id,
            of: SealedFor::Endpoint(row.endpoint_id),
            version: row.version,
            data_key_id: row.data_key_id,
            ciphertext: row.ciphertext,
        });
        Ok(stale.collect())
    }

    pub(super) async fn count_stale_signing_secrets(&self, current: Uuid) -> Result<u64> {
        Entity::find().filter(self.stale_signing(current)).count(&self.db).await.map_err(classify)
    }

    fn stale_signing(&self, current: Uuid) -> Condition {
        Condition::all().add(Column::OrgId.eq(self.scope.org_id().as_ref())).add(Column::DataKeyId.ne(current))
    }

    /// Puts it under its new key, unless it was deleted or moved meanwhile; answers with what is stored then.
    pub(super) async fn reseal_signing_secret(
        &self,
        stale: &StaleSecret,
        data_key: Uuid,
        ciphertext: Vec<u8>,
    ) -> Result<Option<Vec<u8>>> {
        let updated = Entity::update_many()
            .col_expr(Column::Ciphertext, Expr::value(ciphertext))
            .col_expr(Column::DataKeyId, Expr::value(data_key))
            .filter(Column::Id.eq(stale.id))
            .filter(Column::DataKeyId.eq(stale.data_key_id))
            .exec_with_returning(&self.db)
            .await
            .map_err(classify)?;
        Ok(updated.into_iter().next().map(|row| row.ciphertext))
    }
}
