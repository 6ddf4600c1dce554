//! What pages of other sites can do with a visitor's browser: nothing, or what the operator allowed.

use reqwest::{Method, Response};

use crate::harness::{Kind, Process, TestServer};

async fn preflight(server: &TestServer, origin: &str) -> Response {
    let request = server.http.request(Method::OPTIONS, format!("{}/graphql", server.url));
    let request = request.header("origin", origin).header("access-control-request-method", "POST");
    let request = request.header("access-control-request-headers", "authorization,content-type");
    request.send().await.expect("an answer")
}

fn allowed(response: &Response) -> Option<&str> {
    response.headers().get("access-control-allow-origin").map(|v| v.to_str().expect("text"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_sites_may_call_only_when_they_are_named() {
    let closed = TestServer::start(Kind::Sqlite).await;
    assert_eq!(allowed(&preflight(&closed, "https://studio.example.com").await), None);

    let flags = ["--cors-origins", "https://studio.example.com,http://localhost:5173"];
    let open = TestServer::start_with(Kind::Sqlite, &flags).await;
    for origin in ["https://studio.example.com", "http://localhost:5173"] {
        let answer = preflight(&open, origin).await;
        assert_eq!(allowed(&answer), Some(origin));
        let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
        assert!(header("access-control-allow-headers").contains("authorization"));
        assert!(header("access-control-allow-methods").contains("POST"));
        assert!(answer.headers().get("access-control-allow-credentials").is_none());
    }
    for origin in
        ["https://evil.example", "https://studio.example.com.evil.example", "https://studio.example.com:8443", "null"]
    {
        assert_eq!(allowed(&preflight(&open, origin).await), None, "{origin}");
    }
    let viewer = open.viewer();
    let request = open.http.get(format!("{}/api/v1/datasources", open.url)).bearer_auth(&viewer.token);
    let answer = request.header("origin", "https://studio.example.com").send().await.expect("an answer");
    assert_eq!(allowed(&answer), Some("https://studio.example.com"));
    assert!(answer.headers()["access-control-expose-headers"].to_str().expect("text").contains("x-total-count"));
}

#[test]
fn what_is_no_origin_stops_the_start() {
    for origin in
        ["*", "studio.example.com", "https://studio.example.com/path", "file:///x", "https://user@studio.example.com"]
    {
        let error = Process::fails(&["--cors-origins", origin]);
        assert!(error.contains("is not an origin"), "{origin}: {error}");
    }
}
