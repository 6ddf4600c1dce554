//! Several senders of numbered webhooks at once, as a busy system would be.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use tokio::task::JoinSet;

use crate::harness::eventually;

/// How far apart the numbers of two senders are.
const SPAN: i64 = 1_000_000;

pub struct Senders {
    shared: Arc<Shared>,
    tasks: JoinSet<()>,
    count: usize,
}

struct Shared {
    /// Where to send; a server that was started again has another port.
    url: Mutex<String>,
    acknowledged: Mutex<HashSet<i64>>,
    refused: Mutex<Vec<(i64, u16)>>,
    answered: AtomicUsize,
    /// Answers that never came; their records are sent again.
    broken_off: AtomicUsize,
    stop: AtomicBool,
}

/// What the senders know at the end.
pub struct Sent {
    /// The numbers whose answer was 202.
    pub acknowledged: HashSet<i64>,
    /// The numbers whose answer was anything else, with its status.
    pub refused: Vec<(i64, u16)>,
    /// How many requests got no answer at all.
    pub broken_off: usize,
}

impl Senders {
    /// Each sends one record after the other, and one without an answer, or with the answer 503, again.
    pub fn start(count: usize, server: &str, id: &str) -> Self {
        let shared = Arc::new(Shared {
            url: Mutex::new(format!("{server}/hooks/{id}")),
            acknowledged: Mutex::default(),
            refused: Mutex::default(),
            answered: AtomicUsize::new(0),
            broken_off: AtomicUsize::new(0),
            stop: AtomicBool::new(false),
        });
        let mut tasks = JoinSet::new();
        for sender in 0..count {
            tasks.spawn(send(Arc::clone(&shared), i64::try_from(sender).expect("few") * SPAN));
        }
        Self { shared, tasks, count }
    }

    pub fn count(&self) -> usize {
        self.count
    }

    /// Goes on with another server.
    pub fn turn_to(&self, server: &str, id: &str) {
        *self.shared.url.lock().expect("no panic") = format!("{server}/hooks/{id}");
    }

    /// Waits for `more` answers.
    pub async fn answered(&self, more: usize) {
        let until = self.shared.answered.load(Ordering::SeqCst) + more;
        eventually("the senders get their answers", || async {
            (self.shared.answered.load(Ordering::SeqCst) >= until).then_some(())
        })
        .await;
    }

    /// Lets each sender end with an answer to its last record; fails where none comes.
    pub async fn finish(mut self) -> Sent {
        self.shared.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.tasks.join_next().await {
            ended.expect("the sender ends well");
        }
        self.sent()
    }

    /// Lets the senders end where they are, for there is no server any more.
    pub async fn break_off(mut self) -> Sent {
        self.tasks.shutdown().await;
        self.sent()
    }

    fn sent(&self) -> Sent {
        Sent {
            acknowledged: std::mem::take(&mut *self.shared.acknowledged.lock().expect("no panic")),
            refused: std::mem::take(&mut *self.shared.refused.lock().expect("no panic")),
            broken_off: self.shared.broken_off.load(Ordering::SeqCst),
        }
    }
}

async fn send(shared: Arc<Shared>, first: i64) {
    let http = reqwest::Client::new();
    for n in first.. {
        if shared.stop.load(Ordering::SeqCst) {
            return;
        }
        let status = eventually("the webhook is answered", || async {
            let url = shared.url.lock().expect("no panic").clone();
            match http.post(url).json(&json!({ "id": n, "n": n })).send().await {
                Ok(response) if response.status() == 503 => {
                    shared.refused.lock().expect("no panic").push((n, 503));
                    None
                }
                Ok(response) => Some(response.status().as_u16()),
                Err(error) => {
                    // A refused connection never reached a server, so nothing can have come of it.
                    if !error.is_connect() {
                        shared.broken_off.fetch_add(1, Ordering::SeqCst);
                    }
                    None
                }
            }
        })
        .await;
        match status {
            202 => drop(shared.acknowledged.lock().expect("no panic").insert(n)),
            other => shared.refused.lock().expect("no panic").push((n, other)),
        }
        shared.answered.fetch_add(1, Ordering::SeqCst);
    }
}
