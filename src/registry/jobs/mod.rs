//! Jobs: bounded work beside the live workers.
//!
//! A node takes a job by a lease, as it does a datasource; the job's epoch fences
//! its writes. Progress and checkpoint are stored together after each
//! acknowledgement, so that another node goes on where this one ended.

mod backfill;
mod file;
mod replay;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Shared;
use super::stats::Stats;
use super::supervisor::fsm::Failure;
use super::throttle::Pacer;
use super::worker::{CLOSE_MAX, Parts, Subject, assemble, from_error, permanent};
use crate::config::NodeRole;
use crate::domain::{EventType, Job, JobKind, JobProgress, WorkerMetrics};
use crate::store::NewEvent;
use crate::store::job::Ending;

/// Jobs that run at once on a node.
const CONCURRENT: usize = 4;
/// Failures in a row, without any progress between them, after which a job gives up.
const FAILURES_MAX: u32 = 8;

/// Takes and runs jobs until the registry stops; then those under way go back to the queue.
pub(super) async fn work(shared: &Arc<Shared>) {
    if shared.node.role == NodeRole::Gateway {
        return;
    }
    let mut running = JoinSet::new();
    let mut timer = tokio::time::interval(shared.node.reconcile_interval);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while !shared.stop.is_cancelled() {
        tokio::select! {
            () = shared.stop.cancelled() => break,
            () = shared.job_asked.notified() => {}
            _ = timer.tick() => {}
            Some(_) = running.join_next() => {}
        }
        while running.len() < CONCURRENT {
            match shared.deps.store.claim_job(&shared.node.name, shared.node.lease_ttl).await {
                Ok(Some(job)) => drop(running.spawn(run(Arc::clone(shared), job))),
                Ok(None) => break,
                Err(error) => {
                    tracing::warn!(%error, "could not look for jobs");
                    break;
                }
            }
        }
    }
    while running.join_next().await.is_some() {}
}

/// Why a job was told to stop.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Halt {
    Shutdown = 1,
    Cancelled = 2,
    Lost = 3,
}

async fn run(shared: Arc<Shared>, job: Job) {
    if job.cancel_requested {
        // Its node did not come to end it.
        return end(&shared, &job, Ending::Cancelled).await;
    }
    let job = Arc::new(job);
    let stop = shared.stop.child_token();
    let halt = Arc::new(AtomicU8::new(Halt::Shutdown as u8));
    let keeper = tokio::spawn(keep(Arc::clone(&shared), Arc::clone(&job), stop.clone(), Arc::clone(&halt)));
    tracing::info!(job = %job.id, datasource = %job.datasource_id, kind = %job.task.kind(), "a job begins");
    // A task of its own: a defect in it must not cost the lease keeping or the loop.
    let execution = tokio::spawn(execute(Arc::clone(&shared), Arc::clone(&job), stop.clone()));
    let result = execution
        .await
        .unwrap_or_else(|_| Err(permanent("job_panicked", "the job ended unexpectedly; the log has more")));
    keeper.abort();
    let halt = stop.is_cancelled().then(|| halt.load(Ordering::Acquire));
    let ending = match (result, halt) {
        (_, Some(why)) if why == Halt::Lost as u8 => {
            tracing::warn!(job = %job.id, "another node has the job now");
            return;
        }
        (_, Some(why)) if why == Halt::Cancelled as u8 => Ending::Cancelled,
        (_, Some(_)) => Ending::Released,
        (Ok(progress), None) if progress.all_failed() => none_delivered(progress.failed),
        (Ok(_), None) => Ending::Succeeded,
        (Err(failure), None) => failed(&shared, &job, failure).await,
    };
    end(&shared, &job, ending).await;
}

async fn execute(shared: Arc<Shared>, job: Arc<Job>, stop: CancellationToken) -> Result<JobProgress, Failure> {
    let grace = shared.deps.drain_grace;
    let parts = within(&stop, grace, prepare(&shared, &job)).await?;
    let sink = Arc::clone(&parts.pipeline.sink);
    let result = within(&stop, grace, dispatch(&shared, &job, parts, stop.clone())).await;
    let _ = tokio::time::timeout(CLOSE_MAX, sink.close()).await;
    result
}

/// Runs `work`, and gives it up `grace` after `stop`: a sink that does not answer must hold up neither a cancelled
/// job nor the node. What was not acknowledged lies behind the checkpoint, and is read again by the next run.
async fn within<T>(
    stop: &CancellationToken,
    grace: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let overdue = async {
        stop.cancelled().await;
        tokio::time::sleep(grace).await;
    };
    tokio::select! {
        biased;
        result = work => result,
        () = overdue => Err(Failure {
            code: "cut_off".into(),
            message: "the job did not stop in time".into(),
            permanent: false,
            retry_after: None,
        }),
    }
}

