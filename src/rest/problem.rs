//! Errors as `application/problem+json` (RFC 9457).

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::Api;
use super::attempts::Attempted;
use crate::error::{Error, ErrorCode};

/// What REST calls the fields of use-cases, where the names differ.
const FIELDS: [(&str, &str); 6] = [
    ("/owner", "/ownerId"),
    ("/project", "/projectId"),
    ("/filter/search", "/search"),
    ("/filter/owner", "/filter/ownerId"),
    ("/after", "/cursor"),
    ("/before", "/cursor"),
];

/// An error on its way out. What it says of the request is added by [`shape`], which knows the request's id.
#[derive(Clone, Debug)]
pub(super) struct Failure(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    error: Error,
    status: StatusCode,
    header: Option<(HeaderName, HeaderValue)>,
}

impl Failure {
    /// With a status that the code alone does not tell.
    pub(super) fn new(status: StatusCode, error: Error) -> Self {
        let header = match status {
            StatusCode::UNAUTHORIZED => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"))),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                Some((header::RETRY_AFTER, HeaderValue::from_static("5")))
            }
            _ => None,
        };
        Self(Arc::new(Inner { error, status, header }))
    }

    /// With the time after which the same request may well succeed.
    pub(super) fn later(status: StatusCode, error: Error, seconds: u64) -> Self {
        Self(Arc::new(Inner { error, status, header: Some((header::RETRY_AFTER, seconds.into())) }))
    }

    pub(super) fn invalid(status: StatusCode, message: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::new(status, Error::new(ErrorCode::ValidationFailed, message))
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        // REST names revisions in If-Match only, so that one that is too old is a failed precondition.
        let status = if error.is_stale() { StatusCode::PRECONDITION_FAILED } else { status_of(error.code()) };
        match error.wait() {
            Some(seconds) => Self::later(status, error.renamed(&FIELDS), seconds),
            None => Self::new(status, error.renamed(&FIELDS)),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let mut response = self.0.status.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

/// Writes a [`Failure`] out, with the id of the request, and tells the audit log of a refusal.
pub(super) async fn shape(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let id = request_id(request.headers()).to_owned();
    let attempted = Attempted::begin(&mut request);
    let mut response = next.run(request).await;
    let Some(Failure(failure)) = response.extensions_mut().remove::<Failure>() else { return response };
    attempted.refused(&api.app, failure.error.code(), &id);
    let mut response = respond_as(failure.status, &failure.error, &id);
    if let Some((name, value)) = &failure.header {
        response.headers_mut().insert(name, value.clone());
    }
    response
}

/// The id that the server gave the request, or took over from it.
pub(super) fn request_id(headers: &HeaderMap) -> &str {
    headers.get("x-request-id").and_then(|v| v.to_str().ok()).unwrap_or_default()
}

pub(super) fn respond(error: &Error, request_id: &str) -> Response {
    respond_as(status_of(error.code()), error, request_id)
}

/// With a status that the code alone does not tell.
pub(super) fn respond_as(status: StatusCode, error: &Error, request_id: &str) -> Response {
    if let Some(detail) = error.detail() {
        match error.code() {
            ErrorCode::Internal | ErrorCode::Unavailable => tracing::error!(request_id, detail, "{error}"),
            _ => tracing::debug!(request_id, detail, "{error}"),
        }
    }
    let mut body = json!({
        "type": "about:blank",
        "title": status.canonical_reason().unwrap_or_default(),
        "status": status.as_u16(),
        "detail": error.message(),
        "code": error.code().as_str(),
        "requestId": request_id,
    });
    if !error.problems().is_empty() {
        body["problems"] = json!(error.problems());
    }
    let mut response = (status, axum::Json(body)).into_response();
    let content_type = HeaderValue::from_static("application/problem+json");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    if let Some(seconds) = error.wait() {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn status_of(code: ErrorCode) -> StatusCode {
    match code {
        ErrorCode::Unauthenticated => StatusCode::UNAUTHORIZED,
        ErrorCode::Forbidden | ErrorCode::ApprovalRequired => StatusCode::FORBIDDEN,
        ErrorCode::NotFound => StatusCode::NOT_FOUND,
        ErrorCode::Conflict => StatusCode::CONFLICT,
        ErrorCode::ValidationFailed | ErrorCode::QueryTooComplex => StatusCode::BAD_REQUEST,
        ErrorCode::ConfigInvalid | ErrorCode::SecretMissing | ErrorCode::TestFailed | ErrorCode::WorkerStartFailed => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        ErrorCode::RateLimited => StatusCode::TOO_MANY_REQUESTS,
        ErrorCode::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        ErrorCode::Internal => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
