//! The OpenAPI document and its page, from the binary: nothing is loaded from elsewhere.

use std::sync::LazyLock;

use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tower_http::set_header::SetResponseHeaderLayer;
use utoipa_swagger_ui::{Config, SwaggerUi};

const DOCUMENT: &str = "/api/openapi.json";
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                      font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

static TEXT: LazyLock<String> = LazyLock::new(|| super::document().to_string());

pub(super) fn routes() -> Router {
    let config = Config::new([DOCUMENT])
        .validator_url("none")
        .display_operation_id(true)
        .default_models_expand_depth(0)
        .try_it_out_enabled(true);
    let page = Router::from(SwaggerUi::new("/api/docs").config(config));
    let policy = SetResponseHeaderLayer::overriding(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    page.layer(policy).route(DOCUMENT, get(document))
}

async fn document() -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "public, no-cache")], TEXT.as_str())
}
