//! `console`: one JSON line per record on standard output, for trying things out.

use std::io::Write as _;
use std::sync::Arc;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value;

use super::{Sink, SinkContext, SinkError, SinkSpec, SinkType, WriteError, lines};
use crate::domain::Record;
use crate::error::Problem;
use crate::mapping::schema_of;

/// Settings of the console; there are none.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Console", extend("examples" = [{}]))]
struct ConsoleConfig {}

pub(super) struct Console {
    spec: SinkSpec,
}

impl Console {
    pub(super) fn new() -> Self {
        Self {
            spec: SinkSpec {
                name: "console",
                title: "Console",
                description: "Writes each record as a line of JSON to the standard output of the process.",
                config_schema: schema_of::<ConsoleConfig>(),
            },
        }
    }
}

#[async_trait]
impl SinkType for Console {
    fn spec(&self) -> &SinkSpec {
        &self.spec
    }

    fn validate(&self, config: &Value) -> Vec<Problem> {
        match ConsoleConfig::deserialize(config) {
            Ok(ConsoleConfig {}) => Vec::new(),
            Err(_) => vec![Problem::new("", "must be an object without settings")],
        }
    }

    async fn open(&self, _config: &Value, _context: SinkContext) -> Result<Arc<dyn Sink>, SinkError> {
        Ok(Arc::new(Stdout))
    }
}

struct Stdout;

#[async_trait]
impl Sink for Stdout {
    async fn write(&self, records: &[Record]) -> Result<(), WriteError> {
        let text = lines(records)?;
        // A pipe that nobody reads blocks, and must not block the event loop.
        blocking(move || {
            let mut out = std::io::stdout().lock();
            out.write_all(&text)?;
            out.flush()
        })
        .await?;
        Ok(())
    }

    async fn close(&self) -> Result<(), SinkError> {
        blocking(|| std::io::stdout().lock().flush()).await
    }
}

async fn blocking(work: impl FnOnce() -> std::io::Result<()> + Send + 'static) -> Result<(), SinkError> {
    let failed = |cause: String| {
        SinkError::transient("console_failed", format!("the standard output cannot be written to: {cause}"))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done.map_err(|e| failed(e.to_string())),
        Err(_) => Err(failed("the writer was cut off".into())),
    }
}
