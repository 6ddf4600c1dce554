//! Secrets: ciphertexts in, metadata out. Only a worker's start asks for ciphertexts.

use std::collections::{BTreeMap, BTreeSet};

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, UpdateMany,
};

use serde_json::Value;

use super::entity::secret::{ActiveModel, Column, Entity, Model};
use super::entity::{state, version, worker_slot};
use super::{NewAudit, Store, Tx, classify, corrupt};
use crate::auth::policy::grant::ManageSecrets;
use crate::auth::{Actor, Authorized};
use crate::domain::{SecretInfo, SecretPins, SecretUse, Tenant, VersionState, now};
use crate::error::Result;

/// How many published versions of a datasource are looked through for what they are pinned to.
const USES_MAX: u64 = 100;

impl Store {
    /// Writes down that secrets were opened, or could not be.
    pub async fn audit_secret_use(&self, entry: NewAudit) -> Result<()> {
        let mut tx = self.write_as_system(&Actor::system("registry", entry.tenant.org.clone())).await?;
        tx.record_audit(entry);
        tx.commit().await
    }
}

/// One stored value, still encrypted.
pub struct SealedSecret {
    pub key: String,
    pub version: i32,
    pub data_key_id: Uuid,
    pub ciphertext: Vec<u8>,
    /// The value is elsewhere: what is sealed says where.
    pub is_reference: bool,
}

pub struct NewSecret<'a> {
    pub tenant: &'a Tenant,
    pub datasource_id: Uuid,
    pub key: &'a str,
    pub version: i32,
    pub data_key_id: Uuid,
    pub ciphertext: Vec<u8>,
    pub reference: Option<&'a str>,
    pub created_by: &'a str,
    /// It waits for approval: until then it is kept like a deleted one, which nobody reads.
    pub waits: bool,
}

impl Tx {
    /// The secrets of some datasources, by key; values are not read.
    pub async fn secrets(&self, datasource_ids: &[Uuid]) -> Result<Vec<SecretInfo>> {
        let query = Entity::find()
            .filter(self.secrets_in_scope())
            .filter(Column::DatasourceId.is_in(datasource_ids.iter().copied()))
            .filter(Column::DeletedAt.is_null())
            .select_only()
            .columns([Column::DatasourceId, Column::SecretKey, Column::Version])
            .columns([Column::CreatedAt, Column::CreatedBy, Column::Reference])
            .order_by_asc(Column::Version);
        let rows: Vec<(Uuid, String, i32, crate::domain::Timestamp, String, Option<String>)> =
            query.into_tuple().all(&self.db).await.map_err(classify)?;
        let mut found: BTreeMap<(Uuid, String), SecretInfo> = BTreeMap::new();
        for (datasource_id, key, version, at, by, reference) in rows {
            found
                .entry((datasource_id, key.clone()))
                .and_modify(|info| {
                    info.version = version;
                    info.rotated_at = Some(at);
                    info.rotated_by = Some(by.clone());
                    info.reference.clone_from(&reference);
                })
                .or_insert(SecretInfo {
                    datasource_id,
                    key,
                    version,
                    created_at: at,
                    created_by: by,
                    rotated_at: None,
                    rotated_by: None,
                    reference,
                    used_by: Vec::new(),
                });
        }
        let mut found: Vec<_> = found.into_values().collect();
        if !found.is_empty() {
            self.tell_uses(&mut found).await?;
        }
        Ok(found)
    }

