//! Nodes and workers.

use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::WorkerStatus;
use crate::domain;

/// The nodes of this server, and a page of what runs on them.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct Registry {
    /// Every node that is known, by name.
    pub(in crate::rest) nodes: Vec<Node>,
    /// Workers of your organisation that run or should, by datasource and slot.
    pub(in crate::rest) workers: Vec<RegistryWorker>,
}

/// A process that serves the API, runs workers, or both.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct Node {
    /// Its name, unique among the nodes on one database.
    name: String,
    /// What it does: `all`, `gateway` or `worker`.
    role: String,
    /// The version of the program.
    version: String,
    /// When the process started.
    started_at: DateTime<Utc>,
    /// When it last said that it lives.
    last_heartbeat_at: DateTime<Utc>,
    /// Whether it was heard of in time. What a dead one ran, the others take over.
    alive: bool,
    /// How many workers of your organisation have their lease there.
    workers: u64,
}

/// One worker of a datasource, and the lease on which it runs.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct RegistryWorker {
    /// The datasource.
    datasource_id: Uuid,
    /// Which of the workers that share the datasource (`runtime.parallelism`); most have one, of slot 0.
    slot: u16,
    /// The node that holds the lease; null while none does.
    node: Option<String>,
    /// How often the lease changed hands; writes of an earlier holder are refused by it.
    epoch: i64,
    /// When the lease ends unless the node renews it.
    lease_until: Option<DateTime<Utc>>,
    /// What the worker does.
    worker_status: WorkerStatus,
    /// The version that it runs.
    running_version: Option<i32>,
    /// When its node last said that it lives.
    last_heartbeat_at: Option<DateTime<Utc>>,
    /// A stable code of what is wrong with it.
    error_code: Option<String>,
    /// What is wrong with it.
    error_message: Option<String>,
}

impl From<(domain::Node, u64)> for Node {
    fn from((node, workers): (domain::Node, u64)) -> Self {
        Self {
            name: node.name,
            role: node.role,
            version: node.version,
            started_at: node.started_at,
            last_heartbeat_at: node.last_heartbeat_at,
            alive: node.alive,
            workers,
        }
    }
}

impl From<domain::Worker> for RegistryWorker {
    fn from(worker: domain::Worker) -> Self {
        Self {
            datasource_id: worker.datasource_id,
            slot: worker.slot,
            node: worker.node,
            epoch: worker.epoch,
            lease_until: worker.lease_until,
            worker_status: worker.observed.into(),
            running_version: worker.running_version,
            last_heartbeat_at: worker.last_heartbeat_at,
            error_code: worker.error_code,
            error_message: worker.error_message,
        }
    }
}
