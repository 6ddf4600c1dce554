//! Test runs and their samples.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::version::Change;
use crate::app;
use crate::domain;

/// What came of a test: nothing was delivered, and no checkpoint moved.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct TestResult {
    /// Whether every record was mapped.
    success: bool,
    /// `passed` or `failed`, as `success` says.
    status: TestStatus,
    /// The version that was tested; null for a configuration that is not stored.
    version: Option<i32>,
    /// The first record as a sink would get it; null when none came out.
    output: Option<TestOutput>,
    /// The records as a sink would get them, at most 100.
    outputs: Vec<TestOutput>,
    /// The records that failed, at most 100.
    errors: Vec<TestError>,
    /// What is probably not meant so.
    warnings: Vec<String>,
    /// What the transform printed.
    logs: Vec<String>,
    /// What comes out differently than with the published configuration, as changes to `outputs`;
    /// null where nothing else is published.
    diff: Option<Vec<Change>>,
    /// The payload, where it was fetched, stored or the connector's example.
    payload: Option<String>,
    /// How long it took, in milliseconds.
    duration_ms: u64,
}

/// How a test ended.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(in crate::rest) enum TestStatus {
    /// Every record was mapped.
    Passed,
    /// At least one was not.
    Failed,
}

/// A record as a sink would get it.
#[derive(Clone, Serialize, ToSchema)]
pub(in crate::rest) struct TestOutput {
    /// Its id.
    id: String,
    /// Its kind.
    kind: String,
    /// Its fields.
    #[schema(value_type = Value)]
    data: Value,
}

/// Why a record could not be mapped.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct TestError {
    /// Which of the input records, from 0; null when the payload as a whole could not be read.
    record: Option<usize>,
    /// A stable code.
    code: String,
    /// JSON pointer of the part of the configuration that failed.
    path: String,
    /// What went wrong.
    message: String,
}

impl From<app::TestRun> for TestResult {
    fn from(run: app::TestRun) -> Self {
        let success = run.success();
        let output = |o: app::TestOutput| TestOutput { id: o.id, kind: o.kind, data: o.data };
        let outputs: Vec<_> = run.outputs.into_iter().map(output).collect();
        let error =
            |e: app::TestRecordError| TestError { record: e.record, code: e.code, path: e.path, message: e.message };
        Self {
            success,
            status: if success { TestStatus::Passed } else { TestStatus::Failed },
            version: run.version,
            output: outputs.first().cloned(),
            outputs,
            errors: run.errors.into_iter().map(error).collect(),
            warnings: run.warnings,
            logs: run.logs,
            diff: run.diff.map(|changes| changes.into_iter().map(Change::from).collect()),
            payload: run.payload,
            duration_ms: u64::try_from(run.duration.as_millis()).unwrap_or(u64::MAX),
        }
    }
}

/// A stored payload to test on.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct TestSample {
    /// Its name.
    name: String,
    /// The raw payload.
    payload: String,
    /// When it was stored.
    created_at: DateTime<Utc>,
    /// Who stored it.
    created_by: String,
}

impl From<domain::TestSample> for TestSample {
    fn from(s: domain::TestSample) -> Self {
        Self { name: s.name, payload: s.payload, created_at: s.created_at, created_by: s.created_by }
    }
}
