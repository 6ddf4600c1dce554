//! The workers of a tenant, as people see them.

use std::collections::BTreeMap;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, Order, Query, SelectStatement};
use sea_orm::{Condition, ConnectionTrait, FromQueryResult};

use super::entity::state;
use super::lease::Table;
use super::{Tx, classify, corrupt};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{DesiredState, Tenant, Timestamp, Worker, WorkerFilter, WorkerStatus};
use crate::error::Result;

#[derive(FromQueryResult)]
struct Row {
    datasource_id: Uuid,
    slot: i32,
    org_id: String,
    project_id: String,
    observed: String,
    running_version: Option<i32>,
    node: Option<String>,
    lease_epoch: i64,
    lease_until: Option<Timestamp>,
    last_heartbeat_at: Option<Timestamp>,
    error_code: Option<String>,
    error_message: Option<String>,
}

/// The order of the list, and what its cursors hold.
pub type WorkerPlace = (Uuid, u16);

impl Tx {
    /// Workers that run or should, by datasource and slot. A page of each table, and of both the first.
    pub async fn workers(&self, filter: &WorkerFilter, page: &PageRequest<WorkerPlace>) -> Result<Page<Worker>> {
        let mut found = Vec::new();
        for table in Table::BOTH {
            let query = self.select_workers(table, filter, page);
            for row in self.db.query_all(&query).await.map_err(classify)? {
                found.push(worker(Row::from_query_result(&row, "").map_err(classify)?)?);
            }
        }
        found.sort_by_key(|worker| (worker.datasource_id, worker.slot));
        if page.backward {
            found.reverse();
        }
        let skip = usize::try_from(page.offset).unwrap_or(usize::MAX);
        let most = usize::try_from(page.limit).unwrap_or(usize::MAX).saturating_add(1);
        Ok(Page::from_rows(found.into_iter().skip(skip).take(most).collect(), page))
    }

    /// How many workers each node has.
    pub async fn workers_by_node(&self) -> Result<BTreeMap<String, u64>> {
        let mut counts = BTreeMap::new();
        for table in Table::BOTH {
            let mut query = Query::select();
            query
                .expr_as(table.column(state::Column::Node), "node")
                .expr_as(table.column(state::Column::DatasourceId).count(), "workers")
                .from(table.name())
                .cond_where(self.visible(table))
                .and_where(table.column(state::Column::Node).is_not_null())
                .add_group_by([table.column(state::Column::Node)]);
            for row in self.db.query_all(&query).await.map_err(classify)? {
                let node: String = row.try_get_by("node").map_err(classify)?;
                let workers: i64 = row.try_get_by("workers").map_err(classify)?;
                *counts.entry(node).or_default() += u64::try_from(workers).unwrap_or(0);
            }
        }
        Ok(counts)
    }

    fn select_workers(&self, table: Table, filter: &WorkerFilter, page: &PageRequest<WorkerPlace>) -> SelectStatement {
        let column = |name: state::Column| table.column(name);
        let mut query = Query::select();
        query.from(state::Entity);
        table.join(&mut query);
        let wanted = Expr::col((state::Entity, state::Column::Desired)).eq(DesiredState::Running.as_str());
        let there = Condition::any()
            .add(wanted)
            .add(column(state::Column::Node).is_not_null())
            .add(column(state::Column::Observed).ne(WorkerStatus::Stopped.as_str()));
        query
            .expr_as(column(state::Column::DatasourceId), "datasource_id")
            .expr_as(table.slot(), "slot")
            .expr_as(column(state::Column::OrgId), "org_id")
            .expr_as(column(state::Column::ProjectId), "project_id")
            .expr_as(column(state::Column::Observed), "observed")
            .expr_as(column(state::Column::RunningVersion), "running_version")
            .expr_as(column(state::Column::Node), "node")
            .expr_as(column(state::Column::LeaseEpoch), "lease_epoch")
            .expr_as(column(state::Column::LeaseUntil), "lease_until")
            .expr_as(column(state::Column::LastHeartbeatAt), "last_heartbeat_at")
            .expr_as(column(state::Column::ErrorCode), "error_code")
            .expr_as(column(state::Column::ErrorMessage), "error_message")
            .cond_where(self.visible(table))
            .cond_where(there);
        if let Some(node) = &filter.node {
            query.and_where(column(state::Column::Node).eq(node));
        }
        if let Some(status) = filter.status {
            query.and_where(column(state::Column::Observed).eq(status.as_str()));
        }
        let id = || column(state::Column::DatasourceId);
        let beyond = |(place, slot): WorkerPlace, forward: bool| {
            let of_this = table.slot();
            let (past, next) = match forward {
                true => (id().gt(place), of_this.gt(i32::from(slot))),
                false => (id().lt(place), of_this.lt(i32::from(slot))),
            };
            Condition::any().add(past).add(Condition::all().add(id().eq(place)).add(next))
        };
        query.cond_where(
            Condition::all()
                .add_option(page.after.map(|place| beyond(place, true)))
                .add_option(page.before.map(|place| beyond(place, false))),
        );
        let order = if page.backward { Order::Desc } else { Order::Asc };
        query.order_by_expr(id(), order.clone());
        if table == Table::Further {
            query.order_by_expr(table.slot(), order);
        }
        query.limit(page.offset.saturating_add(page.limit).saturating_add(1));
        query
    }

    fn visible(&self, table: Table) -> Condition {
        let shown = super::grant::shown(&self.scope, table.column(state::Column::DatasourceId));
        let own = Condition::all().add(table.column(state::Column::OrgId).eq(self.scope.org_id().as_ref()));
        let own = own.add_option(shown);
        let Some(projects) = self.scope.project_ids() else { return own };
        let single = table.column(state::Column::DatasourceId).is_in(self.scope.datasource_ids().iter().copied());
        own.add(Condition::any().add(table.column(state::Column::ProjectId).is_in(projects)).add(single))
    }
}

fn worker(row: Row) -> Result<Worker> {
    let at = |what: String| corrupt("datasource_state", row.datasource_id, what);
    Ok(Worker {
        observed: row.observed.parse().map_err(at)?,
        tenant: Tenant { org: row.org_id.into(), project: row.project_id.into() },
        datasource_id: row.datasource_id,
        slot: u16::try_from(row.slot).unwrap_or(u16::MAX),
        node: row.node,
        epoch: row.lease_epoch,
        lease_until: row.lease_until,
        running_version: row.running_version,
        last_heartbeat_at: row.last_heartbeat_at,
        error_code: row.error_code,
        error_message: row.error_message,
    })
}
