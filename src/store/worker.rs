//! The registry's side of the state: what should run, who runs it, and what it reports.
//!
//! A lease names the node that runs a datasource. Its epoch grows with every
//! change of hands, and every write of a worker checks it: a node that lost its
//! lease can no longer write.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, SimpleExpr};
use sea_orm::{
    ColumnTrait, Condition, DbBackend, EntityTrait, FromQueryResult, JoinType, QueryFilter, QuerySelect, Select,
};
use serde_json::{Value, json};

use super::entity::{datasource, state};
use super::{NewEvent, Store, Tx, classify, corrupt};
use crate::auth::Actor;
use crate::domain::{
    DatasourceStatus, DesiredState, LogLevel, Scope, SecretPins, Tenant, Timestamp, Version, WorkerMetrics,
    WorkerStatus, now,
};
use crate::error::Result;

/// A datasource that should run, and who runs it now.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    pub name: String,
    pub connector_type: String,
    pub version: i32,
    /// Changes whenever the worker must be replaced although its version did not change.
    pub generation: i64,
    pub holder: Option<String>,
    pub lease_epoch: i64,
    /// A level that somebody raised, and until when.
    pub log_level: Option<(LogLevel, Timestamp)>,
    /// Nobody holds it, or the holder has not been heard of in time.
    pub free: bool,
}

/// The right to run a datasource and to write its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    pub node: Arc<str>,
    pub epoch: i64,
}

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

/// What a worker needs to start, read in one transaction.
pub struct Blueprint {
    pub version: Version,
    pub checkpoint: Option<Value>,
    pub secrets: Vec<super::secret::SealedSecret>,
}

/// A write by a node that does not hold the lease any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fenced;

#[derive(FromQueryResult)]
struct Row {
    datasource_id: Uuid,
    org_id: String,
    project_id: String,
    generation: i64,
    node: Option<String>,
    lease_epoch: i64,
    log_level: Option<String>,
    log_level_until: Option<Timestamp>,
    free: bool,
    name: String,
    connector_type: String,
    version: i32,
}

impl Store {
    /// Everything that should run, in every organisation.
    pub async fn assignments(&self) -> Result<Vec<Assignment>> {
        self.read_assignments(self.select_assignments()).await
    }

    /// The same for one datasource; `None` when it should not run.
    pub async fn assignment(&self, id: Uuid) -> Result<Option<Assignment>> {
        let query = self.select_assignments().filter(state::Column::DatasourceId.eq(id));
        Ok(self.read_assignments(query).await?.pop())
    }

    fn select_assignments(&self) -> Select<state::Entity> {
        let on = state::Entity::belongs_to(datasource::Entity)
            .from(state::Column::DatasourceId)
            .to(datasource::Column::Id)
            .into();
        let free = Condition::any().add(state::Column::LeaseUntil.is_null()).add(self.lease_is_over());
        state::Entity::find()
            .join(JoinType::InnerJoin, on)
            .filter(state::Column::Desired.eq(DesiredState::Running.as_str()))
            .filter(datasource::Column::CurrentVersion.is_not_null())
            .filter(datasource::Column::ArchivedAt.is_null())
            .select_only()
            .columns([
                state::Column::DatasourceId,
                state::Column::OrgId,
                state::Column::ProjectId,
                state::Column::Generation,
                state::Column::Node,
                state::Column::LeaseEpoch,
                state::Column::LogLevel,
                state::Column::LogLevelUntil,
            ])
            .expr_as(Expr::expr(SimpleExpr::from(free)), "free")
            .column_as(datasource::Column::Name, "name")
            .column_as(datasource::Column::ConnectorType, "connector_type")
            .column_as(datasource::Column::CurrentVersion, "version")
    }

