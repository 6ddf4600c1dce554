//! Desired and observed state, as users see and set it. The registry's side is in [`super::worker`].

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};
use serde_json::json;

use super::entity::state::{ActiveModel, Column, Entity, Model};
use super::entity::worker_slot;
use super::{Tx, classify, corrupt};
use crate::auth::Authorized;
use crate::auth::policy::Grant;
use crate::domain::{DesiredState, LogLevel, State, Tenant, Timestamp, WorkerMetrics, WorkerStatus, now};
use crate::error::{Error, Result};

impl Tx {
    pub async fn states(&self, ids: &[Uuid]) -> Result<Vec<State>> {
        let scope = super::grant::reached(&self.scope, Column::OrgId, Column::ProjectId, Column::DatasourceId);
        let query = Entity::find().filter(scope).filter(Column::DatasourceId.is_in(ids.iter().copied()));
        query.all(&self.db).await.map_err(classify)?.into_iter().map(State::try_from).collect()
    }

    pub async fn insert_state<P: Grant>(&self, _: &Authorized<P>, tenant: &Tenant, id: Uuid) -> Result<()> {
        let row = ActiveModel {
            datasource_id: Set(id),
            org_id: Set(tenant.org.to_string()),
            project_id: Set(tenant.project.to_string()),
            desired: Set(DesiredState::Stopped.as_str().to_owned()),
            observed: Set(WorkerStatus::Stopped.as_str().to_owned()),
            generation: Set(0),
            parallelism: Set(1),
            running_version: Set(None),
            node: Set(None),
            lease_epoch: Set(0),
            lease_until: Set(None),
            last_heartbeat_at: Set(None),
            last_record_at: Set(None),
            error_code: Set(None),
            error_message: Set(None),
            restart_count: Set(0),
            checkpoint: Set(None),
            metrics: Set(json!(WorkerMetrics::default())),
            log_level: Set(None),
            log_level_until: Set(None),
            updated_at: Set(now()),
        };
        Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// What people want; the registry makes it so.
    pub async fn set_desired<P: Grant>(&self, _: &Authorized<P>, id: Uuid, desired: DesiredState) -> Result<()> {
        let update = Entity::update_many()
            .col_expr(Column::Desired, Expr::value(desired.as_str()))
            .col_expr(Column::UpdatedAt, Expr::value(now()));
        update.filter(Column::DatasourceId.eq(id)).exec(&self.db).await.map(drop).map_err(classify)
    }

    /// How many workers read the datasource at once. Rows of workers that are not wanted any more stay:
    /// their epochs must go on where they ended.
    pub async fn set_parallelism<P: Grant>(
        &self,
        _: &Authorized<P>,
        tenant: &Tenant,
        id: Uuid,
        workers: u16,
    ) -> Result<()> {
        let update = Entity::update_many().col_expr(Column::Parallelism, Expr::value(i32::from(workers)));
        update.filter(Column::DatasourceId.eq(id)).exec(&self.db).await.map_err(classify)?;
        if workers < 2 {
            return Ok(());
        }
        let further = (1..i32::from(workers)).map(|slot| worker_slot::ActiveModel {
            datasource_id: Set(id),
            slot: Set(slot),
            org_id: Set(tenant.org.to_string()),
            project_id: Set(tenant.project.to_string()),
            observed: Set(WorkerStatus::Stopped.as_str().to_owned()),
            running_version: Set(None),
            node: Set(None),
            lease_epoch: Set(0),
            lease_until: Set(None),
            last_heartbeat_at: Set(None),
            error_code: Set(None),
            error_message: Set(None),
            restart_count: Set(0),
            checkpoint: Set(None),
            updated_at: Set(now()),
        });
        let key = [worker_slot::Column::DatasourceId, worker_slot::Column::Slot];
        worker_slot::Entity::insert_many(further)
            .on_conflict(OnConflict::columns(key).do_nothing().to_owned())
            .exec_without_returning(&self.db)
            .await
            .map(drop)
            .map_err(classify)
    }

    /// Lets the worker log from `level` on until a time; the reader of the state goes by that time.
    pub async fn set_log_level<P: Grant>(
        &mut self,
        _: &Authorized<P>,
        id: Uuid,
        level: LogLevel,
        until: Timestamp,
    ) -> Result<()> {
        let update = Entity::update_many()
            .col_expr(Column::LogLevel, Expr::value(Some(level.as_str())))
            .col_expr(Column::LogLevelUntil, Expr::value(Some(until)));
        update.filter(Column::DatasourceId.eq(id)).exec(&self.db).await.map_err(classify)?;
        self.touch(id);
        Ok(())
    }

    /// Asks for a fresh worker of the same version.
    pub async fn raise_generation<P: Grant>(&self, _: &Authorized<P>, id: Uuid) -> Result<()> {
        let update = Entity::update_many()
            .col_expr(Column::Generation, Expr::col(Column::Generation).add(1))
            .col_expr(Column::UpdatedAt, Expr::value(now()));
        update.filter(Column::DatasourceId.eq(id)).exec(&self.db).await.map(drop).map_err(classify)
    }
}

impl TryFrom<Model> for State {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let at = |what: String| corrupt("datasource_state", row.datasource_id, what);
        Ok(Self {
            desired: row.desired.parse().map_err(at)?,
            observed: row.observed.parse().map_err(at)?,
            metrics: serde_json::from_value(row.metrics).map_err(|e| at(e.to_string()))?,
            datasource_id: row.datasource_id,
            tenant: Tenant { org: row.org_id.into(), project: row.project_id.into() },
            running_version: row.running_version,
            node: row.node,
            lease_epoch: row.lease_epoch,
            generation: row.generation,
            last_heartbeat_at: row.last_heartbeat_at,
            last_record_at: row.last_record_at,
            error_code: row.error_code,
            error_message: row.error_message,
            restart_count: row.restart_count,
            checkpoint: row.checkpoint,
            updated_at: row.updated_at,
        })
    }
}
