//! Reads a part of a source again, through the pipeline of the published version.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::file::FileSource;
use crate::connectors::{ConnectorError, Outlet};
use crate::domain::{Job, JobProgress, JobTask, RangeKind, safe_name};
use crate::registry::Shared;
use crate::registry::pipeline::{Patience, Pipeline};
use crate::registry::supervisor::fsm::Failure;
use crate::registry::throttle::Pacer;
use crate::registry::worker::{Parts, connector_of, from_connector, from_error, permanent};

/// Where a backfill is: the source's own checkpoint, and what was counted up to it.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Position {
    source: Option<Value>,
    progress: JobProgress,
}

/// Answers with what was counted, in this run and those before it.
pub(super) async fn run(
    shared: &Shared,
    job: &Job,
    parts: Parts,
    stop: CancellationToken,
) -> Result<JobProgress, Failure> {
    let JobTask::Backfill(range) = &job.task else { return Err(permanent("not_a_backfill", "the job is no backfill")) };
    let connector = connector_of(&shared.deps, &parts.document)?;
    let mut source = match range.kind().map_err(from_error)? {
        RangeKind::File => {
            let name = range.file.as_deref().unwrap_or_default();
            let directory = shared.deps.input_dir.join(safe_name(&job.tenant.org));
            FileSource::open(&directory, name, connector, &parts.connector).await.map_err(from_connector)?
        }
        _ => {
            let context = shared.deps.connector_context(&job.tenant, job.datasource_id);
            connector.backfill(&parts.connector, range, context).await.map_err(from_connector)?
        }
    };
    let Position { source: checkpoint, mut progress } =
        job.checkpoint.clone().and_then(|stored| serde_json::from_value(stored).ok()).unwrap_or_default();
    // It goes on from its checkpoint, which may lie before what was counted last.
    progress.since = job.progress.since.map(|(at, _)| (at, progress.read));
    let outlet = JobOutlet {
        shared,
        job,
        pipeline: &parts.pipeline,
        pacer: super::pacer(&parts),
        stop: stop.clone(),
        progress: Mutex::new(progress),
        refused: AtomicU64::new(0),
    };
    source.run(checkpoint, &outlet, stop).await.map_err(from_connector)?;
    let progress = *outlet.progress();
    Ok(progress)
}

/// Delivers, then stores progress and checkpoint of the job; the live worker's are never touched.
struct JobOutlet<'a> {
    shared: &'a Shared,
    job: &'a Job,
    pipeline: &'a Pipeline,
    pacer: Pacer,
    stop: CancellationToken,
    progress: Mutex<JobProgress>,
    /// Payloads that were refused since the last delivery, which keeps and counts them.
    refused: AtomicU64,
}

impl JobOutlet<'_> {
    fn progress(&self) -> MutexGuard<'_, JobProgress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Outlet for JobOutlet<'_> {
    async fn deliver(&self, documents: Vec<Value>, checkpoint: Option<Value>) -> Result<(), ConnectorError> {
        self.pacer.wait(&self.stop).await;
        let read = documents.len() as u64 + self.refused.swap(0, Ordering::AcqRel);
        let outcome = self.pipeline.deliver(documents, Patience::Until(&self.stop)).await?;
        self.pacer.charge(outcome.delivered + outcome.failed + outcome.skipped);
        let progress = {
            let mut progress = self.progress();
            progress.read += read;
            progress.delivered += outcome.delivered;
            progress.failed += outcome.failed;
            progress.skipped += outcome.skipped;
            *progress
        };
        let position = checkpoint.map(|source| json!(Position { source: Some(source), progress }));
        let saved = self.shared.deps.store.advance_job(self.job, &progress, position.as_ref()).await;
        let saved = saved.map_err(|e| ConnectorError::transient("checkpoint_not_saved", e.message().to_owned()))?;
        saved.map_err(|_| ConnectorError::transient("lease_lost", "another node has the job now"))?;
        Ok(())
    }

    async fn refuse(&self, payload: &[u8], why: ConnectorError) -> Result<(), ConnectorError> {
        self.pipeline.refuse(payload, why).await?;
        self.refused.fetch_add(1, Ordering::AcqRel);
        Ok(())
    }

    fn idle(&self, _lag: Option<f64>) {}

    fn expect(&self, total: u64) {
        self.progress().total = Some(total);
    }

    fn log(&self, level: tracing::Level, message: &str) {
        self.pipeline.log(level, None, &format!("job {}: {message}", self.job.id));
    }
}
