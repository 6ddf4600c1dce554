//! An HTTP source on this machine, whose answers a test decides and whose visitors it sees.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

pub struct HttpSource {
    pub url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

struct Shared {
    visits: Mutex<Vec<Visit>>,
    answer: Mutex<Answer>,
}

type Answer = Box<dyn Fn(&Visit) -> Response + Send>;

/// One request to the source.
#[derive(Clone, Debug)]
pub struct Visit {
    pub at: Instant,
    /// How many came before.
    pub index: usize,
    pub query: HashMap<String, String>,
    pub headers: HeaderMap,
}

impl Visit {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

impl HttpSource {
    pub async fn start(answer: impl Fn(&Visit) -> Response + Send + 'static) -> Self {
        let shared = Arc::new(Shared { visits: Mutex::default(), answer: Mutex::new(Box::new(answer)) });
        let routes = Router::new().fallback(serve).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/items", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("the source serves") });
        Self { url, shared, server }
    }

    /// A source that has the items `1..=upto`, and gives those after `since`.
    pub async fn of_items(upto: i64) -> Self {
        Self::start(move |visit| items(visit, upto)).await
    }

    /// Answers differently from now on.
    pub fn answers(&self, answer: impl Fn(&Visit) -> Response + Send + 'static) {
        *self.shared.answer.lock().expect("no panic") = Box::new(answer);
    }

    /// From now on it has the items `1..=upto`.
    pub fn has_items(&self, upto: i64) {
        self.answers(move |visit| items(visit, upto));
    }

    pub fn visits(&self) -> Vec<Visit> {
        self.shared.visits.lock().expect("no panic").clone()
    }
}

impl Drop for HttpSource {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(
    State(shared): State<Arc<Shared>>,
    Query(query): Query<HashMap<String, String>>,
    headers: HeaderMap,
) -> Response {
    let mut visits = shared.visits.lock().expect("no panic");
    let visit = Visit { at: Instant::now(), index: visits.len(), query, headers };
    visits.push(visit.clone());
    drop(visits);
    shared.answer.lock().expect("no panic")(&visit)
}

fn items(visit: &Visit, upto: i64) -> Response {
    let since = visit.query.get("since").map_or(0, |text| text.parse().expect("a number"));
    page((since + 1)..=upto)
}

/// A page of numbered items.
pub fn page(numbers: impl IntoIterator<Item = i64>) -> Response {
    let items: Vec<_> = numbers.into_iter().map(|n| json!({ "n": n })).collect();
    axum::Json(json!({ "items": items })).into_response()
}

pub fn status(code: u16, headers: &[(&'static str, &str)]) -> Response {
    let mut response = StatusCode::from_u16(code).expect("a status").into_response();
    for (name, value) in headers {
        response.headers_mut().insert(*name, value.parse().expect("a header value"));
    }
    response
}

/// A poller of `url` that asks every second for the items after the last one that it saw.
pub fn poller(url: &str) -> Value {
    json!({
        "connector": {
            "type": "http_poller",
            "url": url,
            "schedule": "every 1s",
            "incremental": { "cursor_path": "$.items[*].n", "param": "since" },
        },
        "mapping": {
            "input": "$.items[*]",
            "outputs": [{ "kind": "item", "id": "$.n", "fields": { "n": "$.n" } }],
        },
        "runtime": { "retry": { "initial": "100ms", "max": "1s" } },
    })
}

/// A poller datasource with one draft; answers with its id.
pub async fn poller_datasource(client: &crate::harness::Client, name: &str, config: Value) -> String {
    let input = json!({ "name": name, "type": "http_poller", "config": config });
    let made = client.mutate("createDatasource", input, "datasource { id }").await;
    made["datasource"]["id"].as_str().expect("an id").to_owned()
}
