//! What one datasource counts. Made for the hot path: no look-up, no allocation, one short lock.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prometheus::IntCounter;
use uuid::Uuid;

use super::metrics::{Metrics, OTHER, lock};
use super::{DecayedMean, DecayedRate};
use crate::domain::{CircuitState, WorkerMetrics, WorkerStatus};

/// How a record ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecordOutcome {
    /// Acknowledged by the sink.
    Delivered,
    /// Could not be mapped or delivered.
    Failed,
    /// Dropped by a transform, or passed over by `on_error: skip`.
    Skipped,
}

impl RecordOutcome {
    pub const ALL: [Self; 3] = [Self::Delivered, Self::Failed, Self::Skipped];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// The metrics of a datasource on this node, from
/// [`Metrics::datasource`]. Dropping the last handle removes its series.
pub struct DatasourceMetrics {
    metrics: Arc<Metrics>,
    id: Uuid,
    labelled: bool,
    label: String,
    generation: u64,
    records: [IntCounter; RecordOutcome::ALL.len()],
    restarts: IntCounter,
    live: Mutex<Live>,
}

/// What is shown as gauges, and what a heartbeat stores.
#[derive(Clone, Copy)]
pub(super) struct Live {
    pub(super) rate: DecayedRate,
    pub(super) lag: Option<f64>,
    pub(super) dead_letters: i64,
    pub(super) status: Option<WorkerStatus>,
    pub(super) circuit: CircuitState,
    latency: DecayedMean,
    totals: [u64; RecordOutcome::ALL.len()],
}

impl DatasourceMetrics {
    pub(super) fn new(metrics: Arc<Metrics>, id: Uuid, labelled: bool, generation: u64) -> Self {
        let label = if labelled { id.to_string() } else { OTHER.to_owned() };
        let collectors = &metrics.collectors;
        let records =
            RecordOutcome::ALL.map(|outcome| collectors.records.with_label_values(&[label.as_str(), outcome.as_str()]));
        let restarts = collectors.restarts.with_label_values(&[&label]);
        let now = Instant::now();
        let live = Mutex::new(Live {
            rate: DecayedRate::new(now),
            lag: None,
            dead_letters: 0,
            status: None,
            circuit: CircuitState::Closed,
            latency: DecayedMean::new(now),
            totals: [0; RecordOutcome::ALL.len()],
        });
        Self { metrics, id, labelled, label, generation, records, restarts, live }
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Counts records that ended; all outcomes add to the rate.
    pub fn records(&self, outcome: RecordOutcome, count: u64) {
        self.records[outcome as usize].inc_by(count);
        let now = Instant::now();
        let mut live = lock(&self.live);
        live.rate.record(count, now);
        live.totals[outcome as usize] += count;
    }

    /// Counts a batch that the sink acknowledged, so long after it was read.
    pub fn delivered(&self, count: u64, latency: Duration) {
        self.records(RecordOutcome::Delivered, count);
        self.metrics.collectors.delivery_latency.observe(latency.as_secs_f64());
        lock(&self.live).latency.record(latency.as_secs_f64(), count, Instant::now());
    }

    /// `kind` is the stable code of the error, such as `http_status`.
    pub fn error(&self, kind: &'static str) {
        lock(&self.metrics.error_kinds).insert(kind);
        self.metrics.collectors.errors.with_label_values(&[self.label.as_str(), kind]).inc();
    }

    pub fn restarted(&self) {
        self.restarts.inc();
    }

    /// Seconds behind the source; `None` when that is not known.
    pub fn set_lag(&self, seconds: Option<f64>) {
        lock(&self.live).lag = seconds;
    }

    /// `None` when no worker of the datasource is on this node.
    pub fn set_status(&self, status: Option<WorkerStatus>) {
        lock(&self.live).status = status;
    }

    /// Counts the change as well.
    pub fn set_circuit(&self, state: CircuitState) {
        lock(&self.live).circuit = state;
        self.metrics.collectors.circuit_transitions.with_label_values(&[self.label.as_str(), state.as_str()]).inc();
    }

    pub fn set_dead_letters(&self, count: u64) {
        lock(&self.live).dead_letters = i64::try_from(count).unwrap_or(i64::MAX);
    }

    /// Counts dead letters that were just kept.
    pub fn add_dead_letters(&self, count: u64) {
        let mut live = lock(&self.live);
        live.dead_letters = live.dead_letters.saturating_add_unsigned(count);
    }

    /// What was counted since this handle was made.
    pub fn snapshot(&self) -> WorkerMetrics {
        let live = self.live();
        let [delivered, failed, skipped] = live.totals;
        WorkerMetrics {
            delivered,
            failed,
            skipped,
            rate: live.rate.per_second(Instant::now()),
            latency: live.latency.value(),
            circuit: live.circuit,
        }
    }

    pub(super) fn live(&self) -> Live {
        *lock(&self.live)
    }

    pub(super) fn label(&self) -> &str {
        &self.label
    }

    pub(super) fn is_labelled(&self) -> bool {
        self.labelled
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// The counters; gauges go with the next rendering. A series that never came to be needs no removal.
    pub(super) fn remove_series(&self) {
        let collectors = &self.metrics.collectors;
        for outcome in RecordOutcome::ALL {
            let _ = collectors.records.remove_label_values(&[self.label.as_str(), outcome.as_str()]);
        }
        let _ = collectors.restarts.remove_label_values(&[&self.label]);
        for state in CircuitState::ALL {
            let _ = collectors.circuit_transitions.remove_label_values(&[self.label.as_str(), state.as_str()]);
        }
        for kind in lock(&self.metrics.error_kinds).iter() {
            let _ = collectors.errors.remove_label_values(&[self.label.as_str(), kind]);
        }
    }
}

impl Drop for DatasourceMetrics {
    fn drop(&mut self) {
        let metrics = self.metrics.clone();
        metrics.retire(self);
    }
}
