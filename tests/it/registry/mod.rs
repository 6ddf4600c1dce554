//! The data plane: from a source or a webhook to the sink, whatever happens on the way.

mod backfill;
mod checks;
mod circuit;
mod crash;
pub mod dead_letters;
#[cfg(feature = "nats")]
mod faults;
mod group_commit;
mod leases;
mod live;
mod nodes;
mod on_error;
mod poller;
mod reload;
mod retention;
mod senders;
pub mod source;
mod test_runs;
mod tour;
mod two_nodes;
mod webhooks;

use serde_json::{Value, json};

use crate::harness::{Client, eventually};

/// The numbers that `n` has in the delivered records, in the order of their arrival.
fn numbers(records: &[Value]) -> Vec<i64> {
    records.iter().map(|r| r["data"]["n"].as_i64().unwrap_or_else(|| panic!("a number n in {r}"))).collect()
}

/// A webhook that anyone may call, whose records carry `n`.
fn numbered_webhook() -> Value {
    crate::harness::server::open_webhook(json!({ "n": "$.n" }))
}

/// Drafts a version and makes it the published one, without waiting for its worker; answers with its number.
async fn draft_and_publish(client: &Client, id: &str, config: Value) -> i64 {
    let drafted =
        client.mutate("createDatasourceVersion", json!({ "id": id, "config": config }), "version { version }").await;
    let version = drafted["version"]["version"].as_i64().expect("a version");
    let publish = json!({ "id": id, "version": version });
    client.mutate("publishDatasource", publish, "version { version }").await;
    version
}

/// Waits until the state of a worker shows `expected`, field by field; answers with the whole of it.
async fn state_becomes(client: &Client, id: &str, expected: Value) -> Value {
    let expected = expected.as_object().expect("an object");
    eventually(&format!("the state shows {expected:?}"), || async {
        let state = client.state(id).await;
        expected.iter().all(|(field, value)| &state[field] == value).then_some(state)
    })
    .await
}

/// The timeline, oldest first.
async fn events(client: &Client, id: &str) -> Vec<Value> {
    let query = "query($id: ID!) { datasourceEvents(id: $id, first: 200) {
        nodes { eventType version actor payload } } }";
    let mut data = client.data(query, json!({ "id": id })).await;
    let Value::Array(mut nodes) = data["datasourceEvents"]["nodes"].take() else { panic!("a list of events") };
    nodes.reverse();
    nodes
}

/// The types of the events that the registry itself wrote about failures, oldest first.
async fn worker_events(client: &Client, id: &str) -> Vec<String> {
    let all = events(client, id)
        .await
        .into_iter()
        .filter(|e| e["actor"] == "system:registry" && e["eventType"] != "RELOADED");
    all.map(|e| e["eventType"].as_str().expect("a type").to_owned()).collect()
}
