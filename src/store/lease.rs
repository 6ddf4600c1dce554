//! Who runs what: a lease names the node that runs a worker. Its epoch grows with
//! every change of hands, and every write of a worker checks it: a node that lost
//! its lease can no longer write.
//!
//! The first worker of a datasource has its lease in `datasource_state`; where several
//! share the work, each further one has a row of its own, of the same columns.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{
    Expr, ExprTrait, LockBehavior, LockType, Query, SelectStatement, SimpleExpr, TableRef, UpdateStatement,
};
use sea_orm::{Condition, ConnectionTrait, DbBackend, EntityName, FromQueryResult, QueryResult};

use super::entity::{datasource, state, worker_slot};
use super::{Store, Tx, classify};
use crate::auth::Actor;
use crate::domain::{DesiredState, LogLevel, Tenant, Timestamp, WorkerStatus, now};
use crate::error::Result;

/// One worker of a datasource. Most have one, of slot 0; it alone reports for the datasource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct WorkerKey {
    pub datasource_id: Uuid,
    pub slot: u16,
}

/// A worker that should run, and who runs it now.
#[derive(Clone, Debug, PartialEq)]
pub struct Assignment {
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    pub slot: u16,
    pub name: String,
    pub connector_type: String,
    pub version: i32,
    /// Changes whenever the worker must be replaced although its version did not change.
    pub generation: i64,
    pub holder: Option<Arc<str>>,
    pub lease_epoch: i64,
    /// A level that somebody raised, and until when.
    pub log_level: Option<(LogLevel, Timestamp)>,
    /// Below what the version says, whatever that is.
    pub records_per_second: Option<u32>,
    /// Nobody holds it, or the holder has not been heard of in time.
    pub free: bool,
}

impl Assignment {
    pub fn key(&self) -> WorkerKey {
        WorkerKey { datasource_id: self.datasource_id, slot: self.slot }
    }
}

/// The right to run a worker and to write its state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    pub slot: u16,
    pub node: Arc<str>,
    pub epoch: i64,
}

/// Where leases are kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Table {
    First,
    Further,
}

impl Table {
    pub(super) const BOTH: [Self; 2] = [Self::First, Self::Further];

    fn of(slot: u16) -> Self {
        if slot == 0 { Self::First } else { Self::Further }
    }

    pub(super) fn name(self) -> TableRef {
        match self {
            Self::First => state::Entity.table_ref(),
            Self::Further => worker_slot::Entity.table_ref(),
        }
    }

    /// The column, where a statement joins several tables that have one of this name.
    pub(super) fn column(self, column: state::Column) -> Expr {
        match self {
            Self::First => Expr::col((state::Entity, column)),
            Self::Further => Expr::col((worker_slot::Entity, column)),
        }
    }

    fn key(self) -> Vec<Expr> {
        let id = Expr::col(state::Column::DatasourceId);
        match self {
            Self::First => vec![id],
            Self::Further => vec![id, Expr::col(worker_slot::Column::Slot)],
        }
    }

    pub(super) fn slot(self) -> Expr {
        match self {
            Self::First => Expr::value(0),
            Self::Further => Expr::col((worker_slot::Entity, worker_slot::Column::Slot)),
        }
    }

    /// Adds the leases of this table to a query of states: of the further ones those that are wanted.
    pub(super) fn join(self, states: &mut SelectStatement) {
        if self == Self::Further {
            let of_state = |column: state::Column| Expr::col((state::Entity, column));
            let on = Condition::all()
                .add(self.column(state::Column::DatasourceId).eq(of_state(state::Column::DatasourceId)))
                .add(self.slot().lt(of_state(state::Column::Parallelism)));
            states.inner_join(worker_slot::Entity, on);
        }
    }

    /// An update of leases that answers with the worker and the epoch of each.
    fn update(self) -> UpdateStatement {
        let mut update = Query::update();
        update.table(self.name());
        let returned = Query::returning();
        update.returning(match self {
            Self::First => returned.exprs([
                Expr::col(state::Column::DatasourceId),
                Expr::col(state::Column::LeaseEpoch),
                // Not a constant, whose type the databases would not agree on.
                Expr::col(state::Column::RestartCount).mul(0),
            ]),
            Self::Further => returned.exprs([
                Expr::col(worker_slot::Column::DatasourceId),
                Expr::col(worker_slot::Column::LeaseEpoch),
                Expr::col(worker_slot::Column::Slot),
            ]),
        });
        update
    }
}

#[derive(FromQueryResult)]
struct Row {
    datasource_id: Uuid,
    slot: i32,
    org_id: String,
    project_id: String,
    generation: i64,
    node: Option<String>,
    lease_epoch: i64,
    log_level: Option<String>,
    log_level_until: Option<Timestamp>,
    records_per_second: Option<i32>,
    free: bool,
    name: String,
    connector_type: String,
    version: i32,
}

