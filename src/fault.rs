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
    /// A sink will never take these records as they are; it takes others.
    Rejected,
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

    pub fn rejected(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), kind: FaultKind::Rejected }
    }

    /// The time before which there is no use in trying, where the peer named one.
    pub fn retry_after(&self) -> Option<Duration> {
        match self.kind {
            FaultKind::Transient { retry_after } => retry_after,
            FaultKind::Permanent | FaultKind::Rejected => None,
        }
    }

    /// Whether the same attempt would fail again, however long one waits.
    pub fn is_permanent(&self) -> bool {
        !matches!(self.kind, FaultKind::Transient { .. })
    }

    /// Whether the data is at fault, and nothing else.
    pub fn is_rejected(&self) -> bool {
        self.kind == FaultKind::Rejected
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}

impl std::error::Error for Fault {}
