//! `sse` and `websocket` against real servers, which break off and are resumed.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Query, State};
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{arrive, check, datasource, fails_with, numbered};
use crate::harness::{Kind, TestServer, eventually};
use crate::on_both_databases;

/// A source of the events 1 to `upto`, which breaks off after every third.
struct Events {
    address: String,
    shared: Arc<Shared>,
    server: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    upto: Mutex<i64>,
    /// From where each visitor wanted to go on.
    visits: Mutex<Vec<Option<i64>>>,
    heard: Mutex<Vec<String>>,
}

impl Shared {
    fn visit(&self, after: Option<i64>) -> (Vec<i64>, bool) {
        self.visits.lock().expect("no panic").push(after);
        let upto = *self.upto.lock().expect("no panic");
        let all: Vec<_> = ((after.unwrap_or(0) + 1)..=upto).collect();
        (all.iter().copied().take(3).collect(), all.len() > 3)
    }
}

impl Events {
    async fn start(upto: i64) -> Self {
        let shared = Arc::new(Shared { upto: Mutex::new(upto), ..Shared::default() });
        let routes = Router::new().route("/sse", get(sse)).route("/ws", get(ws)).with_state(Arc::clone(&shared));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string();
        let server = tokio::spawn(async move { axum::serve(listener, routes).await.expect("the source serves") });
        Self { address, shared, server }
    }

    fn has(&self, upto: i64) {
        *self.shared.upto.lock().expect("no panic") = upto;
    }

