//! The web console, as `studio/` was built: one page and its assets, from the binary.
//!
//! The page routes in the browser, so every navigation that nothing else answers gets it; a
//! program that asks for a path that does not exist still gets its problem document.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use rust_embed::RustEmbed;
use serde_json::json;

use crate::graphql::EmbeddedToken;

#[derive(RustEmbed)]
#[folder = "studio/dist/"]
#[allow_missing = true]
struct Dist;

/// Shown where the console was not built.
const PLACEHOLDER: &str = include_str!("../assets/console/missing.html");

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// Paths of the API: what is not found there is an answer to a program, even when a browser asks.
const API: [&str; 7] = ["api", "assets", "datasources", "graphql", "health", "hooks", "metrics"];

/// `/`, and the files that it loads.
pub fn routes(token: EmbeddedToken) -> Router {
    let token = Arc::new(token);
    Router::new().route("/", get(index)).route("/assets/{*path}", get(asset)).with_state(token)
}

/// The manifest of the GraphQL documents that the console sends.
pub fn documents() -> Option<std::borrow::Cow<'static, [u8]>> {
    Dist::get("documents.json").map(|file| file.data)
}

/// The page, for a browser that follows a link into the console; `None` for everything else.
pub fn navigation(token: &EmbeddedToken, request: &Request) -> Option<Response> {
    let first = request.uri().path().trim_start_matches('/').split('/').next().unwrap_or_default();
    let navigates = matches!(*request.method(), Method::GET | Method::HEAD) && wants_html(request.headers());
    (navigates && !API.contains(&first)).then(|| page(token, request.headers()))
}

async fn index(State(token): State<Arc<EmbeddedToken>>, headers: HeaderMap) -> Response {
    page(&token, &headers)
}

fn wants_html(headers: &HeaderMap) -> bool {
    headers.get(header::ACCEPT).and_then(|v| v.to_str().ok()).is_some_and(|accept| accept.contains("text/html"))
}

/// Where it holds a token it is stored by nobody.
fn page(token: &EmbeddedToken, headers: &HeaderMap) -> Response {
    let token = token.for_page(headers);
    let caching = if token.is_some() { "no-store" } else { "no-cache" };
    let text = match Dist::get("index.html") {
        Some(file) => {
            // `<` would end the script element that holds it.
            let config = json!({ "token": token }).to_string().replace('<', "\\u003c");
            String::from_utf8_lossy(&file.data).replace("__STUDIO_CONFIG__", &config)
        }
        None => PLACEHOLDER.to_owned(),
    };
    ([(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, caching)], Html(text)).into_response()
}

/// Names carry a hash of the content, so that what was loaded once is never asked for again.
async fn asset(Path(path): Path<String>) -> Response {
    let Some(file) = Dist::get(&format!("assets/{path}")) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let content_type = match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    };
    let headers =
        [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "public, max-age=31536000, immutable")];
    (headers, file.data.into_owned()).into_response()
}
