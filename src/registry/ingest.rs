//! Where pushed records come in: every node serves every push source that should run.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use uuid::Uuid;

use super::circuit;
use super::lookup::LookUps;
use super::pipeline::{Group, Pipeline};
use super::stats::Delivered;
use super::supervisor::fsm::Failure;
use crate::connectors::{PushRefusal, PushRequest, PushSource};

/// How soon a sender may come again whose webhook has no worker yet.
pub(super) const WORKER_WAIT: Duration = Duration::from_secs(1);
/// How soon a sender may come again after the sink failed.
const SINK_WAIT: Duration = Duration::from_secs(5);

/// The push workers of this node.
#[derive(Default)]
pub struct IngestTable {
    workers: RwLock<HashMap<Uuid, Arc<PushWorker>>>,
    /// The push sources that should run here, whether their workers do or not, and since when that is known.
    expected: RwLock<HashMap<Uuid, Instant>>,
    /// Whether `expected` was ever complete.
    settled: AtomicBool,
    look_ups: LookUps,
}

/// What became of an accepted request.
#[derive(Clone, Copy, Debug)]
pub struct Receipt {
    pub version: i32,
    pub outcome: Delivered,
}

/// Why a request was not accepted. Nothing of it was kept.
#[derive(Debug)]
pub enum IngestError {
    /// No push source of this id should run here.
    NotFound,
    Refused(PushRefusal),
    /// Too fast; come back after this long.
    RateLimited(Duration),
    /// The worker or its sink does not take it now; come back after this long.
    Unavailable(Duration),
    /// The record cannot be mapped, and the version says to stop then.
    Unprocessable(String),
}

pub struct PushWorker {
    source: Arc<dyn PushSource>,
    pipeline: Arc<Pipeline>,
    group: Arc<Group>,
    /// What the configuration allows a second.
    limit: Option<u32>,
    /// Held for reading by every request under way; closed for good by a drain.
    gate: tokio::sync::RwLock<bool>,
    failure: Mutex<Option<Failure>>,
    failed: Notify,
}

impl IngestTable {
    pub(super) fn insert(&self, id: Uuid, worker: Arc<PushWorker>) {
        self.workers.write().unwrap_or_else(PoisonError::into_inner).insert(id, worker);
    }

    pub(super) fn expect(&self, id: Uuid) {
        self.expected.write().unwrap_or_else(PoisonError::into_inner).insert(id, Instant::now());
    }

    /// What should not run any more, by what was `asked` of the database then; it does not tell of later.
    pub(super) fn expect_no_more(&self, asked: Instant, unwanted: impl Fn(Uuid) -> bool) {
        let mut expected = self.expected.write().unwrap_or_else(PoisonError::into_inner);
        expected.retain(|id, since| *since >= asked || !unwanted(*id));
    }

    pub(super) fn look_ups(&self) -> &LookUps {
        &self.look_ups
    }

    /// From now on, what is not expected does not exist.
    pub(super) fn settle(&self) {
        self.settled.store(true, Ordering::Release);
    }

    /// Takes `worker` out, unless another took its place.
    pub(super) fn remove(&self, id: Uuid, worker: &Arc<PushWorker>) {
        let mut table = self.workers.write().unwrap_or_else(PoisonError::into_inner);
        if table.get(&id).is_some_and(|w| Arc::ptr_eq(w, worker)) {
            table.remove(&id);
        }
    }

    fn get(&self, id: Uuid) -> Option<Arc<PushWorker>> {
        self.workers.read().unwrap_or_else(PoisonError::into_inner).get(&id).cloned()
    }

    /// Senders give up on what is not found, so a webhook that only waits for its worker must not say so.
    fn absent(&self, id: Uuid) -> IngestError {
        let expected = self.expected.read().unwrap_or_else(PoisonError::into_inner).contains_key(&id);
        if expected || !self.settled.load(Ordering::Acquire) {
            IngestError::Unavailable(WORKER_WAIT)
        } else {
            IngestError::NotFound
        }
    }

    /// Authenticates, maps and delivers. `Ok` means that the records are durably in the sink or set aside.
    pub async fn accept(&self, id: Uuid, request: &PushRequest) -> Result<Receipt, IngestError> {
        loop {
            let worker = self.get(id).ok_or_else(|| self.absent(id))?;
            // A worker that was just replaced sends the request on to its successor.
            if let Some(result) = worker.accept(request).await {
                return result;
            }
            tokio::task::yield_now().await;
        }
    }
}

impl PushWorker {
    pub(super) fn new(source: Arc<dyn PushSource>, pipeline: Arc<Pipeline>, limit: Option<u32>) -> Arc<Self> {
        Arc::new(Self {
            source,
            pipeline,
            group: Arc::default(),
            limit,
            gate: tokio::sync::RwLock::new(true),
            failure: Mutex::new(None),
            failed: Notify::new(),
        })
    }

    /// `None`: closed meanwhile.
    async fn accept(&self, request: &PushRequest) -> Option<Result<Receipt, IngestError>> {
        let open = self.gate.read().await;
        if !*open {
            return None;
        }
        Some(self.deliver(request).await)
    }

    async fn deliver(&self, request: &PushRequest) -> Result<Receipt, IngestError> {
        let documents = self.source.accept(request).map_err(IngestError::Refused)?;
        let documents_in = documents.len().max(1) as u64;
        let rate = self.pipeline.stats.rate(self.limit);
        if let Some(rate) = rate {
            let admitted = self.pipeline.stats.throttle.admit(rate, Instant::now(), documents_in);
            admitted.map_err(IngestError::RateLimited)?;
        }
        match self.group.deliver(&self.pipeline, documents).await {
            Ok(outcome) => {
                // How many records a document holds shows only now; the next requests wait for them.
                let records = outcome.delivered + outcome.failed + outcome.skipped;
                if let Some(rate) = rate {
                    let more = records.saturating_sub(documents_in);
                    self.pipeline.stats.throttle.charge(rate, Instant::now(), more);
                }
                Ok(Receipt { version: self.pipeline.version, outcome })
            }
            Err(error) if error.code == "record_failed" => {
                self.fail(Failure {
                    code: error.code.into(),
                    message: error.message.clone(),
                    permanent: true,
                    retry_after: None,
                });
                Err(IngestError::Unprocessable(error.message))
            }
            Err(error) => {
                // That the circuit opened was told when it did; each request that it refuses would flood the log.
                if error.code != circuit::OPEN {
                    self.pipeline.log(
                        tracing::Level::WARN,
                        None,
                        &format!("a request could not be delivered: {error}"),
                    );
                }
                Err(IngestError::Unavailable(error.retry_after().unwrap_or(SINK_WAIT)))
            }
        }
    }

    fn fail(&self, failure: Failure) {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(failure);
        self.failed.notify_one();
    }

    /// Waits until the worker cannot go on.
    pub(super) async fn failed(&self) -> Failure {
        loop {
            let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
            match failure {
                Some(failure) => return failure,
                None => self.failed.notified().await,
            }
        }
    }

    pub(super) fn pipeline(&self) -> &Arc<Pipeline> {
        &self.pipeline
    }

    /// Takes no more and waits for the requests under way; whether all of them ended in time.
    pub(super) async fn drain(&self, grace: Duration) -> bool {
        let closing = tokio::time::timeout(grace, self.gate.write()).await;
        closing.map(|mut open| *open = false).is_ok()
    }
}