impl Store {
    /// The workers that should run, in every organisation: those of `ids`, or all.
    pub async fn assignments(&self, ids: Option<&[Uuid]>) -> Result<Vec<Assignment>> {
        let tx = self.read_everything().await?;
        let mut found = Vec::new();
        for table in Table::BOTH {
            let rows = tx.db.query_all(&self.select_assignments(table, ids)).await.map_err(classify)?;
            for row in rows {
                found.push(assignment(Row::from_query_result(&row, "").map_err(classify)?));
            }
        }
        Ok(found)
    }

    fn select_assignments(&self, table: Table, ids: Option<&[Uuid]>) -> SelectStatement {
        let of_state = |column: state::Column| Expr::col((state::Entity, column));
        let of_datasource = |column: datasource::Column| Expr::col((datasource::Entity, column));
        let mut query = Query::select();
        query.from(state::Entity).inner_join(
            datasource::Entity,
            of_datasource(datasource::Column::Id).eq(of_state(state::Column::DatasourceId)),
        );
        table.join(&mut query);
        let free = self.is_free(table.column(state::Column::LeaseUntil));
        query
            .expr_as(of_state(state::Column::DatasourceId), "datasource_id")
            .expr_as(table.slot(), "slot")
            .expr_as(of_state(state::Column::OrgId), "org_id")
            .expr_as(of_state(state::Column::ProjectId), "project_id")
            .expr_as(of_state(state::Column::Generation), "generation")
            .expr_as(table.column(state::Column::Node), "node")
            .expr_as(table.column(state::Column::LeaseEpoch), "lease_epoch")
            .expr_as(of_state(state::Column::LogLevel), "log_level")
            .expr_as(of_state(state::Column::LogLevelUntil), "log_level_until")
            .expr_as(of_datasource(datasource::Column::RecordsPerSecond), "records_per_second")
            .expr_as(SimpleExpr::from(free), "free")
            .expr_as(of_datasource(datasource::Column::Name), "name")
            .expr_as(of_datasource(datasource::Column::ConnectorType), "connector_type")
            .expr_as(of_datasource(datasource::Column::CurrentVersion), "version")
            .and_where(of_state(state::Column::Desired).eq(DesiredState::Running.as_str()))
            .and_where(of_datasource(datasource::Column::CurrentVersion).is_not_null())
            .and_where(of_datasource(datasource::Column::ArchivedAt).is_null());
        if let Some(ids) = ids {
            query.and_where(of_state(state::Column::DatasourceId).is_in(ids.iter().copied()));
        }
        query
    }

    /// Takes those leases that are free, or that this node held under its name before, and
    /// answers with their epochs; what is left out, another node has. One statement a table.
    pub async fn acquire_leases(
        &self,
        node: &str,
        workers: &[WorkerKey],
        ttl: Duration,
    ) -> Result<HashMap<WorkerKey, i64>> {
        let mut taken = HashMap::new();
        if workers.is_empty() {
            return Ok(taken);
        }
        let tx = self.begin_everything().await?;
        for table in Table::BOTH {
            let Some(which) = among(table, workers) else { continue };
            let until = Expr::col(state::Column::LeaseUntil);
            let available = self.is_free(until).add(Expr::col(state::Column::Node).eq(node));
            let mut update = table.update();
            update
                .value(state::Column::Node, node)
                .value(state::Column::LeaseEpoch, Expr::col(state::Column::LeaseEpoch).add(1))
                .value(state::Column::LeaseUntil, self.lease_end(ttl));
            match self.backend() {
                // A row that somebody writes now is somebody's: it is passed over, not waited for.
                DbBackend::Postgres => {
                    let mut free = Query::select();
                    free.exprs(table.key()).from(table.name()).cond_where(which).cond_where(available);
                    free.lock_with_behavior(LockType::Update, LockBehavior::SkipLocked);
                    update.and_where(Expr::tuple(table.key()).in_subquery(free));
                }
                _ => {
                    update.cond_where(which).cond_where(available);
                }
            }
            for row in tx.db.query_all(&update).await.map_err(classify)? {
                let (key, epoch) = held_worker(&row)?;
                taken.insert(key, epoch);
            }
        }
        tx.commit().await?;
        Ok(taken)
    }

    /// Gives the lease back, and says so: another node need not wait for its end.
    pub async fn release_lease(&self, lease: &Lease) -> Result<()> {
        let mut tx = self.write_as_system(&Actor::system("registry", lease.tenant.org.clone())).await?;
        let mut update = held(lease);
        update
            .value(state::Column::Node, Option::<String>::None)
            .value(state::Column::LeaseUntil, Option::<Timestamp>::None);
        tx.db.execute(&update).await.map_err(classify)?;
        tx.touch(lease.datasource_id);
        tx.commit().await
    }

