//! `jsonl`: records as lines of JSON in files that rotate.
//!
//! | file | idea |
//! |---|---|
//! | `place` | which directory, and that it cannot be another |
//! | `writer` | one writer per directory: batches of many callers share one write |
//! | `active` | the file being written: append, sync, rotate, repair |

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Sink, SinkContext, SinkError, SinkSpec, SinkType, WriteError, lines};
use crate::domain::{HumanDuration, Record, relative_parts};
use crate::error::Problem;
use crate::mapping::schema_of;

mod active;
mod place;
mod writer;

use active::Policy;
use writer::Writer;

/// Settings of a directory of JSON Lines files.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    title = "JSON Lines files",
    extend("examples" = [{}, {"path": "alerts", "rotate": {"max_bytes": 16_777_216, "max_age": "1d"}, "fsync": "always"}])
)]
struct JsonlConfig {
    /// The directory of the files, below the output directory of the organisation. The id of the datasource by default.
    #[serde(default)]
    #[schemars(title = "Directory", example = &"alerts/production", length(min = 1, max = 512))]
    path: Option<String>,
    /// When `records.jsonl` is put aside as `records-<time>-<n>.jsonl` and begun anew.
    #[serde(default)]
    #[schemars(title = "Rotation")]
    rotate: Rotate,
    /// When written records are forced to the disk.
    #[serde(default)]
    #[schemars(title = "Durability")]
    fsync: Fsync,
}

#[derive(Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Rotate {
    /// The size in bytes that a file is not written beyond.
    #[schemars(title = "Largest file", range(min = 4096, max = 1_099_511_627_776_u64))]
    max_bytes: u64,
    /// The age at which a file is put aside by the next write.
    #[schemars(title = "Oldest file", example = &"1d")]
    max_age: Option<HumanDuration>,
}

impl Default for Rotate {
    fn default() -> Self {
        Self { max_bytes: 128 << 20, max_age: None }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum Fsync {
    /// Before a record is acknowledged: it survives a loss of power.
    #[default]
    Always,
    /// Within a second after: a loss of power may take the last second.
    Interval,
    /// When the system sees fit: a loss of power may take more.
    Never,
}

pub(super) struct Jsonl {
    spec: SinkSpec,
}

impl Jsonl {
    pub(super) fn new() -> Self {
        Self {
            spec: SinkSpec {
                name: "jsonl",
                title: "JSON Lines files",
                description: "Appends each record as a line of JSON to a file that rotates by size and age.",
                config_schema: schema_of::<JsonlConfig>(),
            },
        }
    }
}

#[async_trait]
impl SinkType for Jsonl {
    fn spec(&self) -> &SinkSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        let Ok(config) = JsonlConfig::deserialize(config) else {
            return vec![Problem::new("", "the settings are not those of a jsonl sink")];
        };
        let mut problems = Vec::new();
        if let Some(Err(problem)) = config.path.as_deref().map(relative_parts) {
            problems.push(Problem::new("/path", problem));
        }
        if config.rotate.max_age.is_some_and(|age| age.0 < Duration::from_secs(1)) {
            problems.push(Problem::new("/rotate/max_age", "must be at least 1s"));
        }
        problems
    }

    async fn open(&self, config: &Value, context: SinkContext) -> Result<Arc<dyn Sink>, SinkError> {
        let config = JsonlConfig::deserialize(config).map_err(|_| {
            SinkError::permanent("config_invalid", "the settings are not those of a jsonl sink; save a valid version")
        })?;
        let policy = Policy {
            max_bytes: config.rotate.max_bytes,
            max_age: config.rotate.max_age.map(|age| age.0),
            fsync: config.fsync,
        };
        let preparing = tokio::task::spawn_blocking(move || place::prepare(config.path.as_deref(), &context));
        let directory = preparing.await.map_err(|_| SinkError::transient("io_error", "the opening was cut off"))??;
        let writer = Writer::shared(directory, policy);
        // A directory that cannot be written to shows now, and a torn line of a crash goes now.
        writer.flush().await?;
        Ok(Arc::new(JsonlSink { writer: Mutex::new(Some(writer)) }))
    }
}

struct JsonlSink {
    /// Gone once closed, so that the last holder lets the writer end.
    writer: Mutex<Option<Arc<Writer>>>,
}

#[async_trait]
impl Sink for JsonlSink {
    async fn write(&self, records: &[Record]) -> Result<(), WriteError> {
        if records.is_empty() {
            return Ok(());
        }
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let writer = writer.ok_or_else(|| SinkError::permanent("sink_closed", "the sink was closed"))?;
        Ok(writer.append(lines(records)?).await?)
    }

    async fn close(&self) -> Result<(), SinkError> {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner).take();
        match writer {
            Some(writer) => writer.flush().await,
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
