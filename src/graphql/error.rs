//! Errors on the wire: the code and the problems go to `extensions`; private details go to the log.

use async_graphql::{ErrorExtensions, Value};

use crate::config::GraphqlSettings;
use crate::error::{Error, ErrorCode};

/// The id that errors, logs and audit entries of one request share.
#[derive(Clone)]
pub(super) struct RequestId(pub(super) String);

/// In `extensions`: after how many seconds the same request may well succeed.
pub(super) const RETRY_AFTER: &str = "retryAfter";

/// Shapes an error of a use-case for the answer.
pub(super) fn shape(error: &Error, request_id: &str) -> async_graphql::Error {
    if let Some(detail) = error.detail() {
        match error.code() {
            ErrorCode::Internal | ErrorCode::Unavailable => tracing::error!(request_id, detail, "{error}"),
            _ => tracing::debug!(request_id, detail, "{error}"),
        }
    }
    async_graphql::Error::new(error.message()).extend_with(|_, extensions| {
        extensions.set("code", error.code().as_str());
        extensions.set("requestId", request_id);
        if let Some(seconds) = error.wait() {
            extensions.set(RETRY_AFTER, seconds);
        }
        if !error.problems().is_empty() {
            let problems = error.problems().iter().map(|problem| {
                let entries = [("pointer", &problem.pointer), ("message", &problem.message)];
                Value::Object(
                    entries.into_iter().map(|(k, v)| (async_graphql::Name::new(k), v.as_str().into())).collect(),
                )
            });
            extensions.set("problems", Value::List(problems.collect()));
        }
    })
}

/// An answer that is this error and nothing else.
pub(super) fn refused(error: &Error, request_id: &str) -> async_graphql::Response {
    let shaped = shape(error, request_id).into_server_error(async_graphql::Pos::default());
    async_graphql::Response::from_errors(vec![async_graphql::ServerError { locations: Vec::new(), ..shaped }])
}

/// `?` in a resolver.
pub(super) trait Shape<T> {
    fn shaped(self, ctx: &async_graphql::Context<'_>) -> async_graphql::Result<T>;
}

impl<T> Shape<T> for crate::error::Result<T> {
    fn shaped(self, ctx: &async_graphql::Context<'_>) -> async_graphql::Result<T> {
        self.map_err(|error| shape(&error, ctx.data_opt::<RequestId>().map_or("", |id| &id.0)))
    }
}

/// A refusal before execution, such as a limit that was passed.
pub(super) fn refusal(code: ErrorCode, message: impl Into<String>) -> async_graphql::ServerError {
    let mut error = async_graphql::ServerError::new(message, None);
    error.extensions.get_or_insert_default().set("code", code.as_str());
    error
}

/// Gives errors that the engine made itself a code, the request id and, for a limit, its number.
pub(super) fn complete(response: &mut async_graphql::Response, limits: &GraphqlSettings, request_id: &str) {
    for error in &mut response.errors {
        let code = engine_code(&error.message);
        if let Some(message) = limit_passed(&error.message, limits) {
            error.message = message;
        }
        let extensions = error.extensions.get_or_insert_default();
        if extensions.get("code").is_none() {
            extensions.set("code", code.as_str());
        }
        if extensions.get("requestId").is_none() {
            extensions.set("requestId", request_id);
        }
    }
}

const TOO_DEEP: &str = "Query is nested too deep.";

/// The engine tells its limits apart by message only.
fn engine_code(message: &str) -> ErrorCode {
    if message == TOO_DEEP || message.contains("cannot be greater than `") {
        ErrorCode::QueryTooComplex
    } else {
        ErrorCode::ValidationFailed
    }
}

fn limit_passed(message: &str, limits: &GraphqlSettings) -> Option<String> {
    (message == TOO_DEEP).then(|| {
        let most = limits.graphql_max_depth;
        format!("the document is nested too deep: {most} levels are the most; ask for the rest in another document")
    })
}
