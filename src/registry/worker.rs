//! Builds a worker from a published version, and runs it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use secrecy::SecretString;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::ingest::PushWorker;
use super::live::View;
use super::pipeline::{Patience, Pipeline};
use super::secrets::open_secrets;
use super::stats::Stats;
use super::supervisor::fsm::{Failure, Spec};
use super::throttle::Pacer;
use super::{Deps, Fence, Pass, Plan};
use crate::connectors::{Connector, ConnectorContext, ConnectorError, ErrorKind, Outlet, PullSource, Source};
use crate::domain::{Scope, SecretPins, Tenant};
use crate::error::Error;
use crate::mapping::{Batch, Document, Path, Retry, SinkSection, resolve};
use crate::sinks::SinkContext;
use crate::store::lease::Lease;

/// How long a sink may take to let go after the last write.
pub(super) const CLOSE_MAX: Duration = Duration::from_secs(5);
/// New secret values did not do.
pub(super) const SECRETS_REFUSED: &str = "secrets_refused";
/// How long the source of a new version is tried while the old one runs on.
const REACH_MAX: Duration = Duration::from_secs(20);

/// What is run: everything but the version, which a [`Spec`] names.
#[derive(Clone)]
pub struct Subject {
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    /// Which of its workers.
    pub slot: u16,
    pub name: String,
}

/// Connected and ready, but it reads nothing yet.
pub struct Built {
    pub spec: Spec,
    pub retry: Retry,
    /// The values that its secrets have.
    pub pins: SecretPins,
    source: Source,
    pipeline: Arc<Pipeline>,
    limit: Option<u32>,
    /// How many workers read the source at once.
    workers: u16,
    batch: Batch,
}

/// Reads or takes records until it is drained.
pub enum Running {
    Pull {
        task: JoinHandle<Result<(), ConnectorError>>,
        /// The checkpoint that was stored last.
        reached: Arc<Mutex<Option<Value>>>,
        stop: CancellationToken,
        pipeline: Arc<Pipeline>,
        /// Told when the source was reached; gone when that was heard.
        proof: Option<Arc<Notify>>,
    },
    Push(Arc<PushWorker>),
}

/// What a worker and a job have in common: a compiled version with its secrets, and its sink, open.
pub struct Parts {
    pub document: Document,
    /// The connector's settings with the secrets filled in.
    pub connector: Value,
    pub pipeline: Pipeline,
    pins: SecretPins,
    /// Some values are not stored here, and may be others each time.
    kept_elsewhere: bool,
}

/// What runs while something else is built to take its place.
#[derive(Clone, Debug)]
pub struct Replaced {
    pub version: i32,
    /// The values that its secrets have.
    pub pins: SecretPins,
}

/// `replaces` is what runs now, if something does: another version or other secret values may take its place only if
/// the source can be reached with them.
pub async fn build(
    deps: &Deps,
    subject: &Subject,
    spec: Spec,
    replaces: Option<Replaced>,
    stats: Arc<Stats>,
    view: Arc<View>,
) -> Result<Built, Failure> {
    let parts = assemble(deps, subject, spec.version, stats, view).await?;
    let (runtime, batch) = (parts.document.runtime, parts.document.delivery.batch);
    let context = deps.connector_context(&subject.tenant, subject.datasource_id);
    let connector = connector_of(deps, &parts.document)?;
    let reached = match replaces {
        Some(old) if old.version != spec.version => reach(connector, &parts.connector, context.clone()).await,
        Some(old) if old.pins != parts.pins || parts.kept_elsewhere => {
            let proof = reach(connector, &parts.connector, context.clone()).await;
            proof.map_err(|error| refused_with(&old.pins, &parts.pins, error))
        }
        _ => Ok(()),
    };
    let started = match reached {
        Ok(()) => connector.start(&parts.connector, context).await,
        Err(error) => Err(error),
    };
    let source = match started {
        Ok(source) => source,
        Err(error) => {
            let _ = parts.pipeline.sink.close().await;
            return Err(from_connector(error));
        }
    };
    Ok(Built {
        spec,
        retry: runtime.retry,
        pins: parts.pins,
        source,
        pipeline: Arc::new(parts.pipeline),
        limit: runtime.rate_limit.map(|l| l.records_per_second),
        workers: runtime.parallelism,
        batch,
    })
}

pub fn connector_of<'d>(deps: &'d Deps, document: &Document) -> Result<&'d dyn Connector, Failure> {
    let connector = deps.connectors.get(&document.connector_type);
    connector.ok_or_else(|| permanent("unknown_connector", "this build lacks the connector"))
}

