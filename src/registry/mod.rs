//! The registry: what should run, runs.
//!
//! `reconcile` compares desired with running, woken by every change and by a
//! timer; a supervisor per datasource builds, runs, drains and reports its
//! workers. Boot, publish, restart, failover and crash recovery are one path.

mod circuit;
mod cluster;
mod fence;
mod ingest;
mod jobs;
pub mod live;
mod lookup;
mod notify;
mod pipeline;
mod plan;
mod reconcile;
mod rotation;
mod secrets;
mod share;
mod stats;
mod supervisor;
mod throttle;
mod worker;
mod workers;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub use fence::{Fence, Pass};
pub use ingest::{IngestError, Receipt};
pub use notify::NotificationOptions;
pub use plan::Plan;
pub use stats::{Delivered, Stats};
pub use supervisor::fsm::Failure;
pub use worker::parse_sink;

use crate::config::NodeRole;
use crate::connectors::{Catalog, ConnectorContext, Placement, PushRequest};
use crate::domain::{SecretPins, Tenant, Timestamp, WorkerMetrics};
use crate::egress::Egress;
use crate::mapping::{Document, SinkSection};
use crate::secrets::{External, Keyring};
use crate::sinks::SinkCatalog;
use crate::store::Store;
use crate::store::node::NodeIdentity;
use crate::telemetry::Metrics;

/// What workers are made of.
pub struct Deps {
    pub store: Store,
    pub keyring: Arc<Keyring>,
    /// Secrets that are kept elsewhere.
    pub external: External,
    pub connectors: Catalog,
    pub sinks: SinkCatalog,
    pub egress: Arc<Egress>,
    pub metrics: Arc<Metrics>,
    pub output_dir: PathBuf,
    /// Under which files are read: by an object store of this machine, and by a backfill.
    pub input_dir: PathBuf,
    pub default_sink: SinkSection,
    /// How long a worker that is replaced or stopped, and a job that is cancelled, may finish what it began.
    pub drain_grace: Duration,
    /// Whether the leases of this node still hold.
    pub fence: Arc<Fence>,
    pub turns: Turns,
    pub notifications: NotificationOptions,
}

/// Workers that use the database at once to start and to report; the others wait, and leave it to requests.
pub struct Turns(Semaphore);

impl Default for Turns {
    fn default() -> Self {
        Self(Semaphore::new(16))
    }
}

impl Turns {
    /// Held until it is dropped.
    pub(crate) async fn one(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        self.0.acquire().await.ok()
    }
}

impl Deps {
    fn connector_context(&self, tenant: &Tenant, datasource_id: Uuid) -> ConnectorContext {
        ConnectorContext {
            datasource_id,
            tenant: tenant.clone(),
            egress: Arc::clone(&self.egress),
            input_dir: self.input_dir.clone(),
        }
    }
}

/// How this node takes part.
#[derive(Clone, Debug)]
pub struct NodeOptions {
    pub name: Arc<str>,
    pub role: NodeRole,
    pub lease_ttl: Duration,
    pub heartbeat_interval: Duration,
    pub reconcile_interval: Duration,
}

/// A handle to the registry of this node; cheap to clone.
#[derive(Clone)]
pub struct Registry(Arc<Shared>);

/// What the loops and the supervisors share.
pub(crate) struct Shared {
    pub(crate) deps: Deps,
    pub(crate) ingest: ingest::IngestTable,
    node: NodeOptions,
    identity: NodeIdentity,
    workers: tokio::sync::Mutex<workers::Workers>,
    stats: Mutex<HashMap<Uuid, Arc<Stats>>>,
    stop: CancellationToken,
    /// Cancelled when nothing runs here any more.
    drained: CancellationToken,
    /// Cancelled when no job runs here any more.
    jobs_ended: CancellationToken,
    /// Told when there is a reason to compare all that should run with all that runs.
    look_asked: Notify,
    /// Whether somebody is about to ask for such a look.
    look_planned: AtomicBool,
    /// Told when a job was asked for on this node.
    job_asked: Notify,
    /// Told when a key rotation was asked for on this node.
    rotation_asked: Notify,
    /// Told when an endpoint of notifications has something to be told.
    notification_asked: Notify,
    /// Cancelled when nobody is told anything here any more.
    notifications_ended: CancellationToken,
    live: live::Live,
    /// Milliseconds since the epoch of the last reconciliation that went through.
    reconciled_at: AtomicI64,
}

