//! Live: the process answers. Ready: everything that it needs does, each with its reason.

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde_json::{Map, Value, json};

use crate::app::App;

#[derive(Clone)]
struct Probes {
    app: App,
    registry_silence: Duration,
}

/// `/health/live`, `/health/ready` and `/metrics`: the only routes that need no token.
/// A registry that was silent for longer than `registry_silence` is not ready.
pub fn probes(app: App, registry_silence: Duration) -> Router {
    Router::new()
        .route("/health/live", get(|| async { axum::Json(json!({ "status": "live" })) }))
        .route("/health/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(Probes { app, registry_silence })
}

async fn ready(State(probes): State<Probes>) -> Response {
    let checks = probes.app.readiness(probes.registry_silence).await;
    let ready = checks.iter().all(|c| c.problem.is_none() || c.passing);
    let details: Map<String, Value> = checks
        .into_iter()
        .map(|check| {
            let result = match check.problem {
                None => json!({ "ok": true }),
                Some(reason) => json!({ "ok": false, "reason": reason }),
            };
            (check.name.to_owned(), result)
        })
        .collect();
    let (status, word) = if ready { (StatusCode::OK, "ready") } else { (StatusCode::SERVICE_UNAVAILABLE, "not ready") };
    (status, axum::Json(json!({ "status": word, "checks": details }))).into_response()
}

async fn metrics(State(probes): State<Probes>) -> Response {
    ([("content-type", "text/plain; version=0.0.4; charset=utf-8")], probes.app.render_metrics()).into_response()
}
