//! JSON in to sink acknowledged: webhooks beside a bare handler that parses the same JSON, and a pull source.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use serde_json::{Value, json};

use super::support::server::{Home, Server, Usage};
use super::support::{count, load, percent, table};

const PUSH: &str = include_str!("../tests/fixtures/github-push.json");
const SECONDS: u32 = 5;
const CONNECTIONS: u32 = 64;
const LINES: usize = 200_000;

pub async fn run() {
    webhooks().await;
    println!();
    files().await;
}

async fn webhooks() {
    let home = Home::sqlite();
    let server = home.serve().await;
    let mapping = json!({ "outputs": [{ "kind": "push", "id": "$.after", "fields": {
        "repository": "$.repository.full_name", "ref": "$.ref", "pusher": "$.pusher.name" } }] });
    let one = json!({ "connector": { "type": "webhook", "auth": { "type": "none" } }, "mapping": mapping,
        "delivery": { "sink": { "type": "jsonl" } } });
    let mut many = one.clone();
    many["mapping"]["input"] = json!("$[*]");
    let hundred = format!("[{}]", vec![PUSH; 100].join(","));
    let cases = [
        ("1", server.create("one", &one).await, PUSH.to_owned(), 1.0),
        ("100", server.create("many", &many).await, hundred, 100.0),
    ];
    let mut rows = Vec::new();
    for (name, id, body, records) in cases {
        let url = format!("{}/hooks/{id}", server.url);
        server.until("the webhook takes requests", async || accepts(&url, &body).await).await;
        let floor = bare_handler().await;
        // Floor, server, floor: what the machine does meanwhile shows as a difference of the floors.
        let before = load::post(&floor, &body, CONNECTIONS, SECONDS).await;
        let (used, began) = (server.usage().cpu, Instant::now());
        let ours = load::post(&url, &body, CONNECTIONS, SECONDS).await;
        let cpu = (server.usage().cpu - used).as_secs_f64();
        let handled = ours.requests_per_second * records * began.elapsed().as_secs_f64();
        let after = load::post(&floor, &body, CONNECTIONS, SECONDS).await;
        let floor = (before.requests_per_second + after.requests_per_second) / 2.0;
        rows.push(vec![
            name.to_owned(),
            count(ours.requests_per_second),
            count(floor),
            percent(ours.requests_per_second, floor),
            count(ours.requests_per_second * records),
            count(handled / cpu),
            format!("{:.1?}", ours.p50),
            format!("{:.1?}", ours.p99),
        ]);
    }
    println!("Webhook to a synced file (jsonl sink), {CONNECTIONS} connections, a payload of {} bytes.\n", PUSH.len());
    let head = ["payloads in a request", "requests/s", "bare axum handler", "ratio", "records/s"];
    table(&[&head[..], &["records/s of one core", "p50", "p99"]].concat(), &rows);
}

async fn accepts(url: &str, body: &str) -> bool {
    let request = reqwest::Client::new().post(url).header("content-type", "application/json").body(body.to_owned());
    request.send().await.is_ok_and(|answer| answer.status().is_success())
}

/// Parses the JSON and answers; keeps nothing.
async fn bare_handler() -> String {
    let handler = |axum::Json(value): axum::Json<Value>| async move {
        drop(std::hint::black_box(value));
        StatusCode::ACCEPTED
    };
    let app = Router::new().route("/", post(handler)).layer(axum::extract::DefaultBodyLimit::disable());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move { axum::serve(listener, app).await });
    format!("http://{address}/")
}

/// A pull source: JSON Lines of a file, mapped, delivered and acknowledged, with its checkpoint.
async fn files() {
    let mut rows = Vec::new();
    for home in [Some(Home::sqlite()), Home::postgres().await].into_iter().flatten() {
        let server = home.serve().await;
        let (took, cpu) = read_file(&home, &server).await;
        rows.push(vec![
            home.database().to_owned(),
            count(LINES as f64 / took.as_secs_f64()),
            count(LINES as f64 / cpu.as_secs_f64()),
        ]);
    }
    println!("A file of {} JSON Lines, read, mapped (three fields) and acknowledged by the jsonl sink.\n", LINES);
    table(&["checkpoints in", "records/s", "records/s of one core"], &rows);
}

async fn read_file(home: &Home, server: &Server) -> (Duration, Duration) {
    let inbox = home.path().join("in/default/inbox");
    std::fs::create_dir_all(&inbox).expect("a directory");
    let mut lines = String::new();
    for i in 0..LINES {
        let _ = writeln!(
            lines,
            r#"{{"id":{i},"title":"Door {i} was opened","severity":"LOW","at":"2026-01-01T00:00:00Z","device":{{"hostname":"door-{i}","floor":3}}}}"#
        );
    }
    std::fs::write(inbox.join("doors.jsonl"), lines).expect("a file");
    let config = json!({
        "connector": { "type": "object_store", "store": { "type": "local", "path": "inbox" }, "schedule": "every 1s", "min_age": "0s" },
        "mapping": { "outputs": [{ "kind": "opened", "id": "$.id", "fields": {
            "title": "$.title", "severity": "$.severity", "host": "$.device.hostname" } }] },
        "delivery": { "sink": { "type": "jsonl" } },
    });
    let before = server.usage();
    let began = Instant::now();
    server.create("doors", &config).await;
    let all = async || server.metric("datasource_records_total", "outcome=\"delivered\"").await >= LINES as f64;
    server.until("all lines are delivered", all).await;
    (began.elapsed(), cpu_between(before, server.usage()))
}

fn cpu_between(before: Usage, after: Usage) -> Duration {
    after.cpu - before.cpu
}