pub async fn assemble(
    deps: &Deps,
    subject: &Subject,
    version: i32,
    stats: Arc<Stats>,
    view: Arc<View>,
) -> Result<Parts, Failure> {
    let turn = deps.turns.one().await;
    let blueprint = deps.store.blueprint(&subject.tenant, subject.datasource_id, version).await;
    let blueprint =
        blueprint.map_err(from_error)?.ok_or_else(|| permanent("version_missing", "the version is gone"))?;
    let plan = Plan::compile(&deps.connectors, &deps.sinks, &blueprint.version.config)
        .map_err(|problems| from_error(Error::config_invalid(problems)))?;
    let purpose = format!("start of version {version}");
    let secrets = open_secrets(deps, &subject.tenant, subject.datasource_id, &blueprint.secrets, &purpose).await?;
    drop(turn);
    let resolved = fill_in(&plan.document.connector, &plan.document, &secrets)?;

    let section = plan.document.delivery.sink.clone().unwrap_or_else(|| deps.default_sink.clone());
    let sink_config = fill_in(&section.config, &plan.document, &secrets)?;
    let sink_type = deps
        .sinks
        .get(&section.sink_type)
        .ok_or_else(|| permanent("unknown_sink", &format!("there is no sink type {:?}", section.sink_type)))?;
    let context = SinkContext {
        datasource_id: subject.datasource_id,
        datasource_name: subject.name.clone(),
        tenant: subject.tenant.clone(),
        output_dir: deps.output_dir.clone(),
        egress: Arc::clone(&deps.egress),
    };
    let named = |e: ConnectorError| from_connector(ConnectorError { message: format!("sink: {}", e.message), ..e });
    let sink = sink_type.open(&sink_config, context).await.map_err(named)?;

    let redact = plan.document.delivery.dead_letters.redact.iter().map(|path| Path::parse(path));
    let pipeline = Pipeline {
        datasource_id: subject.datasource_id,
        tenant: subject.tenant.clone(),
        version,
        mapping: plan.mapping,
        on_error: plan.document.delivery.on_error,
        redact: redact.collect::<Result<_, _>>().map_err(|e| permanent("config_invalid", &e))?,
        breaker: plan.document.runtime.circuit_breaker,
        batch_max: plan.document.delivery.batch.max_records as usize,
        refused: Mutex::default(),
        sink,
        stats,
        view,
        store: deps.store.clone(),
    };
    let kept_elsewhere = blueprint.secrets.iter().any(|secret| secret.is_reference);
    let pins = blueprint.version.secret_pins;
    Ok(Parts { connector: resolved, document: plan.document, pipeline, pins, kept_elsewhere })
}

/// The worker goes on with the values that it has; the message says which ones were tried.
fn refused_with(old: &SecretPins, new: &SecretPins, error: ConnectorError) -> ConnectorError {
    let changed = new.iter().filter(|(key, version)| old.get(*key) != Some(version));
    let changed: Vec<_> = changed.map(|(key, version)| format!("{key} version {version}")).collect();
    let which = if changed.is_empty() { "secrets that are kept elsewhere".to_owned() } else { changed.join(", ") };
    let message = format!(
        "the source was not reached with {which} ({}: {}); the worker goes on as it was",
        error.code, error.message
    );
    ConnectorError { code: SECRETS_REFUSED, message, ..error }
}

async fn reach(connector: &dyn Connector, config: &Value, context: ConnectorContext) -> Result<(), ConnectorError> {
    let steps = tokio::time::timeout(REACH_MAX, connector.check(config, context)).await;
    let steps = steps.map_err(|_| ConnectorError::transient("timeout", "the source did not answer in time"))?;
    steps.into_iter().try_for_each(|step| step.outcome.map(drop))
}

impl Built {
    pub fn is_push(&self) -> bool {
        matches!(self.source, Source::Push(_))
    }

    /// Begins to read, from the checkpoint that is stored now: a worker before this one may just have moved it.
    /// With `before` it does not fail for want of the database: the worker whose place it takes has ended already.
    pub async fn run(self, deps: &Deps, lease: Option<&Lease>, before: Option<&Drained>) -> Result<Running, Failure> {
        self.pipeline.stats.circuit.serve(self.spec);
        match self.source {
            Source::Push(source) => Ok(Running::Push(PushWorker::new(source, self.pipeline, self.limit))),
            Source::Pull(source) => {
                let lease = lease.ok_or_else(|| permanent("lease_lost", "another node runs the datasource"))?.clone();
                let turn = deps.turns.one().await;
                let stored = deps.store.checkpoint(&lease).await;
                drop(turn);
                let checkpoint = match (stored, before) {
                    (Ok(stored), _) => stored,
                    // At worst a little older than what is stored: then some records come twice.
                    (Err(error), Some(before)) => {
                        let message = format!("goes on from where the worker before it was: {}", error.message());
                        self.pipeline.log(tracing::Level::WARN, None, &message);
                        before.checkpoint.clone()
                    }
                    (Err(error), None) => return Err(from_error(error)),
                };
                let pacer = Pacer::new(&self.pipeline.stats, self.limit, self.workers.into());
                Ok(pull(source, Arc::clone(&self.pipeline), (pacer, self.batch), deps, lease, checkpoint))
            }
        }
    }

