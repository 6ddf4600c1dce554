//! The one error type. It knows no transport: GraphQL puts [`ErrorCode`] in
//! `extensions.code`, REST in an `application/problem+json` body.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Stable codes that clients branch on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ErrorCode {
    Unauthenticated,
    Forbidden,
    NotFound,
    Conflict,
    ValidationFailed,
    SecretMissing,
    ConfigInvalid,
    WorkerStartFailed,
    TestFailed,
    RateLimited,
    QueryTooComplex,
    ApprovalRequired,
    Unavailable,
    Internal,
}

impl ErrorCode {
    pub const ALL: [Self; 14] = [
        Self::Unauthenticated,
        Self::Forbidden,
        Self::NotFound,
        Self::Conflict,
        Self::ValidationFailed,
        Self::SecretMissing,
        Self::ConfigInvalid,
        Self::WorkerStartFailed,
        Self::TestFailed,
        Self::RateLimited,
        Self::QueryTooComplex,
        Self::ApprovalRequired,
        Self::Unavailable,
        Self::Internal,
    ];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::Forbidden => "FORBIDDEN",
            Self::NotFound => "NOT_FOUND",
            Self::Conflict => "CONFLICT",
            Self::ValidationFailed => "VALIDATION_FAILED",
            Self::SecretMissing => "SECRET_MISSING",
            Self::ConfigInvalid => "CONFIG_INVALID",
            Self::WorkerStartFailed => "WORKER_START_FAILED",
            Self::TestFailed => "TEST_FAILED",
            Self::RateLimited => "RATE_LIMITED",
            Self::QueryTooComplex => "QUERY_TOO_COMPLEX",
            Self::ApprovalRequired => "APPROVAL_REQUIRED",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One thing wrong with a document, at an RFC 6901 JSON pointer (`""` is the whole document).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    pub pointer: String,
    pub message: String,
}

impl Problem {
    pub fn new(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self { pointer: pointer.into(), message: message.into() }
    }
}

/// An error as a caller may see it, plus a private detail for the log.
pub struct Error(Box<Inner>);

struct Inner {
    code: ErrorCode,
    message: Cow<'static, str>,
    problems: Vec<Problem>,
    detail: Option<String>,
    stale: bool,
    retry_after: Option<u64>,
    /// The message without the first of the problems.
    summary: String,
}

impl Error {
    pub fn new(code: ErrorCode, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Inner {
            code,
            message: message.into(),
            problems: Vec::new(),
            detail: None,
            stale: false,
            retry_after: None,
            summary: String::new(),
        }))
    }

    pub fn not_found(what: &str) -> Self {
        Self::new(ErrorCode::NotFound, format!("{what} not found"))
    }

    pub fn conflict(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorCode::Conflict, message)
    }

    /// A conflict because the caller had read an older revision.
    pub fn stale(message: impl Into<Cow<'static, str>>) -> Self {
        let mut error = Self::conflict(message);
        error.0.stale = true;
        error
    }

    /// An argument that breaks a rule; `pointer` names it within the input.
    pub fn invalid(pointer: impl Into<String>, message: impl Into<String>) -> Self {
        Self::validation(vec![Problem::new(pointer, message)])
    }

    pub fn validation(problems: Vec<Problem>) -> Self {
        Self::with_problems(ErrorCode::ValidationFailed, "the input is not valid", problems)
    }

    pub fn config_invalid(problems: Vec<Problem>) -> Self {
        Self::with_problems(ErrorCode::ConfigInvalid, "the configuration is not valid", problems)
    }

    /// The first problem joins the message, so that a client that shows only messages still helps.
    pub fn with_problems(code: ErrorCode, summary: &str, problems: Vec<Problem>) -> Self {
        let message = match problems.as_slice() {
            [] => summary.to_owned(),
            [only] => format!("{summary}: {}", describe(only)),
            [first, rest @ ..] => format!("{summary}: {} (and {} more)", describe(first), rest.len()),
        };
        let mut error = Self::new(code, message);
        error.0.problems = problems;
        error.0.summary = summary.to_owned();
        error
    }

    /// An unexpected failure: the caller sees a fixed text, the log sees `detail`.
    pub fn internal(detail: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Internal, "an internal error occurred; quote the request id when you report it")
            .with_detail(detail)
    }

    /// The same with other names for the fields, by their pointers: as a transport calls them.
    #[must_use]
    pub fn renamed(self, names: &[(&str, &str)]) -> Self {
        let new_name = |pointer: &str| names.iter().find(|(old, _)| *old == pointer).map(|(_, new)| *new);
        if self.0.problems.iter().all(|p| new_name(&p.pointer).is_none()) {
            return self;
        }
        let Inner { code, mut problems, detail, summary, retry_after, .. } = *self.0;
        for problem in &mut problems {
            if let Some(new) = new_name(&problem.pointer) {
                new.clone_into(&mut problem.pointer);
            }
        }
        let mut error = Self::with_problems(code, &summary, problems);
        error.0.detail = detail;
        error.0.retry_after = retry_after;
        error
    }

    pub fn unavailable(message: impl Into<Cow<'static, str>>, detail: impl fmt::Display) -> Self {
        Self::new(ErrorCode::Unavailable, message).with_detail(detail)
    }

    #[must_use]
    pub fn with_detail(mut self, detail: impl fmt::Display) -> Self {
        self.0.detail = Some(detail.to_string());
        self
    }

    /// The same request may well succeed after so many seconds.
    #[must_use]
    pub fn retry_after(mut self, seconds: u64) -> Self {
        self.0.retry_after = Some(seconds);
        self
    }

    /// After how many seconds the same request may well succeed, where that is known.
    pub fn wait(&self) -> Option<u64> {
        self.0.retry_after
    }

    pub fn code(&self) -> ErrorCode {
        self.0.code
    }

    /// Whether the caller had read an older revision: then reading again helps.
    pub fn is_stale(&self) -> bool {
        self.0.stale
    }

    pub fn message(&self) -> &str {
        &self.0.message
    }

    pub fn problems(&self) -> &[Problem] {
        &self.0.problems
    }

    /// For logs only; never sent to a caller.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }
}

fn describe(problem: &Problem) -> String {
    if problem.pointer.is_empty() {
        problem.message.clone()
    } else {
        format!("{} {}", problem.pointer, problem.message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.code, self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("code", &self.0.code)
            .field("message", &self.0.message)
            .field("problems", &self.0.problems)
            .field("detail", &self.0.detail)
            .finish()
    }
}

impl std::error::Error for Error {}
