//! What a worker should do, does and counts.

use std::sync::Arc;

use async_graphql::{ID, Json, Object, SimpleObject};
use serde_json::Value;

use super::{CircuitState, DesiredState, WorkerStatus};
use crate::domain::{self, Timestamp};

/// What a worker should do and what it does.
pub(in crate::graphql) struct DatasourceState(pub(in crate::graphql) Arc<domain::State>);

/// Desired against observed state of one worker.
#[Object]
impl DatasourceState {
    /// The datasource that it is of.
    async fn datasource_id(&self) -> ID {
        self.0.datasource_id.into()
    }

    /// What people want.
    async fn desired(&self) -> DesiredState {
        self.0.desired.into()
    }

    /// What the registry sees.
    async fn worker_status(&self) -> WorkerStatus {
        self.0.observed.into()
    }

    /// The version that runs; it may lag behind the published one while that fails to start.
    async fn running_version(&self) -> Option<i32> {
        self.0.running_version
    }

    /// The node that holds its lease.
    async fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// Grows with every change of hands between nodes.
    async fn lease_epoch(&self) -> i64 {
        self.0.lease_epoch
    }

    /// When its node was last heard of.
    async fn last_heartbeat_at(&self) -> Option<Timestamp> {
        self.0.last_heartbeat_at
    }

    /// When a record was last delivered.
    async fn last_record_at(&self) -> Option<Timestamp> {
        self.0.last_record_at
    }

    /// The code of its current error.
    async fn error_code(&self) -> Option<&str> {
        self.0.error_code.as_deref()
    }

    /// Its current error, in words.
    async fn error_message(&self) -> Option<&str> {
        self.0.error_message.as_deref()
    }

    /// How often it was tried again after a failure.
    async fn restart_count(&self) -> i32 {
        self.0.restart_count
    }

    /// Where the source goes on from, as its connector keeps it.
    async fn checkpoint(&self) -> Option<Json<&Value>> {
        self.0.checkpoint.as_ref().map(Json)
    }

    /// Whether the sink is written to, as of the last report: while it fails again and again, it is left alone.
    async fn circuit(&self) -> CircuitState {
        self.0.metrics.circuit.into()
    }

    /// What it counted, as of its last report.
    async fn metrics(&self) -> WorkerMetrics {
        self.0.metrics.into()
    }

    /// When the row was last written.
    async fn updated_at(&self) -> Timestamp {
        self.0.updated_at
    }
}

/// The counters of a worker.
#[derive(SimpleObject)]
pub(in crate::graphql) struct WorkerMetrics {
    /// Records that the sink acknowledged.
    delivered: u64,
    /// Records that could not be mapped or delivered.
    failed: u64,
    /// Records that a transform dropped or that were skipped.
    skipped: u64,
    /// Records per second, decayed over about a minute.
    rate: f64,
    /// Seconds from reading a record to its acknowledgement, decayed likewise.
    latency: f64,
}

impl From<domain::WorkerMetrics> for WorkerMetrics {
    fn from(m: domain::WorkerMetrics) -> Self {
        Self { delivered: m.delivered, failed: m.failed, skipped: m.skipped, rate: m.rate, latency: m.latency }
    }
}

/// A figure of a datasource.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DatasourceMetric {
    /// What is measured.
    name: &'static str,
    /// In which unit.
    unit: &'static str,
    /// Its value now.
    value: f64,
    /// The span of the points, such as `15m`.
    window: String,
    /// Recent values, oldest first.
    points: Vec<MetricPoint>,
}

/// A value at a time.
#[derive(SimpleObject)]
pub(in crate::graphql) struct MetricPoint {
    /// When.
    at: Timestamp,
    /// The value then.
    value: f64,
}

impl DatasourceMetric {
    pub(in crate::graphql) fn new(metric: crate::app::Metric, window: String) -> Self {
        let points = metric.points.into_iter().map(|(at, value)| MetricPoint { at, value }).collect();
        Self { name: metric.name, unit: metric.unit, value: metric.value, window, points }
    }
}
