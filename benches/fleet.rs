//! Many datasources on one node: how soon all run, and what an idle one takes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::peer::Peer;
use super::support::server::Home;
use super::support::{count, table};

/// Datasources of the fleet; another number by `BENCH_FLEET`.
const FLEET: usize = 5_000;
const IDLE: Duration = Duration::from_secs(10);

pub async fn run() {
    let size = std::env::var("BENCH_FLEET").map_or(FLEET, |n| n.parse().expect("BENCH_FLEET is a number"));
    let peer = Peer::start(json!([])).await;
    let webhook = json!({
        "connector": { "type": "webhook", "auth": { "type": "none" } },
        "mapping": { "outputs": [{ "kind": "item", "id": "$.id", "fields": { "title": "$.title" } }] },
        "delivery": { "sink": { "type": "jsonl" } },
    });
    let mut rows = Vec::new();
    for (name, config) in [("http_poller", peer.poller(0)), ("webhook", webhook)] {
        for home in [Some(Home::sqlite()), Home::postgres().await].into_iter().flatten() {
            rows.push(fleet(name, &config, size, &home).await);
        }
    }
    println!("{} datasources on one node; a poller asks once an hour.\n", count(size as f64));
    let head = ["datasource", "database", "ready", "all run", "memory without", "memory of one", "processor, idle"];
    table(&head, &rows);
}

async fn fleet(name: &str, config: &Value, size: usize, home: &Home) -> Vec<String> {
    let empty = home.serve().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    let without = empty.usage().memory;
    drop(empty);

    let manifest = |i: usize| {
        json!({
            "apiVersion": "datasource.studio/v1", "kind": "Datasource",
            "metadata": { "name": format!("{name}-{i:05}") },
            "spec": { "publish": true, "config": config },
        })
    };
    home.import((0..size).map(manifest));

    let began = Instant::now();
    let server = home.serve().await;
    let ready = began.elapsed();
    let running = async || server.metric("registry_workers", "status=\"running\"").await >= size as f64;
    server.until("all workers run", running).await;
    let all = began.elapsed();

    tokio::time::sleep(IDLE).await;
    let before = server.usage();
    tokio::time::sleep(IDLE).await;
    let after = server.usage();
    let each = after.memory.saturating_sub(without) as f64 / size as f64;
    vec![
        name.to_owned(),
        home.database().to_owned(),
        format!("{:.2} s", ready.as_secs_f64()),
        format!("{:.1} s", all.as_secs_f64()),
        format!("{:.0} MB", without as f64 / 1e6),
        format!("{:.1} kB", each / 1e3),
        format!("{:.1} % of a core", (after.cpu - before.cpu).as_secs_f64() / IDLE.as_secs_f64() * 100.0),
    ]
}
