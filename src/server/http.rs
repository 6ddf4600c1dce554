//! The routes, and what every request goes through.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::set_header::SetResponseHeaderLayer;
use tracing::Instrument;

use crate::app::{App, Authenticator};
use crate::config::{NodeRole, Settings};
use crate::console;
use crate::graphql::{self, EmbeddedToken, Gateway};
use crate::rest;
use crate::telemetry::Metrics;

pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

pub(super) fn routes(
    settings: &Settings,
    role: NodeRole,
    app: App,
    gateway: Gateway,
    authenticator: Arc<Authenticator>,
    token: EmbeddedToken,
    metrics: Arc<Metrics>,
) -> Router {
    let silence = settings.registry.reconcile_interval.0 * 3 + Duration::from_secs(5);
    let mut router = rest::probes(app.clone(), silence);
    if role.serves_api() {
        let hooks = rest::hooks(app.registry().clone(), settings.registry.hook_max_body);
        let api = rest::api(app, Arc::clone(&authenticator), settings.node.rest_max_body);
        let timed = Router::new().merge(hooks).merge(api);
        let timeout = settings.node.request_timeout.0;
        let timed = timed.layer(from_fn(move |request: Request, next: Next| within(timeout, request, next)));
        let page = console::routes(token.clone());
        router = router.merge(timed).merge(page).merge(graphql::routes(gateway, authenticator, token.clone(), timeout));
    }
    let pages = role.serves_api().then_some(token);
    let compress =
        CompressionLayer::new().compress_when(SizeAbove::new(1_024).and(NotForContentType::new("text/event-stream")));
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    router
        .fallback(move |request: Request| async move {
            match pages.as_ref().and_then(|token| console::navigation(token, &request)) {
                Some(page) => page,
                None => rest::not_found(request.headers().clone()).await,
            }
        })
        .method_not_allowed_fallback(rest::method_not_allowed)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(compress)
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(from_fn_with_state(metrics, observe))
}

/// Gives every request an id, a span, and a place in the metrics.
async fn observe(State(metrics): State<Arc<Metrics>>, mut request: Request, next: Next) -> Response {
    let began = Instant::now();
    let id = request_id(&request);
    request.headers_mut().insert(REQUEST_ID, id.clone());
    let method = request.method().clone();
    let route = request.extensions().get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let span = tracing::info_span!(
        "request",
        request_id = id.to_str().unwrap_or_default(),
        method = %method,
        path = request.uri().path(),
    );
    let mut response = next.run(request).instrument(span.clone()).await;
    response.headers_mut().insert(REQUEST_ID, id);
    let (status, took) = (response.status().as_u16(), began.elapsed());
    metrics.http_request(method.as_str(), route.as_deref(), status, took);
    span.in_scope(|| tracing::debug!(status, took_ms = took.as_secs_f64() * 1_000.0, "answered"));
    response
}

/// The caller's own id where it is fit for a log, else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let fit = |value: &&HeaderValue| {
        let legal = |b: &u8| b.is_ascii_alphanumeric() || b"-_.".contains(b);
        (8..=64).contains(&value.len()) && value.as_bytes().iter().all(legal)
    };
    let given = request.headers().get(REQUEST_ID).filter(fit).cloned();
    given.unwrap_or_else(|| {
        HeaderValue::from_str(&uuid::Uuid::now_v7().to_string()).unwrap_or(HeaderValue::from_static("unknown"))
    })
}

/// A defect costs one request, not the process; the panic itself is in the log.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    let problem = serde_json::json!({
        "type": "about:blank", "title": "Internal Server Error", "status": 500, "code": "INTERNAL",
        "detail": "an internal error occurred; quote the request id when you report it",
    });
    let headers = [(header::CONTENT_TYPE, "application/problem+json")];
    (StatusCode::INTERNAL_SERVER_ERROR, headers, problem.to_string()).into_response()
}

async fn within(timeout: Duration, request: Request, next: Next) -> Response {
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let problem = serde_json::json!({
                "type": "about:blank", "title": "Service Unavailable", "status": 503,
                "code": "UNAVAILABLE", "detail": "the request took too long and was given up; send it again",
            });
            let headers = [(header::CONTENT_TYPE, "application/problem+json"), (header::RETRY_AFTER, "5")];
            (StatusCode::SERVICE_UNAVAILABLE, headers, problem.to_string()).into_response()
        }
    }
}
