//! Jobs, dead letters, checks of a source.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;

use super::words::{Comment, DeadLetterScope, JobKind, JobStatus, LogLevel};
use crate::app;
use crate::domain::{self, JobTask};
use crate::rest::json::object;

/// Bounded work on one datasource, beside its live worker and with a checkpoint of its own.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct Job {
    /// Its id.
    id: Uuid,
    /// The datasource.
    datasource_id: Uuid,
    /// What it does.
    kind: JobKind,
    /// On what: the range of a backfill, the filter of a replay.
    #[schema(value_type = Value)]
    input: Value,
    /// Where it is in its life.
    status: JobStatus,
    /// The version that it runs with.
    version: i32,
    /// How far it is.
    progress: JobProgress,
    /// Whether somebody asked it to end.
    cancel_requested: bool,
    /// A stable code of what failed last; it may be tried again.
    error_code: Option<String>,
    /// What failed last.
    error_message: Option<String>,
    /// The node that works on it.
    node: Option<String>,
    /// When it was asked for.
    created_at: DateTime<Utc>,
    /// Who asked for it.
    created_by: String,
    /// When a node took it first.
    started_at: Option<DateTime<Utc>>,
    /// When it ended.
    finished_at: Option<DateTime<Utc>>,
}

/// How far a job is.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct JobProgress {
    /// Documents or dead letters that were read.
    read: u64,
    /// How many there are in all; null where the source cannot tell.
    total: Option<u64>,
    /// Records that the sink acknowledged.
    delivered: u64,
    /// Records that failed; they are dead letters.
    failed: u64,
    /// Records that were passed over.
    skipped: u64,
    /// Documents per second since a node took it last.
    rate: Option<f64>,
    /// Seconds to the end at this rate; null where the total is not known.
    eta_seconds: Option<f64>,
}

impl From<domain::Job> for Job {
    fn from(job: domain::Job) -> Self {
        let (rate, eta_seconds) = (job.rate(), job.eta());
        let (error_code, error_message) = job.error.unzip();
        let progress = job.progress;
        Self {
            kind: job.task.kind().into(),
            input: match &job.task {
                JobTask::Backfill(range) => json!(range),
                JobTask::Replay(filter) => json!(filter),
            },
            id: job.id,
            datasource_id: job.datasource_id,
            status: job.status.into(),
            version: job.version,
            progress: JobProgress {
                read: progress.read,
                total: progress.total,
                delivered: progress.delivered,
                failed: progress.failed,
                skipped: progress.skipped,
                rate,
                eta_seconds,
            },
            cancel_requested: job.cancel_requested,
            error_code,
            error_message,
            node: job.node,
            created_at: job.created_at,
            created_by: job.created_by,
            started_at: job.started_at,
            finished_at: job.finished_at,
        }
    }
}

/// A record that failed, kept for a second try.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct DeadLetter {
    /// Its id.
    id: Uuid,
    /// The datasource that it belongs to.
    datasource_id: Uuid,
    /// The version that failed on it last.
    version: i32,
    /// A stable code of what went wrong.
    error_code: String,
    /// JSON pointer of the part of the configuration that failed.
    error_path: String,
    /// What went wrong.
    error_message: String,
    /// What the payload is.
    scope: DeadLetterScope,
    /// The record or document as JSON text.
    payload: String,
    /// False where the payload was cut or redacted: it must be edited before it can be replayed.
    complete: bool,
    /// Replays that failed again.
    attempts: i32,
    /// When it failed first.
    created_at: DateTime<Utc>,
    /// When its payload was edited; null when it never was.
    edited_at: Option<DateTime<Utc>>,
    /// Who edited its payload.
    edited_by: Option<String>,
}

impl From<domain::DeadLetter> for DeadLetter {
    fn from(letter: domain::DeadLetter) -> Self {
        Self {
            id: letter.id,
            datasource_id: letter.datasource_id,
            version: letter.version,
            error_code: letter.error_code,
            error_path: letter.error_path,
            error_message: letter.error_message,
            scope: letter.scope.into(),
            payload: letter.payload,
            complete: letter.complete,
            attempts: letter.attempts,
            created_at: letter.created_at,
            edited_at: letter.edited_at,
            edited_by: letter.edited_by,
        }
    }
}

/// What was discarded.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct Discarded {
    /// How many dead letters are gone.
    pub(in crate::rest) discarded: u64,
}

