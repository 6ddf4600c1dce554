//! The metrics of one process instance, in the Prometheus text format.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use prometheus::{
    GaugeVec, Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Registry, TextEncoder,
};
use uuid::Uuid;

use super::datasource::{DatasourceMetrics, Live};
use super::families::{Family, families};
use crate::domain::{CircuitState, EventType, Outcome, WorkerStatus};
use crate::error::ErrorCode;

const REQUEST_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
const DELIVERY_BUCKETS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
const RECONCILE_BUCKETS: &[f64] = &[0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

/// The label value that all share which get none of their own.
pub(super) const OTHER: &str = "other";
const OPERATIONS_MAX: usize = 200;

families! {
    /// The collectors; the doc comment of each is its help text.
    pub(super) struct Collectors {
        /// Records by how they ended: delivered, failed or skipped.
        records: IntCounterVec = "datasource_records_total" { "datasource", "outcome" };
        /// Records per second, exponentially decayed with a time constant of one minute.
        ingest_rate: GaugeVec = "datasource_ingest_rate" { "datasource" };
        /// Errors of connectors, mappings and sinks, by their code.
        errors: IntCounterVec = "datasource_errors_total" { "datasource", "kind" };
        /// Seconds that the source is behind, where it can tell; for "other" the most of all.
        lag: GaugeVec = "datasource_lag_seconds" { "datasource" };
        /// Seconds from reading a batch of records to its acknowledgement by the sink.
        delivery_latency: Histogram = "datasource_delivery_latency_seconds" {} in DELIVERY_BUCKETS;
        /// 1 for the status that the worker on this node has, else 0; for "other" how many have it.
        worker_status: IntGaugeVec = "datasource_worker_status" { "datasource", "status" };
        /// Restarts of workers after an error.
        restarts: IntCounterVec = "datasource_restarts_total" { "datasource" };
        /// 1 for the state that the circuit to the sink has on this node, else 0; for "other" how many have it.
        circuit_state: IntGaugeVec = "datasource_circuit_state" { "datasource", "state" };
        /// Changes of the circuit to the sink, by the state that followed.
        circuit_transitions: IntCounterVec = "datasource_circuit_transitions_total" { "datasource", "state" };
        /// Records that wait in the dead-letter store.
        dead_letters: IntGaugeVec = "datasource_dead_letters" { "datasource" };
        /// Dead letters that were deleted by the server itself: for their age, or for their count in one datasource.
        dead_letters_expired: IntCounterVec = "datasource_dead_letters_expired_total" { "reason" };
        /// Test runs of configurations, by how they ended.
        test_runs: IntCounterVec = "datasource_test_runs_total" { "outcome" };
        /// Entries on the timelines of datasources, by their type.
        lifecycle_events: IntCounterVec = "datasource_lifecycle_events_total" { "event" };
        /// Workers on this node, by status.
        workers: IntGaugeVec = "registry_workers" { "status" };
        /// Seconds that a comparison of desired and running workers took.
        reconcile: Histogram = "registry_reconcile_seconds" {} in RECONCILE_BUCKETS;
        /// Leases of workers, by what became of them: acquired, released, lost to another node, or renew_failed.
        leases: IntCounterVec = "registry_lease_events_total" { "event" };
        /// Leases that this node holds.
        leases_held: IntGauge = "registry_lease_held" {};
        /// GraphQL operations; the outcome is "ok" or the code of the first error.
        graphql_requests: IntCounterVec = "graphql_requests_total" { "operation_type", "operation", "outcome" };
        /// Seconds that GraphQL operations took.
        graphql_duration: HistogramVec = "graphql_request_duration_seconds" { "operation_type" } in REQUEST_BUCKETS;
        /// Subscriptions that are open on this node.
        graphql_streams: IntGauge = "graphql_streams_open" {};
        /// HTTP requests, by route template.
        http_requests: IntCounterVec = "http_requests_total" { "method", "route", "status" };
        /// Seconds that HTTP requests took, by route template.
        http_duration: HistogramVec = "http_request_duration_seconds" { "method", "route" } in REQUEST_BUCKETS;
        /// Requests that were refused because their client came too often, by the limit that it passed.
        rate_limited: IntCounterVec = "rate_limited_total" { "limit" };
        /// Connections of the database pool: in_use or idle.
        db_pool: IntGaugeVec = "db_pool_connections" { "state" };
        /// Statements that the database executed, without BEGIN and COMMIT.
        db_statements: IntGauge = "db_statements" {};
        /// Uses of stored secrets; the outcome is "ok" or "error".
        secrets: IntCounterVec = "secrets_operations_total" { "operation", "outcome" };
        /// Attempts that were refused, by code; those without a valid token are counted here and nowhere else.
        refused: IntCounterVec = "audit_refused_total" { "code" };
        /// Refused attempts that the audit log does not have, for too many kinds of them came within a minute.
        refused_dropped: IntCounter = "audit_refused_dropped_total" {};
        /// Fetches of the keys of an issuer of tokens; the outcome is "ok" or "error".
        key_fetches: IntCounterVec = "auth_key_fetches_total" { "issuer", "outcome" };
        /// 1 while the keys of an issuer are older than it lets them be, or there are none; else 0.
        keys_outdated: IntGaugeVec = "auth_keys_outdated" { "issuer" };
        /// Rotations of keys that ended on this node, by what moved; the outcome is "ok" or "error".
        key_rotations: IntCounterVec = "key_rotations_total" { "kind", "outcome" };
        /// How much of a data migration is done, from 0 to 1; on the node that runs it.
        data_migrations: GaugeVec = "data_migration_progress" { "migration" };
        /// Attempts to tell an endpoint of an event, by what they came to: delivered, retried or given_up.
        notifications: IntCounterVec = "notifications_total" { "outcome" };
        /// Seconds that receivers took to answer a notification, or that were waited for them.
        notification_delivery: Histogram = "notification_delivery_seconds" {} in DELIVERY_BUCKETS;
        /// Notifications of all nodes that wait to be delivered, as this node last counted them.
        notifications_pending: IntGauge = "notifications_pending" {};
        /// Always 1; the label tells the version that runs.
        build_info: IntGaugeVec = "build_info" { "version" };
    }
}

/// All metrics of one instance. Two instances in one process, as in tests, share nothing.
pub struct Metrics {
    registry: Registry,
    pub(super) collectors: Collectors,
    handles: Mutex<Handles>,
    operations: Mutex<BTreeSet<String>>,
    /// Which error kinds were ever counted, to remove a datasource's series of each.
    pub(super) error_kinds: Mutex<BTreeSet<&'static str>>,
    rendering: Mutex<()>,
}

/// What became of a lease; a renewal fails for all of a node at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaseEvent {
    Acquired,
    Released,
    Lost,
    RenewFailed,
}

