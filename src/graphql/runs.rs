//! Test runs on the wire.

use async_graphql::{Json, SimpleObject};
use serde_json::Value;

use super::types::Change;
use crate::app;
use crate::domain::Timestamp;

/// What came of a test: nothing was delivered, and no checkpoint moved.
#[derive(SimpleObject)]
pub(super) struct TestRun {
    /// Whether every record was mapped.
    success: bool,
    /// The version that was tested; null for a configuration that is not stored.
    version: Option<i32>,
    /// The records as a sink would get them, at most 100.
    outputs: Vec<TestOutput>,
    /// The records that failed, at most 100.
    errors: Vec<TestRecordError>,
    /// What is probably not meant so.
    warnings: Vec<String>,
    /// What the transform printed.
    logs: Vec<String>,
    /// What comes out differently than with the published configuration, as changes to the list of outputs;
    /// null where nothing else is published.
    diff: Option<Vec<Change>>,
    /// The payload, where it was fetched, stored or the connector's example.
    payload: Option<String>,
    /// How long it took, in milliseconds.
    duration_ms: u64,
}

/// A record as a sink would get it.
#[derive(SimpleObject)]
pub(super) struct TestOutput {
    /// Its id.
    id: String,
    /// Its kind.
    kind: String,
    /// Its fields.
    data: Json<Value>,
}

/// Why a record could not be mapped.
#[derive(SimpleObject)]
pub(super) struct TestRecordError {
    /// Which of the input records, from 0; null when the payload as a whole could not be read.
    record: Option<usize>,
    /// A stable code.
    code: String,
    /// JSON pointer of the part of the configuration that failed.
    path: String,
    /// What went wrong.
    message: String,
}

impl From<app::TestRun> for TestRun {
    fn from(run: app::TestRun) -> Self {
        Self {
            success: run.success(),
            version: run.version,
            outputs: run
                .outputs
                .into_iter()
                .map(|o| TestOutput { id: o.id, kind: o.kind, data: Json(o.data) })
                .collect(),
            errors: run
                .errors
                .into_iter()
                .map(|e| TestRecordError { record: e.record, code: e.code, path: e.path, message: e.message })
                .collect(),
            warnings: run.warnings,
            logs: run.logs,
            diff: run.diff.map(|changes| changes.into_iter().map(Change::from).collect()),
            payload: run.payload,
            duration_ms: u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// What came of a look at the source: nothing was taken from it, and no checkpoint moved.
#[derive(SimpleObject)]
pub(super) struct CheckDatasourcePayload {
    /// Whether the source can be read now.
    success: bool,
    /// The version whose settings and secrets were used.
    version: i32,
    /// What was tried, in order; the last is the first that failed, if one did.
    steps: Vec<CheckStep>,
}

/// One thing that was tried.
#[derive(SimpleObject)]
pub(super) struct CheckStep {
    /// A stable name.
    name: String,
    /// Whether it went well.
    success: bool,
    /// A stable code of the failure.
    code: Option<String>,
    /// What was found, or what went wrong.
    message: String,
    /// How long it took, in milliseconds.
    duration_ms: u64,
}

impl From<app::CheckRun> for CheckDatasourcePayload {
    fn from(run: app::CheckRun) -> Self {
        let step = |step: crate::connectors::CheckStep| {
            let (success, code, message) = match step.outcome {
                Ok(message) => (true, None, message),
                Err(error) => (false, Some(error.code.to_owned()), error.message),
            };
            let duration_ms = u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX);
            CheckStep { name: step.name.to_owned(), success, code, message, duration_ms }
        };
        Self { success: run.success(), version: run.version, steps: run.steps.into_iter().map(step).collect() }
    }
}

/// A stored payload to test on.
#[derive(SimpleObject)]
pub(super) struct TestSample {
    /// Its name.
    name: String,
    /// The raw payload.
    payload: String,
    /// When it was stored.
    created_at: Timestamp,
    /// Who stored it.
    created_by: String,
}

impl From<crate::domain::TestSample> for TestSample {
    fn from(sample: crate::domain::TestSample) -> Self {
        Self {
            name: sample.name,
            payload: sample.payload,
            created_at: sample.created_at,
            created_by: sample.created_by,
        }
    }
}
