//! Delivers dead letters again, through the published version.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::{DeadLetter, DeadLetterFilter, DeadLetterScope, Job, JobTask, Scope};
use crate::registry::Shared;
use crate::registry::pipeline::Pipeline;
use crate::registry::supervisor::fsm::Failure;
use crate::registry::worker::{Parts, from_connector, from_error, permanent};
use crate::store::dead_letter::FailedReplay;

/// Letters that are delivered together.
const PAGE: u64 = 100;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Position {
    after: Option<Uuid>,
}

pub(super) async fn run(shared: &Shared, job: &Job, parts: Parts, stop: CancellationToken) -> Result<(), Failure> {
    let JobTask::Replay(filter) = &job.task else { return Err(permanent("not_a_replay", "the job is no replay")) };
    let store = &shared.deps.store;
    let mut position: Position =
        job.checkpoint.clone().and_then(|stored| serde_json::from_value(stored).ok()).unwrap_or_default();
    let mut progress = job.progress;
    if progress.total.is_none() {
        progress.total = Some(total(shared, job, filter).await?);
    }
    while !stop.is_cancelled() {
        let letters = store.letters_to_replay(job, filter, position.after, PAGE).await.map_err(from_error)?;
        let Some(last) = letters.last() else { return Ok(()) };
        position.after = Some(last.id);
        let (delivered, failed) = redeliver(&parts.pipeline, &letters, &stop).await?;
        progress.read += letters.len() as u64;
        progress.delivered += delivered.len() as u64;
        progress.failed += failed.len() as u64;
        let settled = store.settle_replay(job, &progress, &json!(position), &delivered, &failed).await;
        settled.map_err(from_error)?.map_err(|_| Failure {
            code: "lease_lost".into(),
            message: "another node has the job now".into(),
            permanent: false,
            retry_after: None,
        })?;
    }
    Ok(())
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
) -> Result<(Vec<Uuid>, Vec<FailedReplay>), Failure> {
    let mut failed = Vec::new();
    let mut inputs: Vec<(DeadLetterScope, Value)> = Vec::new();
    let mut ids = Vec::new();
    for letter in letters {
        match payload(letter) {
            Ok(value) => {
                inputs.push((letter.scope, value));
                ids.push(letter.id);
            }
            Err(message) => failed.push(FailedReplay {
                id: letter.id,
                code: "payload_incomplete".into(),
                path: String::new(),
                message,
            }),
        }
    }
    let mut delivered = Vec::new();
    for (id, failure) in ids.into_iter().zip(pipeline.redeliver(&inputs, stop).await.map_err(from_connector)?) {
        match failure {
            None => delivered.push(id),
            Some(e) => failed.push(FailedReplay { id, code: e.code.to_owned(), path: e.path, message: e.message }),
        }
    }
    Ok((delivered, failed))
}

fn payload(letter: &DeadLetter) -> Result<Value, String> {
    if !letter.complete {
        return Err("the payload was not kept whole; edit it, then replay it".to_owned());
    }
    serde_json::from_str(&letter.payload).map_err(|_| "the payload is not JSON; edit it, then replay it".to_owned())
}