    /// Lets go of what was opened for a worker that is not wanted any more.
    pub async fn discard(self) {
        let _ = self.pipeline.sink.close().await;
    }
}

fn pull(
    mut source: Box<dyn PullSource>,
    pipeline: Arc<Pipeline>,
    (pacer, batch): (Pacer, Batch),
    deps: &Deps,
    lease: Lease,
    checkpoint: Option<Value>,
) -> Running {
    let stop = CancellationToken::new();
    let proof = Arc::new(Notify::new());
    let outlet = PullOutlet {
        pipeline: Arc::clone(&pipeline),
        proof: Arc::clone(&proof),
        pacer,
        store: deps.store.clone(),
        pass: deps.fence.pass(),
        fence: Arc::clone(&deps.fence),
        lease,
        batch,
        stop: stop.clone(),
        reached: Arc::new(Mutex::new(checkpoint.clone())),
    };
    let reached = Arc::clone(&outlet.reached);
    let token = stop.clone();
    let task = tokio::spawn(async move { source.run(checkpoint, &outlet, token).await });
    Running::Pull { task, reached, stop, pipeline, proof: Some(proof) }
}

impl Running {
    /// Finishes what was begun, within `grace`, and lets go of the sink.
    pub async fn drain(self, grace: Duration) -> Drained {
        let began = Instant::now();
        let (cut, checkpoint, pipeline) = match self {
            Self::Push(worker) => (!worker.drain(grace).await, None, Arc::clone(worker.pipeline())),
            Self::Pull { mut task, reached, stop, pipeline, .. } => {
                stop.cancel();
                // A task that ended has given its result away already.
                let cut = !task.is_finished() && tokio::time::timeout(grace, &mut task).await.is_err();
                if cut {
                    // What was not acknowledged is read again by the next worker.
                    task.abort();
                }
                let checkpoint = reached.lock().unwrap_or_else(PoisonError::into_inner).clone();
                (cut, checkpoint, pipeline)
            }
        };
        let _ = tokio::time::timeout(CLOSE_MAX, pipeline.sink.close()).await;
        Drained { took: began.elapsed(), cut, checkpoint }
    }

    /// Waits for what the worker does by itself.
    pub async fn turn(&mut self) -> Turn {
        match self {
            Self::Push(worker) => Turn::Ended(Some(worker.failed().await)),
            Self::Pull { task, proof, .. } => {
                if let Some(unheard) = proof.clone() {
                    tokio::select! {
                        biased;
                        result = &mut *task => return Turn::Ended(failure_of(result)),
                        () = unheard.notified() => {
                            *proof = None;
                            return Turn::Proven;
                        }
                    }
                }
                Turn::Ended(failure_of(task.await))
            }
        }
    }
}

/// How a worker ended that was told to.
#[derive(Clone, Debug)]
pub struct Drained {
    pub took: Duration,
    /// The time was over before it had finished what it began.
    pub cut: bool,
    /// Where a reader was, as it stored it last.
    pub checkpoint: Option<Value>,
}

/// What a running worker does by itself.
pub enum Turn {
    /// It reached its source for the first time.
    Proven,
    Ended(Option<Failure>),
}

fn failure_of(result: Result<Result<(), ConnectorError>, JoinError>) -> Option<Failure> {
    match result {
        Ok(Ok(())) => None,
        Ok(Err(error)) => Some(from_connector(error)),
        Err(_) => Some(Failure {
            code: "worker_panicked".into(),
            message: "the worker ended unexpectedly; the log has more".into(),
            permanent: false,
            retry_after: None,
        }),
    }
}

/// The outlet of a pull source: deliver, then move the checkpoint, fenced by the lease.
struct PullOutlet {
    pipeline: Arc<Pipeline>,
    proof: Arc<Notify>,
    pacer: Pacer,
    store: crate::store::Store,
    fence: Arc<Fence>,
    pass: Pass,
    lease: Lease,
    batch: Batch,
    reached: Arc<Mutex<Option<Value>>>,
    /// A worker that waits for its sink must not hold up its own end.
    stop: CancellationToken,
}

