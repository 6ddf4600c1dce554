//! Errors as `application/problem+json` (RFC 9457).

use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::error::{Error, ErrorCode};

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
        tracing::error!(request_id, detail, "{error}");
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
