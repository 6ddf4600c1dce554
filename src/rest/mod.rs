//! The REST API, webhooks, probes and metrics.
//!
//! A handler parses, calls one use-case and shapes the answer. Its [`extract::Caller`]
//! names the permission that it needs; without one it does not get a context.

#![allow(unused_qualifications, reason = "the macro of an OpenAPI operation writes whole paths")]

mod access;
mod approvals;
mod attempts;
mod catalog;
mod datasources;
mod dead_letters;
mod docs;
mod etag;
mod exports;
mod extract;
mod governance;
mod grants;
mod health;
mod history;
mod idempotency;
mod ingest;
mod jobs;
mod json;
mod keys;
mod lifecycle;
mod link;
mod metadata;
mod metadata_items;
mod model;
mod notifications;
mod openapi;
mod problem;
mod registry;
mod reply;
mod secrets;
mod test_runs;
mod versions;

use std::sync::Arc;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes as handlers;

pub use health::probes;
pub use ingest::hooks;
pub use openapi::document;

use crate::app::{App, Authenticator};
use crate::error::{Error, ErrorCode};

/// Where the API is; its datasources are also at the root, for clients from before it had a version.
const MOUNT: &str = "/api/v1";

#[derive(Clone)]
struct Api {
    app: App,
    authenticator: Arc<Authenticator>,
    max_body: usize,
}

/// `/api/v1/…`, the same datasources at `/datasources`, `/api/openapi.json` and `/api/docs`.
pub fn api(app: App, authenticator: Arc<Authenticator>, max_body: usize) -> Router {
    let api = Api { app, authenticator, max_body };
    let (versioned, _) = OpenApiRouter::new().nest(MOUNT, every_route()).split_for_parts();
    let (plain, _) = datasource_routes().split_for_parts();
    versioned.merge(plain).layer(from_fn_with_state(api.clone(), problem::shape)).with_state(api).merge(docs::routes())
}

fn every_route() -> OpenApiRouter<Api> {
    datasource_routes()
        .routes(handlers!(catalog::connector_types))
        .routes(handlers!(catalog::validate_config))
        .routes(handlers!(catalog::sink_types))
        .routes(handlers!(catalog::viewer))
        .routes(handlers!(history::audit_log))
        .routes(handlers!(registry::registry))
        .routes(handlers!(access::revoke_token))
        .routes(handlers!(access::list, access::create))
        .routes(handlers!(access::set_disabled))
        .routes(handlers!(access::create_key))
        .routes(handlers!(access::revoke_key))
        .routes(handlers!(grants::list, grants::put))
        .routes(handlers!(grants::revoke))
        .routes(handlers!(keys::list))
        .routes(handlers!(keys::rotate))
        .routes(handlers!(keys::retire))
        .routes(handlers!(exports::list, exports::create))
        .routes(handlers!(exports::get))
        .routes(handlers!(exports::content))
        .routes(handlers!(approvals::list))
        .routes(handlers!(approvals::approve))
        .routes(handlers!(approvals::reject))
        .routes(handlers!(approvals::withdraw))
        .routes(handlers!(approvals::policies, approvals::set_policy))
        .routes(handlers!(governance::rules, governance::set_rules))
        .routes(handlers!(governance::violations))
        .routes(handlers!(metadata_items::types))
        .routes(handlers!(metadata_items::list))
        .routes(handlers!(metadata_items::get, metadata_items::save, metadata_items::delete))
        .routes(handlers!(metadata_items::versions))
        .routes(handlers!(metadata_items::restore))
        .routes(handlers!(notifications::list, notifications::create))
        .routes(handlers!(notifications::update, notifications::delete))
        .routes(handlers!(notifications::rotate))
        .routes(handlers!(notifications::test))
        .routes(handlers!(notifications::recover))
        .routes(handlers!(notifications::deliveries))
        .routes(handlers!(notifications::redeliver))
}

fn datasource_routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(handlers!(datasources::list, datasources::create))
        .routes(handlers!(datasources::get, datasources::put, datasources::patch, datasources::archive))
        .routes(handlers!(datasources::restore))
        .routes(handlers!(datasources::copy))
        .routes(handlers!(versions::list, versions::create))
        .routes(handlers!(versions::get))
        .routes(handlers!(versions::diff))
        .routes(handlers!(lifecycle::publish))
        .routes(handlers!(lifecycle::rollback))
        .routes(handlers!(lifecycle::start))
        .routes(handlers!(lifecycle::stop))
        .routes(handlers!(lifecycle::restart))
        .routes(handlers!(approvals::request))
        .routes(handlers!(jobs::backfill))
        .routes(handlers!(jobs::list))
        .routes(handlers!(jobs::get))
        .routes(handlers!(jobs::cancel))
        .routes(handlers!(jobs::log_level))
        .routes(handlers!(jobs::check))
        .routes(handlers!(dead_letters::list))
        .routes(handlers!(dead_letters::edit))
        .routes(handlers!(dead_letters::replay))
        .routes(handlers!(dead_letters::discard))
        .routes(handlers!(test_runs::test))
        .routes(handlers!(test_runs::samples))
        .routes(handlers!(history::events))
        .routes(handlers!(history::metrics))
        .routes(handlers!(history::state))
        .routes(handlers!(secrets::list, secrets::set))
        .routes(handlers!(secrets::delete))
        .routes(handlers!(secrets::repin))
        .routes(handlers!(metadata::get, metadata::patch))
        .routes(handlers!(metadata::audit))
        .routes(handlers!(metadata::history))
        .routes(handlers!(metadata::rollback))
}

/// An answer to a request that got no further than the listener.
pub fn refusal(error: &Error, headers: &HeaderMap) -> Response {
    problem::respond(error, problem::request_id(headers))
}

/// What no route takes.
pub async fn not_found(headers: HeaderMap) -> Response {
    let message = "there is nothing here; GraphQL is at /graphql, REST at /api/v1 (see /api/docs), webhooks at /hooks/{id}, \
                   probes at /health";
    problem::respond(&Error::new(ErrorCode::NotFound, message), problem::request_id(&headers))
}

/// What a route takes, but not with this method; `Allow` says with which.
pub async fn method_not_allowed(headers: HeaderMap) -> Response {
    let error = Error::new(ErrorCode::ValidationFailed, "this method is not taken here; Allow names those that are");
    problem::respond_as(StatusCode::METHOD_NOT_ALLOWED, &error, problem::request_id(&headers))
}