    /// Which versions are pinned to which values, and where workers run them; a fixed number of statements for all.
    async fn tell_uses(&self, secrets: &mut [SecretInfo]) -> Result<()> {
        let ids: BTreeSet<Uuid> = secrets.iter().map(|s| s.datasource_id).collect();
        let versions: Vec<(Uuid, i32, String, Value)> = version::Entity::find()
            .select_only()
            .columns([version::Column::DatasourceId, version::Column::Version])
            .columns([version::Column::State, version::Column::SecretPins])
            .filter(version::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(version::Column::DatasourceId.is_in(ids.iter().copied()))
            .filter(version::Column::PublishedAt.is_not_null())
            .order_by_desc(version::Column::Version)
            .limit(USES_MAX * ids.len() as u64)
            .into_tuple()
            .all(&self.db)
            .await
            .map_err(classify)?;
        let running = self.running_versions(&ids).await?;
        for (id, version, state, pins) in versions {
            let at = |what: String| corrupt("datasource_versions", format!("{id}/{version}"), what);
            let pins: SecretPins = serde_json::from_value(pins).map_err(|e| at(e.to_string()))?;
            let state: VersionState = state.parse().map_err(at)?;
            for secret in secrets.iter_mut().filter(|s| s.datasource_id == id) {
                let Some(secret_version) = pins.get(&secret.key).copied() else { continue };
                let nodes = running.iter().filter(|(of, runs, _)| (*of, *runs) == (id, version));
                let nodes: BTreeSet<String> = nodes.map(|(.., node)| node.clone()).collect();
                secret.used_by.push(SecretUse { version, state, secret_version, nodes: nodes.into_iter().collect() });
            }
        }
        Ok(())
    }

    async fn running_versions(&self, ids: &BTreeSet<Uuid>) -> Result<Vec<(Uuid, i32, String)>> {
        let first: Vec<(Uuid, Option<i32>, Option<String>)> = state::Entity::find()
            .select_only()
            .columns([state::Column::DatasourceId, state::Column::RunningVersion])
            .column(state::Column::Node)
            .filter(state::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(state::Column::DatasourceId.is_in(ids.iter().copied()))
            .into_tuple()
            .all(&self.db)
            .await
            .map_err(classify)?;
        let more: Vec<(Uuid, Option<i32>, Option<String>)> = worker_slot::Entity::find()
            .select_only()
            .columns([worker_slot::Column::DatasourceId, worker_slot::Column::RunningVersion])
            .column(worker_slot::Column::Node)
            .filter(worker_slot::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(worker_slot::Column::DatasourceId.is_in(ids.iter().copied()))
            .into_tuple()
            .all(&self.db)
            .await
            .map_err(classify)?;
        let known = |(id, version, node): (Uuid, Option<i32>, Option<String>)| Some((id, version?, node?));
        Ok(first.into_iter().chain(more).filter_map(known).collect())
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
            reference: Set(new.reference.map(str::to_owned)),
            created_at: Set(now()),
            created_by: Set(new.created_by.to_owned()),
            deleted_at: Set(new.waits.then(now)),
            deleted_by: Set(None),
        };
        Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// Lets a value that waited count from now on.
    pub async fn release_secret(
        &self,
        _: &Authorized<ManageSecrets>,
        datasource_id: Uuid,
        key: &str,
        version: i32,
    ) -> Result<()> {
        let update = self.one_value(datasource_id, key, version).filter(Column::Ciphertext.is_not_null());
        let update = update
            .col_expr(Column::DeletedAt, Expr::value(Option::<crate::domain::Timestamp>::None))
            .col_expr(Column::CreatedAt, Expr::value(now()));
        match update.exec(&self.db).await.map_err(classify)?.rows_affected {
            1 => Ok(()),
            _ => Err(corrupt("datasource_secrets", format!("{datasource_id}/{key}/{version}"), "no value waits here")),
        }
    }

    /// Forgets a value that waited in vain.
    pub(super) async fn wipe_secret(&self, datasource_id: Uuid, key: &str, version: i32) -> Result<()> {
        let update = self.one_value(datasource_id, key, version).filter(Column::DeletedAt.is_not_null());
        let update = update.col_expr(Column::Ciphertext, Expr::value(Option::<Vec<u8>>::None));
        let update = update.col_expr(Column::Reference, Expr::value(Option::<String>::None));
        update.exec(&self.db).await.map(drop).map_err(classify)
    }

    fn one_value(&self, datasource_id: Uuid, key: &str, version: i32) -> UpdateMany<Entity> {
        Entity::update_many()
            .filter(self.secrets_in_scope())
            .filter(Column::DatasourceId.eq(datasource_id))
            .filter(Column::SecretKey.eq(key))
            .filter(Column::Version.eq(version))
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
            .col_expr(Column::Reference, Expr::value(Option::<String>::None))
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
            .filter_map(|Model { secret_key, version, data_key_id, ciphertext, reference, .. }| {
                let is_reference = reference.is_some();
                ciphertext.map(|ciphertext| SealedSecret {
                    key: secret_key,
                    version,
                    data_key_id,
                    ciphertext,
                    is_reference,
                })
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
