//! The routes, and what every request goes through.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::compression::predicate::{NotForContentType, Predicate, SizeAbove};
use tower_http::cors::CorsLayer;
use tower_http::set_header::SetResponseHeaderLayer;
use tracing::Instrument;

use super::client::{self, Clients};
use crate::app::{App, Authenticator};
use crate::config::{HttpSettings, NodeRole, Settings};
use crate::console;
use crate::domain::CLIENT_HEADER;
use crate::error::{Error, ErrorCode};
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
    let clients =
        Clients { trusted_proxies: settings.http.trusted_proxies.clone().into(), limits: app.limits().clone() };
    let mut router = rest::probes(app.clone(), silence);
    if role.serves_api() {
        let hooks = rest::hooks(app.registry().clone(), app.limits().clone(), settings.registry.hook_max_body);
        let api = rest::api(app, Arc::clone(&authenticator), settings.node.rest_max_body);
        let timed = Router::new().merge(hooks).merge(api);
        let timeout = settings.node.request_timeout.0;
        let timed = timed.layer(from_fn(move |request: Request, next: Next| within(timeout, request, next)));
        let page = console::routes(token.clone());
        router = router.merge(timed).merge(page).merge(graphql::routes(gateway, authenticator, token.clone()));
    }
    let pages = role.serves_api().then_some(token);
    let router = router
        .fallback(move |request: Request| async move {
            match pages.as_ref().and_then(|token| console::navigation(token, &request)) {
                Some(page) => page,
                None => rest::not_found(request.headers().clone()).await,
            }
        })
        .method_not_allowed_fallback(rest::method_not_allowed);
    guarded(router, &settings.http, clients, metrics)
}

/// What every answer goes through, whatever gives it.
fn guarded(router: Router, settings: &HttpSettings, clients: Clients, metrics: Arc<Metrics>) -> Router {
    let compress =
        CompressionLayer::new().compress_when(SizeAbove::new(1_024).and(NotForContentType::new("text/event-stream")));
    let header = |name: HeaderName, value: &'static str| {
        SetResponseHeaderLayer::if_not_present(name, HeaderValue::from_static(value))
    };
    let router = router
        .layer(CatchPanicLayer::custom(panicked))
        .layer(from_fn(own_up))
        .layer(compress)
        .layer(from_fn_with_state(clients, client::admit));
    let router = match cors(&settings.cors_origins) {
        Some(cors) => router.layer(cors),
        None => router,
    };
    let router = router
        .layer(header(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .layer(header(header::REFERRER_POLICY, "no-referrer"))
        .layer(header(header::X_FRAME_OPTIONS, "DENY"))
        .layer(from_fn_with_state(metrics, observe));
    match settings.tls_cert {
        Some(_) => router.layer(header(header::STRICT_TRANSPORT_SECURITY, "max-age=31536000")),
        None => router,
    }
}

/// What pages of other sites may do, where any may do something. Credentials of a browser are of no use here.
fn cors(origins: &[String]) -> Option<CorsLayer> {
    const METHODS: [Method; 5] = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
    const TAKEN: [&str; 8] = [
        "accept",
        "authorization",
        "content-type",
        "idempotency-key",
        "if-match",
        "if-none-match",
        "x-request-id",
        CLIENT_HEADER,
    ];
    const SHOWN: [&str; 6] = ["etag", "link", "location", "retry-after", "x-request-id", "x-total-count"];
    let origins: Vec<_> = origins.iter().filter_map(|origin| HeaderValue::from_str(origin).ok()).collect();
    (!origins.is_empty()).then(|| {
        CorsLayer::new()
            .allow_origin(origins)
            .allow_methods(METHODS)
            .allow_headers(TAKEN.map(HeaderName::from_static))
            .expose_headers(SHOWN.map(HeaderName::from_static))
            .max_age(Duration::from_secs(600))
    })
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

/// Left in place of an answer by a handler that panicked.
#[derive(Clone)]
struct Panicked;

fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    let mut response = StatusCode::INTERNAL_SERVER_ERROR.into_response();
    response.extensions_mut().insert(Panicked);
    response
}

/// A defect costs one request, not the process; the panic itself is in the log.
async fn own_up(request: Request, next: Next) -> Response {
    let (path, headers) = (request.uri().path().to_owned(), request.headers().clone());
    let mut response = next.run(request).await;
    match response.extensions_mut().remove::<Panicked>() {
        Some(Panicked) => refusal(&Error::internal("a handler panicked"), &path, &headers),
        None => response,
    }
}

async fn within(timeout: Duration, request: Request, next: Next) -> Response {
    let headers = request.headers().clone();
    match tokio::time::timeout(timeout, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let message = "the request took too long and was given up; send it again";
            rest::refusal(&Error::new(ErrorCode::Unavailable, message).retry_after(5), &headers)
        }
    }
}

/// An answer in the shape that clients of the path expect.
pub(super) fn refusal(error: &Error, path: &str, headers: &HeaderMap) -> Response {
    if path.starts_with("/graphql") { graphql::refusal(error, headers) } else { rest::refusal(error, headers) }
}

#[cfg(test)]
mod tests {
    use axum::routing::get;
    use clap::Parser;
    use serde_json::Value;

    use super::*;
    use crate::rate_limit::RateLimits;

    #[derive(Parser)]
    struct Parsed {
        #[command(flatten)]
        http: HttpSettings,
    }

    #[tokio::test]
    async fn a_panic_is_an_answer_with_a_request_id_and_the_process_lives() {
        async fn panics() -> Response {
            panic!("a defect with a detail that is nobody's business")
        }
        let metrics = Metrics::new(1);
        let limits = RateLimits::from_setting("off", 1, Arc::clone(&metrics)).expect("limits");
        let clients = Clients { trusted_proxies: Arc::new([]), limits };
        let routes = Router::new().route("/graphql", get(panics)).route("/api/v1/x", get(panics));
        let routes = routes.route("/fine", get(|| async { "fine" }));
        let guarded = guarded(routes, &Parsed::parse_from(["test"]).http, clients, metrics);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, guarded).await });
        for (path, code) in [("/graphql", "/errors/0/extensions/code"), ("/api/v1/x", "/code")] {
            let answer = reqwest::get(format!("{url}{path}")).await.expect("an answer");
            let id = answer.headers()["x-request-id"].to_str().expect("text").to_owned();
            assert_eq!(answer.status(), StatusCode::INTERNAL_SERVER_ERROR);
            let text = answer.text().await.expect("text");
            let body: Value = serde_json::from_str(&text).expect("JSON");
            assert_eq!(body.pointer(code), Some(&"INTERNAL".into()), "{text}");
            assert!(text.contains(&id) && !text.contains("nobody's business"), "{text}");
            assert_eq!(reqwest::get(format!("{url}/fine")).await.expect("an answer").status(), StatusCode::OK);
        }
    }
}
