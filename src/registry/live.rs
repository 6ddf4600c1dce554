//! What people see of a datasource as it runs: samples of its records, and the lines of its log.
//!
//! While nobody looks, a delivery pays one look at a counter. While somebody does, a
//! bounded number of samples a second is shown and the others are counted: a view
//! never slows the pipeline. Views reach across nodes by notifications: a node that
//! shows a datasource says so from time to time, and the node that runs it answers.

use std::collections::HashMap;
use std::num::NonZeroU32;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc};
use uuid::Uuid;

use super::Shared;
use crate::domain::{LogLevel, Record, Timestamp, now};
use crate::store::feed::LIVE_MAX;

/// Samples and lines of one datasource that are shown in a second, each.
const PER_SECOND: NonZeroU32 = NonZeroU32::MIN.saturating_add(19);
/// What a slow watcher may be behind; what is older is counted as passed over.
const BACKLOG: usize = 128;
/// Data that is longer than this, in bytes as JSON, is not shown.
const DATA_MAX: usize = 4 * 1_024;
const MESSAGE_MAX: usize = 2 * 1_024;
/// How often a node says that it still shows a datasource.
const ASK_INTERVAL: Duration = Duration::from_secs(3);
/// How long a node goes on to tell without being asked again.
const ASKED_FOR: Duration = Duration::from_secs(10);
/// What waits to be told to other nodes.
const OUTBOX: usize = 256;

/// A record that was delivered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    pub id: String,
    pub kind: String,
    /// `None`: too long to be shown.
    pub data: Option<Value>,
    pub version: i32,
    pub ingested_at: Timestamp,
    pub node: Arc<str>,
    /// Records that went by unshown since the sample before it.
    pub passed: u64,
}

/// A line of a datasource's log.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogLine {
    pub at: Timestamp,
    pub level: LogLevel,
    pub message: String,
    pub version: Option<i32>,
    pub record_id: Option<String>,
    pub node: Arc<str>,
    /// Lines that went by unshown since the line before it.
    pub passed: u64,
}

/// What nodes tell each other.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Message {
    /// `from` shows the datasource to somebody.
    Ask {
        from: Arc<str>,
        id: Uuid,
    },
    Sample {
        from: Arc<str>,
        id: Uuid,
        sample: Sample,
    },
    Line {
        from: Arc<str>,
        id: Uuid,
        line: LogLine,
    },
}

/// The views of this node.
pub struct Live {
    node: Arc<str>,
    views: Mutex<HashMap<Uuid, Weak<View>>>,
    outbox: mpsc::Sender<String>,
    unsent: Mutex<Option<mpsc::Receiver<String>>>,
}

/// One datasource as it is seen on this node.
pub struct View {
    id: Uuid,
    node: Arc<str>,
    samples: Channel<Sample>,
    lines: Channel<LogLine>,
    /// Until when another node asked to be told, in milliseconds since the epoch.
    asked_until: AtomicI64,
    level: AtomicU8,
    outbox: mpsc::Sender<String>,
}

struct Channel<T> {
    sender: broadcast::Sender<Arc<T>>,
    limit: DefaultDirectRateLimiter,
    passed: AtomicU64,
}

impl<T> Channel<T> {
    fn new() -> Self {
        Self {
            sender: broadcast::channel(BACKLOG).0,
            limit: DefaultDirectRateLimiter::direct(Quota::per_second(PER_SECOND)),
            passed: AtomicU64::new(0),
        }
    }

    /// How many went by since the last one that was shown; `None`: this one goes by, too.
    fn turn(&self) -> Option<u64> {
        if self.limit.check().is_ok() {
            return Some(self.passed.swap(0, Ordering::Relaxed));
        }
        self.passed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Live {
    pub(super) fn new(node: Arc<str>) -> Self {
        let (outbox, unsent) = mpsc::channel(OUTBOX);
        Self { node, views: Mutex::default(), outbox, unsent: Mutex::new(Some(unsent)) }
    }

    /// The one view of a datasource, shared by its worker and its watchers.
    pub(super) fn view(&self, id: Uuid) -> Arc<View> {
        let mut views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(view) = views.get(&id).and_then(Weak::upgrade) {
            return view;
        }
        views.retain(|_, view| view.strong_count() > 0);
        let view = Arc::new(View {
            id,
            node: Arc::clone(&self.node),
            samples: Channel::new(),
            lines: Channel::new(),
            asked_until: AtomicI64::new(0),
            level: AtomicU8::new(LogLevel::Info as u8),
            outbox: self.outbox.clone(),
        });
        views.insert(id, Arc::downgrade(&view));
        view
    }

    pub(super) fn known(&self, id: Uuid) -> Option<Arc<View>> {
        self.views.lock().unwrap_or_else(PoisonError::into_inner).get(&id)?.upgrade()
    }

    fn hear(&self, payload: &str) {
        let Ok(message) = serde_json::from_str(payload) else { return };
        match message {
            Message::Ask { from, id } if from != self.node => {
                if let Some(view) = self.known(id) {
                    let until = now() + ASKED_FOR;
                    view.asked_until.store(until.timestamp_millis(), Ordering::Relaxed);
                }
            }
            Message::Sample { from, id, sample } if from != self.node => {
                if let Some(view) = self.known(id) {
                    let _ = view.samples.sender.send(Arc::new(sample));
                }
            }
            Message::Line { from, id, line } if from != self.node => {
                if let Some(view) = self.known(id) {
                    let _ = view.lines.sender.send(Arc::new(line));
                }
            }
            _ => {}
        }
    }

    /// Asks the other nodes for what is watched here.
    fn ask(&self) {
        let views: Vec<_> = {
            let views = self.views.lock().unwrap_or_else(PoisonError::into_inner);
            views.values().filter_map(Weak::upgrade).filter(|view| view.is_watched_here()).collect()
        };
        for view in views {
            view.ask();
        }
    }
}

/// Carries views between nodes until the registry stops.
pub(super) async fn relay(shared: &Shared) {
    let unsent = shared.live.unsent.lock().unwrap_or_else(PoisonError::into_inner).take();
    let Some(mut unsent) = unsent else { return };
    let mut heard = shared.deps.store.feed().subscribe_live();
    let mut timer = tokio::time::interval(ASK_INTERVAL);
    timer.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        tokio::select! {
            () = shared.stop.cancelled() => return,
            _ = timer.tick() => shared.live.ask(),
            message = heard.recv() => match message {
                Ok(payload) => shared.live.hear(&payload),
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            },
            Some(payload) = unsent.recv() => {
                if let Err(error) = shared.deps.store.tell_nodes(&payload).await {
                    tracing::debug!(%error, "another node could not be told what it shows");
                }
            }
        }
    }
}

impl View {
    pub fn samples(&self) -> broadcast::Receiver<Arc<Sample>> {
        let receiver = self.samples.sender.subscribe();
        self.ask();
        receiver
    }

