use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use super::{DeadLetterFilter, JobKind, JobStatus, Tenant, Timestamp};
use crate::error::{Error, Problem, Result};

/// Bounded work on one datasource, beside its live worker and with a checkpoint of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    pub id: Uuid,
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    pub task: JobTask,
    pub status: JobStatus,
    /// The version that it runs with.
    pub version: i32,
    pub checkpoint: Option<Value>,
    pub progress: JobProgress,
    pub error: Option<(String, String)>,
    pub cancel_requested: bool,
    pub node: Option<String>,
    /// Grows with every node that takes the job; a write under an older one is refused.
    pub epoch: i64,
    pub created_at: Timestamp,
    pub created_by: String,
    pub started_at: Option<Timestamp>,
    pub finished_at: Option<Timestamp>,
    pub updated_at: Timestamp,
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "input", rename_all = "snake_case")]
pub enum JobTask {
    /// Reads a part of the source again.
    Backfill(BackfillRange),
    /// Delivers dead letters again.
    Replay(DeadLetterFilter),
}

impl JobTask {
    pub fn kind(&self) -> JobKind {
        match self {
            Self::Backfill(_) => JobKind::Backfill,
            Self::Replay(_) => JobKind::Replay,
        }
    }
}

/// How far a job is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct JobProgress {
    /// Documents or dead letters that were read; `total` counts the same.
    pub read: u64,
    /// How many there are in all, where the source can tell.
    pub total: Option<u64>,
    /// Records acknowledged by the sink.
    pub delivered: u64,
    /// Records that could not be mapped or delivered; they are dead letters.
    pub failed: u64,
    pub skipped: u64,
    /// When a node took the job last, and what was read by then. Absent in what an older build stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<(Timestamp, u64)>,
}

impl JobProgress {
    /// Whether there was something, and nothing of it arrived or was passed over on purpose.
    pub fn all_failed(&self) -> bool {
        self.failed > 0 && self.delivered == 0 && self.skipped == 0
    }
}

impl Job {
    /// Documents per second since a node took it last: the time in which nobody had it says nothing about its
    /// pace. `None` before there is something to tell.
    pub fn rate(&self) -> Option<f64> {
        let end = self.finished_at.unwrap_or(self.updated_at);
        let (since, before) = self.progress.since.or_else(|| self.started_at.map(|at| (at, 0)))?;
        let read = self.progress.read.saturating_sub(before);
        let seconds = (end - since).as_seconds_f64();
        (seconds > 0.0 && read > 0).then(|| read as f64 / seconds)
    }

    /// Seconds until the end at this rate, where the total is known.
    pub fn eta(&self) -> Option<f64> {
        if self.status != JobStatus::Running {
            return None;
        }
        let left = self.progress.total?.saturating_sub(self.progress.read);
        Some(left as f64 / self.rate()?)
    }
}

/// The part of a source that a backfill reads. Exactly one of time, cursor, prefix and file is used.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BackfillRange {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Exclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from_cursor: Option<String>,
    /// Inclusive.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to_cursor: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// JSON Lines, one payload a line, relative to the directory that the operator names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
}

/// What a range is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RangeKind {
    Time,
    Cursor,
    Prefix,
    File,
}

impl RangeKind {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Time => "time",
            Self::Cursor => "cursor",
            Self::Prefix => "prefix",
            Self::File => "file",
        }
    }
}

impl BackfillRange {
    /// The one kind that it is; an empty, mixed or reversed range is refused.
    pub fn kind(&self) -> Result<RangeKind> {
        let kinds = [
            (self.from.is_some() || self.to.is_some(), RangeKind::Time),
            (self.from_cursor.is_some() || self.to_cursor.is_some(), RangeKind::Cursor),
            (self.prefix.is_some(), RangeKind::Prefix),
            (self.file.is_some(), RangeKind::File),
        ];
        let mut named = kinds.into_iter().filter(|(there, _)| *there).map(|(_, kind)| kind);
        let (Some(kind), None) = (named.next(), named.next()) else {
            let message = "must name one of: from and to, fromCursor and toCursor, prefix, file";
            return Err(Error::invalid("/range", message));
        };
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from >= to
        {
            return Err(Error::invalid("/range/to", "must be later than from"));
        }
        let texts = [
            ("/range/fromCursor", &self.from_cursor),
            ("/range/toCursor", &self.to_cursor),
            ("/range/prefix", &self.prefix),
            ("/range/file", &self.file),
        ];
        let bad = texts.into_iter().filter(|(_, text)| {
            text.as_ref().is_some_and(|t| t.is_empty() || t.len() > 1_024 || t.chars().any(char::is_control))
        });
        let bad: Vec<_> = bad.map(|(at, _)| Problem::new(at, "must have 1 to 1024 printable characters")).collect();
        if bad.is_empty() { Ok(kind) } else { Err(Error::validation(bad)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_and_eta_are_those_of_the_last_run() {
        let taken = "2026-03-02T00:00:00Z".parse::<Timestamp>().expect("a time");
        let progress =
            JobProgress { read: 1_100, total: Some(2_000), since: Some((taken, 1_000)), ..JobProgress::default() };
        let mut job = Job {
            id: Uuid::nil(),
            tenant: Tenant { org: "acme".into(), project: "default".into() },
            datasource_id: Uuid::nil(),
            task: JobTask::Replay(DeadLetterFilter::default()),
            status: JobStatus::Running,
            version: 1,
            checkpoint: None,
            progress,
            error: None,
            cancel_requested: false,
            node: None,
            epoch: 2,
            created_at: taken,
            created_by: "somebody".to_owned(),
            started_at: Some(taken - chrono::TimeDelta::days(1)),
            finished_at: None,
            updated_at: taken + chrono::TimeDelta::seconds(10),
        };
        assert_eq!((job.rate(), job.eta()), (Some(10.0), Some(90.0)), "the day without a node does not count");
        job.progress.read = 1_000;
        assert_eq!((job.rate(), job.eta()), (None, None), "nothing was read yet since then");
    }

    fn range(text: &str) -> BackfillRange {
        serde_json::from_str(text).expect("a range")
    }

    #[test]
    fn a_range_is_of_one_kind() {
        assert_eq!(range(r#"{"from":"2026-01-01T00:00:00Z"}"#).kind().expect("time"), RangeKind::Time);
        assert_eq!(range(r#"{"from_cursor":"1","to_cursor":"9"}"#).kind().expect("cursor"), RangeKind::Cursor);
        for refused in [
            "{}",
            r#"{"prefix":"a","file":"b"}"#,
            r#"{"file":""}"#,
            r#"{"from":"2026-01-02T00:00:00Z","to":"2026-01-01T00:00:00Z"}"#,
        ] {
            range(refused).kind().expect_err(refused);
        }
    }
}
