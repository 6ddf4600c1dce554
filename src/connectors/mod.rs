//! Connectors: where records come from. A new one is fill-in work: a file with
//! a config struct that derives its JSON Schema, a sample payload and [`Connector`].
//!
//! A connector reaches checkpoints, egress and logs only through its [`ConnectorContext`].

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use axum::http::HeaderMap;
use bytes::Bytes;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::{BackfillRange, RangeKind, Tenant};
use crate::egress::Egress;
use crate::error::Problem;
use crate::mapping::Batch;

pub mod catalog;
pub mod check;
mod decode;
mod envelope;
mod gather;
mod http_poller;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "object_store")]
mod object_store;
mod push_client;
mod schedule;
#[cfg(feature = "sql")]
mod sql;
mod sse;
mod webhook;
mod websocket;

#[cfg(test)]
mod compliance;
#[cfg(test)]
mod testing;

/// Why a source could not start or go on.
pub use crate::fault::{Fault as ConnectorError, FaultKind as ErrorKind};
pub use catalog::Catalog;
pub use check::CheckStep;

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

    /// Whether several workers may read this source at once because it hands each record to one of them.
    fn spreads(&self, _config: &Value) -> bool {
        false
    }

    /// By what a part of the source can be named to be read again. A file works for every connector.
    fn backfill_ranges(&self, _config: &Value) -> &'static [RangeKind] {
        &[]
    }

    /// A source that reads `range`, of one of the kinds above, and ends. It never touches
    /// what the live worker relies on, such as a consumer group.
    async fn backfill(
        &self,
        _config: &Value,
        _range: &BackfillRange,
        _context: ConnectorContext,
    ) -> Result<Box<dyn PullSource>, ConnectorError> {
        Err(ConnectorError::permanent("backfill_unsupported", "this connector cannot read a part of its source again"))
    }

    /// Whether the source can be read now, with these credentials; without side effects, as [`Self::sample`].
    /// The last step is the first that failed, if one did.
    async fn check(&self, config: &Value, context: ConnectorContext) -> Vec<CheckStep> {
        check::by_sample(self, config, context).await
    }
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

    /// Sets aside a payload that cannot be decoded, as `on_error` says: kept as a dead letter or dropped.
    /// It is safe when the next [`Self::deliver`] returned, which therefore must come, if without a document.
    /// With `stop` it is the error that ends the worker.
    async fn refuse(&self, payload: &[u8], why: ConnectorError) -> Result<(), ConnectorError>;

    /// How many records a stream delivers together at most, and how long it waits for them.
    fn batch(&self) -> Batch {
        Batch::default()
    }

    /// Tells that the source was reached although it had nothing new, with the seconds that it lags behind, if known.
    fn idle(&self, lag: Option<f64>);

    /// Tells how many documents there are in all; only a backfill has such an end.
    fn expect(&self, _total: u64) {}

    /// A line for the log of this datasource. Never carries a secret value.
    fn log(&self, level: tracing::Level, message: &str);
}

#[derive(Clone)]
pub struct ConnectorContext {
    pub datasource_id: Uuid,
    pub tenant: Tenant,
    pub egress: Arc<Egress>,
    /// The only directory of this node that connectors may read from; each organisation has its own below it.
    pub input_dir: PathBuf,
}
