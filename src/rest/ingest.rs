//! Webhooks in. 202 means that the records are durably in the sink, or set aside as the version says.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde_json::json;
use uuid::Uuid;

use super::problem;
use crate::connectors::{PushRefusal, PushRequest};
use crate::domain::now;
use crate::error::{Error, ErrorCode};
use crate::rate_limit::RateLimits;
use crate::registry::{IngestError, Registry};

#[derive(Clone)]
struct Hooks {
    registry: Registry,
    limits: RateLimits,
    max_body: usize,
}

/// `POST /hooks/{id}`.
pub fn hooks(registry: Registry, limits: RateLimits, max_body: usize) -> Router {
    Router::new().route("/hooks/{id}", post(accept)).with_state(Hooks { registry, limits, max_body })
}

async fn accept(
    State(hooks): State<Hooks>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Body,
) -> Response {
    let request_id = problem::request_id(&headers).to_owned();
    // An id that is no id names no webhook either.
    let Ok(id) = id.parse::<Uuid>() else { return hooks.refuse(IngestError::NotFound, peer, &request_id) };
    if let Err(error) = hooks.limits.webhook(id) {
        return problem::respond(&error, &request_id);
    }
    let Ok(body) = axum::body::to_bytes(body, hooks.max_body).await else {
        return refuse(IngestError::Refused(PushRefusal::TooLarge(hooks.max_body)), &request_id);
    };
    match hooks.registry.ingest(id, &PushRequest { headers, body, received_at: now() }).await {
        Ok(receipt) => {
            let answer = json!({
                "accepted": true,
                "version": receipt.version,
                "records": receipt.outcome.delivered,
                "failed": receipt.outcome.failed,
                "skipped": receipt.outcome.skipped,
            });
            (StatusCode::ACCEPTED, axum::Json(answer)).into_response()
        }
        Err(error) => hooks.refuse(error, peer, &request_id),
    }
}

impl Hooks {
    /// Who tries ids or credentials may try a few.
    fn refuse(&self, error: IngestError, peer: SocketAddr, request_id: &str) -> Response {
        let guess = matches!(error, IngestError::NotFound | IngestError::Refused(PushRefusal::Unauthenticated(_)));
        match guess.then(|| self.limits.refused(Some(peer.ip()))) {
            Some(Err(limited)) => problem::respond(&limited, request_id),
            _ => refuse(error, request_id),
        }
    }
}

fn refuse(error: IngestError, request_id: &str) -> Response {
    let (status, code, message, wait) = match error {
        IngestError::NotFound => {
            let message = "no webhook of this id is running; publish and start its datasource".to_owned();
            (StatusCode::NOT_FOUND, ErrorCode::NotFound, message, None)
        }
        IngestError::Refused(PushRefusal::Unauthenticated(message)) => {
            (StatusCode::UNAUTHORIZED, ErrorCode::Unauthenticated, message.to_owned(), None)
        }
        IngestError::Refused(PushRefusal::TooLarge(most)) => {
            let message = format!("the payload is longer than {most} bytes");
            (StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::ValidationFailed, message, None)
        }
        IngestError::Refused(PushRefusal::Malformed(message)) => {
            (StatusCode::BAD_REQUEST, ErrorCode::ValidationFailed, message, None)
        }
        IngestError::Refused(PushRefusal::UnsupportedMediaType(message)) => {
            (StatusCode::UNSUPPORTED_MEDIA_TYPE, ErrorCode::ValidationFailed, message, None)
        }
        IngestError::RateLimited(wait) => {
            let message = "too many requests for this datasource; send more slowly".to_owned();
            (StatusCode::TOO_MANY_REQUESTS, ErrorCode::RateLimited, message, Some(wait))
        }
        IngestError::Unavailable(wait) => {
            let message = "the records cannot be taken right now; send them again".to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, ErrorCode::Unavailable, message, Some(wait))
        }
        IngestError::Unprocessable(message) => {
            (StatusCode::UNPROCESSABLE_ENTITY, ErrorCode::ConfigInvalid, message, None)
        }
    };
    let mut response = problem::respond_as(status, &Error::new(code, message), request_id);
    if let Some(wait) = wait {
        response.headers_mut().insert(header::RETRY_AFTER, seconds(wait));
    }
    response
}

/// Whole seconds, rounded up: a client that waits so long is not early.
fn seconds(wait: Duration) -> HeaderValue {
    HeaderValue::from(wait.as_secs() + u64::from(wait.subsec_nanos() > 0))
}
