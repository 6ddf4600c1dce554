//! Group commit: requests that come while a write is under way are written together after it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use serde_json::Value;
use tokio::sync::oneshot;

use super::write::Refused;
use super::{Patience, Pipeline, Prepared};
use crate::connectors::ConnectorError;
use crate::registry::stats::Delivered;

/// The requests of one webhook, in the order of their arrival. Nobody waits for others to come.
#[derive(Default)]
pub struct Group(Mutex<Queue>);

#[derive(Default)]
struct Queue {
    waiting: Vec<Waiting>,
    /// Whether a task writes; it goes on until nobody waits.
    writing: bool,
}

struct Waiting {
    prepared: Prepared,
    answer: oneshot::Sender<Result<Delivered, ConnectorError>>,
}

impl Group {
    /// Returns when the caller's own records are safe. What fails for another does not fail for this one,
    /// but for a sink that fails as a whole.
    pub async fn deliver(
        self: &Arc<Self>,
        pipeline: &Arc<Pipeline>,
        documents: Vec<Value>,
    ) -> Result<Delivered, ConnectorError> {
        let prepared = pipeline.prepare(documents)?;
        let (answer, answered) = oneshot::channel();
        let leads = {
            let mut queue = self.queue();
            queue.waiting.push(Waiting { prepared, answer });
            !std::mem::replace(&mut queue.writing, true)
        };
        if leads {
            // A task of its own: a sender that hangs up must not take the others' write with it.
            let writer = Writer { group: Arc::clone(self), pipeline: Arc::clone(pipeline) };
            tokio::spawn(writer.run());
        }
        let lost = |_| ConnectorError::transient("write_cut_off", "the write ended unexpectedly; the log has more");
        answered.await.unwrap_or_else(|e| Err(lost(e)))
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Writer {
    group: Arc<Group>,
    pipeline: Arc<Pipeline>,
}

impl Writer {
    async fn run(self) {
        loop {
            let group = {
                let mut queue = self.group.queue();
                if queue.waiting.is_empty() {
                    queue.writing = false;
                    return;
                }
                let fits = self.fitting(&queue.waiting);
                queue.waiting.drain(..fits).collect()
            };
            self.write(group).await;
        }
    }

    /// At least one, and no more than the records of one batch.
    fn fitting(&self, waiting: &[Waiting]) -> usize {
        let sums = waiting.iter().scan(0, |sum, one| {
            *sum += one.prepared.records.len();
            Some(*sum)
        });
        sums.take_while(|sum| *sum <= self.pipeline.batch_max).count().max(1)
    }

    async fn write(&self, mut group: Vec<Waiting>) {
        let pipeline = &self.pipeline;
        let mut records = Vec::new();
        for Waiting { prepared, .. } in &mut group {
            records.append(&mut prepared.records);
        }
        let refusals = match pipeline.write(&records, Patience::Once, Refused::FindAll).await {
            Ok(refusals) => refusals,
            Err(error) => {
                for Waiting { answer, .. } in group {
                    // Who hung up is not answered.
                    let _ = answer.send(Err(error.clone()));
                }
                return;
            }
        };
        let mut refusals = refusals.into_iter().peekable();
        let mut end = 0;
        for Waiting { prepared, answer } in group {
            let start = end;
            end += prepared.origins.len();
            let mut own = Vec::new();
            while let Some((at, fault)) = refusals.next_if(|(at, _)| *at < end) {
                own.push(pipeline.refused(prepared.origins[at - start], &records[at], fault));
            }
            let _ = answer.send(pipeline.finish(prepared, own).await);
        }
    }
}

impl Drop for Writer {
    /// After a defect: those who wait are told, and the next one writes anew.
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut queue = self.group.queue();
            queue.writing = false;
            queue.waiting.clear();
        }
    }
}
