//! What the workers of a datasource on this node have in common: counters and the circuit to the sink. It outlives each of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::circuit::Circuit;
use crate::domain::{Tenant, Timestamp, WorkerMetrics, now};
use crate::telemetry::{DatasourceMetrics, RecordOutcome};

/// One point a heartbeat, for an hour at the default interval.
const POINTS: usize = 720;

pub struct Stats {
    tenant: Tenant,
    pub prometheus: Arc<DatasourceMetrics>,
    pub circuit: Circuit,
    /// What was reported before this process started.
    base: WorkerMetrics,
    /// Somebody may have replayed or discarded dead letters.
    recount: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last_record_at: Option<Timestamp>,
    reported: Option<WorkerMetrics>,
    history: VecDeque<(Timestamp, WorkerMetrics)>,
}

/// What became of the records of one delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    pub delivered: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl Stats {
    pub fn new(tenant: Tenant, prometheus: Arc<DatasourceMetrics>, base: WorkerMetrics) -> Self {
        let circuit = Circuit::new(Arc::clone(&prometheus));
        Self { tenant, prometheus, circuit, base, recount: AtomicBool::new(false), inner: Mutex::default() }
    }

    pub fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    pub fn ask_recount(&self) {
        self.recount.store(true, Ordering::Relaxed);
    }

    /// Whether dead letters are to be counted anew; answers so once.
    pub fn takes_recount(&self) -> bool {
        self.recount.swap(false, Ordering::Relaxed)
    }

    pub fn record(&self, outcome: Delivered, took: Duration) {
        if outcome.delivered > 0 {
            self.prometheus.delivered(outcome.delivered, took);
            self.lock().last_record_at = Some(now());
        }
        for (kind, count) in [(RecordOutcome::Failed, outcome.failed), (RecordOutcome::Skipped, outcome.skipped)] {
            if count > 0 {
                self.prometheus.records(kind, count);
            }
        }
    }

    pub fn snapshot(&self) -> WorkerMetrics {
        let here = self.prometheus.snapshot();
        WorkerMetrics {
            delivered: self.base.delivered + here.delivered,
            failed: self.base.failed + here.failed,
            skipped: self.base.skipped + here.skipped,
            ..here
        }
    }

    /// Keeps a point of the history; answers with what is to be reported, if anything changed since the last beat.
    pub fn beat(&self) -> Option<(WorkerMetrics, Option<Timestamp>)> {
        let metrics = self.snapshot();
        let mut inner = self.lock();
        if inner.history.len() == POINTS {
            inner.history.pop_front();
        }
        inner.history.push_back((now(), metrics));
        let settled = inner.reported.is_some_and(|old| {
            old.counts() == metrics.counts() && old.circuit == metrics.circuit && metrics.rate < 0.001
        });
        if settled || (inner.reported.is_none() && metrics == self.base) {
            return None;
        }
        inner.reported = Some(metrics);
        Some((metrics, inner.last_record_at))
    }

    pub fn history(&self) -> Vec<(Timestamp, WorkerMetrics)> {
        self.lock().history.iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
