//! GraphiQL, from the binary: nothing is loaded from elsewhere.

use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use rust_embed::RustEmbed;
use serde_json::json;

use super::api::EmbeddedToken;

#[derive(RustEmbed)]
#[folder = "assets/graphiql/"]
struct Assets;

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

pub(super) fn page(token: &EmbeddedToken, headers: &HeaderMap) -> Response {
    let Some(file) = Assets::get("index.html") else { return StatusCode::NOT_FOUND.into_response() };
    let token = token.for_page(headers);
    let config = json!({ "token": token, "endpoint": "/graphql", "wsEndpoint": "/graphql/ws" });
    // `<` would end the script element that holds it.
    let config = config.to_string().replace('<', "\\u003c");
    let page = String::from_utf8_lossy(&file.data).replace("__STUDIO_CONFIG__", &config);
    let headers = [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, "no-store")];
    (headers, Html(page)).into_response()
}

pub(super) async fn asset(Path(path): Path<String>) -> Response {
    let Some(file) = Assets::get(&path).filter(|_| path != "index.html") else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let content_type = match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    };
    let headers = [(header::CONTENT_TYPE, content_type), (header::CACHE_CONTROL, "public, max-age=3600")];
    (headers, file.data.into_owned()).into_response()
}