async fn prepare(shared: &Shared, job: &Job) -> Result<Parts, Failure> {
    let scope = crate::domain::Scope::org(job.tenant.org.clone());
    let tx = shared.deps.store.read(&scope).await.map_err(from_error)?;
    let row = tx.datasource(job.datasource_id).await.map_err(from_error)?;
    drop(tx);
    let row = row.ok_or_else(|| permanent("datasource_missing", "the datasource is gone"))?;
    let subject = Subject { tenant: job.tenant.clone(), datasource_id: job.datasource_id, slot: 0, name: row.name };
    let view = shared.live.view(job.datasource_id);
    let stats = stats_of(shared, job);
    let limit = row.metadata.rate_limit.and_then(|limit| u32::try_from(limit.records_per_second).ok());
    stats.set_custom_limit(limit);
    assemble(&shared.deps, &subject, job.version, stats, view).await
}

async fn dispatch(shared: &Shared, job: &Job, parts: Parts, stop: CancellationToken) -> Result<JobProgress, Failure> {
    match job.task.kind() {
        JobKind::Backfill => backfill::run(shared, job, parts, stop).await,
        JobKind::Replay => replay::run(shared, job, parts, stop).await,
    }
}

/// The pace of a job: half of the rate, so that it never takes all of it from what comes in.
fn pacer(parts: &Parts) -> Pacer {
    let limit = parts.document.runtime.rate_limit.map(|l| l.records_per_second);
    Pacer::new(&parts.pipeline.stats, limit, 2)
}

/// The counters of the live worker where it runs here. Elsewhere its node reports them,
/// and what this job counts shows in the metrics of this process and in its progress.
fn stats_of(shared: &Shared, job: &Job) -> Arc<Stats> {
    let live = shared.stats().get(&job.datasource_id).cloned();
    live.unwrap_or_else(|| {
        let labels = shared.deps.metrics.datasource(job.datasource_id);
        Arc::new(Stats::new(job.tenant.clone(), labels, WorkerMetrics::default()))
    })
}

/// Renews the lease, and stops the job when it is lost or somebody cancelled it.
async fn keep(shared: Arc<Shared>, job: Arc<Job>, stop: CancellationToken, halt: Arc<AtomicU8>) {
    let ttl = shared.node.lease_ttl;
    let mut renewed = Instant::now();
    loop {
        tokio::time::sleep(shared.node.heartbeat_interval.min(Duration::from_secs(1))).await;
        let why = match shared.deps.store.renew_job(&job, ttl).await {
            Ok(Ok(goes_on)) => {
                renewed = Instant::now();
                if goes_on {
                    continue;
                }
                Halt::Cancelled
            }
            Ok(Err(_)) => Halt::Lost,
            Err(_) if renewed.elapsed() < ttl => continue,
            Err(error) => {
                tracing::warn!(job = %job.id, %error, "the lease of a job could not be renewed in time");
                Halt::Lost
            }
        };
        halt.store(why as u8, Ordering::Release);
        stop.cancel();
        // A cancelled job has its grace yet, in which no other node may take it.
        if why == Halt::Lost {
            return;
        }
    }
}

/// What delivered nothing of all that it read must not look like a success.
fn none_delivered(failed: u64) -> Ending {
    let message = match failed {
        1 => "the only record failed; its dead letter says why".to_owned(),
        n => format!("all {n} records failed; their dead letters say why"),
    };
    Ending::Failed { code: "all_records_failed".to_owned(), message }
}

async fn failed(shared: &Shared, job: &Job, failure: Failure) -> Ending {
    let Failure { code, message, permanent, retry_after } = failure;
    let failures = shared.deps.store.job_failures(job).await.unwrap_or(0);
    if permanent || failures + 1 >= FAILURES_MAX {
        return Ending::Failed { code, message };
    }
    let wait = Duration::from_secs(1 << failures.min(8)).max(retry_after.unwrap_or_default());
    Ending::Again { code, message, wait }
}

async fn end(shared: &Shared, job: &Job, ending: Ending) {
    let word = match &ending {
        Ending::Succeeded => Some("succeeded"),
        Ending::Cancelled => Some("cancelled"),
        Ending::Failed { .. } => Some("failed"),
        Ending::Again { .. } | Ending::Released => None,
    };
    tracing::info!(job = %job.id, datasource = %job.datasource_id, ?ending, "a job ends");
    let event_type = match job.task.kind() {
        JobKind::Backfill => EventType::BackfillEnded,
        JobKind::Replay => EventType::ReplayEnded,
    };
    let event = word.map(|word| NewEvent {
        tenant: job.tenant.clone(),
        datasource_id: job.datasource_id,
        version: Some(job.version),
        event_type,
        actor: "system:registry".to_owned(),
        payload: json!({ "jobId": job.id, "status": word }),
    });
    // Without this write the job is found again by its lease, and ends once more from its last checkpoint.
    match shared.deps.store.end_job(job, ending, event).await {
        Ok(Ok(())) => {}
        Ok(Err(_)) => tracing::warn!(job = %job.id, "another node has the job now"),
        Err(error) => tracing::warn!(job = %job.id, %error, "the end of a job could not be stored"),
    }
}