    async fn read_assignments(&self, query: Select<state::Entity>) -> Result<Vec<Assignment>> {
        let tx = self.read(&everything()).await?;
        let rows = query.into_model::<Row>().all(&tx.db).await.map_err(classify)?;
        Ok(rows
            .into_iter()
            .map(|row| Assignment {
                tenant: Tenant { org: row.org_id.into(), project: row.project_id.into() },
                datasource_id: row.datasource_id,
                name: row.name,
                connector_type: row.connector_type,
                version: row.version,
                generation: row.generation,
                holder: row.node,
                lease_epoch: row.lease_epoch,
                log_level: row.log_level.and_then(|l| l.parse().ok()).zip(row.log_level_until),
                free: row.free,
            })
            .collect())
    }

    /// Takes a free lease, or one that this node held under its name before. `None`: another node was faster.
    pub async fn acquire_lease(&self, node: &Arc<str>, work: &Assignment, ttl: Duration) -> Result<Option<Lease>> {
        let free = Condition::any()
            .add(state::Column::LeaseUntil.is_null())
            .add(self.lease_is_over())
            .add(state::Column::Node.eq(node.as_ref()));
        let system = Actor::system("registry", work.tenant.org.clone());
        let tx = self.write_as_system(&system).await?;
        let taken = state::Entity::update_many()
            .col_expr(state::Column::Node, Expr::value(node.as_ref()))
            .col_expr(state::Column::LeaseEpoch, Expr::col(state::Column::LeaseEpoch).add(1))
            .col_expr(state::Column::LeaseUntil, self.lease_end(ttl))
            .filter(state::Column::DatasourceId.eq(work.datasource_id))
            .filter(state::Column::LeaseEpoch.eq(work.lease_epoch))
            .filter(free)
            .exec(&tx.db)
            .await
            .map_err(classify)?;
        tx.commit().await?;
        Ok((taken.rows_affected == 1).then(|| Lease {
            tenant: work.tenant.clone(),
            datasource_id: work.datasource_id,
            node: Arc::clone(node),
            epoch: work.lease_epoch + 1,
        }))
    }

    /// One statement for the heartbeats of all workers of a node: their leases go on. Answers with those still held.
    pub async fn renew_leases(&self, node: &str, ttl: Duration) -> Result<Vec<(Uuid, i64)>> {
        let tx = self.begin_everything().await?;
        let rows = state::Entity::update_many()
            .col_expr(state::Column::LeaseUntil, self.lease_end(ttl))
            .col_expr(state::Column::LastHeartbeatAt, Expr::value(now()))
            .filter(state::Column::Node.eq(node))
            .exec_with_returning(&tx.db)
            .await
            .map_err(classify)?;
        tx.commit().await?;
        Ok(rows.into_iter().map(|row| (row.datasource_id, row.lease_epoch)).collect())
    }

    /// Gives the lease back, so that another node need not wait for its end.
    pub async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let tx = self.write_as_system(&Actor::system("registry", lease.tenant.org.clone())).await?;
        held(state::Entity::update_many(), lease)
            .col_expr(state::Column::Node, Expr::value(Option::<String>::None))
            .col_expr(state::Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
            .exec(&tx.db)
            .await
            .map_err(classify)?;
        tx.commit().await
    }

    /// What should be stopped and whose node vanished before it could say so, is stopped.
    pub async fn settle_stopped(&self) -> Result<()> {
        let tx = self.begin_everything().await?;
        let free = Condition::any().add(state::Column::LeaseUntil.is_null()).add(self.lease_is_over());
        state::Entity::update_many()
            .col_expr(state::Column::Observed, Expr::value(WorkerStatus::Stopped.as_str()))
            .col_expr(state::Column::RunningVersion, Expr::value(Option::<i32>::None))
            .filter(state::Column::Desired.eq(DesiredState::Stopped.as_str()))
            .filter(state::Column::Observed.ne(WorkerStatus::Stopped.as_str()))
            .filter(free)
            .exec(&tx.db)
            .await
            .map_err(classify)?;
        tx.commit().await
    }