impl LeaseEvent {
    const ALL: [Self; 4] = [Self::Acquired, Self::Released, Self::Lost, Self::RenewFailed];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Acquired => "acquired",
            Self::Released => "released",
            Self::Lost => "lost",
            Self::RenewFailed => "renew_failed",
        }
    }
}

/// What an attempt to tell an endpoint of an event came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    Delivered,
    /// It is tried again.
    Retried,
    GivenUp,
}

impl Told {
    const ALL: [Self; 3] = [Self::Delivered, Self::Retried, Self::GivenUp];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Retried => "retried",
            Self::GivenUp => "given_up",
        }
    }
}

/// The datasources that have a handle now.
struct Handles {
    by_id: HashMap<Uuid, Entry>,
    labelled: usize,
    labelled_max: usize,
    generation: u64,
}

struct Entry {
    handle: Weak<DatasourceMetrics>,
    generation: u64,
    labelled: bool,
}

impl Metrics {
    /// At most `max_datasources` get a label of their own.
    pub fn new(max_datasources: usize) -> Arc<Self> {
        let registry = Registry::new();
        let collectors = Collectors::register(&registry).expect("the declarations above are valid and distinct");
        #[cfg(target_os = "linux")]
        registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("no family above begins with process_");
        // A counter that is there before its first event shows the event as a change.
        for event in LeaseEvent::ALL {
            collectors.leases.with_label_values(&[event.as_str()]);
        }
        for told in Told::ALL {
            collectors.notifications.with_label_values(&[told.as_str()]);
        }
        collectors.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Arc::new(Self {
            registry,
            collectors,
            handles: Mutex::new(Handles {
                by_id: HashMap::new(),
                labelled: 0,
                labelled_max: max_datasources,
                generation: 0,
            }),
            operations: Mutex::default(),
            error_kinds: Mutex::default(),
            rendering: Mutex::default(),
        })
    }

