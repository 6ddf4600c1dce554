//! What datasources of a benchmark talk to: an API to poll, and a receiver of records.

use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde_json::{Value, json};

/// Answers `GET /items` with `items`, and notes when `POST /records` brought which version.
pub struct Peer {
    pub url: String,
    seen: Arc<Seen>,
}

#[derive(Default)]
struct Seen {
    items: Value,
    /// In the order of arrival.
    records: Mutex<Vec<(i64, Instant)>>,
}

impl Peer {
    pub async fn start(items: Value) -> Self {
        let seen = Arc::new(Seen { items, records: Mutex::default() });
        let app = Router::new()
            .route("/items", get(|State(seen): State<Arc<Seen>>| async move { Json(seen.items.clone()) }))
            .route("/records", post(take))
            .with_state(Arc::clone(&seen));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, app).await });
        Self { url, seen }
    }

    /// When the first record of `version` came.
    pub fn first_of(&self, version: i64) -> Option<Instant> {
        let records = self.seen.records.lock().expect("no panic");
        records.iter().find(|(v, _)| *v == version).map(|(_, at)| *at)
    }

    /// A poller of this peer, which hands the records back to it.
    pub fn poller(&self, revision: usize) -> Value {
        json!({
            "connector": { "type": "http_poller", "url": format!("{}/items", self.url), "schedule": "every 1h" },
            "mapping": { "input": "$[*]", "outputs": [{ "kind": "item", "id": "$.id", "fields": { "revision": revision } }] },
            "delivery": { "sink": { "type": "http", "url": format!("{}/records", self.url) } },
        })
    }
}

async fn take(State(seen): State<Arc<Seen>>, Json(records): Json<Vec<Value>>) {
    let now = Instant::now();
    let versions = records.iter().filter_map(|r| r["version"].as_i64());
    seen.records.lock().expect("no panic").extend(versions.map(|v| (v, now)));
}
