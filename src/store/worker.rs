//! The registry's side of the state: what should run, and what its workers report.
//! Who runs it is in [`super::lease`].

use std::collections::HashMap;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, LockBehavior, LockType, UpdateStatement};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect};
use serde_json::{Value, json};

use super::entity::{dead_letter, state, worker_slot};
use super::lease::{Lease, held};
use super::{NewEvent, Store, classify, corrupt};
use crate::auth::Actor;
use crate::domain::{
    DatasourceStatus, Scope, SecretPins, Tenant, Timestamp, Version, WorkerMetrics, WorkerStatus, now,
};
use crate::error::Result;

/// What a worker says about itself.
#[derive(Clone, Debug)]
pub struct Report {
    pub observed: WorkerStatus,
    pub running_version: Option<i32>,
    pub restart_count: i32,
    /// `Some(None)` clears the error.
    pub error: Option<Option<(String, String)>>,
    /// The status that the datasource shows from now on, from what it showed before.
    pub status: Option<(DatasourceStatus, DatasourceStatus)>,
}

/// What a node counted of a datasource since it last said so.
#[derive(Clone, Copy, Debug)]
pub struct Counted {
    pub datasource_id: Uuid,
    /// More records delivered, failed and skipped.
    pub added: [u64; 3],
    /// Of this, all but the counts.
    pub metrics: WorkerMetrics,
    pub last_record_at: Option<Timestamp>,
}

/// What a worker needs to start, read in one transaction.
pub struct Blueprint {
    pub version: Version,
    pub checkpoint: Option<Value>,
    pub secrets: Vec<super::secret::SealedSecret>,
}

/// A write by a node that does not hold the lease any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenced;

impl Store {
    /// Writes a change of a worker's state, with the events that tell of it.
    pub async fn report(&self, lease: &Lease, report: &Report, events: Vec<NewEvent>) -> Result<Result<(), Fenced>> {
        let mut tx = self.write_as_system(&Actor::system("registry", lease.tenant.org.clone())).await?;
        let mut update = held(lease);
        update
            .value(state::Column::Observed, report.observed.as_str())
            .value(state::Column::RunningVersion, report.running_version)
            .value(state::Column::RestartCount, report.restart_count)
            .value(state::Column::LastHeartbeatAt, now())
            .value(state::Column::UpdatedAt, now());
        if let Some(error) = &report.error {
            let (code, message) = error.clone().unzip();
            update.value(state::Column::ErrorCode, code).value(state::Column::ErrorMessage, message);
        }
        if tx.db.execute(&update).await.map_err(classify)?.rows_affected() == 0 {
            return Ok(Err(Fenced));
        }
        if let Some((from, to)) = report.status.filter(|_| lease.slot == 0) {
            tx.set_status(lease.datasource_id, from, to).await?;
        }
        for event in events {
            tx.record_event(event);
        }
        tx.touch(lease.datasource_id);
        tx.commit().await.map(Ok)
    }

    /// How far the worker is, or the one before it was.
    pub async fn checkpoint(&self, lease: &Lease) -> Result<Option<Value>> {
        let tx = self.read(&Scope::org(lease.tenant.org.clone())).await?;
        if lease.slot > 0 {
            let key = (lease.datasource_id, i32::from(lease.slot));
            let row = worker_slot::Entity::find_by_id(key).one(&tx.db).await.map_err(classify)?;
            return Ok(row.and_then(|row| row.checkpoint));
        }
        Ok(tx.states(&[lease.datasource_id]).await?.pop().and_then(|state| state.checkpoint))
    }