#[async_trait]
impl Outlet for PullOutlet {
    async fn deliver(&self, documents: Vec<Value>, checkpoint: Option<Value>) -> Result<(), ConnectorError> {
        // Before this delivery and not after the last: what is acknowledged late comes again when the worker dies.
        self.pacer.wait(&self.stop).await;
        if !self.fence.lets(self.pass) {
            return Err(ConnectorError::transient("lease_lost", "the lease could not be renewed in time"));
        }
        let outcome = self.pipeline.deliver(documents, Patience::Until(&self.stop)).await?;
        self.pacer.charge(outcome.delivered + outcome.failed + outcome.skipped);
        if let Some(checkpoint) = checkpoint {
            let saved = self.store.save_checkpoint(&self.lease, &checkpoint).await;
            let saved = saved.map_err(|e| ConnectorError::transient("checkpoint_not_saved", e.message().to_owned()))?;
            saved.map_err(|_| ConnectorError::transient("lease_lost", "another node runs the datasource now"))?;
            *self.reached.lock().unwrap_or_else(PoisonError::into_inner) = Some(checkpoint);
        }
        self.proof.notify_one();
        Ok(())
    }

    fn batch(&self) -> Batch {
        self.batch
    }

    async fn refuse(&self, payload: &[u8], why: ConnectorError) -> Result<(), ConnectorError> {
        self.pipeline.refuse(payload, why).await
    }

    fn idle(&self, lag: Option<f64>) {
        self.proof.notify_one();
        self.pipeline.stats.prometheus.set_lag(lag);
    }

    fn log(&self, level: tracing::Level, message: &str) {
        self.pipeline.log(level, None, message);
    }
}

/// The connector's settings with the pinned secrets filled in, for a look at the source without a worker.
pub async fn resolve_connector(
    deps: &Deps,
    tenant: &Tenant,
    datasource_id: Uuid,
    document: &Document,
    pins: &SecretPins,
) -> Result<Value, Failure> {
    let tx = deps.store.read(&Scope::org(tenant.org.clone())).await.map_err(from_error)?;
    let sealed = tx.sealed_secrets(datasource_id, pins).await.map_err(from_error)?;
    drop(tx);
    let secrets = open_secrets(deps, tenant, datasource_id, &sealed, "a look at the source").await?;
    fill_in(&document.connector, document, &secrets)
}

fn fill_in(value: &Value, document: &Document, secrets: &BTreeMap<String, SecretString>) -> Result<Value, Failure> {
    let lookup = |alias: &str| secrets.get(document.secret_key(alias)).cloned();
    resolve(value, &lookup)
        .map_err(|names| permanent("secret_missing", &format!("no value is pinned for: {}", names.join(", "))))
}

/// The sink that a setting names: a type, or a JSON object.
pub fn parse_sink(text: &str) -> Result<SinkSection, String> {
    let value = if text.trim_start().starts_with('{') {
        serde_json::from_str(text).map_err(|e| format!("STUDIO_DEFAULT_SINK: {e}"))?
    } else {
        Value::String(text.trim().to_owned())
    };
    let document = Document::parse(&json!({ "connector": { "type": "webhook" }, "delivery": { "sink": value } }));
    match document.map(|d| d.delivery.sink) {
        Ok(Some(sink)) => Ok(sink),
        Ok(None) => Err("STUDIO_DEFAULT_SINK: must name a sink type".into()),
        Err(problems) => {
            let all: Vec<_> = problems.iter().map(|p| format!("{} {}", p.pointer, p.message)).collect();
            Err(format!("STUDIO_DEFAULT_SINK: {}", all.join("; ")))
        }
    }
}

pub fn permanent(code: &str, message: &str) -> Failure {
    Failure { code: code.into(), message: message.into(), permanent: true, retry_after: None }
}

pub fn from_error(error: Error) -> Failure {
    let transient = matches!(error.code(), crate::error::ErrorCode::Unavailable | crate::error::ErrorCode::Internal);
    if let Some(detail) = error.detail() {
        tracing::warn!(detail, "a worker could not be built");
    }
    Failure {
        code: error.code().as_str().to_lowercase(),
        message: error.message().to_owned(),
        permanent: !transient,
        retry_after: None,
    }
}

pub fn from_connector(error: ConnectorError) -> Failure {
    let (permanent, retry_after) = match error.kind {
        ErrorKind::Permanent | ErrorKind::Rejected => (true, None),
        ErrorKind::Transient { retry_after } => (false, retry_after),
    };
    Failure { code: error.code.into(), message: error.message, permanent, retry_after }
}
