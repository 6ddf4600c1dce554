//! Clients that take their time, or too many connections.

use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Kind, TestServer, eventually};

async fn connect(server: &TestServer) -> TcpStream {
    TcpStream::connect(server.url.strip_prefix("http://").expect("a URL")).await.expect("a connection")
}

/// What the server says until it closes the connection.
async fn until_closed(stream: &mut TcpStream) -> String {
    let mut said = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(60), stream.read_to_end(&mut said)).await;
    // A reset is an end, too.
    let _ = closed.expect("the server closes the connection");
    String::from_utf8_lossy(&said).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_does_not_say_what_he_wants_is_not_waited_for() {
    let server = TestServer::start_with(Kind::Sqlite, &["--header-timeout", "300ms"]).await;
    let http1 = "GET /health/live HTTP/1.1\r\nHost: x\r\nX-Slow: ";
    // What could still be HTTP/2, and what cannot.
    for begin in ["", "P", "PRI * HTTP/2.0\r\n\r\n", "G", http1] {
        let mut stream = connect(&server).await;
        stream.write_all(begin.as_bytes()).await.expect("sent");
        let said = until_closed(&mut stream).await;
        assert!(!said.contains("200 OK"), "{begin:?}: {said}");
    }
    let mut stream = connect(&server).await;
    stream.write_all(b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n").await.expect("sent");
    let said = until_closed(&mut stream).await;
    assert!(said.contains("200 OK"), "an idle connection is closed after its answer: {said}");
}

/// The body of a request has the time that the request has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_come_is_given_up() {
    let server = TestServer::start_with(Kind::Sqlite, &["--request-timeout", "500ms"]).await;
    let token = server.admin().token;
    for (path, status) in [("/graphql", "408"), ("/api/v1/datasources", "503"), ("/hooks/x", "503")] {
        let mut stream = connect(&server).await;
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: 100\r\nConnection: close\r\n\r\n{{"
        );
        stream.write_all(head.as_bytes()).await.expect("sent");
        let said = until_closed(&mut stream).await;
        assert!(said.starts_with(&format!("HTTP/1.1 {status}")) || path == "/hooks/x", "{path}: {said}");
    }
    assert_eq!(server.viewer().data("{ viewer { role } }", json!({})).await["viewer"]["role"], "VIEWER");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_have_a_most_and_leave_room_when_they_end() {
    let server = TestServer::start_with(Kind::Sqlite, &["--max-connections", "6"]).await;
    let mut open = Vec::new();
    for _ in 0..6 {
        open.push(connect(&server).await);
    }
    assert_eq!(until_closed(&mut connect(&server).await).await, "", "one too many is closed without a word");
    drop(open);
    eventually("there is room again", || async {
        let request = reqwest::Client::new().get(format!("{}/health/live", server.url)).send().await;
        request.ok().filter(|answer| answer.status().is_success())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_address_does_not_take_all_connections() {
    let server = TestServer::start_with(Kind::Sqlite, &["--max-connections-per-address", "4"]).await;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(connect(&server).await);
    }
    assert_eq!(until_closed(&mut connect(&server).await).await, "", "one too many is closed without a word");
    drop(open);
    eventually("there is room again", || async {
        let request = reqwest::Client::new().get(format!("{}/health/live", server.url)).send().await;
        request.ok().filter(|answer| answer.status().is_success())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxies_that_are_trusted_may_have_more_connections() {
    let flags = ["--max-connections-per-address", "1", "--trusted-proxies", "127.0.0.0/8"];
    let server = TestServer::start_with(Kind::Sqlite, &flags).await;
    let _open = [connect(&server).await, connect(&server).await];
    let answer = reqwest::Client::new().get(format!("{}/health/live", server.url)).send().await.expect("an answer");
    assert!(answer.status().is_success());
}

/// Answers are asked for until the buffers between are full, and none is read.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_not_taken_is_given_up() {
    let server = TestServer::start_with(Kind::Sqlite, &["--request-timeout", "500ms"]).await;
    let mut stream = connect(&server).await;
    let ask = "GET /api/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n".repeat(100);
    let ended = tokio::time::timeout(Duration::from_secs(60), async {
        // The server stops to read when it cannot write; a write fails as soon as it has closed.
        while stream.write_all(ask.as_bytes()).await.is_ok() {}
    });
    ended.await.expect("the server closes the connection");
}