    /// Writes a change of a worker's state, with the events that tell of it.
    pub async fn report(&self, lease: &Lease, report: &Report, events: Vec<NewEvent>) -> Result<Result<(), Fenced>> {
        let mut tx = self.write_as_system(&Actor::system("registry", lease.tenant.org.clone())).await?;
        let mut update = held(state::Entity::update_many(), lease)
            .col_expr(state::Column::Observed, Expr::value(report.observed.as_str()))
            .col_expr(state::Column::RunningVersion, Expr::value(report.running_version))
            .col_expr(state::Column::RestartCount, Expr::value(report.restart_count))
            .col_expr(state::Column::LastHeartbeatAt, Expr::value(now()))
            .col_expr(state::Column::UpdatedAt, Expr::value(now()));
        if let Some(error) = &report.error {
            let (code, message) = error.clone().unzip();
            update = update
                .col_expr(state::Column::ErrorCode, Expr::value(code))
                .col_expr(state::Column::ErrorMessage, Expr::value(message));
        }
        if update.exec(&tx.db).await.map_err(classify)?.rows_affected == 0 {
            return Ok(Err(Fenced));
        }
        if let Some((from, to)) = report.status {
            tx.set_status(lease.datasource_id, from, to).await?;
        }
        for event in events {
            tx.record_event(event);
        }
        tx.touch(lease.datasource_id);
        tx.commit().await.map(Ok)
    }

    /// Moves a checkpoint, after the sink acknowledged what lies before it.
    pub async fn save_checkpoint(&self, lease: &Lease, checkpoint: &Value) -> Result<Result<(), Fenced>> {
        let tx = self.write_as_system(&Actor::system("registry", lease.tenant.org.clone())).await?;
        let update = held(state::Entity::update_many(), lease)
            .col_expr(state::Column::Checkpoint, Expr::value(Some(checkpoint.clone())));
        let saved = update.exec(&tx.db).await.map_err(classify)?.rows_affected == 1;
        tx.commit().await?;
        Ok(if saved { Ok(()) } else { Err(Fenced) })
    }

    /// The counters of one worker. Not fenced: a webhook is served by every node, and counters carry no decision.
    pub async fn save_metrics(
        &self,
        tenant: &Tenant,
        id: Uuid,
        metrics: &WorkerMetrics,
        last_record_at: Option<Timestamp>,
    ) -> Result<()> {
        let tx = self.write_as_system(&Actor::system("registry", tenant.org.clone())).await?;
        let mut update = state::Entity::update_many()
            .col_expr(state::Column::Metrics, Expr::value(json!(metrics)))
            .filter(state::Column::DatasourceId.eq(id));
        if let Some(at) = last_record_at {
            update = update.col_expr(state::Column::LastRecordAt, Expr::value(Some(at)));
        }
        update.exec(&tx.db).await.map_err(classify)?;
        tx.commit().await
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

    pub(super) async fn begin_everything(&self) -> Result<Tx> {
        self.write_as_system(&Actor::system("registry", everything().org_id().clone())).await
    }

    /// Leases are timed by the database, so that the clocks of nodes need not agree.
    pub(super) fn lease_end(&self, ttl: Duration) -> SimpleExpr {
        match self.backend() {
            DbBackend::Postgres => {
                Expr::cust_with_values("clock_timestamp() + make_interval(secs => $1)", [ttl.as_secs_f64()])
            }
            _ => Expr::value(now() + ttl),
        }
    }

    fn lease_is_over(&self) -> SimpleExpr {
        self.is_past(Expr::col((state::Entity, state::Column::LeaseUntil)))
    }

    pub(super) fn is_past(&self, time: impl ExprTrait) -> SimpleExpr {
        match self.backend() {
            DbBackend::Postgres => time.lt(Expr::cust("clock_timestamp()")),
            _ => time.lt(now()),
        }
    }
}

/// The registry looks after all organisations. Only this file may ask so.
fn everything() -> Scope {
    Scope::org("*")
}

fn held(update: sea_orm::UpdateMany<state::Entity>, lease: &Lease) -> sea_orm::UpdateMany<state::Entity> {
    update
        .filter(state::Column::DatasourceId.eq(lease.datasource_id))
        .filter(state::Column::Node.eq(lease.node.as_ref()))
        .filter(state::Column::LeaseEpoch.eq(lease.epoch))
}
