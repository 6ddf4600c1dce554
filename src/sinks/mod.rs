//! Sinks: where records go. `write` returns only when the records are safe.

use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::{Record, Tenant};
use crate::egress::Egress;
use crate::error::Problem;

pub mod catalog;
mod console;
mod http;
mod jsonl;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "nats")]
mod nats;
mod postgres;

/// Why records could not be taken.
pub use crate::fault::Fault as SinkError;
pub use catalog::SinkCatalog;

/// What people and programs see of a sink type.
#[derive(Clone, Debug)]
pub struct SinkSpec {
    /// The value of `delivery.sink.type`.
    pub name: &'static str,
    pub title: &'static str,
    pub description: &'static str,
    /// JSON Schema (2020-12) of the `sink` object without `type`.
    pub config_schema: Value,
}

#[async_trait]
pub trait SinkType: Send + Sync + 'static {
    fn spec(&self) -> &SinkSpec;

    /// What the JSON Schema cannot say, offline. Pointers are relative to `config`.
    fn validate(&self, config: &Value) -> Vec<Problem>;

    /// Opens with resolved secrets. Two opens of the same target share it.
    async fn open(&self, config: &Value, context: SinkContext) -> Result<Arc<dyn Sink>, SinkError>;
}

#[async_trait]
pub trait Sink: Send + Sync {
    /// Returns when every record is durably taken, but for those that it names as rejected. What it
    /// does not take for sure the caller writes again, so a sink may see a record twice.
    async fn write(&self, records: &[Record]) -> Result<(), WriteError>;

    /// Flushes and lets go of what is held; called once, after the last write.
    async fn close(&self) -> Result<(), SinkError>;
}

/// What became of a batch that was not taken as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// Nothing of the batch may be taken as written. A fault of the kind `Rejected` says that at least one
    /// of its records is never taken, and that the sink cannot tell which.
    Failed(SinkError),
    /// All is written but for what these name.
    Rejected(Vec<Rejection>),
}

/// Some neighbours in a batch, of which at least one is never taken. If there are several, none may be taken as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// Places in the batch.
    pub records: Range<usize>,
    pub fault: SinkError,
}

impl From<SinkError> for WriteError {
    fn from(fault: SinkError) -> Self {
        Self::Failed(fault)
    }
}

impl WriteError {
    /// A result for a batch that was written but for `rejections`.
    fn unless_none(rejections: Vec<Rejection>) -> Result<(), Self> {
        if rejections.is_empty() { Ok(()) } else { Err(Self::Rejected(rejections)) }
    }
}

#[derive(Clone)]
pub struct SinkContext {
    pub datasource_id: Uuid,
    pub datasource_name: String,
    pub tenant: Tenant,
    /// Under which file sinks write; a configured path may not leave it.
    pub output_dir: PathBuf,
    pub egress: Arc<Egress>,
}

/// Records as lines of JSON, each with its line break.
fn lines(records: &[Record]) -> Result<Vec<u8>, SinkError> {
    let mut out = Vec::with_capacity(records.len() * 512);
    for record in records {
        serde_json::to_writer(&mut out, record)
            .map_err(|_| SinkError::rejected("encode_failed", "a record cannot be written as JSON"))?;
        out.push(b'\n');
    }
    Ok(out)
}