    /// What should be stopped and whose node vanished before it could say so, is stopped.
    pub async fn settle_stopped(&self) -> Result<()> {
        let tx = self.begin_everything().await?;
        let stopped = Query::select()
            .column(state::Column::DatasourceId)
            .from(state::Entity)
            .and_where(Expr::col(state::Column::Desired).eq(DesiredState::Stopped.as_str()))
            .take();
        for table in Table::BOTH {
            let mut update = Query::update();
            update
                .table(table.name())
                .value(state::Column::Observed, WorkerStatus::Stopped.as_str())
                .value(state::Column::RunningVersion, Option::<i32>::None)
                .and_where(Expr::col(state::Column::Observed).ne(WorkerStatus::Stopped.as_str()))
                .cond_where(self.is_free(Expr::col(state::Column::LeaseUntil)));
            match table {
                Table::First => {
                    update.and_where(Expr::col(state::Column::Desired).eq(DesiredState::Stopped.as_str()));
                }
                Table::Further => {
                    update.and_where(Expr::col(worker_slot::Column::DatasourceId).in_subquery(stopped.clone()));
                }
            }
            tx.db.execute(&update).await.map_err(classify)?;
        }
        tx.commit().await
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

    pub(super) fn is_free(&self, lease_until: Expr) -> Condition {
        Condition::any().add(lease_until.clone().is_null()).add(self.is_past(lease_until))
    }

    pub(super) fn is_past(&self, time: impl ExprTrait) -> SimpleExpr {
        match self.backend() {
            DbBackend::Postgres => time.lt(Expr::cust("clock_timestamp()")),
            _ => time.lt(now()),
        }
    }
}

impl Tx {
    /// The leases of a node go on. Answers with those that it still holds.
    pub(super) async fn renew_leases(&self, node: &str, until: SimpleExpr) -> Result<HashMap<WorkerKey, i64>> {
        let mut renewed = HashMap::new();
        for table in Table::BOTH {
            let mut update = table.update();
            update
                .value(state::Column::LeaseUntil, until.clone())
                .value(state::Column::LastHeartbeatAt, now())
                .and_where(Expr::col(state::Column::Node).eq(node));
            for row in self.db.query_all(&update).await.map_err(classify)? {
                let (key, epoch) = held_worker(&row)?;
                renewed.insert(key, epoch);
            }
        }
        Ok(renewed)
    }
}

/// An update of the row of a worker that comes to nothing once the lease is lost.
pub(super) fn held(lease: &Lease) -> UpdateStatement {
    let table = Table::of(lease.slot);
    let mut update = Query::update();
    update
        .table(table.name())
        .and_where(Expr::col(state::Column::DatasourceId).eq(lease.datasource_id))
        .and_where(Expr::col(state::Column::Node).eq(lease.node.as_ref()))
        .and_where(Expr::col(state::Column::LeaseEpoch).eq(lease.epoch));
    if table == Table::Further {
        update.and_where(Expr::col(worker_slot::Column::Slot).eq(i32::from(lease.slot)));
    }
    update
}

/// Those of `workers` that a table holds; `None`: none of them.
fn among(table: Table, workers: &[WorkerKey]) -> Option<Condition> {
    let mut by_slot: BTreeMap<u16, Vec<Uuid>> = BTreeMap::new();
    for key in workers.iter().filter(|key| Table::of(key.slot) == table) {
        by_slot.entry(key.slot).or_default().push(key.datasource_id);
    }
    if by_slot.is_empty() {
        return None;
    }
    Some(by_slot.into_iter().fold(Condition::any(), |any, (slot, ids)| {
        let ids = Expr::col(state::Column::DatasourceId).is_in(ids);
        let this = Expr::col(worker_slot::Column::Slot).eq(i32::from(slot));
        any.add(Condition::all().add(ids).add_option((table == Table::Further).then_some(this)))
    }))
}

fn held_worker(row: &QueryResult) -> Result<(WorkerKey, i64)> {
    let read = || -> std::result::Result<_, sea_orm::DbErr> {
        let slot: i32 = row.try_get_by_index(2)?;
        let key = WorkerKey { datasource_id: row.try_get_by_index(0)?, slot: u16::try_from(slot).unwrap_or(u16::MAX) };
        Ok((key, row.try_get_by_index(1)?))
    };
    read().map_err(classify)
}

fn assignment(row: Row) -> Assignment {
    Assignment {
        tenant: Tenant { org: row.org_id.into(), project: row.project_id.into() },
        datasource_id: row.datasource_id,
        slot: u16::try_from(row.slot).unwrap_or(u16::MAX),
        name: row.name,
        connector_type: row.connector_type,
        version: row.version,
        generation: row.generation,
        holder: row.node.map(Into::into),
        lease_epoch: row.lease_epoch,
        log_level: row.log_level.and_then(|l| l.parse().ok()).zip(row.log_level_until),
        records_per_second: row.records_per_second.and_then(|n| u32::try_from(n).ok()),
        free: row.free,
    }
}