    fn visits(&self) -> Vec<Option<i64>> {
        self.shared.visits.lock().expect("no panic").clone()
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn sse(State(shared): State<Arc<Shared>>, headers: HeaderMap) -> Response {
    let after = headers.get("last-event-id").map(|id| id.to_str().expect("text").parse().expect("a number"));
    let (numbers, more) = shared.visit(after);
    let event = |n: i64| format!(": a comment\nid: {n}\nevent: item\ndata: {{\"n\":\ndata: {n}}}\n\n");
    let text: String = numbers.into_iter().map(event).collect();
    let text = format!("retry: 50\n\nevent: other\ndata: {{\"n\": 99}}\n\n{text}");
    let begin = futures::stream::iter([Ok::<_, std::io::Error>(Bytes::from(text))]);
    // When there is more it breaks off; otherwise it stays until there may be more.
    let rest = futures::stream::once(async move {
        tokio::time::sleep(if more { Duration::ZERO } else { Duration::from_millis(500) }).await;
        Ok(Bytes::from_static(b": the end\n"))
    });
    ([(header::CONTENT_TYPE, "text/event-stream")], Body::from_stream(begin.chain(rest))).into_response()
}

async fn ws(State(shared): State<Arc<Shared>>, Query(query): Query<Value>, upgrade: WebSocketUpgrade) -> Response {
    let after = query["since"].as_str().map(|text| text.parse().expect("a number"));
    upgrade.on_upgrade(move |socket| talk(socket, shared, after))
}

async fn talk(mut socket: WebSocket, shared: Arc<Shared>, after: Option<i64>) {
    let Some(Ok(Message::Text(hello))) = socket.recv().await else { return };
    shared.heard.lock().expect("no panic").push(hello.to_string());
    let (numbers, more) = shared.visit(after);
    for n in numbers {
        if socket.send(Message::text(json!({ "n": n }).to_string())).await.is_err() {
            return;
        }
    }
    tokio::time::sleep(if more { Duration::ZERO } else { Duration::from_millis(500) }).await;
}

fn over_sse(events: &Events) -> Value {
    numbered(json!({ "type": "sse", "url": format!("http://{}/sse", events.address), "events": ["item"] }))
}

fn over_ws(events: &Events) -> Value {
    numbered(json!({
        "type": "websocket", "url": format!("ws://{}/ws", events.address), "send": ["hello"],
        "resume": { "position_path": "$.n", "param": "since" },
    }))
}

on_both_databases! {
    async fn server_sent_events_are_resumed_by_the_id_of_the_last_one(server: TestServer) {
        let events = Events::start(7).await;
        let admin = server.admin();
        let id = datasource(&admin, over_sse(&events)).await;
        admin.publish(&id).await;
        arrive(&server, &id, 1..=7).await;
        assert_eq!(events.visits()[..3], [None, Some(3), Some(6)]);
        eventually("the id is kept", || async {
            (admin.state(&id).await["checkpoint"] == json!({ "last_event_id": "7" })).then_some(())
        })
        .await;

        let server = TestServer::on(server.stop().await, &[]).await;
        events.has(9);
        arrive(&server, &id, 1..=9).await;
    }

    async fn a_websocket_is_resumed_by_the_position_of_the_last_message(server: TestServer) {
        let events = Events::start(7).await;
        let admin = server.admin();
        let id = datasource(&admin, over_ws(&events)).await;
        admin.publish(&id).await;
        arrive(&server, &id, 1..=7).await;
        assert_eq!(events.visits()[..3], [None, Some(3), Some(6)]);
        assert!(events.shared.heard.lock().expect("no panic").iter().all(|text| text == "hello"));

        let server = TestServer::on(server.stop().await, &[]).await;
        events.has(9);
        arrive(&server, &id, 1..=9).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_check_takes_one_event_and_moves_nothing() {
    let server = TestServer::start(Kind::Sqlite).await;
    let events = Events::start(2).await;
    let admin = server.admin();
    for config in [over_sse(&events), over_ws(&events)] {
        let id = datasource(&admin, config).await;
        let (steps, run) = check(&admin, &id).await;
        assert_eq!(steps, ["fetch", "decode"], "{run}");
        assert_eq!(admin.state(&id).await["checkpoint"], Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_no_stream_is_told() {
    let server = TestServer::start(Kind::Sqlite).await;
    let events = Events::start(2).await;
    let admin = server.admin();
    // The WebSocket route refuses a plain request, and there is nothing at the other.
    for (config, code) in [
        (numbered(json!({ "type": "sse", "url": format!("http://{}/ws", events.address) })), "http_status"),
        (numbered(json!({ "type": "websocket", "url": format!("ws://{}/nothing", events.address) })), "http_status"),
        (numbered(json!({ "type": "websocket", "url": "ws://10.0.0.1:1/" })), "egress_denied"),
    ] {
        let id = datasource(&admin, config).await;
        let (steps, run) = check(&admin, &id).await;
        assert_eq!(steps, [format!("fetch!{code}")], "{run}");
        admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
        fails_with(&admin, &id, code).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_websocket_over_tls_trusts_the_authority_that_is_named() {
    let server = TestServer::start(Kind::Sqlite).await;
    let made = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).expect("a certificate");
    let key =
        tokio_rustls::rustls::pki_types::PrivateKeyDer::try_from(made.signing_key.serialize_der()).expect("a key");
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let tls = tokio_rustls::rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .expect("a configuration");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("wss://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                let Ok(stream) = acceptor.accept(stream).await else { return };
                let mut socket = tokio_tungstenite::accept_async(stream).await.expect("a handshake");
                let message = tokio_tungstenite::tungstenite::Message::text(r#"{"n":1}"#);
                let _ = futures::SinkExt::send(&mut socket, message).await;
                let _ = socket.next().await;
            });
        }
    });
    let admin = server.admin();
    let trusting = numbered(json!({ "type": "websocket", "url": url, "tls": { "ca": made.cert.pem() } }));
    let trusting = datasource(&admin, trusting).await;
    assert_eq!(check(&admin, &trusting).await.0, ["fetch", "decode"]);
    let distrustful = datasource(&admin, numbered(json!({ "type": "websocket", "url": url }))).await;
    assert_eq!(check(&admin, &distrustful).await.0, ["fetch!tls_failed"]);
}
