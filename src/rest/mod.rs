//! Plain HTTP: webhooks, probes and metrics.

mod health;
mod ingest;
mod problem;

use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

pub use health::probes;
pub use ingest::hooks;

use crate::error::{Error, ErrorCode};

/// What no route takes.
pub async fn not_found(headers: HeaderMap) -> Response {
    let message = "there is nothing here; GraphQL is at /graphql, webhooks at /hooks/{id}, probes at /health";
    problem::respond(&Error::new(ErrorCode::NotFound, message), problem::request_id(&headers))
}

/// What a route takes, but not with this method; `Allow` says with which.
pub async fn method_not_allowed(headers: HeaderMap) -> Response {
    let error = Error::new(ErrorCode::ValidationFailed, "this method is not taken here; Allow names those that are");
    problem::respond_as(StatusCode::METHOD_NOT_ALLOWED, &error, problem::request_id(&headers))
}
