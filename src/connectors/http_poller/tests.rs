//! Polls against a real server on this machine.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, post};

use super::*;
use crate::connectors::ErrorKind;
use crate::connectors::testing::{Recorder, Server, allow_local, context};
use crate::egress::Egress;

fn poller_from(config: Value, checkpoint: Option<Value>) -> Poller {
    let config = HttpPollerConfig::read(&config).expect("a configuration");
    assert_eq!(config.problems(), []);
    Poller::new(Arc::new(Plan::of(config).expect("a plan")), Arc::new(allow_local()), checkpoint.as_ref())
}

async fn poll(poller: &mut Poller) -> (Recorder, Result<(), ConnectorError>) {
    let recorder = Recorder::default();
    let result = poller.poll(&recorder, &CancellationToken::new()).await;
    (recorder, result)
}

/// One poll of `config`: what it delivered, and the checkpoint.
async fn once(config: Value) -> (Vec<Value>, Option<Value>) {
    let (recorder, result) = poll(&mut poller_from(config, None)).await;
    result.expect("a poll");
    (recorder.documents(), recorder.last_checkpoint())
}

type Pairs = Query<std::collections::BTreeMap<String, String>>;

#[tokio::test]
async fn a_page_is_one_document_and_lines_are_many() {
    let routes = Router::new()
        .route("/json", get(|| async { r#"{"items": [1, 2]}"# }))
        .route("/lines", get(|| async { "{\"a\":1}\n{\"a\":2}\n" }))
        .route("/none", get(|| async { StatusCode::NO_CONTENT }));
    let server = Server::start(routes).await;
    assert_eq!(once(json!({"url": server.url("/json")})).await, (vec![json!({"items": [1, 2]})], None));
    let lines = once(json!({"url": server.url("/lines"), "format": "json_lines"})).await;
    assert_eq!(lines.0, [json!({"a": 1}), json!({"a": 2})]);
    assert_eq!(once(json!({"url": server.url("/none")})).await, (vec![], None));
}

#[tokio::test]
async fn the_request_is_as_configured() {
    let echo = any(|method: Method, uri: Uri, headers: HeaderMap, body: String| async move {
        let header = |name: &str| headers.get(name).map(|v| v.to_str().expect("text").to_owned());
        let seen = json!({
            "method": method.as_str(), "uri": uri.to_string(), "body": body,
            "authorization": header("authorization"), "x": header("x-team"), "key": header("x-api-key"),
            "type": header("content-type"), "accept": header("accept"),
        });
        seen.to_string()
    });
    let server = Server::start(Router::new().route("/", echo)).await;
    let url = server.url("/?a=1");
    let seen = |config: Value| async move { once(config).await.0.remove(0) };

    let got = seen(json!({"url": url, "query": {"b": "x y"}, "headers": {"X-Team": "ops"}})).await;
    assert_eq!((&got["method"], &got["uri"], &got["x"]), (&json!("GET"), &json!("/?a=1&b=x+y"), &json!("ops")));
    assert_eq!(got["accept"], "application/json");

    let got = seen(json!({"url": url, "method": "POST", "body": {"q": "*"}})).await;
    assert_eq!((&got["body"], &got["type"]), (&json!("{\"q\":\"*\"}"), &json!("application/json")));

    for (auth, field, value) in [
        (json!({"type": "bearer", "token": "t"}), "authorization", "Bearer t"),
        (json!({"type": "basic", "username": "u", "password": "p"}), "authorization", "Basic dTpw"),
        (json!({"type": "api_key", "header": "X-Api-Key", "value": "k"}), "key", "k"),
        (json!({"type": "api_key", "query": "key", "value": "k&"}), "uri", "/?a=1&key=k%26"),
    ] {
        assert_eq!(seen(json!({"url": url, "auth": auth})).await[field], value, "{auth}");
    }
}

#[tokio::test]
async fn pages_by_link_header() {
    let pages = get(|Query(q): Pairs| async move {
        let page: u32 = q.get("page").map_or(1, |p| p.parse().expect("a number"));
        let link = if page < 3 { format!("</items?page={}>; rel=\"next\"", page + 1) } else { String::new() };
        ([(header::LINK, link)], json!({"page": page}).to_string())
    });
    let server = Server::start(Router::new().route("/items", pages)).await;
    let config = json!({"url": server.url("/items"), "pagination": {"type": "link_header"}});
    assert_eq!(once(config).await.0, [json!({"page": 1}), json!({"page": 2}), json!({"page": 3})]);
}

#[tokio::test]
async fn pages_by_cursor() {
    let pages = get(|Query(q): Pairs| async move {
        let next = match q.get("after").map(String::as_str) {
            None => json!(7),
            Some("7") => json!("x/y"),
            Some("x/y") => Value::Null,
            Some(other) => panic!("{other} was never given out"),
        };
        json!({"meta": {"next": next}}).to_string()
    });
    let server = Server::start(Router::new().route("/", pages)).await;
    let pagination = json!({"type": "cursor", "cursor_path": "$.meta.next", "param": "after"});
    assert_eq!(once(json!({"url": server.url("/"), "pagination": pagination})).await.0.len(), 3);
}

#[tokio::test]
async fn pages_by_number_end_with_an_empty_one() {
    let pages = get(|Query(q): Pairs| async move {
        assert_eq!(q.get("per").map(String::as_str), Some("2"));
        let items = match q["p"].as_str() {
            "0" => json!([1, 2]),
            "1" => json!([3]),
            _ => json!([]),
        };
        json!({"items": items}).to_string()
    });
    let server = Server::start(Router::new().route("/", pages)).await;
    for items_path in ["$.items", "$.items[*]"] {
        let pagination = json!({
            "type": "page", "param": "p", "start": 0, "size_param": "per", "size": 2, "items_path": items_path,
        });
        let (documents, _) = once(json!({"url": server.url("/"), "pagination": pagination})).await;
        assert_eq!(documents, [json!({"items": [1, 2]}), json!({"items": [3]}), json!({"items": []})], "{items_path}");
    }
}

#[tokio::test]
async fn pages_without_end_are_cut_and_said_so() {
    let count = Arc::new(AtomicUsize::new(0));
    let pages = get(|State(count): State<Arc<AtomicUsize>>| async move {
        json!({"next": count.fetch_add(1, Ordering::SeqCst)}).to_string()
    });
    let server = Server::start(Router::new().route("/", pages).with_state(count)).await;
    let pagination = json!({"type": "cursor", "cursor_path": "$.next", "param": "c"});
    let mut poller = poller_from(json!({"url": server.url("/"), "pagination": pagination, "max_pages": 5}), None);
    let (recorder, result) = poll(&mut poller).await;
    assert_eq!((result, recorder.documents().len()), (Ok(()), 5));
    assert!(recorder.logs()[0].contains("max_pages"));

    // A cursor that does not move is an end, too.
    let server = Server::start(Router::new().route("/", get(|| async { r#"{"next": "same"}"# }))).await;
    let pagination = json!({"type": "cursor", "cursor_path": "$.next", "param": "c"});
    assert_eq!(once(json!({"url": server.url("/"), "pagination": pagination})).await.0.len(), 2);
}

async fn tagged(headers: HeaderMap) -> Response {
    if headers.get(header::IF_NONE_MATCH).is_some_and(|tag| tag == "\"v1\"") {
        return StatusCode::NOT_MODIFIED.into_response();
    }
    ([(header::ETAG, "\"v1\"")], r#"{"n": 1}"#).into_response()
}

#[tokio::test]
async fn an_unchanged_answer_costs_nothing_also_after_a_restart() {
    let routes = Router::new().route("/", get(tagged)).route("/other", get(tagged));
    let server = Server::start(routes).await;
    let config = json!({"url": server.url("/")});
    let mut poller = poller_from(config.clone(), None);
    let (first, _) = poll(&mut poller).await;
    let (second, _) = poll(&mut poller).await;
    assert_eq!((first.documents().len(), second.documents().len(), second.idle_count()), (1, 0, 1));

    let checkpoint = first.last_checkpoint();
    let (third, _) = poll(&mut poller_from(config, checkpoint.clone())).await;
    assert_eq!((third.documents().len(), third.idle_count()), (0, 1));
    // Another URL, or a setting that says so, asks for everything.
    for config in [json!({"url": server.url("/other")}), json!({"url": server.url("/"), "conditional": false})] {
        let (asked, _) = poll(&mut poller_from(config, checkpoint.clone())).await;
        assert_eq!(asked.documents().len(), 1);
    }
}

#[tokio::test]
async fn an_incremental_poll_goes_on_where_the_last_one_ended() {
    let feed = get(|Query(q): Pairs| async move {
        let since: u32 = q.get("since").map_or(0, |s| s.parse().expect("a number"));
        let items: Vec<_> = (since + 1..=5).rev().map(|n| json!({"n": n})).collect();
        json!({"items": items, "since": since}).to_string()
    });
    let server = Server::start(Router::new().route("/", feed)).await;
    let config = json!({
        "url": server.url("/"),
        "incremental": {"cursor_path": "$.items[*].n", "param": "since", "initial": "3"},
    });
    let mut poller = poller_from(config.clone(), None);
    let (first, _) = poll(&mut poller).await;
    assert_eq!(first.documents(), [json!({"items": [{"n": 5}, {"n": 4}], "since": 3})]);
    assert_eq!(first.last_checkpoint(), Some(json!({"cursor": 5})));

    let (second, _) = poll(&mut poller).await;
    assert_eq!((second.documents()[0]["since"].clone(), second.last_checkpoint()), (json!(5), None));
    let (restarted, _) = poll(&mut poller_from(config, first.last_checkpoint())).await;
    assert_eq!(restarted.documents()[0]["since"], 5);
}

#[tokio::test]
async fn the_checkpoint_comes_with_the_last_page_only() {
    let pages = get(|Query(q): Pairs| async move {
        match q.get("c").map(String::as_str) {
            None => json!({"n": 1, "next": "two"}).to_string().into_response(),
            Some(_) => StatusCode::GONE.into_response(),
        }
    });
    let server = Server::start(Router::new().route("/", pages)).await;
    let config = json!({
        "url": server.url("/"),
        "pagination": {"type": "cursor", "cursor_path": "$.next", "param": "c"},
        "incremental": {"cursor_path": "$.n", "param": "since"},
    });
    let (recorder, result) = poll(&mut poller_from(config, None)).await;
    assert_eq!(result.map_err(|e| e.is_permanent()), Err(true));
    assert_eq!((recorder.documents().len(), recorder.last_checkpoint()), (1, None));
}

/// Answers each call with the next of `answers`, and the last one for ever.
fn in_turn(answers: Vec<(u16, &'static str)>) -> Router {
    let left = Arc::new(Mutex::new(answers.into_iter().rev().collect::<Vec<_>>()));
    let handler = move || async move {
        let mut left = left.lock().expect("no poison");
        let (status, wait) = if left.len() > 1 { left.pop() } else { left.last().copied() }.expect("an answer");
        let mut answer = (StatusCode::from_u16(status).expect("a status"), "{}").into_response();
        if !wait.is_empty() {
            answer.headers_mut().insert(header::RETRY_AFTER, wait.parse().expect("a value"));
        }
        answer
    };
    Router::new().route("/", get(handler))
}

#[tokio::test]
async fn what_passes_quickly_is_tried_again() {
    let server = Server::start(in_turn(vec![(503, ""), (429, "1"), (200, "")])).await;
    let begun = Instant::now();
    let (recorder, result) = poll(&mut poller_from(json!({"url": server.url("/")}), None)).await;
    assert_eq!((result, recorder.documents().len(), recorder.logs().len()), (Ok(()), 1, 2));
    assert!(begun.elapsed() >= Duration::from_secs(1), "the server asked for a second");
}

#[tokio::test]
async fn a_long_retry_after_goes_to_the_supervisor() {
    let server = Server::start(in_turn(vec![(429, "120")])).await;
    let (recorder, result) = poll(&mut poller_from(json!({"url": server.url("/")}), None)).await;
    let error = result.expect_err("limited");
    assert_eq!(error.code, "rate_limited");
    assert_eq!(error.kind, ErrorKind::Transient { retry_after: Some(Duration::from_secs(120)) });
    assert_eq!(recorder.logs().len(), 0);
}

#[tokio::test]
async fn a_refusal_waits_for_a_person_and_gives_nothing_away() {
    let server = Server::start(in_turn(vec![(401, "")])).await;
    let config = json!({
        "url": server.url("/?k=s3cret"), "query": {"q": "s3cret"}, "headers": {"X": "s3cret"},
        "auth": {"type": "api_key", "query": "key", "value": "s3cret"},
    });
    let (_, result) = poll(&mut poller_from(config, None)).await;
    let error = result.expect_err("refused");
    assert_eq!((error.code, error.is_permanent()), ("unauthorized", true));
    assert!(!error.message.contains("s3cret"), "{error}");
}

#[tokio::test]
async fn a_page_that_is_too_large_or_no_json_is_an_error() {
    let bomb = gzip_of_blanks();
    let routes = Router::new()
        .route("/large", get(|| async { "1".repeat(2_000) }))
        .route("/bomb", get(move || async move { ([(header::CONTENT_ENCODING, "gzip")], bomb) }))
        .route("/html", get(|| async { "<html>maintenance</html>" }));
    let server = Server::start(routes).await;
    for (path, code) in [("/large", "response_too_large"), ("/bomb", "response_too_large"), ("/html", "decode_failed")]
    {
        let config = json!({"url": server.url(path), "max_response": 1_000});
        let (recorder, result) = poll(&mut poller_from(config, None)).await;
        assert_eq!(result.expect_err(path).code, code, "{path}");
        assert!(recorder.documents().is_empty());
    }
}

#[tokio::test]
async fn a_source_that_hangs_is_given_up() {
    let routes = Router::new().route("/", get(|| async { std::future::pending::<&'static str>().await }));
    let server = Server::start(routes).await;
    let plan = Plan::of(HttpPollerConfig::read(&json!({"url": server.url("/"), "timeout": "50ms"})).expect("settings"));
    let mut fetcher = Fetcher::new(Arc::new(plan.expect("a plan")), Arc::new(allow_local()));
    let error = fetcher.sample(&server.url("/").parse().expect("a URL")).await.expect_err("hangs");
    assert_eq!((error.code, error.is_permanent()), ("timeout", false));
}

#[tokio::test]
async fn a_redirect_to_a_private_address_is_refused() {
    let routes = Router::new()
        .route("/", get(|| async { (StatusCode::FOUND, [(header::LOCATION, "http://169.254.169.254/latest/")]) }));
    let server = Server::start(routes).await;
    let (_, result) = poll(&mut poller_from(json!({"url": server.url("/")}), None)).await;
    let error = result.expect_err("refused");
    assert_eq!((error.code, error.is_permanent()), ("egress_denied", true));
}

/// A token endpoint that counts, and a resource that takes the last token only.
fn oauth(issued: Arc<AtomicUsize>) -> Router {
    let token = post(|State(issued): State<Arc<AtomicUsize>>, headers: HeaderMap, body: String| async move {
        assert_eq!(headers[header::AUTHORIZATION], "Basic aWQ6YSUyQmI=", "id and a+b, form-encoded");
        assert_eq!(body, "grant_type=client_credentials&scope=a+b");
        let number = issued.fetch_add(1, Ordering::SeqCst) + 1;
        json!({"access_token": format!("t{number}"), "token_type": "Bearer", "expires_in": 3_600}).to_string()
    });
    let data = get(|State(issued): State<Arc<AtomicUsize>>, headers: HeaderMap| async move {
        let expected = format!("Bearer t{}", issued.load(Ordering::SeqCst));
        if headers[header::AUTHORIZATION] == expected.as_str() { Ok("{}") } else { Err(StatusCode::UNAUTHORIZED) }
    });
    Router::new().route("/token", token).route("/data", data).with_state(issued)
}

#[tokio::test]
async fn an_oauth_token_is_kept_and_replaced_when_it_is_refused() {
    let issued = Arc::new(AtomicUsize::new(0));
    let server = Server::start(oauth(issued.clone())).await;
    let config = json!({
        "url": server.url("/data"),
        "auth": {
            "type": "oauth2_client_credentials", "token_url": server.url("/token"),
            "client_id": "id", "client_secret": "a+b", "scope": "a b",
        },
    });
    let mut poller = poller_from(config, None);
    for _ in 0..3 {
        poll(&mut poller).await.1.expect("a poll");
    }
    assert_eq!(issued.load(Ordering::SeqCst), 1);
    issued.fetch_add(1, Ordering::SeqCst);
    poll(&mut poller).await.1.expect("a poll with a new token");
    assert_eq!(issued.load(Ordering::SeqCst), 3);
}

#[tokio::test]
async fn a_refused_oauth_client_is_permanent() {
    let routes = Router::new().route("/token", post(|| async { StatusCode::UNAUTHORIZED }));
    let server = Server::start(routes).await;
    let auth = json!({
        "type": "oauth2_client_credentials", "token_url": server.url("/token"),
        "client_id": "id", "client_secret": "s", "client_auth": "body",
    });
    let (_, result) = poll(&mut poller_from(json!({"url": server.url("/"), "auth": auth}), None)).await;
    let error = result.expect_err("refused");
    assert!(error.is_permanent() && error.message.contains("token endpoint"), "{error}");
}

#[tokio::test]
async fn a_worker_polls_at_once_and_stops_when_told() {
    let server = Server::start(Router::new().route("/", get(|| async { "{}" }))).await;
    let poller = HttpPoller::new();
    let config = json!({"url": server.url("/"), "schedule": "every 1h"});
    let Source::Pull(mut source) = poller.start(&config, context()).await.expect("starts") else {
        panic!("a poller pulls");
    };
    let (recorder, stop) = (Recorder::default(), CancellationToken::new());
    let stopping = async {
        while recorder.documents().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        stop.cancel();
    };
    let (result, ()) = tokio::join!(source.run(None, &recorder, stop.clone()), stopping);
    assert_eq!(result, Ok(()));
    assert_eq!(recorder.documents().len(), 1);
}

#[tokio::test]
async fn a_stop_cuts_a_request_that_hangs() {
    let routes = Router::new().route("/", get(|| async { std::future::pending::<&'static str>().await }));
    let server = Server::start(routes).await;
    let mut poller = poller_from(json!({"url": server.url("/")}), None);
    let (recorder, stop) = (Recorder::default(), CancellationToken::new());
    let stopping = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        stop.cancel();
    };
    let polling = async { tokio::join!(poller.poll(&recorder, &stop), stopping) };
    let (result, ()) = tokio::time::timeout(Duration::from_secs(5), polling).await.expect("stops at once");
    assert_eq!(result, Ok(()));
}

#[tokio::test]
async fn a_sample_is_the_first_page_as_it_came() {
    let server = Server::start(Router::new().route("/", get(tagged))).await;
    let poller = HttpPoller::new();
    let sample = poller.sample(&json!({"url": server.url("/")}), context()).await.expect("a sample");
    assert_eq!(sample.as_deref(), Some(&br#"{"n": 1}"#[..]));

    let blocked = ConnectorContext { egress: Arc::new(Egress::new(Vec::new())), ..context() };
    let error = poller.sample(&json!({"url": server.url("/")}), blocked).await.expect_err("not public");
    assert_eq!(error.code, "egress_denied");
}

/// A megabyte of blanks in some thousand bytes: fixed Huffman codes, each repeating 258 times.
fn gzip_of_blanks() -> Vec<u8> {
    let mut bits = Bits::default();
    bits.push(0b011, 3);
    // The literal blank (code 0x30 + 32, eight bits, most significant first).
    bits.push(u32::from(0x50_u8.reverse_bits()), 8);
    for _ in 0..(1 << 20) / 258 {
        // Length 258 (symbol 285: 1100_0101), distance 1 (symbol 0, five bits).
        bits.push(u32::from(0b1100_0101_u8.reverse_bits()), 8);
        bits.push(0, 5);
    }
    // The end of the block stays away: the reader must not come so far.
    [vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255], bits.bytes].concat()
}

#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u32,
    count: u32,
}

impl Bits {
    fn push(&mut self, value: u32, width: u32) {
        self.held |= value << self.count;
        self.count += width;
        while self.count >= 8 {
            self.bytes.push((self.held & 0xff) as u8);
            self.held >>= 8;
            self.count -= 8;
        }
    }
}
