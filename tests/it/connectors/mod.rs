//! Connectors and sinks against the real systems: each test starts its own.

#[cfg(all(feature = "kafka", feature = "nats", feature = "object_store", feature = "sql"))]
mod again;
#[cfg(all(feature = "kafka", feature = "nats", feature = "object_store", feature = "sql"))]
mod envelope;
pub mod inbox;
#[cfg(feature = "kafka")]
mod kafka;
#[cfg(feature = "kafka")]
mod kafka_trouble;
#[cfg(feature = "sql")]
mod mariadb;
#[cfg(feature = "nats")]
mod nats;
#[cfg(feature = "nats")]
pub mod nats_server;

#[cfg(feature = "object_store")]
mod object_store;
mod refusals;
#[cfg(feature = "object_store")]
pub(crate) mod s3_server;
mod sinks;
#[cfg(feature = "sql")]
mod sql;
mod streams;

use serde_json::{Value, json};

use crate::harness::{Client, TestServer, eventually};

/// A configuration whose records carry the number `n` of their input.
fn numbered(connector: Value) -> Value {
    json!({
        "connector": connector,
        "mapping": { "outputs": [{ "kind": "item", "id": "$.n", "fields": { "n": "$.n" } }] },
        "runtime": { "retry": { "initial": "100ms", "max": "1s" } },
    })
}

/// A datasource with one draft; answers with its id.
async fn datasource(client: &Client, config: Value) -> String {
    let kind = config["connector"]["type"].clone();
    let name = format!("{} {}", kind.as_str().expect("a type"), uuid::Uuid::now_v7());
    let input = json!({ "name": name, "type": kind, "config": config });
    let made = client.mutate("createDatasource", input, "datasource { id }").await;
    made["datasource"]["id"].as_str().expect("an id").to_owned()
}

/// The numbers that were delivered, in the order of their arrival.
fn numbers(server: &TestServer, id: &str) -> Vec<i64> {
    let records = server.delivered("acme", id);
    records.iter().map(|r| r["data"]["n"].as_i64().unwrap_or_else(|| panic!("a number n in {r}"))).collect()
}

/// Waits until exactly these numbers were delivered, in this order.
async fn arrive(server: &TestServer, id: &str, expected: impl IntoIterator<Item = i64>) {
    let expected: Vec<_> = expected.into_iter().collect();
    let got = eventually_or_last(server, id, &expected).await;
    assert_eq!(got, expected);
}

async fn eventually_or_last(server: &TestServer, id: &str, expected: &[i64]) -> Vec<i64> {
    eventually(&format!("{} records arrive", expected.len()), || async {
        let got = numbers(server, id);
        (got.len() >= expected.len()).then_some(got)
    })
    .await
}

/// The steps of a check: `name`, or `name!code` for the one that failed.
async fn check(client: &Client, id: &str) -> (Vec<String>, Value) {
    let run =
        client.mutate("checkDatasource", json!({ "id": id }), "success steps { name success code message }").await;
    let text = |v: &Value| v.as_str().unwrap_or_default().to_owned();
    let steps = run["steps"].as_array().expect("steps").iter().map(|s| match s["success"] == true {
        true => text(&s["name"]),
        false => format!("{}!{}", text(&s["name"]), text(&s["code"])),
    });
    (steps.collect(), run)
}

/// Waits until the worker of a datasource reports an error with this code; answers with its message.
async fn fails_with(client: &Client, id: &str, code: &str) -> String {
    eventually(&format!("the worker reports {code}"), || async {
        let state = client.state(id).await;
        (state["errorCode"] == code).then(|| state["errorMessage"].as_str().expect("a message").to_owned())
    })
    .await
}

/// Drafts another version and makes it the published one; answers with its number.
async fn publish_again(client: &Client, id: &str, config: Value) -> i64 {
    let drafted =
        client.mutate("createDatasourceVersion", json!({ "id": id, "config": config }), "version { version }").await;
    let version = drafted["version"]["version"].as_i64().expect("a version");
    client.mutate("publishDatasource", json!({ "id": id, "version": version }), "version { version }").await;
    version
}

async fn set_secret(client: &Client, id: &str, key: &str, value: &str) {
    client.mutate("setDatasourceSecret", json!({ "id": id, "key": key, "value": value }), "secret { version }").await;
}