    /// Every family that is declared here, for the documentation. The process_* families come on top.
    pub fn describe() -> &'static [Family] {
        Collectors::FAMILIES
    }

    /// The handle of a datasource: the same one for all who ask while anybody holds it.
    /// When the last holder lets go, the series of the datasource disappear.
    pub fn datasource(self: &Arc<Self>, id: Uuid) -> Arc<DatasourceMetrics> {
        let mut guard = lock(&self.handles);
        let handles = &mut *guard;
        let labelled = match handles.by_id.get(&id) {
            Some(entry) => match entry.handle.upgrade() {
                Some(handle) => return handle,
                // Its last holder is letting go and waits for this lock: take over its place.
                None => entry.labelled,
            },
            None => {
                let free = handles.labelled < handles.labelled_max;
                handles.labelled += usize::from(free);
                free
            }
        };
        handles.generation += 1;
        let generation = handles.generation;
        let handle = Arc::new(DatasourceMetrics::new(self.clone(), id, labelled, generation));
        handles.by_id.insert(id, Entry { handle: Arc::downgrade(&handle), generation, labelled });
        handle
    }

    /// Ends the series of a handle that is dropped, unless a newer handle goes on with them.
    pub(super) fn retire(&self, handle: &DatasourceMetrics) {
        let mut handles = lock(&self.handles);
        if handles.by_id.get(&handle.id()).is_none_or(|entry| entry.generation != handle.generation()) {
            return;
        }
        handles.by_id.remove(&handle.id());
        if handle.is_labelled() {
            handles.labelled -= 1;
            handle.remove_series();
        }
    }

    pub fn test_run(&self, outcome: Outcome) {
        self.collectors.test_runs.with_label_values(&[outcome.as_str()]).inc();
    }

    /// `reason` is `age` or `count`.
    pub fn dead_letters_expired(&self, reason: &'static str, count: u64) {
        self.collectors.dead_letters_expired.with_label_values(&[reason]).inc_by(count);
    }

    pub fn lifecycle_event(&self, event: EventType) {
        self.collectors.lifecycle_events.with_label_values(&[event.as_str()]).inc();
    }

    pub fn reconciled(&self, took: Duration) {
        self.collectors.reconcile.observe(took.as_secs_f64());
    }

    /// `operation_type` is `query`, `mutation` or `subscription`. Only the first operation
    /// names get a label value: clients choose them, so they are not bounded otherwise.
    pub fn graphql_request(
        &self,
        operation_type: &'static str,
        operation: Option<&str>,
        error: Option<ErrorCode>,
        took: Duration,
    ) {
        let operation = self.operation_label(operation.unwrap_or("anonymous"));
        let outcome = error.map_or("ok", ErrorCode::as_str);
        self.collectors.graphql_requests.with_label_values(&[operation_type, operation, outcome]).inc();
        self.collectors.graphql_duration.with_label_values(&[operation_type]).observe(took.as_secs_f64());
    }

    fn operation_label<'a>(&self, name: &'a str) -> &'a str {
        let mut known = lock(&self.operations);
        if known.contains(name) {
            return name;
        }
        if known.len() >= OPERATIONS_MAX || name.len() > 128 {
            return OTHER;
        }
        known.insert(name.to_owned());
        name
    }

    pub fn lease(&self, event: LeaseEvent, count: usize) {
        self.collectors.leases.with_label_values(&[event.as_str()]).inc_by(count as u64);
    }

    pub fn leases_held(&self, count: usize) {
        self.collectors.leases_held.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// `name` is that of a migration of this build.
    pub fn data_migration(&self, name: &str, done: u64, total: u64) {
        let share = if done >= total { 1.0 } else { done as f64 / total as f64 };
        self.collectors.data_migrations.with_label_values(&[name]).set(share);
    }

    /// `issuer` is one that the settings name.
    pub fn key_fetch(&self, issuer: &str, ok: bool) {
        self.collectors.key_fetches.with_label_values(&[issuer, if ok { "ok" } else { "error" }]).inc();
    }

    pub fn keys_outdated(&self, issuer: &str, outdated: bool) {
        self.collectors.keys_outdated.with_label_values(&[issuer]).set(i64::from(outdated));
    }

    /// `route` is the template that matched, never the path of the request.
    pub fn http_request(&self, method: &str, route: Option<&str>, status: u16, took: Duration) {
        const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
        let method = METHODS.into_iter().find(|m| *m == method).unwrap_or(OTHER);
        let route = route.unwrap_or("unmatched");
        self.collectors.http_requests.with_label_values(&[method, route, &status.to_string()]).inc();
        self.collectors.http_duration.with_label_values(&[method, route]).observe(took.as_secs_f64());
    }

    /// One more subscription is open, or one less.
    pub fn stream(&self, opened: bool) {
        self.collectors.graphql_streams.add(if opened { 1 } else { -1 });
    }

    /// `limit` is the name of a rate limit.
    pub fn rate_limited(&self, limit: &'static str) {
        self.collectors.rate_limited.with_label_values(&[limit]).inc();
    }

    /// To be told before each [`render`](Self::render).
    pub fn db_pool(&self, in_use: u32, idle: u32) {
        for (state, connections) in [("in_use", in_use), ("idle", idle)] {
            self.collectors.db_pool.with_label_values(&[state]).set(connections.into());
        }
    }

    /// To be told before each [`render`](Self::render).
    pub fn db_statements(&self, executed: u64) {
        self.collectors.db_statements.set(i64::try_from(executed).unwrap_or(i64::MAX));
    }

    /// `kind` is what moved: `master_key` or `data_key`.
    pub fn key_rotation(&self, kind: &'static str, ok: bool) {
        self.collectors.key_rotations.with_label_values(&[kind, if ok { "ok" } else { "error" }]).inc();
    }

    /// `operation` is a verb such as `set`, `delete` or `open`.
    pub fn secret_operation(&self, operation: &'static str, ok: bool) {
        self.collectors.secrets.with_label_values(&[operation, if ok { "ok" } else { "error" }]).inc();
    }

    pub fn notification(&self, told: Told, took: Duration) {
        self.collectors.notifications.with_label_values(&[told.as_str()]).inc();
        self.collectors.notification_delivery.observe(took.as_secs_f64());
    }

    pub fn notifications_pending(&self, count: u64) {
        self.collectors.notifications_pending.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn refused(&self, code: ErrorCode) {
        self.collectors.refused.with_label_values(&[code.as_str()]).inc();
    }

    pub fn refusals_dropped(&self, count: u64) {
        self.collectors.refused_dropped.inc_by(count);
    }

    /// The Prometheus text format.
    pub fn render(&self) -> String {
        // Gauges of datasources are rebuilt from the handles; two renderings at once would see each other's gaps.
        let _one_at_a_time = lock(&self.rendering);
        self.publish(Instant::now());
        TextEncoder::new().encode_to_string(&self.registry.gather()).unwrap_or_else(|error| {
            tracing::error!(%error, "metrics cannot be encoded");
            String::new()
        })
    }

    fn publish(&self, now: Instant) {
        // Taken out of the lock first: dropping a last reference takes it again.
        let handles: Vec<_> = lock(&self.handles).by_id.values().filter_map(|e| e.handle.upgrade()).collect();
        let collectors = &self.collectors;
        collectors.ingest_rate.reset();
        collectors.lag.reset();
        collectors.worker_status.reset();
        collectors.circuit_state.reset();
        collectors.dead_letters.reset();
        let mut workers = [0; WorkerStatus::ALL.len()];
        let mut others: Option<Shown> = None;
        for handle in &handles {
            let shown = Shown::of(&handle.live(), now);
            for (total, count) in workers.iter_mut().zip(shown.statuses) {
                *total += count;
            }
            if handle.is_labelled() {
                self.show(handle.label(), &shown);
            } else {
                others.get_or_insert_default().add(&shown);
            }
        }
        if let Some(others) = others {
            self.show(OTHER, &others);
        }
        for (status, count) in WorkerStatus::ALL.iter().zip(workers) {
            collectors.workers.with_label_values(&[status.as_str()]).set(count);
        }
    }

    fn show(&self, label: &str, shown: &Shown) {
        let collectors = &self.collectors;
        collectors.ingest_rate.with_label_values(&[label]).set(shown.rate);
        collectors.dead_letters.with_label_values(&[label]).set(shown.dead_letters);
        if let Some(lag) = shown.lag {
            collectors.lag.with_label_values(&[label]).set(lag);
        }
        for (status, count) in WorkerStatus::ALL.iter().zip(shown.statuses) {
            collectors.worker_status.with_label_values(&[label, status.as_str()]).set(count);
        }
        for (state, count) in CircuitState::ALL.iter().zip(shown.circuits) {
            collectors.circuit_state.with_label_values(&[label, state.as_str()]).set(count);
        }
    }
}

/// The gauges of one label value.
#[derive(Default)]
struct Shown {
    rate: f64,
    lag: Option<f64>,
    dead_letters: i64,
    statuses: [i64; WorkerStatus::ALL.len()],
    circuits: [i64; CircuitState::ALL.len()],
}

impl Shown {
    fn of(live: &Live, now: Instant) -> Self {
        let mut statuses = [0; WorkerStatus::ALL.len()];
        for (count, status) in statuses.iter_mut().zip(WorkerStatus::ALL) {
            *count = i64::from(live.status == Some(*status));
        }
        let circuits = std::array::from_fn(|i| i64::from(CircuitState::ALL[i] == live.circuit));
        Self { rate: live.rate.per_second(now), lag: live.lag, dead_letters: live.dead_letters, statuses, circuits }
    }

    fn add(&mut self, other: &Self) {
        self.rate += other.rate;
        self.lag = self.lag.into_iter().chain(other.lag).reduce(f64::max);
        self.dead_letters += other.dead_letters;
        for (count, more) in self.statuses.iter_mut().zip(other.statuses) {
            *count += more;
        }
        for (count, more) in self.circuits.iter_mut().zip(other.circuits) {
            *count += more;
        }
    }
}

/// A panic elsewhere leaves numbers, not broken invariants: metrics go on.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
