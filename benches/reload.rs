//! From the request to publish to the first record under the new version.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::support::peer::Peer;
use super::support::server::{Home, Server};
use super::support::{percentile, table};

const ROUNDS: usize = 200;

pub async fn run() {
    let mut rows = Vec::new();
    let sqlite = Home::sqlite();
    rows.extend(one_node(&sqlite).await);
    if let Some(postgres) = Home::postgres().await {
        rows.extend(one_node(&postgres).await);
        rows.push(two_nodes(&postgres).await);
    }
    println!("{ROUNDS} publishes each, one after another.\n");
    table(&["datasource", "database", "nodes", "p50", "p99", "publish answers, p50"], &rows);
}

async fn one_node(home: &Home) -> Vec<Vec<String>> {
    let server = home.serve().await;
    vec![webhook(home, &server, &server, "1").await, poller(home, &server).await]
}

async fn two_nodes(home: &Home) -> Vec<String> {
    let other = home.beside();
    let (here, there) = (home.serve().await, other.serve().await);
    webhook(home, &here, &there, "2").await
}

/// Publishes at `here` and sends records to `there` until one is taken under the new version.
async fn webhook(home: &Home, here: &Server, there: &Server, nodes: &str) -> Vec<String> {
    let config = |revision: usize| {
        json!({
            "connector": { "type": "webhook", "auth": { "type": "none" } },
            "mapping": { "outputs": [{ "kind": "item", "id": "$.id", "fields": { "revision": revision } }] },
            "delivery": { "sink": { "type": "jsonl" } },
        })
    };
    let id = here.create(&format!("webhook-{nodes}"), &config(0)).await;
    let http = reqwest::Client::new();
    let url = format!("{}/hooks/{id}", there.url);
    let version = async || {
        let answer = http.post(&url).json(&json!({ "id": 1 })).send().await.ok()?;
        answer.json::<Value>().await.ok()?["version"].as_u64()
    };
    there.until("the webhook takes records", async || version().await.is_some()).await;
    let mut times = Times::default();
    for revision in 1..=ROUNDS {
        let began = times.publish(here, &id, &config(revision)).await;
        while version().await != Some(revision as u64 + 1) {}
        times.first_record.push(millis(began.elapsed()));
    }
    times.row("webhook", home, nodes)
}

async fn poller(home: &Home, server: &Server) -> Vec<String> {
    let peer = Peer::start(json!([{ "id": 1 }])).await;
    let id = server.create("poller", &peer.poller(0)).await;
    server.until("the first record came", async || peer.first_of(1).is_some()).await;
    let mut times = Times::default();
    for revision in 1..=ROUNDS {
        let began = times.publish(server, &id, &peer.poller(revision)).await;
        let version = revision as i64 + 1;
        let mut came = None;
        while came.is_none() {
            tokio::time::sleep(Duration::from_micros(200)).await;
            came = peer.first_of(version);
        }
        times.first_record.push(millis(came.expect("it came").duration_since(began)));
    }
    times.row("http_poller to http", home, "1")
}

#[derive(Default)]
struct Times {
    answered: Vec<f64>,
    first_record: Vec<f64>,
}

impl Times {
    async fn publish(&mut self, server: &Server, id: &str, config: &Value) -> Instant {
        server.call("POST", &format!("/datasources/{id}/versions"), &json!({ "config": config })).await;
        let began = Instant::now();
        server.call("POST", &format!("/datasources/{id}/publish"), &json!({})).await;
        self.answered.push(millis(began.elapsed()));
        began
    }

    fn row(mut self, what: &str, home: &Home, nodes: &str) -> Vec<String> {
        let figure = |values: &mut [f64], percent| format!("{:.1} ms", percentile(values, percent));
        vec![
            what.to_owned(),
            home.database().to_owned(),
            nodes.to_owned(),
            figure(&mut self.first_record, 50.0),
            figure(&mut self.first_record, 99.0),
            figure(&mut self.answered, 50.0),
        ]
    }
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
