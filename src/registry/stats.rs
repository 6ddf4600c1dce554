//! What the workers of a datasource on this node have in common: counters, the rate limit and the circuit to the sink. It outlives each of them.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::circuit::Circuit;
use super::throttle::{Rate, Throttle};
use crate::domain::{CircuitState, Tenant, Timestamp, WorkerMetrics, now};
use crate::telemetry::{DatasourceMetrics, RecordOutcome};

/// One point a heartbeat, for an hour at the default interval.
const POINTS: usize = 720;

pub struct Stats {
    tenant: Tenant,
    pub prometheus: Arc<DatasourceMetrics>,
    pub circuit: Circuit,
    pub throttle: Throttle,
    /// What the metadata of the datasource allows a second; 0 is no limit.
    custom_limit: AtomicU32,
    /// Somebody may have replayed or discarded dead letters.
    recount: AtomicBool,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    last_record_at: Option<Timestamp>,
    /// The counts of all nodes together, when this one stored its own last.
    stored: [u64; 3],
    /// What of the counts of this node those have in them.
    told: [u64; 3],
    circuit: CircuitState,
    history: VecDeque<(Timestamp, WorkerMetrics)>,
}

/// What a node has to add to the stored counts of a datasource.
#[derive(Clone, Copy, Debug)]
pub struct Beat {
    pub added: [u64; 3],
    pub metrics: WorkerMetrics,
    pub last_record_at: Option<Timestamp>,
}

/// What became of the records of one delivery.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delivered {
    pub delivered: u64,
    pub failed: u64,
    pub skipped: u64,
}

impl std::ops::Add for Delivered {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            delivered: self.delivered + other.delivered,
            failed: self.failed + other.failed,
            skipped: self.skipped + other.skipped,
        }
    }
}

impl Stats {
    pub fn new(tenant: Tenant, prometheus: Arc<DatasourceMetrics>, base: WorkerMetrics) -> Self {
        let circuit = Circuit::new(Arc::clone(&prometheus));
        let inner = Inner {
            stored: base.counts(),
            told: prometheus.snapshot().counts(),
            circuit: base.circuit,
            ..Inner::default()
        };
        let throttle = Throttle::default();
        Self {
            tenant,
            prometheus,
            circuit,
            throttle,
            custom_limit: AtomicU32::new(0),
            recount: AtomicBool::new(false),
            inner: Mutex::new(inner),
        }
    }

    /// Holds from the next record on, whatever version runs.
    pub fn set_custom_limit(&self, records_per_second: Option<u32>) {
        self.custom_limit.store(records_per_second.unwrap_or(0), Ordering::Relaxed);
    }

    /// How fast records may come now, where the configuration says `configured`: the smaller limit holds.
    pub fn rate(&self, configured: Option<u32>) -> Option<Rate> {
        let custom = Some(self.custom_limit.load(Ordering::Relaxed)).filter(|limit| *limit > 0);
        configured.into_iter().chain(custom).min().and_then(Rate::new)
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
        self.lock().sum(self.prometheus.snapshot()).0
    }

    /// Keeps a point of the history; answers with what is to be stored, if anything changed since the last beat.
    pub fn beat(&self) -> Option<Beat> {
        let mut inner = self.lock();
        let (metrics, added) = inner.sum(self.prometheus.snapshot());
        if inner.history.len() == POINTS {
            inner.history.pop_front();
        }
        inner.history.push_back((now(), metrics));
        let settled = added == [0; 3] && metrics.circuit == inner.circuit && metrics.rate < 0.001;
        (!settled).then_some(Beat { added, metrics, last_record_at: inner.last_record_at })
    }

    /// The beat is stored, and these are the counts of all nodes now.
    pub fn stored(&self, beat: &Beat, total: [u64; 3]) {
        let mut inner = self.lock();
        inner.stored = total;
        inner.told = plus(inner.told, beat.added);
        inner.circuit = beat.metrics.circuit;
    }

    pub fn history(&self) -> Vec<(Timestamp, WorkerMetrics)> {
        self.lock().history.iter().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// What this node counted as part of what all did, and what of it is not stored yet.
    fn sum(&self, here: WorkerMetrics) -> (WorkerMetrics, [u64; 3]) {
        let added = minus(here.counts(), self.told);
        (here.with_counts(plus(self.stored, added)), added)
    }
}

fn plus(a: [u64; 3], b: [u64; 3]) -> [u64; 3] {
    std::array::from_fn(|i| a[i] + b[i])
}

fn minus(a: [u64; 3], b: [u64; 3]) -> [u64; 3] {
    std::array::from_fn(|i| a[i].saturating_sub(b[i]))
}