    /// Moves a checkpoint, after the sink acknowledged what lies before it.
    pub async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Value) -> Result<Result<(), Fenced>> {
        let tx = self.write_as_system(&Actor::system("registry", lease.tenant.org.clone())).await?;
        let update: UpdateStatement = held(lease).value(state::Column::Checkpoint, checkpoint.clone()).take();
        let saved = tx.db.execute(&update).await.map_err(classify)?.rows_affected() == 1;
        tx.commit().await?;
        Ok(if saved { Ok(()) } else { Err(Fenced) })
    }

    /// What was counted of each datasource so far, and how many dead letters of it wait; two statements for all.
    pub async fn totals(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, (WorkerMetrics, u64)>> {
        let counts = self.dead_letter_counts(ids).await?;
        let tx = self.read_everything().await?;
        let rows: Vec<(Uuid, Value)> = state::Entity::find()
            .select_only()
            .columns([state::Column::DatasourceId, state::Column::Metrics])
            .filter(state::Column::DatasourceId.is_in(ids.iter().copied()))
            .into_tuple()
            .all(&tx.db)
            .await
            .map_err(classify)?;
        let total = |(id, metrics): (Uuid, Value)| {
            let metrics = serde_json::from_value(metrics);
            let metrics = metrics.map_err(|e| corrupt("datasource_state", id, e))?;
            Ok((id, (metrics, counts.get(&id).copied().unwrap_or(0))))
        };
        rows.into_iter().map(total).collect()
    }

    /// How many dead letters of each datasource wait; one with none is left out.
    pub async fn dead_letter_counts(&self, ids: &[Uuid]) -> Result<HashMap<Uuid, u64>> {
        let tx = self.read_everything().await?;
        let rows: Vec<(Uuid, i64)> = dead_letter::Entity::find()
            .select_only()
            .column(dead_letter::Column::DatasourceId)
            .column_as(dead_letter::Column::Id.count(), "waiting")
            .filter(dead_letter::Column::DatasourceId.is_in(ids.iter().copied()))
            .group_by(dead_letter::Column::DatasourceId)
            .into_tuple()
            .all(&tx.db)
            .await
            .map_err(classify)?;
        Ok(rows.into_iter().map(|(id, n)| (id, u64::try_from(n).unwrap_or(0))).collect())
    }

    /// Adds what a node counted to what is stored, and answers with the sums. Not fenced: several nodes serve one
    /// webhook, and counters carry no decision. What somebody else writes at the moment is left out, for the next time.
    pub async fn add_metrics(&self, counted: &[Counted]) -> Result<HashMap<Uuid, [u64; 3]>> {
        let tx = self.begin_everything().await?;
        let rows: Vec<(Uuid, Value)> = state::Entity::find()
            .select_only()
            .columns([state::Column::DatasourceId, state::Column::Metrics])
            .filter(state::Column::DatasourceId.is_in(counted.iter().map(|c| c.datasource_id)))
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .into_tuple()
            .all(&tx.db)
            .await
            .map_err(classify)?;
        let free: HashMap<_, _> = rows.into_iter().collect();
        let mut sums = HashMap::new();
        for Counted { datasource_id: id, added, metrics, last_record_at } in counted {
            let Some(stored) = free.get(id) else { continue };
            let stored: WorkerMetrics =
                serde_json::from_value(stored.clone()).map_err(|e| corrupt("datasource_state", id, e))?;
            let before = stored.counts();
            let sum = std::array::from_fn(|i| before[i] + added[i]);
            let mut update = state::Entity::update_many()
                .col_expr(state::Column::Metrics, Expr::value(json!(metrics.with_counts(sum))))
                .filter(state::Column::DatasourceId.eq(*id));
            if let Some(at) = last_record_at {
                update = update.col_expr(state::Column::LastRecordAt, Expr::value(Some(*at)));
            }
            update.exec(&tx.db).await.map_err(classify)?;
            sums.insert(*id, sum);
        }
        tx.commit().await?;
        Ok(sums)
    }

    /// Reads all that a worker starts with.
    pub async fn blueprint(&self, tenant: &Tenant, id: Uuid, version: i32) -> Result<Option<Blueprint>> {
        let tx = self.read(&Scope::org(tenant.org.clone())).await?;
        let Some(version) = tx.version(id, version).await? else { return Ok(None) };
        let states = tx.states(&[id]).await?;
        let state = states.into_iter().next().ok_or_else(|| corrupt("datasource_state", id, "row is missing"))?;
        let pins: &SecretPins = &version.secret_pins;
        let secrets = tx.sealed_secrets(id, pins).await?;
        Ok(Some(Blueprint { version, checkpoint: state.checkpoint, secrets }))
    }
}
