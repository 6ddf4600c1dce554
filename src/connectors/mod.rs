//! Connectors: where records come from. A new one is fill-in work: a file with
//! a config struct that derives its JSON Schema, a sample payload and [`Connector`].
//!
//! A connector reaches checkpoints, egress and logs only through its [`ConnectorContext`].

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::error::Problem;

pub mod catalog;
mod decode;
pub mod egress;
mod http_poller;
mod webhook;

#[cfg(test)]
mod compliance;
#[cfg(test)]
mod testing;

pub use catalog::Catalog;

/// What people and programs see of a connector type.
#[derive(Clone, Debug)]
pub struct ConnectorSpec {
    /// The value of `connector.type`.
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    /// Raised when a stored configuration needs another reading; a version pins the one that it was written for.
    pub schema_version: i32,
    /// JSON Schema (2020-12) of the `connector` object without `type`.
    pub config_schema: Value,
    /// A payload as the real system sends it.
    pub sample: Value,
    pub placement: Placement,
}

/// Where the workers of one datasource run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// On the one node that holds the lease: it reads a source.
    Leased,
    /// On every node: it is called from outside.
    EveryNode,
}

#[async_trait]
pub trait Connector: Send + Sync + 'static {
    fn spec(&self) -> &ConnectorSpec;

    /// What the JSON Schema cannot say, offline. `config` has passed the schema;
    /// a string that takes a secret still reads `{{secret.alias}}`. Pointers are relative to `config`.
    fn validate(&self, config: &Value) -> Vec<Problem>;

    /// Turns one raw payload into input documents, as the running connector would.
    fn decode(&self, config: &Value, payload: &[u8]) -> Result<Vec<Value>, ConnectorError>;

    /// Connects with resolved secrets. A pull source reads when it is run; a push source is called.
    async fn start(&self, config: &Value, context: ConnectorContext) -> Result<Source, ConnectorError>;

    /// Fetches one sample without side effects: no checkpoint moves, nothing is acknowledged.
    /// `None` where the source cannot be asked (a webhook waits to be called).
    async fn sample(&self, config: &Value, context: ConnectorContext) -> Result<Option<Vec<u8>>, ConnectorError>;
}

pub enum Source {
    Pull(Box<dyn PullSource>),
    Push(Arc<dyn PushSource>),
}

/// Reads on its own schedule until `stop` is cancelled or it cannot go on.
#[async_trait]
pub trait PullSource: Send {
    /// Goes on from `checkpoint`, the last one that was stored. It comes now and not at the
    /// start: until this moment the worker that this one replaces may have moved it.
    async fn run(
        &mut self,
        checkpoint: Option<Value>,
        outlet: &dyn Outlet,
        stop: CancellationToken,
    ) -> Result<(), ConnectorError>;
}

/// Is called by a transport. Authenticates and decodes; the caller delivers.
pub trait PushSource: Send + Sync {
    fn accept(&self, request: &PushRequest) -> Result<Vec<Value>, PushRefusal>;
}

/// One inbound request, as a push source sees it.
pub struct PushRequest {
    pub headers: HeaderMap,
    pub body: Bytes,
    pub received_at: crate::domain::Timestamp,
}

/// Why a push was not taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PushRefusal {
    /// 401: the signature or credential is absent or wrong. The text must not help to forge one.
    Unauthenticated(&'static str),
    /// 413: longer than the datasource allows; the limit in bytes.
    TooLarge(usize),
    /// 400: not a payload that the configuration describes.
    Malformed(String),
    /// 415: a content type that is not accepted.
    UnsupportedMediaType(String),
}

/// The way onwards: mapping, then sink, then checkpoint.
#[async_trait]
pub trait Outlet: Send + Sync {
    /// Returns when every document is acknowledged by the sink (or set aside as `on_error` says)
    /// and `checkpoint`, where given, is stored. On an error nothing of the batch may be taken as done.
    async fn deliver(&self, documents: Vec<Value>, checkpoint: Option<Value>) -> Result<(), ConnectorError>;

    /// Tells that the source was reached although it had nothing new, with the seconds that it lags behind, if known.
    fn idle(&self, lag: Option<f64>);

    /// A line for the log of this datasource. Never carries a secret value.
    fn log(&self, level: tracing::Level, message: &str);
}

#[derive(Clone)]
pub struct ConnectorContext {
    pub datasource_id: Uuid,
    pub egress: Arc<egress::Egress>,
}

/// Why a source could not start or go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConnectorError {
    /// Stable and snake_case, such as `connect_failed` or `http_status`.
    pub code: &'static str,
    /// For people; holds no secret value and no credentials of a URL.
    pub message: String,
    pub kind: ErrorKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// May pass: retried with backoff, not before `retry_after` where the peer named one.
    Transient { retry_after: Option<Duration> },
    /// Will not pass without a change of configuration or secret.
    Permanent,
}

impl ConnectorError {
    pub fn transient(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), kind: ErrorKind::Transient { retry_after: None } }
    }

    /// May pass, but not before the peer's own time is over.
    pub fn transient_after(code: &'static str, message: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self { code, message: message.into(), kind: ErrorKind::Transient { retry_after } }
    }

    pub fn permanent(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), kind: ErrorKind::Permanent }
    }

    pub fn is_permanent(&self) -> bool {
        self.kind == ErrorKind::Permanent
    }
}

impl std::fmt::Display for ConnectorError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for ConnectorError {}
