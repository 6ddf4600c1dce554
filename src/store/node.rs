//! The nodes that share this database.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::node::{ActiveModel, Column, Entity};
use super::lease::WorkerKey;
use super::{Store, Tx, classify};
use crate::domain::{Node, Timestamp, now};
use crate::error::Result;

/// A process as it presents itself.
#[derive(Clone, Debug)]
pub struct NodeIdentity {
    pub name: Arc<str>,
    pub instance: Uuid,
    pub role: &'static str,
    pub version: &'static str,
    pub started_at: Timestamp,
}

/// What a heartbeat found.
#[derive(Debug)]
pub struct Heartbeat {
    /// The leases that the node still holds, with their epochs.
    pub held: HashMap<WorkerKey, i64>,
    /// Whether the name belongs to another process now.
    pub name_taken: bool,
}

impl Store {
    /// Makes a node known, in place of an earlier process of its name, and wakes the others: there is work to share.
    pub async fn join(&self, node: &NodeIdentity, ttl: Duration) -> Result<()> {
        let mut tx = self.begin_everything().await?;
        let at = now();
        let row = ActiveModel {
            name: Set(node.name.to_string()),
            instance: Set(node.instance),
            role: Set(node.role.to_owned()),
            version: Set(node.version.to_owned()),
            started_at: Set(node.started_at),
            last_heartbeat_at: Set(at),
            alive_until: Set(at),
        };
        let replaced = [Column::Instance, Column::Role, Column::Version, Column::StartedAt, Column::LastHeartbeatAt];
        Entity::insert(row)
            .on_conflict(OnConflict::column(Column::Name).update_columns(replaced).to_owned())
            .exec_without_returning(&tx.db)
            .await
            .map_err(classify)?;
        tx.beat(node, self.lease_end(ttl)).await?;
        tx.call_everybody();
        tx.commit().await
    }

    /// The node lives and its leases go on: one transaction, however many they are.
    pub async fn heartbeat(&self, node: &NodeIdentity, ttl: Duration) -> Result<Heartbeat> {
        let tx = self.begin_everything().await?;
        let name_taken = !tx.beat(node, self.lease_end(ttl)).await?;
        let held = tx.renew_leases(&node.name, self.lease_end(ttl)).await?;
        tx.commit().await?;
        Ok(Heartbeat { held, name_taken })
    }

    /// The node goes, and wakes the others: its work is theirs as it gives it back.
    pub async fn leave(&self, node: &NodeIdentity) -> Result<()> {
        let mut tx = self.begin_everything().await?;
        let own = Column::Name.eq(node.name.as_ref()).and(Column::Instance.eq(node.instance));
        Entity::delete_many().filter(own).exec(&tx.db).await.map_err(classify)?;
        tx.call_everybody();
        tx.commit().await
    }

    /// Every node that is known, by name.
    pub async fn nodes(&self) -> Result<Vec<Node>> {
        let tx = self.read_everything().await?;
        type Row = (String, String, String, Timestamp, Timestamp, bool);
        let alive = self.is_past(Expr::col(Column::AliveUntil)).not();
        let rows: Vec<Row> = Entity::find()
            .select_only()
            .columns([Column::Name, Column::Role, Column::Version, Column::StartedAt, Column::LastHeartbeatAt])
            .expr_as(alive, "alive")
            .order_by_asc(Column::Name)
            .into_tuple()
            .all(&tx.db)
            .await
            .map_err(classify)?;
        let node = |(name, role, version, started_at, last_heartbeat_at, alive): Row| Node {
            name,
            role,
            version,
            started_at,
            last_heartbeat_at,
            alive,
        };
        Ok(rows.into_iter().map(node).collect())
    }

    /// Forgets nodes that went without a word before `before`.
    pub async fn forget_nodes(&self, before: Timestamp) -> Result<u64> {
        let tx = self.begin_everything().await?;
        let dead = self.is_past(Expr::col(Column::AliveUntil));
        let gone = Entity::delete_many().filter(Column::LastHeartbeatAt.lt(before)).filter(dead);
        let gone = gone.exec(&tx.db).await.map_err(classify)?.rows_affected;
        tx.commit().await?;
        Ok(gone)
    }
}

impl Tx {
    /// Answers whether the name is still the node's.
    async fn beat(&self, node: &NodeIdentity, until: sea_orm::sea_query::SimpleExpr) -> Result<bool> {
        let update = Entity::update_many()
            .col_expr(Column::LastHeartbeatAt, Expr::value(now()))
            .col_expr(Column::AliveUntil, until)
            .filter(Column::Name.eq(node.name.as_ref()))
            .filter(Column::Instance.eq(node.instance));
        Ok(update.exec(&self.db).await.map_err(classify)?.rows_affected == 1)
    }
}
