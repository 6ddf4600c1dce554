//! Whether a source can be read now, step by step.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::{Connector, ConnectorContext, ConnectorError};

/// One step of a check, and how it ended.
#[derive(Clone, Debug)]
pub struct CheckStep {
    /// Stable and snake_case, such as `connect`.
    pub name: &'static str,
    /// What was found, in words for people. Holds no secret value.
    pub outcome: Result<String, ConnectorError>,
    pub took: Duration,
}

/// The steps so far. A step that needs what a failed one should have given does not happen.
#[derive(Debug, Default)]
pub struct Steps(Vec<CheckStep>);

impl Steps {
    /// Runs one step; `said` puts its result into words.
    pub async fn run<T>(
        &mut self,
        name: &'static str,
        work: impl Future<Output = Result<T, ConnectorError>>,
        said: impl FnOnce(&T) -> String,
    ) -> Option<T> {
        let began = Instant::now();
        let done = work.await;
        self.add(name, done.as_ref().map(said).map_err(Clone::clone), began.elapsed());
        done.ok()
    }

    /// Notes a step that ran already.
    pub fn add(&mut self, name: &'static str, outcome: Result<String, ConnectorError>, took: Duration) {
        self.0.push(CheckStep { name, outcome, took });
    }

    pub fn finish(self) -> Vec<CheckStep> {
        self.0
    }
}

/// The check of a connector that has no better one: fetches a sample, and decodes it.
pub(super) async fn by_sample<C: Connector + ?Sized>(
    connector: &C,
    config: &Value,
    context: ConnectorContext,
) -> Vec<CheckStep> {
    let mut steps = Steps::default();
    let said = |sample: &Option<Vec<u8>>| match sample {
        Some(sample) => format!("the source answered; its sample is {} bytes long", sample.len()),
        None => "the source waits to be called or has nothing to show now".to_owned(),
    };
    let sample = steps.run("fetch", connector.sample(config, context), said).await.flatten();
    if let Some(sample) = sample {
        let decoding = async { connector.decode(config, &sample) };
        steps.run("decode", decoding, |documents| format!("{} input documents", documents.len())).await;
    }
    steps.finish()
}