impl Registry {
    pub fn new(deps: Deps, node: NodeOptions) -> Self {
        let identity = NodeIdentity {
            name: Arc::clone(&node.name),
            instance: Uuid::now_v7(),
            role: node.role.as_str(),
            version: env!("CARGO_PKG_VERSION"),
            started_at: crate::domain::now(),
        };
        Self(Arc::new(Shared {
            identity,
            deps,
            ingest: ingest::IngestTable::default(),
            live: live::Live::new(Arc::clone(&node.name)),
            node,
            workers: tokio::sync::Mutex::default(),
            stats: Mutex::default(),
            stop: CancellationToken::new(),
            drained: CancellationToken::new(),
            jobs_ended: CancellationToken::new(),
            look_asked: Notify::new(),
            look_planned: AtomicBool::new(false),
            job_asked: Notify::new(),
            rotation_asked: Notify::new(),
            notification_asked: Notify::new(),
            notifications_ended: CancellationToken::new(),
            reconciled_at: AtomicI64::new(0),
        }))
    }

    pub fn connectors(&self) -> &Catalog {
        &self.0.deps.connectors
    }

    pub fn sinks(&self) -> &SinkCatalog {
        &self.0.deps.sinks
    }

    /// What a connector may use, for a look at its source without a worker.
    pub fn connector_context(&self, tenant: &Tenant, datasource_id: Uuid) -> ConnectorContext {
        self.0.deps.connector_context(tenant, datasource_id)
    }

    /// What a connector needs to look at its source, with secrets filled in.
    pub async fn resolve_connector(
        &self,
        tenant: &Tenant,
        datasource_id: Uuid,
        document: &Document,
        pins: &SecretPins,
    ) -> Result<serde_json::Value, Failure> {
        worker::resolve_connector(&self.0.deps, tenant, datasource_id, document, pins).await
    }

    /// Whether an organisation may name a secret that is kept elsewhere so.
    pub fn check_reference(&self, tenant: &Tenant, reference: &str) -> Result<(), String> {
        self.0.deps.external.check(tenant, reference)
    }

    pub fn node_name(&self) -> &str {
        &self.0.node.name
    }

    /// A datasource as it is seen on this node, whichever node runs it.
    pub fn view(&self, id: Uuid) -> Arc<live::View> {
        self.0.live.view(id)
    }

    /// Looks for work at once; without it a new job waits for the next look.
    pub fn nudge_jobs(&self) {
        self.0.job_asked.notify_one();
    }

    /// Takes one pushed request; see [`IngestError`] for what can go wrong.
    pub async fn ingest(&self, id: Uuid, request: &PushRequest) -> Result<Receipt, IngestError> {
        match self.0.ingest.accept(id, request).await {
            Err(IngestError::NotFound) => Err(self.0.not_here(id).await),
            result => result,
        }
    }

    /// From now on requests for a datasource that was just told to run are not refused as unknown,
    /// though its worker still starts.
    pub fn expect(&self, connector_type: &str, id: Uuid) {
        let connector = self.connectors().get(connector_type);
        if self.0.node.role.serves_api() && connector.is_some_and(|c| c.spec().placement == Placement::EveryNode) {
            self.0.ingest.expect(id);
        }
    }

    /// The counters of a worker on this node, fresher than its last report.
    pub fn live_metrics(&self, id: Uuid) -> Option<WorkerMetrics> {
        self.0.stats().get(&id).map(|s| s.snapshot())
    }

    pub fn history(&self, id: Uuid) -> Vec<(Timestamp, WorkerMetrics)> {
        let stats = self.0.stats().get(&id).cloned();
        stats.map(|s| s.history()).unwrap_or_default()
    }

    /// How long ago desired and running were last compared; `None` before the first time.
    pub fn since_reconciled(&self) -> Option<Duration> {
        match self.0.reconciled_at.load(Ordering::Relaxed) {
            0 => None,
            at => {
                let ago = chrono::Utc::now().timestamp_millis().saturating_sub(at);
                Some(Duration::from_millis(u64::try_from(ago).unwrap_or(0)))
            }
        }
    }
}

impl Shared {
    fn stats(&self) -> std::sync::MutexGuard<'_, HashMap<Uuid, Arc<Stats>>> {
        self.stats.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