/// What came of a look at the source: nothing was taken from it, and no checkpoint moved.
#[derive(Serialize, ToSchema)]
pub(in crate::rest) struct SourceCheck {
    /// Whether the source can be read now.
    success: bool,
    /// The version whose settings and secrets were used.
    version: i32,
    /// What was tried, in order; the last is the first that failed, if one did.
    steps: Vec<CheckStep>,
}

/// One thing that was tried.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(in crate::rest) struct CheckStep {
    /// A stable name.
    name: &'static str,
    /// Whether it went well.
    success: bool,
    /// A stable code of the failure.
    code: Option<&'static str>,
    /// What was found, or what went wrong.
    message: String,
    /// How long it took, in milliseconds.
    duration_ms: u64,
}

impl From<app::CheckRun> for SourceCheck {
    fn from(run: app::CheckRun) -> Self {
        let step = |step: crate::connectors::CheckStep| CheckStep {
            name: step.name,
            success: step.outcome.is_ok(),
            code: step.outcome.as_ref().err().map(|e| e.code),
            message: step.outcome.unwrap_or_else(|e| e.message),
            duration_ms: u64::try_from(step.took.as_millis()).unwrap_or(u64::MAX),
        };
        Self { success: run.success(), version: run.version, steps: run.steps.into_iter().map(step).collect() }
    }
}

/// The part of a source to read again: of time, cursor, prefix and file exactly one.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(in crate::rest) struct BackfillRange {
    /// From this time on.
    from: Option<DateTime<Utc>>,
    /// Up to this time, without it.
    to: Option<DateTime<Utc>>,
    /// From this position on.
    #[schema(min_length = 1, max_length = 1024)]
    from_cursor: Option<String>,
    /// Up to this position, with it.
    #[schema(min_length = 1, max_length = 1024)]
    to_cursor: Option<String>,
    /// What begins so.
    #[schema(min_length = 1, max_length = 1024)]
    prefix: Option<String>,
    /// A file of JSON Lines, one payload a line, in the input directory of the server.
    #[schema(min_length = 1, max_length = 1024)]
    file: Option<String>,
}

impl From<BackfillRange> for domain::BackfillRange {
    fn from(range: BackfillRange) -> Self {
        let BackfillRange { from, to, from_cursor, to_cursor, prefix, file } = range;
        Self { from, to, from_cursor, to_cursor, prefix, file }
    }
}

/// What to read again, and why.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct Backfill {
    /// The part of the source.
    #[serde(deserialize_with = "object")]
    pub(in crate::rest) range: BackfillRange,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

/// Which dead letters. What is absent does not narrow.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase", default)]
pub(in crate::rest) struct DeadLetterFilter {
    /// Only these.
    #[schema(max_items = 1000)]
    ids: Vec<Uuid>,
    /// With one of these error codes.
    #[schema(max_items = 50)]
    error_codes: Vec<String>,
    /// That this version failed on last.
    #[schema(minimum = 1)]
    version: Option<i32>,
    /// That failed after this time.
    created_after: Option<DateTime<Utc>>,
    /// That failed before this time.
    created_before: Option<DateTime<Utc>>,
}

impl From<DeadLetterFilter> for domain::DeadLetterFilter {
    fn from(filter: DeadLetterFilter) -> Self {
        let DeadLetterFilter { ids, error_codes, version, created_after, created_before } = filter;
        Self { ids, error_codes, version, created_after, created_before }
    }
}

/// Which dead letters of the datasource, and why.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct DeadLetterBatch {
    /// Absent: all.
    #[serde(default, deserialize_with = "object")]
    pub(in crate::rest) filter: DeadLetterFilter,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

/// Another payload for a dead letter.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct EditDeadLetter {
    /// The record or document from now on.
    #[schema(value_type = Value)]
    pub(in crate::rest) payload: Value,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}

/// Which version to look at the source with.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct CheckSource {
    /// Absent: the latest one. With secrets, only an admin may check what is not published.
    #[schema(minimum = 1)]
    pub(in crate::rest) version: Option<i32>,
}

/// How much a datasource logs, and for how long.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(in crate::rest) struct SetLogLevel {
    /// The level from now on.
    pub(in crate::rest) level: LogLevel,
    /// For how long, such as `10m`, which it is without one; at most `24h`.
    #[schema(pattern = r"^[0-9]{1,6}(ms|s|m|h|d)$")]
    pub(in crate::rest) duration: Option<String>,
    /// Why; for the audit log.
    #[schema(value_type = Option<Comment>)]
    pub(in crate::rest) reason: Option<String>,
}
