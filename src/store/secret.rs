//! Secrets: ciphertexts in, metadata out. Only a worker's start asks for ciphertexts.

use std::collections::BTreeMap;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::entity::secret::{ActiveModel, Column, Entity, Model};
use super::{Tx, classify};
use crate::auth::Authorized;
use crate::auth::policy::grant::ManageSecrets;
use crate::domain::{SecretInfo, SecretPins, Tenant, now};
use crate::error::Result;

/// One stored value, still encrypted.
pub struct SealedSecret {
    pub key: String,
    pub version: i32,
    pub data_key_id: Uuid,
    pub ciphertext: Vec<u8>,
}

pub struct NewSecret<'a> {
    pub tenant: &'a Tenant,
    pub datasource_id: Uuid,
    pub key: &'a str,
    pub version: i32,
    pub data_key_id: Uuid,
    pub ciphertext: Vec<u8>,
    pub created_by: &'a str,
}

impl Tx {
    /// The secrets of some datasources, by key; values are not read.
    pub async fn secrets(&self, datasource_ids: &[Uuid]) -> Result<Vec<SecretInfo>> {
        let query = Entity::find()
            .filter(self.secrets_in_scope())
            .filter(Column::DatasourceId.is_in(datasource_ids.iter().copied()))
            .filter(Column::DeletedAt.is_null())
            .select_only()
            .columns([Column::DatasourceId, Column::SecretKey, Column::Version, Column::CreatedAt, Column::CreatedBy])
            .order_by_asc(Column::Version);
        let rows: Vec<(Uuid, String, i32, crate::domain::Timestamp, String)> =
            query.into_tuple().all(&self.db).await.map_err(classify)?;
        let mut found: BTreeMap<(Uuid, String), SecretInfo> = BTreeMap::new();
        for (datasource_id, key, version, at, by) in rows {
            found
                .entry((datasource_id, key.clone()))
                .and_modify(|info| {
                    info.version = version;
                    info.rotated_at = Some(at);
                    info.rotated_by = Some(by.clone());
                })
                .or_insert(SecretInfo {
                    datasource_id,
                    key,
                    version,
                    created_at: at,
                    created_by: by,
                    rotated_at: None,
                    rotated_by: None,
                });
        }
        Ok(found.into_values().collect())
    }

    /// The number that the next value of a key gets; a deleted key goes on counting.
    pub async fn next_secret_version(&self, datasource_id: Uuid, key: &str) -> Result<i32> {
        let last: Option<Option<i32>> = self
            .select_secrets(datasource_id)
            .filter(Column::SecretKey.eq(key))
            .select_only()
            .column_as(Column::Version.max(), "last")
            .into_tuple()
            .one(&self.db)
            .await
            .map_err(classify)?;
        Ok(last.flatten().unwrap_or(0) + 1)
    }

    pub async fn insert_secret(&self, _: &Authorized<ManageSecrets>, new: NewSecret<'_>) -> Result<()> {
        let row = ActiveModel {
            id: Set(Uuid::now_v7()),
            org_id: Set(new.tenant.org.to_string()),
            project_id: Set(new.tenant.project.to_string()),
            datasource_id: Set(new.datasource_id),
            secret_key: Set(new.key.to_owned()),
            version: Set(new.version),
            ciphertext: Set(Some(new.ciphertext)),
            data_key_id: Set(new.data_key_id),
            created_at: Set(now()),
            created_by: Set(new.created_by.to_owned()),
            deleted_at: Set(None),
            deleted_by: Set(None),
        };
        Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// Forgets every value of a key; answers with how many there were.
    pub async fn delete_secret(
        &self,
        proof: &Authorized<ManageSecrets>,
        datasource_id: Uuid,
        key: &str,
    ) -> Result<u64> {
        let update = Entity::update_many()
            .col_expr(Column::Ciphertext, Expr::value(Option::<Vec<u8>>::None))
            .col_expr(Column::DeletedAt, Expr::value(now()))
            .col_expr(Column::DeletedBy, Expr::value(proof.actor().subject.as_ref()))
            .filter(self.secrets_in_scope())
            .filter(Column::DatasourceId.eq(datasource_id))
            .filter(Column::SecretKey.eq(key))
            .filter(Column::DeletedAt.is_null());
        Ok(update.exec(&self.db).await.map_err(classify)?.rows_affected)
    }

    /// The pinned values that still exist; what is missing is the caller's to report.
    pub async fn sealed_secrets(&self, datasource_id: Uuid, pins: &SecretPins) -> Result<Vec<SealedSecret>> {
        if pins.is_empty() {
            return Ok(Vec::new());
        }
        let query = self
            .select_secrets(datasource_id)
            .filter(Column::DeletedAt.is_null())
            .filter(Column::SecretKey.is_in(pins.keys()));
        let rows = query.all(&self.db).await.map_err(classify)?;
        let sealed = rows.into_iter().filter(|row| pins.get(&row.secret_key) == Some(&row.version));
        Ok(sealed
            .filter_map(|Model { secret_key, version, data_key_id, ciphertext, .. }| {
                ciphertext.map(|ciphertext| SealedSecret { key: secret_key, version, data_key_id, ciphertext })
            })
            .collect())
    }

    fn select_secrets(&self, datasource_id: Uuid) -> Select<Entity> {
        Entity::find().filter(self.secrets_in_scope()).filter(Column::DatasourceId.eq(datasource_id))
    }

    fn secrets_in_scope(&self) -> Condition {
        super::grant::reached(&self.scope, Column::OrgId, Column::ProjectId, Column::DatasourceId)
    }
}
