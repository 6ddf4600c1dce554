//! Failures of other systems: sources, sinks, brokers.

use std::time::Duration;

/// Why another system could not be read from or written to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Stable and snake_case, such as `connect_failed` or `http_status`.
    pub code: &'static str,
    /// For people; holds no secret value and no credentials of a URL.
    pub message: String,
    pub kind: FaultKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// May pass: retried with backoff, not before `retry_after` where the peer named one.
    Transient { retry_after: Option<Duration> },
    /// Will not pass without a change of configuration or secret.
    Permanent,
}

impl Fault {
    pub fn transient(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), kind: FaultKind::Transient { retry_after: None } }
    }

    /// May pass, but not before the peer's own time is over.
    pub fn transient_after(code: &'static str, message: impl Into<String>, retry_after: Option<Duration>) -> Self {
        Self { code, message: message.into(), kind: FaultKind::Transient { retry_after } }
    }

    pub fn permanent(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), kind: FaultKind::Permanent }
    }

    /// Whether the peer named a time before which there is no use in trying, and it is further away than `limit`.
    pub fn asks_to_wait(&self, limit: Duration) -> bool {
        matches!(self.kind, FaultKind::Transient { retry_after: Some(wait) } if wait > limit)
    }

    pub fn is_permanent(&self) -> bool {
        self.kind == FaultKind::Permanent
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Fault {}
