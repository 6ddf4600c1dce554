//! A second person for what goes live.

mod expiry;
mod imports;
mod policy;
mod races;
mod rest;
mod secrets;
mod versions;

use serde_json::{Value, json};

use crate::harness::server::{JWT_SECRET, mutation, open_webhook};
use crate::harness::{Client, TestServer};

const FIELDS: &str = "id action version checksum secretKey secretVersion status reason comment required missing testEvent \
    testSucceeded secretReference \
    requestedBy closedAt secretPins { key version } decisions { by approved comment }";

/// A person of `acme` with a token of their own.
fn person(server: &TestServer, subject: &str, role: &str) -> Client {
    let roles = json!([format!("datasource:{role}")]);
    let claims = json!({ "sub": subject, "org": "acme", "roles": roles, "exp": 4_102_444_800_u64 });
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    server.with_token(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token"))
}

/// The policy of the organisation from now on.
async fn policy(server: &TestServer, input: Value) {
    server.admin().mutate("setApprovalPolicy", input, "policy { updatedBy }").await;
}

/// A webhook with a secret, of which `author` drafts one version.
async fn guarded(author: &Client, name: &str) -> String {
    author.webhook(name, with_secret("$.a")).await
}

fn with_secret(path: &str) -> Value {
    json!({
        "connector": { "type": "webhook", "auth": { "type": "bearer", "token": { "$secret": "token" } } },
        "secrets": { "token": "hook_token" },
        "mapping": { "outputs": [{ "kind": "event", "id": "$.id", "fields": { "a": path } }] },
    })
}

async fn open(author: &Client, name: &str) -> String {
    author.webhook(name, open_webhook(json!({ "a": "$.a" }))).await
}

async fn draft(author: &Client, id: &str, field: &str) {
    let config = open_webhook(json!({ field: "$.a" }));
    author.mutate("createDatasourceVersion", json!({ "id": id, "config": config }), "version { version }").await;
}

/// Asks for the latest version; answers with the id of the request.
async fn ask(requester: &Client, id: &str) -> String {
    let made = requester.mutate("requestApproval", json!({ "id": id, "comment": "please" }), "approval { id }").await;
    made["approval"]["id"].as_str().expect("an id").to_owned()
}

async fn approve(approver: &Client, request: &str) -> Value {
    let selection = format!("approval {{ {FIELDS} }}");
    let mut done = approver.mutate("approveVersion", json!({ "id": request }), &selection).await;
    done["approval"].take()
}

/// The requests about a datasource, newest first.
async fn requests(client: &Client, id: &str) -> Vec<Value> {
    let query = format!("query($id: ID!) {{ approvals(filter: {{ datasourceId: $id }}) {{ nodes {{ {FIELDS} }} }} }}");
    let data = client.data(&query, json!({ "id": id })).await;
    data["approvals"]["nodes"].as_array().expect("nodes").clone()
}

async fn status(client: &Client, id: &str, request: &str) -> String {
    let found = requests(client, id).await.into_iter().find(|found| found["id"] == request).expect("the request");
    found["status"].as_str().expect("a status").to_owned()
}

/// How an operation ends: `""`, or the code of its refusal and its message.
async fn outcome(client: &Client, name: &str, input: Value) -> (String, String) {
    let answer = client.send(&mutation(name, "__typename"), json!({ "input": input })).await;
    let error = &answer["errors"][0];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    (text(&error["extensions"]["code"]), text(&error["message"]))
}

/// The same, without the message.
async fn code(client: &Client, name: &str, input: Value) -> String {
    outcome(client, name, input).await.0
}

async fn set_secret(admin: &Client, id: &str, key: &str, value: &str) {
    let input = json!({ "id": id, "key": key, "value": value });
    admin.mutate("setDatasourceSecret", input, "secret { key }").await;
}

/// Asks for a value to count; answers with the id of the request.
async fn ask_for_secret(admin: &Client, id: &str, key: &str, value: &str) -> String {
    let input = json!({ "id": id, "key": key, "value": value, "requestApproval": true, "repin": true });
    let made = admin.mutate("setDatasourceSecret", input, "approval { id status } repinRequired").await;
    assert_eq!(made["approval"]["status"], "PENDING");
    made["approval"]["id"].as_str().expect("an id").to_owned()
}

/// What a version shows of its approval.
async fn shown(client: &Client, id: &str, version: i32) -> Value {
    let query = "query($id: ID!, $n: Int!) { datasource(id: $id) { version(version: $n) { approval approvedBy } } }";
    let mut data = client.data(query, json!({ "id": id, "n": version })).await;
    data["datasource"]["version"].take()
}

/// The kinds of events of a datasource, newest first.
async fn events(client: &Client, id: &str) -> Vec<String> {
    let query = "query($id: ID!) { datasourceEvents(id: $id) { nodes { eventType } } }";
    let data = client.data(query, json!({ "id": id })).await;
    let nodes = data["datasourceEvents"]["nodes"].as_array().expect("nodes").iter();
    nodes.map(|node| node["eventType"].as_str().expect("a word").to_owned()).collect()
}

/// Every open request is over from now on.
async fn let_expire(server: &TestServer) {
    let sql = server.database.sql().await;
    sql.run("UPDATE approvals SET expires_at = requested_at WHERE closed_at IS NULL").await;
    sql.run("UPDATE datasource_versions SET approval_until = created_at WHERE approval_until IS NOT NULL").await;
    sql.close().await;
}
