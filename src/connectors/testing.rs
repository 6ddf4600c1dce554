//! What the tests of connectors share: a context, and an outlet that remembers.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::{ConnectorContext, ConnectorError, Outlet};
use crate::domain::Tenant;
pub(crate) use crate::egress::testing::{Server, allow_local};

/// What a connector of `acme` may use on this machine; files from a directory that does not exist.
pub(crate) fn context() -> ConnectorContext {
    ConnectorContext {
        datasource_id: Uuid::now_v7(),
        tenant: Tenant { org: "acme".into(), project: "default".into() },
        egress: Arc::new(allow_local()),
        input_dir: "/nonexistent".into(),
    }
}

/// Takes everything, and remembers it.
#[derive(Default)]
pub(crate) struct Recorder {
    pub(crate) documents: Mutex<Vec<Value>>,
    pub(crate) checkpoints: Mutex<Vec<Value>>,
    pub(crate) refused: Mutex<Vec<(String, String)>>,
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

    async fn refuse(&self, payload: &[u8], why: ConnectorError) -> Result<(), ConnectorError> {
        self.refused.lock().expect("no poison").push((String::from_utf8_lossy(payload).into_owned(), why.message));
        Ok(())
    }

    fn idle(&self, _lag: Option<f64>) {
        *self.idle.lock().expect("no poison") += 1;
    }

    fn log(&self, _level: tracing::Level, message: &str) {
        self.logs.lock().expect("no poison").push(message.to_owned());
    }
}
