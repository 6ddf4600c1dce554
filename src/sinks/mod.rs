//! Sinks: where records go. `write` returns only when the records are safe.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use crate::domain::{Record, Tenant};
use crate::error::Problem;

pub mod catalog;
mod console;
mod jsonl;

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
    /// Returns when every record is durably taken. After an error the caller
    /// writes the same batch again, so a sink may see a record twice.
    async fn write(&self, records: &[Record]) -> Result<(), SinkError>;

    /// Flushes and lets go of what is held; called once, after the last write.
    async fn close(&self) -> Result<(), SinkError>;
}

#[derive(Clone)]
pub struct SinkContext {
    pub datasource_id: Uuid,
    pub datasource_name: String,
    pub tenant: Tenant,
    /// Under which file sinks write; a configured path may not leave it.
    pub output_dir: PathBuf,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SinkError {
    /// Stable and snake_case, such as `disk_full`.
    pub code: &'static str,
    pub message: String,
    /// Will not pass without a change of configuration.
    pub permanent: bool,
}

impl SinkError {
    pub fn transient(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), permanent: false }
    }

    pub fn permanent(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), permanent: true }
    }
}

impl std::fmt::Display for SinkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for SinkError {}

/// Records as lines of JSON, each with its line break.
fn lines(records: &[Record]) -> Result<Vec<u8>, SinkError> {
    let mut out = Vec::with_capacity(records.len() * 512);
    for record in records {
        serde_json::to_writer(&mut out, record)
            .map_err(|_| SinkError::permanent("encode_failed", "a record cannot be written as JSON"))?;
        out.push(b'\n');
    }
    Ok(out)
}
