//! Whether the source answers a poll now, step by step: its name, its port, TLS, the credentials, the answer and what is in it.

use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use reqwest::Url;
use serde_json::Value;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::auth::Auth;
use super::config::{HttpPollerConfig, Plan, parse_path};
use super::fetch::Fetcher;
use super::paginate::Pagination;
use crate::connectors::check::Steps;
use crate::connectors::{CheckStep, ConnectorError};
use crate::egress::Egress;
use crate::egress::tls::Tls;

pub(super) async fn check(config: &Value, egress: Arc<Egress>) -> Vec<CheckStep> {
    let mut steps = Steps::default();
    walk(config, egress, &mut steps).await;
    steps.finish()
}

/// Goes on until a step fails.
async fn walk(config: &Value, egress: Arc<Egress>, steps: &mut Steps) -> Option<()> {
    let resolving = async {
        let plan = Plan::of(HttpPollerConfig::read(config)?)?;
        let url = plan.first_url(plan.initial_cursor())?;
        egress.check(&url)?;
        let (host, port) = place(&url)?;
        let addresses = egress.resolve(&host, port).await?;
        Ok((plan, url, host, port, addresses.len()))
    };
    let said = |(_, _, host, _, count): &(Plan, Url, String, u16, usize)| format!("{host} has {count} addresses");
    let (plan, url, host, port, _) = steps.run("resolve", resolving, said).await?;

    let connecting = connect(&egress, &url, &host, port);
    let connecting = async {
        let late = |_| ConnectorError::transient("timeout", format!("{host} did not take a connection in time"));
        tokio::time::timeout(plan.config.timeout.0, connecting).await.map_err(late)?
    };
    steps.run("connect", connecting, String::clone).await?;

    let plan = Arc::new(plan);
    let asks = !matches!(plan.config.auth, Auth::None {});
    let began = Instant::now();
    let answer = Fetcher::new(Arc::clone(&plan), egress).sample(&url).await;
    let took = began.elapsed();
    match &answer {
        Err(error) if error.code == "unauthorized" => {
            steps.add("authenticate", Err(error.clone()), took);
            return None;
        }
        Ok(_) if asks => steps.add("authenticate", Ok("the source takes the credentials".to_owned()), took),
        _ => {}
    }
    steps.add("fetch", answer.as_ref().map(said_of).map_err(Clone::clone), took);
    let body = answer.ok()?;

    let decoding =
        async { plan.config.format.decode(&body).map_err(|e| ConnectorError::permanent("decode_failed", e)) };
    let documents = steps.run("decode", decoding, |found| format!("{} input documents", found.len())).await?;

    if let Pagination::Page { items_path, .. } = &plan.config.pagination {
        let finding = async { items(items_path, documents.first().unwrap_or(&Value::Null)) };
        steps.run("items", finding, |count| format!("{items_path} finds {count} items")).await?;
    }
    Some(())
}

fn said_of(body: &Bytes) -> String {
    format!("the source answered with {} bytes", body.len())
}

fn place(url: &Url) -> Result<(String, u16), ConnectorError> {
    let place = url.host_str().map(str::to_owned).zip(url.port_or_known_default());
    place.ok_or_else(|| ConnectorError::permanent("config_invalid", "url names no host"))
}

async fn connect(egress: &Egress, url: &Url, host: &str, port: u16) -> Result<String, ConnectorError> {
    let stream = egress.connect(host, port).await?;
    if url.scheme() != "https" {
        return Ok(format!("{host}:{port} takes connections, which are not protected by TLS"));
    }
    let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    let name = ServerName::try_from(bare)
        .map_err(|_| ConnectorError::permanent("config_invalid", "url names no host that TLS can verify"))?;
    let tls = TlsConnector::from(Arc::new(Tls::default().client_config()?));
    let secured = tls.connect(name, stream).await;
    secured.map_err(|e| ConnectorError::permanent("tls_failed", format!("TLS with {host} failed: {e}")))?;
    Ok(format!("{host}:{port} takes connections and its certificate is trusted"))
}