    pub fn lines(&self) -> broadcast::Receiver<Arc<LogLine>> {
        let receiver = self.lines.sender.subscribe();
        self.ask();
        receiver
    }

    pub(super) fn set_level(&self, raised: Option<(LogLevel, Timestamp)>) {
        let level = raised.filter(|(_, until)| *until > now()).map_or(LogLevel::Info, |(level, _)| level);
        self.level.store(level as u8, Ordering::Relaxed);
    }

    /// Whether each record is worth a line.
    pub(super) fn is_verbose(&self) -> bool {
        self.level.load(Ordering::Relaxed) >= LogLevel::Debug as u8
    }

    /// Shows records that the sink acknowledged.
    pub(super) fn show(&self, records: &[Record]) {
        let asked = self.is_asked();
        if !asked && self.samples.sender.receiver_count() == 0 {
            return;
        }
        for record in records {
            let Some(passed) = self.samples.turn() else { continue };
            let data = Value::Object(record.data.clone());
            let sample = Sample {
                id: record.id.clone(),
                kind: record.kind.to_string(),
                data: (data.to_string().len() <= DATA_MAX).then_some(data),
                version: record.version,
                ingested_at: record.ingested_at,
                node: Arc::clone(&self.node),
                passed,
            };
            if asked {
                self.tell(&Message::Sample { from: Arc::clone(&self.node), id: self.id, sample: sample.clone() });
            }
            let _ = self.samples.sender.send(Arc::new(sample));
        }
    }

    /// Writes a line to the log of the process, and shows it. Without a raised level, DEBUG goes nowhere.
    pub(super) fn log(&self, level: LogLevel, version: Option<i32>, record_id: Option<&str>, message: &str) {
        let raised = self.level.load(Ordering::Relaxed);
        let (datasource, record) = (self.id, record_id);
        match level {
            LogLevel::Error => tracing::error!(%datasource, version, record, "{message}"),
            LogLevel::Warn => tracing::warn!(%datasource, version, record, "{message}"),
            LogLevel::Info => tracing::info!(%datasource, version, record, "{message}"),
            // A level that was raised for one datasource passes the filter of the process.
            LogLevel::Debug if raised >= LogLevel::Debug as u8 => {
                tracing::info!(%datasource, version, record, "{message}");
            }
            LogLevel::Debug => tracing::debug!(%datasource, version, record, "{message}"),
        }
        let asked = self.is_asked();
        if level as u8 > raised || (!asked && self.lines.sender.receiver_count() == 0) {
            return;
        }
        let Some(passed) = self.lines.turn() else { return };
        let line = LogLine {
            at: now(),
            level,
            message: cut(message, MESSAGE_MAX).to_owned(),
            version,
            record_id: record_id.map(|id| cut(id, 256).to_owned()),
            node: Arc::clone(&self.node),
            passed,
        };
        if asked {
            self.tell(&Message::Line { from: Arc::clone(&self.node), id: self.id, line: line.clone() });
        }
        let _ = self.lines.sender.send(Arc::new(line));
    }

    fn is_watched_here(&self) -> bool {
        self.samples.sender.receiver_count() + self.lines.sender.receiver_count() > 0
    }

    fn is_asked(&self) -> bool {
        let until = self.asked_until.load(Ordering::Relaxed);
        until != 0 && until > chrono::Utc::now().timestamp_millis()
    }

    fn ask(&self) {
        self.tell(&Message::Ask { from: Arc::clone(&self.node), id: self.id });
    }

    /// Never waits: what does not fit goes by.
    fn tell(&self, message: &Message) {
        if let Ok(payload) = serde_json::to_string(message)
            && payload.len() <= LIVE_MAX
        {
            let _ = self.outbox.try_send(payload);
        }
    }
}

fn cut(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
    &text[..end]
}
