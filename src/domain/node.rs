use uuid::Uuid;

use super::{Tenant, Timestamp, WorkerStatus};

/// A process as the others see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub name: String,
    /// What it does: `all`, `gateway` or `worker`.
    pub role: String,
    pub version: String,
    pub started_at: Timestamp,
    pub last_heartbeat_at: Timestamp,
    /// Whether it was heard of in time.
    pub alive: bool,
}

/// One worker of a datasource, and the lease on which it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    /// Which of the workers that share the datasource; most have one, of slot 0.
    pub slot: u16,
    pub node: Option<String>,
    pub epoch: i64,
    pub lease_until: Option<Timestamp>,
    pub observed: WorkerStatus,
    pub running_version: Option<i32>,
    pub last_heartbeat_at: Option<Timestamp>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
}

/// Which workers to list.
#[derive(Clone, Debug, Default)]
pub struct WorkerFilter {
    pub node: Option<String>,
    pub status: Option<WorkerStatus>,
}
