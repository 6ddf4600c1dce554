//! The web console: where it is served, under which rules, and what stays an answer to a program.

use reqwest::header::{ACCEPT, HOST};
use serde_json::Value;

use crate::harness::{Kind, TestServer};

const BROWSER: &str = "text/html,application/xhtml+xml,*/*;q=0.8";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_navigation_gets_the_page_with_a_strict_policy() {
    let server = TestServer::start(Kind::Sqlite).await;
    for path in ["/", "/new", "/catalog/01a1fce0-0000-7000-8000-000000000000/versions"] {
        let response = server.http.get(format!("{}{path}", server.url)).header(ACCEPT, BROWSER).send().await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), 200, "{path}");
        let header = |name: &str| response.headers()[name].to_str().expect("text").to_owned();
        assert_eq!(header("content-type"), "text/html; charset=utf-8");
        let policy = header("content-security-policy");
        let scripts = policy.split(';').find(|rule| rule.trim().starts_with("script-src"));
        assert_eq!(scripts.map(str::trim), Some("script-src 'self'"), "{policy}");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
        assert!(header("cache-control").starts_with("no-"), "a page must not outlive its assets");
        assert!(response.text().await.expect("a page").contains("Datasource Studio"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_path_of_the_api_and_a_program_get_a_problem() {
    let server = TestServer::start(Kind::Sqlite).await;
    for (path, accept) in
        [("/api/v1/nothing", BROWSER), ("/hooks", BROWSER), ("/health/nothing", BROWSER), ("/new", "*/*")]
    {
        let response = server.http.get(format!("{}{path}", server.url)).header(ACCEPT, accept).send().await;
        let response = response.expect("an answer");
        assert_eq!(response.status(), 404, "{path}");
        let problem: Value = response.json().await.expect("a problem document");
        assert_eq!(problem["code"], "NOT_FOUND", "{path}");
    }
    let posted = server.http.post(format!("{}/new", server.url)).header(ACCEPT, BROWSER).send().await;
    assert_eq!(posted.expect("an answer").status(), 404, "only a navigation gets a page");
    let missing = server.http.get(format!("{}/assets/none.js", server.url)).header(ACCEPT, BROWSER).send().await;
    assert_eq!(missing.expect("an answer").status(), 404, "a page in place of a script would hide what is wrong");
}

/// A site that lets its own name point here, and who comes through a proxy, get a page without a token.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_a_page_opened_under_a_name_of_this_machine_has_a_token() {
    let server = TestServer::start(Kind::Sqlite).await;
    let page = async |host: &str, forwarded: &[(&str, &str)]| {
        let request = server.http.get(&server.url).header(ACCEPT, BROWSER).header(HOST, host);
        let request = forwarded.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.send().await.expect("an answer")
    };
    for host in ["127.0.0.1", "localhost:8080", "[::1]:8080"] {
        let response = page(host, &[]).await;
        assert_eq!(response.headers()["cache-control"], "no-store", "{host}: nobody keeps a page with a token");
    }
    let refused = [
        page("studio.example.com", &[]).await,
        page("localhost.example.com", &[]).await,
        page("localhost", &[("X-Forwarded-For", "203.0.113.9")]).await,
    ];
    for response in refused {
        assert_eq!(response.headers()["cache-control"], "no-cache");
        assert!(!response.text().await.expect("a page").contains("eyJ"));
    }
}
