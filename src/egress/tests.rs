use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{any, get, post};

use super::testing::{Server, allow_local};
use super::*;

fn request(method: reqwest::Method, url: &str) -> Request {
    Request::new(method, url.parse().expect("a URL"))
}

fn redirect(status: StatusCode, location: impl Into<String>) -> impl IntoResponse {
    (status, [(header::LOCATION, location.into())])
}

#[tokio::test]
async fn literal_private_addresses_are_refused_without_a_connection() {
    let egress = Egress::new(Vec::new());
    for url in [
        "http://127.0.0.1:1/",
        "http://[::1]/",
        "http://[::ffff:10.0.0.1]/",
        "http://0x7f.1/",
        "http://2130706433/",
        "http://169.254.169.254/latest/meta-data/",
        "http://[fd00:ec2::254]/",
    ] {
        let error = egress.send(request(reqwest::Method::GET, url)).await.expect_err(url);
        assert_eq!((error.code, error.is_permanent()), ("egress_denied", true), "{url}");
        assert!(error.message.contains("STUDIO_EGRESS_ALLOW"), "{error}");
    }
    let error = egress.check(&"ftp://example.com".parse().expect("a URL")).expect_err("ftp");
    assert_eq!(error.code, "egress_denied");
}

#[tokio::test]
async fn a_name_is_judged_by_what_it_resolves_to() {
    let server = Server::start(Router::new().route("/", get(|| async { "hello" }))).await;
    let url = format!("http://localhost:{}/", server.port());

    let error = Egress::new(Vec::new()).send(request(reqwest::Method::GET, &url)).await.expect_err("denied");
    assert_eq!(error.code, "egress_denied", "{error}");

    for rule in ["localhost", "127.0.0.0/8"] {
        let egress = Egress::new(vec![rule.parse().expect("a rule")]);
        let answer = egress.send(request(reqwest::Method::GET, &url)).await.expect(rule);
        assert_eq!(answer.status(), 200, "{rule}");
    }
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let routes = Router::new()
        .route("/metadata", get(|| async { redirect(StatusCode::FOUND, "http://169.254.169.254/latest/") }))
        .route("/name", get(|| async { redirect(StatusCode::FOUND, "http://localhost:1/") }));
    let server = Server::start(routes).await;
    for path in ["/metadata", "/name"] {
        let egress = Egress::new(vec!["127.0.0.1/32".parse().expect("a rule")]);
        let got = egress.send(request(reqwest::Method::GET, &server.url(path))).await;
        // localhost may resolve to the allowed address; the closed port is refused then.
        let error = got.expect_err(path);
        assert!(path == "/name" || error.code == "egress_denied", "{error}");
    }
}

#[tokio::test]
async fn redirects_are_counted() {
    let routes = Router::new().route("/loop", get(|| async { redirect(StatusCode::FOUND, "/loop") }));
    let server = Server::start(routes).await;
    let error = allow_local().send(request(reqwest::Method::GET, &server.url("/loop"))).await.expect_err("a loop");
    assert_eq!(error.code, "too_many_redirects");
}

#[tokio::test]
async fn another_origin_sees_no_credentials_and_no_body() {
    let seen = Router::new().route(
        "/",
        any(|headers: HeaderMap| async move {
            ["authorization", "x-api-key"].iter().filter(|n| headers.contains_key(**n)).count().to_string()
        }),
    );
    let other = Server::start(seen.clone()).await;
    let target = other.url("/");
    let routes = seen
        .route("/same", get(|| async { redirect(StatusCode::FOUND, "/") }))
        .route("/other", get(move || async move { redirect(StatusCode::FOUND, target) }));
    let target = other.url("/");
    let server = Server::start(
        routes.route("/post", post(move || async move { redirect(StatusCode::TEMPORARY_REDIRECT, target) })),
    )
    .await;

    let egress = allow_local();
    for (path, headers) in [("/same", "2"), ("/other", "0")] {
        let mut request = request(reqwest::Method::GET, &server.url(path));
        for name in ["authorization", "x-api-key"] {
            request.headers_mut().insert(name, "secret".parse().expect("a value"));
        }
        let answer = egress.send(request).await.expect(path);
        assert_eq!(answer.text().await.expect("a body"), headers, "{path}");
    }

    let mut request = request(reqwest::Method::POST, &server.url("/post"));
    *request.body_mut() = Some("client_secret=x".into());
    let error = egress.send(request).await.expect_err("a body for another origin");
    assert_eq!(error.code, "redirect_refused");
}

#[tokio::test]
async fn a_failure_names_the_origin_only() {
    let error = allow_local()
        .send(request(reqwest::Method::GET, "http://127.0.0.1:1/path-secret?key=query-secret"))
        .await
        .expect_err("a closed port");
    assert_eq!(error.code, "connect_failed");
    assert!(!error.is_permanent());
    assert!(error.message.contains("http://127.0.0.1:1") && !error.message.contains("secret"), "{error}");
}
