//! One writer per directory in the process. Batches that wait while the disk is
//! busy go out together: one write, one sync, many acknowledgements.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError, Weak};
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use super::Fsync;
use super::active::{Active, Policy, io_error};
use crate::sinks::SinkError;

/// Batches that may wait; a caller beyond them waits itself.
const QUEUE: usize = 256;
/// How much one write takes at most, unless a single batch is larger.
const GROUP_BYTES: usize = 4 << 20;
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

type Ack = oneshot::Sender<Result<(), SinkError>>;

enum Work {
    Append(Vec<u8>, Ack),
    Flush(Ack),
}

pub(super) struct Writer {
    queue: mpsc::Sender<Work>,
    policy: Arc<Mutex<Policy>>,
}

static WRITERS: LazyLock<Mutex<HashMap<PathBuf, Weak<Writer>>>> = LazyLock::new(Mutex::default);

impl Writer {
    /// The writer of `directory`; the policy of the last one to ask counts.
    pub(super) fn shared(directory: PathBuf, policy: Policy) -> Arc<Self> {
        let mut writers = WRITERS.lock().unwrap_or_else(PoisonError::into_inner);
        // A writer whose runtime has ended takes nothing any more.
        if let Some(writer) = writers.get(&directory).and_then(Weak::upgrade).filter(|w| !w.queue.is_closed()) {
            *writer.policy.lock().unwrap_or_else(PoisonError::into_inner) = policy;
            return writer;
        }
        writers.retain(|_, writer| writer.strong_count() > 0);
        let (queue, work) = mpsc::channel(QUEUE);
        let policy = Arc::new(Mutex::new(policy));
        let writer = Arc::new(Self { queue, policy: policy.clone() });
        writers.insert(directory.clone(), Arc::downgrade(&writer));
        tokio::spawn(run(Active::new(directory), work, policy));
        writer
    }

    /// Returns when the lines are as safe as the policy says.
    pub(super) async fn append(&self, lines: Vec<u8>) -> Result<(), SinkError> {
        self.ask(|ack| Work::Append(lines, ack)).await
    }

    /// Returns when all that was appended before is on the disk.
    pub(super) async fn flush(&self) -> Result<(), SinkError> {
        self.ask(Work::Flush).await
    }

    async fn ask(&self, work: impl FnOnce(Ack) -> Work) -> Result<(), SinkError> {
        let gone = || SinkError::transient("writer_gone", "the writer of the files has ended");
        let (ack, answer) = oneshot::channel();
        self.queue.send(work(ack)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// Ends when the last holder has let go and the queue is empty.
async fn run(active: Active, mut queue: mpsc::Receiver<Work>, policy: Arc<Mutex<Policy>>) {
    let active = Arc::new(Mutex::new(active));
    let mut unsynced: Option<Instant> = None;
    loop {
        let received = match unsynced {
            None => queue.recv().await,
            Some(since) => match tokio::time::timeout_at(since + SYNC_INTERVAL, queue.recv()).await {
                Ok(received) => received,
                Err(_) => {
                    // On a failure the next interval tries again; nobody waits for this one.
                    unsynced = on_disk(&active, Active::sync).await.err().map(|_| Instant::now());
                    continue;
                }
            },
        };
        let Some(first) = received else { break };
        let group = Group::gather(first, &mut queue);
        let policy = *policy.lock().unwrap_or_else(PoisonError::into_inner);
        let Group { lines, flush, acks } = group;
        let appends = !lines.is_empty();
        let done = on_disk(&active, move |active| {
            if appends {
                active.append(&lines, policy)?;
            }
            if flush { active.sync() } else { Ok(()) }
        })
        .await;
        if flush && done.is_ok() {
            unsynced = None;
        } else if appends && policy.fsync == Fsync::Interval {
            unsynced = unsynced.or_else(|| Some(Instant::now()));
        }
        for ack in acks {
            // A caller that has gone away learns nothing.
            let _ = ack.send(done.clone());
        }
    }
    if unsynced.is_some() && on_disk(&active, Active::sync).await.is_err() {
        tracing::warn!("the last records of a jsonl sink may not be on the disk");
    }
}

async fn on_disk(
    active: &Arc<Mutex<Active>>,
    work: impl FnOnce(&mut Active) -> std::io::Result<()> + Send + 'static,
) -> Result<(), SinkError> {
    let active = active.clone();
    let done = tokio::task::spawn_blocking(move || work(&mut active.lock().unwrap_or_else(PoisonError::into_inner)));
    match done.await {
        Ok(done) => done.map_err(|e| io_error("write the records", &e)),
        Err(_) => Err(SinkError::transient("io_error", "the write was cut off")),
    }
}

/// What goes to the disk together.
struct Group {
    lines: Vec<u8>,
    flush: bool,
    acks: Vec<Ack>,
}

impl Group {
    fn gather(first: Work, queue: &mut mpsc::Receiver<Work>) -> Self {
        let mut group = Self { lines: Vec::new(), flush: false, acks: Vec::new() };
        let mut next = Some(first);
        while let Some(work) = next {
            match work {
                Work::Append(lines, ack) if group.lines.is_empty() => {
                    group.lines = lines;
                    group.acks.push(ack);
                }
                Work::Append(lines, ack) => {
                    group.lines.extend_from_slice(&lines);
                    group.acks.push(ack);
                }
                Work::Flush(ack) => {
                    group.flush = true;
                    group.acks.push(ack);
                }
            }
            next = if group.lines.len() < GROUP_BYTES { queue.try_recv().ok() } else { None };
        }
        group
    }
}
