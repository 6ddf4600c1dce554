//! A receiver of notifications on this machine: it remembers what came, and a test decides what it answers.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;
use tokio::net::TcpSocket;
use tokio::task::JoinHandle;

type Answer = Arc<dyn Fn(Visit) -> BoxFuture<'static, Response> + Send + Sync>;

pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    /// Bound and not listening: who connects is refused.
    socket: Option<TcpSocket>,
    server: Option<JoinHandle<()>>,
}

struct Shared {
    visits: Mutex<Vec<Visit>>,
    answer: Mutex<Answer>,
}

/// One request, as it came.
#[derive(Clone, Debug)]
pub struct Visit {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

impl Visit {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("a header {name}: {self:?}")).to_str().expect("ASCII")
    }

    pub fn id(&self) -> String {
        self.header("webhook-id").to_owned()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).expect("JSON")
    }

    /// Whether one of its signatures is of this secret: computed here from what the specification says, and nothing else.
    pub fn is_signed_by(&self, secret: &str) -> bool {
        let key = STANDARD.decode(secret.strip_prefix("whsec_").expect("a prefix")).expect("base64");
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("a key");
        let signed = format!("{}.{}.{}", self.header("webhook-id"), self.header("webhook-timestamp"), self.body);
        mac.update(signed.as_bytes());
        let expected = format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()));
        self.header("webhook-signature").split(' ').any(|signature| signature == expected)
    }
}

impl Receiver {
    pub async fn start() -> Self {
        let mut receiver = Self::down();
        receiver.up();
        receiver
    }

    /// One that refuses connections until it is up.
    pub fn down() -> Self {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let address = socket.local_addr().expect("an address");
        let shared = Shared { visits: Mutex::default(), answer: Mutex::new(plain(200)) };
        Self { address, shared: Arc::new(shared), socket: Some(socket), server: None }
    }

    pub fn up(&mut self) {
        let listener = self.socket.take().expect("it is down").listen(128).expect("it listens");
        let routes = Router::new().fallback(serve).with_state(Arc::clone(&self.shared));
        self.server = Some(tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") }));
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Answers with this status from now on.
    pub fn answers(&self, status: u16) {
        *self.shared.answer.lock().expect("no panic") = plain(status);
    }

    pub fn answers_by<F>(&self, answer: impl Fn(Visit) -> F + Send + Sync + 'static)
    where
        F: Future<Output = Response> + Send + 'static,
    {
        *self.shared.answer.lock().expect("no panic") = Arc::new(move |visit| Box::pin(answer(visit)));
    }

    /// All that came, in its order.
    pub fn visits(&self) -> Vec<Visit> {
        self.shared.visits.lock().expect("no panic").clone()
    }

    pub fn visits_of(&self, path: &str) -> Vec<Visit> {
        self.visits().into_iter().filter(|visit| visit.path == path).collect()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        if let Some(server) = &self.server {
            server.abort();
        }
    }
}

fn plain(status: u16) -> Answer {
    let status = StatusCode::from_u16(status).expect("a status");
    Arc::new(move |_| Box::pin(async move { (status, format!("this is {status}")).into_response() }))
}

async fn serve(State(shared): State<Arc<Shared>>, uri: Uri, headers: HeaderMap, body: Body) -> Response {
    let body = axum::body::to_bytes(body, 1_048_576).await.expect("a body");
    let body = String::from_utf8(body.to_vec()).expect("UTF-8");
    let visit = Visit { path: uri.path().to_owned(), headers, body };
    shared.visits.lock().expect("no panic").push(visit.clone());
    let answer = Arc::clone(&*shared.answer.lock().expect("no panic"));
    answer(visit).await
}
