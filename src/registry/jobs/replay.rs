//! Delivers dead letters again, through the published version.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tracing::Level;
use uuid::Uuid;

use crate::domain::{DeadLetter, DeadLetterFilter, DeadLetterScope, Job, JobProgress, JobTask, Scope};
use crate::registry::Shared;
use crate::registry::pipeline::Pipeline;
use crate::registry::supervisor::fsm::Failure;
use crate::registry::worker::{Parts, from_connector, from_error, permanent};
use crate::store::dead_letter::{FailedReplay, ReplayFailure, Replayed};

/// Letters that are delivered together.
const PAGE: u64 = 100;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Position {
    after: Option<Uuid>,
}

/// Answers with what was counted, in this run and those before it.
pub(super) async fn run(
    shared: &Shared,
    job: &Job,
    parts: Parts,
    stop: CancellationToken,
) -> Result<JobProgress, Failure> {
    let JobTask::Replay(filter) = &job.task else { return Err(permanent("not_a_replay", "the job is no replay")) };
    let store = &shared.deps.store;
    let mut position: Position =
        job.checkpoint.clone().and_then(|stored| serde_json::from_value(stored).ok()).unwrap_or_default();
    let mut progress = job.progress;
    if progress.total.is_none() {
        progress.total = Some(total(shared, job, filter).await?);
    }
    let pacer = super::pacer(&parts);
    loop {
        pacer.wait(&stop).await;
        if stop.is_cancelled() {
            break;
        }
        let letters = store.letters_to_replay(job, filter, position.after, PAGE).await.map_err(from_error)?;
        let Some(last) = letters.last() else { break };
        position.after = Some(last.id);
        let (delivered, failed) = redeliver(&parts.pipeline, &letters, &stop).await?;
        pacer.charge(letters.len() as u64);
        progress.read += letters.len() as u64;
        progress.delivered += delivered.len() as u64;
        progress.failed += failed.len() as u64;
        let settled = store.settle_replay(job, &progress, &json!(position), &delivered, &failed).await;
        let kept = settled.map_err(from_error)?.map_err(|_| Failure {
            code: "lease_lost".into(),
            message: "another node has the job now".into(),
            permanent: false,
            retry_after: None,
        })?;
        if kept > 0 {
            let message = format!("job {}: {kept} dead letters changed while they were replayed; they stay", job.id);
            parts.pipeline.log(Level::WARN, None, &message);
        }
    }
    Ok(progress)
}

async fn total(shared: &Shared, job: &Job, filter: &DeadLetterFilter) -> Result<u64, Failure> {
    let before = filter.created_before.map_or(job.created_at, |at| at.min(job.created_at));
    let filter = DeadLetterFilter { created_before: Some(before), ..filter.clone() };
    let tx = shared.deps.store.read(&Scope::org(job.tenant.org.clone())).await.map_err(from_error)?;
    tx.count_dead_letters(job.datasource_id, &filter).await.map_err(from_error)
}

async fn redeliver(
    pipeline: &Pipeline,
    letters: &[DeadLetter],
    stop: &CancellationToken,
) -> Result<(Vec<Replayed>, Vec<FailedReplay>), Failure> {
    let mut failed = Vec::new();
    let mut inputs: Vec<(DeadLetterScope, Value)> = Vec::new();
    let mut tried = Vec::new();
    for letter in letters {
        match payload(letter) {
            Some(value) => {
                inputs.push((letter.scope, value));
                tried.push(Replayed::from(letter));
            }
            // Why it failed at first is what somebody who mends it needs to know; that is not written over.
            None => failed.push(FailedReplay { letter: letter.into(), why: None }),
        }
    }
    if !failed.is_empty() {
        let message = format!(
            "{} dead letters were not replayed: they were not kept whole, or are not JSON; edit them first",
            failed.len()
        );
        pipeline.log(Level::WARN, None, &message);
    }
    let mut delivered = Vec::new();
    for (letter, failure) in tried.into_iter().zip(pipeline.redeliver(&inputs, stop).await.map_err(from_connector)?) {
        match failure {
            None => delivered.push(letter),
            Some(e) => {
                let why = ReplayFailure { code: e.code.to_owned(), path: e.path, message: e.message };
                failed.push(FailedReplay { letter, why: Some(why) });
            }
        }
    }
    Ok((delivered, failed))
}

/// `None` where somebody must edit it first.
fn payload(letter: &DeadLetter) -> Option<Value> {
    letter.complete.then(|| serde_json::from_str(&letter.payload).ok()).flatten()
}
