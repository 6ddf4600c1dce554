//! What the tests of this floor share: a local server, and an outlet that remembers.

use std::sync::Mutex;

use async_trait::async_trait;
use axum::Router;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::egress::Egress;
use super::{ConnectorError, Outlet};

/// A real HTTP server on a free port; it ends with the value.
pub(crate) struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Server {
    pub(crate) async fn start(routes: Router) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.expect("the test server") });
        Self { port, task }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An egress that reaches the local server.
pub(crate) fn allow_local() -> Egress {
    Egress::new(vec!["127.0.0.1/32".parse().expect("a rule")])
}

/// Takes everything, and remembers it.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) documents: Mutex<Vec<Value>>,
    pub(crate) checkpoints: Mutex<Vec<Value>>,
    pub(crate) idle: Mutex<usize>,
    pub(crate) logs: Mutex<Vec<String>>,
}

impl Recorder {
    pub(crate) fn documents(&self) -> Vec<Value> {
        self.documents.lock().expect("no poison").clone()
    }

    pub(crate) fn last_checkpoint(&self) -> Option<Value> {
        self.checkpoints.lock().expect("no poison").last().cloned()
    }

    pub(crate) fn idle_count(&self) -> usize {
        *self.idle.lock().expect("no poison")
    }

    pub(crate) fn logs(&self) -> Vec<String> {
        self.logs.lock().expect("no poison").clone()
    }
}

#[async_trait]
impl Outlet for Recorder {
    async fn deliver(&self, documents: Vec<Value>, checkpoint: Option<Value>) -> Result<(), ConnectorError> {
        self.documents.lock().expect("no poison").extend(documents);
        self.checkpoints.lock().expect("no poison").extend(checkpoint);
        Ok(())
    }

    fn idle(&self, _lag: Option<f64>) {
        *self.idle.lock().expect("no poison") += 1;
    }

    fn log(&self, _level: tracing::Level, message: &str) {
        self.logs.lock().expect("no poison").push(message.to_owned());
    }
}
