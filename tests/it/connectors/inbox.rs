//! An HTTP receiver on this machine, which keeps what it took and answers as a test decides.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use tokio::task::JoinHandle;

pub struct Inbox {
    pub url: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

type Answer = Box<dyn Fn(&Value) -> (u16, Option<&'static str>) + Send>;

struct Shared {
    answer: Mutex<Answer>,
    requests: Mutex<Vec<Request>>,
    hangs: AtomicBool,
    arrived: AtomicUsize,
}

/// What was sent, and the status that it was answered with.
#[derive(Clone, Debug)]
pub struct Request {
    pub method: Method,
    pub headers: HeaderMap,
    pub body: Value,
    pub status: u16,
}

impl Inbox {
    /// Takes everything.
    pub async fn start() -> Self {
        let shared = Arc::new(Shared {
            answer: Mutex::new(Box::new(|_| (204, None))),
            requests: Mutex::default(),
            hangs: AtomicBool::new(false),
            arrived: AtomicUsize::new(0),
        });
        let routes = Router::new().fallback(take).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/entities", listener.local_addr().expect("an address"));
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("the inbox serves") });
        Self { url, shared, server }
    }

    pub fn answers(&self, status: u16, retry_after: Option<&'static str>) {
        self.answers_by(move |_| (status, retry_after));
    }

    /// From now on answers by the body: with a status and perhaps `Retry-After`.
    pub fn answers_by(&self, answer: impl Fn(&Value) -> (u16, Option<&'static str>) + Send + 'static) {
        *self.shared.answer.lock().expect("no panic") = Box::new(answer);
    }

    /// From now on refuses, for good, what has a record of one of these ids in it.
    pub fn refuses(&self, ids: &'static [&'static str]) {
        self.answers_by(move |body| {
            let records = body.as_array().expect("a list of records");
            let refused = records.iter().any(|record| ids.iter().any(|id| record["id"] == *id));
            (if refused { 422 } else { 204 }, None)
        });
    }

    /// Whether it keeps those who ask from now on waiting for ever.
    pub fn hangs(&self, hangs: bool) {
        self.shared.hangs.store(hangs, Ordering::SeqCst);
    }

    /// How many requests came, answered or not.
    pub fn arrived(&self) -> usize {
        self.shared.arrived.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> Vec<Request> {
        self.shared.requests.lock().expect("no panic").clone()
    }

    /// The ids of the records that it took, in the order of their arrival.
    pub fn taken(&self) -> Vec<String> {
        let taken = self.requests().into_iter().filter(|r| r.status < 300);
        let ids = taken.flat_map(|r| r.body.as_array().expect("a list of records").clone());
        ids.map(|record| record["id"].as_str().expect("an id").to_owned()).collect()
    }
}

impl Drop for Inbox {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn take(State(shared): State<Arc<Shared>>, method: Method, headers: HeaderMap, body: String) -> Response {
    shared.arrived.fetch_add(1, Ordering::SeqCst);
    if shared.hangs.load(Ordering::SeqCst) {
        std::future::pending::<()>().await;
    }
    let body = serde_json::from_str(&body).expect("JSON");
    let (status, retry_after) = shared.answer.lock().expect("no panic")(&body);
    shared.requests.lock().expect("no panic").push(Request { method, headers, body, status });
    let mut response = StatusCode::from_u16(status).expect("a status").into_response();
    if let Some(wait) = retry_after {
        response.headers_mut().insert("retry-after", wait.parse().expect("a value"));
    }
    response
}