/// How many items a page has: the elements of the one array that is found, or all that is found.
fn items(path: &str, document: &Value) -> Result<usize, ConnectorError> {
    let parsed = parse_path(path).map_err(|e| ConnectorError::permanent("config_invalid", e))?;
    let found = parsed.query(document).all();
    match found.as_slice() {
        [Value::Array(items)] => Ok(items.len()),
        [] => {
            let message =
                format!("pagination.items_path {path} finds nothing in the answer, so every page counts as the last");
            Err(ConnectorError::permanent("items_missing", message))
        }
        several => Ok(several.len()),
    }
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::http::{HeaderMap, StatusCode};
    use axum::routing::get;
    use serde_json::json;

    use super::*;
    use crate::connectors::testing::{Server, allow_local};

    async fn steps(config: Value) -> Vec<String> {
        let mut config = config;
        config["schedule"] = json!("every 60s");
        let steps = check(&config, Arc::new(allow_local())).await;
        steps
            .into_iter()
            .map(|s| s.outcome.map_or_else(|e| format!("{}!{}", s.name, e.code), |_| s.name.to_owned()))
            .collect()
    }

    async fn server() -> Server {
        let guarded = |headers: HeaderMap| async move {
            let known = headers.get("authorization").is_some_and(|value| value == "Bearer right");
            (if known { StatusCode::OK } else { StatusCode::UNAUTHORIZED }, r#"{"items":[1,2]}"#)
        };
        let routes = Router::new()
            .route("/guarded", get(guarded))
            .route("/html", get(|| async { "<html>" }))
            .route("/broken", get(|| async { StatusCode::BAD_GATEWAY }));
        Server::start(routes).await
    }

    #[tokio::test]
    async fn each_step_names_what_is_wrong() {
        let server = server().await;
        let guarded = |token: &str| json!({"url": server.url("/guarded"), "auth": {"type": "bearer", "token": token}});
        assert_eq!(steps(guarded("right")).await, ["resolve", "connect", "authenticate", "fetch", "decode"]);
        assert_eq!(steps(guarded("wrong")).await, ["resolve", "connect", "authenticate!unauthorized"]);
        let open = |path: &str| json!({"url": server.url(path)});
        assert_eq!(steps(open("/html")).await, ["resolve", "connect", "fetch", "decode!decode_failed"]);
        assert_eq!(steps(open("/broken")).await, ["resolve", "connect", "fetch!http_status"]);
        assert_eq!(steps(json!({"url": "http://no-such-host.invalid/"})).await, ["resolve!resolve_failed"]);
        assert_eq!(steps(json!({"url": "http://10.0.0.1/"})).await, ["resolve!egress_denied"]);
        assert_eq!(steps(json!({"url": "http://127.0.0.1:1/"})).await, ["resolve", "connect!connect_failed"]);
        let plain = server.url("/html").replace("http:", "https:");
        assert_eq!(steps(json!({"url": plain})).await, ["resolve", "connect!tls_failed"]);
    }

    #[tokio::test]
    async fn pages_are_only_counted_where_items_are_found() {
        let server = server().await;
        let paged = |path: &str| {
            json!({
                "url": server.url("/guarded"), "auth": {"type": "bearer", "token": "right"},
                "pagination": {"type": "page", "param": "page", "items_path": path},
            })
        };
        assert_eq!(steps(paged("$.items")).await.last().map(String::as_str), Some("items"));
        assert_eq!(steps(paged("$.results")).await.last().map(String::as_str), Some("items!items_missing"));
        assert_eq!(items("$.items", &json!({"items": [1, 2]})).expect("items"), 2);
        assert_eq!(items("$.items[*]", &json!({"items": [1, 2, 3]})).expect("items"), 3);
    }
}
