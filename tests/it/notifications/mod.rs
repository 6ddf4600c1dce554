//! Stakeholders are told of changes: signed, once, of what they asked for, and whatever happens on the way.

mod access;
mod delivery;
mod hostile;
mod log;
mod nodes;
mod receiver;
mod rest;
mod secrets;

use serde_json::{Value, json};

use self::receiver::Receiver;
use crate::harness::server::open_webhook;
use crate::harness::{Client, TestServer, eventually};

/// Waits of milliseconds between attempts, so that a test need not wait, and many of them.
const QUICK: [&str; 2] = ["--notification-retry", "10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms,10ms"];

const DELIVERY: &str = "id endpointId type eventId datasourceId body status nextAttemptAt finishedAt
    attempts { durationMs status response error node }";

/// The same server with other flags, on the same database.
async fn with(server: TestServer, flags: &[&str]) -> TestServer {
    TestServer::on(server.stop().await, flags).await
}

/// An endpoint at `url`; answers with its id and its secret.
async fn endpoint(admin: &Client, url: &str, filter: Value) -> (String, String) {
    let input = json!({ "url": url, "filter": filter });
    let made = admin.mutate("createNotificationEndpoint", input, "endpoint { id } secret").await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&made["endpoint"]["id"]), text(&made["secret"]))
}

/// An endpoint of a receiver that is told of everything.
async fn told(admin: &Client, receiver: &Receiver) -> (String, String) {
    endpoint(admin, &receiver.url("/hook"), json!({})).await
}

/// Makes events: a datasource and its draft.
async fn change(admin: &Client, name: &str) -> String {
    admin.webhook(name, open_webhook(json!({ "total": "$.amount" }))).await
}

async fn shown(admin: &Client, id: &str) -> Value {
    let query = "{ notificationEndpoints { id url active disabledReason failingSince eventCursor
        secrets { version expiresAt } } }";
    let data = admin.data(query, json!({})).await;
    let all = data["notificationEndpoints"].as_array().expect("endpoints").clone();
    all.into_iter().find(|endpoint| endpoint["id"] == id).expect("the endpoint")
}

/// The messages of an endpoint, the oldest first.
async fn messages(admin: &Client, endpoint: &str) -> Vec<Value> {
    let query = format!(
        "query($id: ID!) {{ notificationDeliveries(filter: {{ endpointId: $id }}, first: 200) {{ nodes {{ {DELIVERY} }} }} }}"
    );
    let data = admin.data(&query, json!({ "id": endpoint })).await;
    let mut found = data["notificationDeliveries"]["nodes"].as_array().expect("nodes").clone();
    found.reverse();
    found
}

/// All events of the organisation, the oldest first, by id and kind.
async fn timeline(admin: &Client, ids: &[&str]) -> Vec<(i64, String)> {
    let mut all = Vec::new();
    for id in ids {
        let query = "query($id: ID!) { datasourceEvents(id: $id, first: 200) { nodes { id eventType } } }";
        let data = admin.data(query, json!({ "id": id })).await;
        for node in data["datasourceEvents"]["nodes"].as_array().expect("nodes") {
            let number = node["id"].as_str().expect("an id").parse().expect("a number");
            all.push((number, node["eventType"].as_str().expect("a kind").to_owned()));
        }
    }
    all.sort_unstable();
    all
}

/// Waits until an endpoint was looked at for all events there are, and nothing waits for it; answers with its messages.
async fn settled(server: &TestServer, org: &str, admin: &Client, endpoint: &str) -> Vec<Value> {
    eventually("all events are told", || async {
        let sql = server.database.sql().await;
        let head = sql.number(&format!("SELECT event_seq FROM orgs WHERE org_id = '{org}'")).await;
        sql.close().await;
        let cursor = shown(admin, endpoint).await["eventCursor"].as_str()?.parse::<i64>().ok()?;
        let messages = messages(admin, endpoint).await;
        (cursor >= head && messages.iter().all(|message| message["status"] != "PENDING")).then_some(messages)
    })
    .await
}

/// Waits until the only message of an endpoint is in this state; answers with it.
async fn becomes(admin: &Client, endpoint: &str, status: &str) -> Value {
    eventually(&format!("the message is {status}"), || async {
        let [message] = messages(admin, endpoint).await.try_into().ok()?;
        (message["status"] == status).then_some(message)
    })
    .await
}

/// Sends a test, so that there is one message and no more.
async fn test(admin: &Client, endpoint: &str) -> String {
    let sent = admin.mutate("sendTestNotification", json!({ "id": endpoint }), "delivery { id }").await;
    sent["delivery"]["id"].as_str().expect("an id").to_owned()
}

/// What the audit log has of an action, the newest first.
async fn audited(admin: &Client, action: &str) -> Vec<Value> {
    let query = "query($action: String!) { auditLog(filter: { action: $action }, first: 50) {
        nodes { actor reason outcome field oldValue newValue } } }";
    let data = admin.data(query, json!({ "action": action })).await;
    data["auditLog"]["nodes"].as_array().expect("entries").clone()
}
