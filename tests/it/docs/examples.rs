//! What ships as an example works: the YAML files, and the operations in GraphiQL.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::{page, root};
use crate::harness::{Client, Kind, TestServer};

async fn seeded(kind: Kind) -> TestServer {
    let examples = root().join("examples");
    TestServer::start_with(kind, &["--seed-dir", examples.to_str().expect("a path in UTF-8")]).await
}

/// Each file becomes a datasource, and maps the payload that `tests/fixtures` has for it.
async fn every_example_maps_its_payload(kind: Kind) {
    let server = seeded(kind).await;
    let operator = server.client(Role::Operator, "default");
    let listed = operator.data("{ datasources { nodes { id name description tags } } }", Value::Null).await;
    let nodes = listed["datasources"]["nodes"].as_array().expect("a list");
    let names: Vec<_> = nodes.iter().filter_map(|n| n["name"].as_str()).collect();
    let files = std::fs::read_dir(root().join("examples")).expect("the examples");
    let files = files.filter_map(|e| e.ok()?.path().file_name()?.to_str()?.strip_suffix(".yaml").map(str::to_owned));
    for file in files {
        let node = nodes.iter().find(|n| n["name"] == file);
        let node = node.unwrap_or_else(|| panic!("examples/{file}.yaml was not loaded: {names:?}"));
        let input = match payload(&file) {
            Some(payload) => json!({ "id": node["id"], "payload": payload }),
            None => json!({ "id": node["id"], "payload": { "id": "1", "text": "hello", "user": { "name": "Ada" } } }),
        };
        let done =
            operator.mutate("testDatasource", input, "run { success outputs { kind } errors { message } }").await;
        let run = &done["run"];
        assert!(run["success"] == true && run["outputs"] != json!([]), "{file}: {run:#}");
    }
}

/// As the source sends it; `None` where any document will do.
fn payload(name: &str) -> Option<String> {
    let folder = root().join("tests/fixtures");
    ["json", "jsonl"].iter().find_map(|ext| std::fs::read_to_string(folder.join(format!("{name}.{ext}"))).ok())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_maps_its_payload_on_sqlite() {
    Box::pin(every_example_maps_its_payload(Kind::Sqlite)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_example_maps_its_payload_on_postgres() {
    Box::pin(every_example_maps_its_payload(Kind::Postgres)).await;
}

/// The operations of the tabs that GraphiQL opens with, in their order, as a first visitor runs them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_operation_in_graphiql_runs() {
    let server = seeded(Kind::Sqlite).await;
    let admin = server.client(Role::Admin, "default");
    let config = json!({ "connector": { "type": "webhook", "auth": { "type": "none" } } });
    let source = page("assets/graphiql/examples.js");
    let mut id = Value::Null;
    let mut ran = Vec::new();
    for operation in source.split('`').skip(1).step_by(2) {
        let name = name_of(operation).unwrap_or_else(|| panic!("not an operation: {operation}"));
        let variables = match name {
            "ListDatasources" => Value::Null,
            "CreateWebhook" => json!({ "input": { "name": "my-first-webhook", "type": "webhook", "tags": ["demo"] } }),
            "CreateVersion" => json!({ "input": { "id": id, "config": config, "comment": "First draft" } }),
            "Test" => json!({ "input": { "id": id, "payload": { "id": "1", "text": "hello" } } }),
            "Publish" => json!({ "input": { "id": id, "version": 1, "comment": "Go live" } }),
            "WatchEvents" => {
                watch(&admin, operation, &id).await;
                ran.push(name);
                continue;
            }
            other => panic!("give variables for {other} here"),
        };
        let data = admin.data(operation, variables).await;
        if name == "CreateWebhook" {
            id = data["createDatasource"]["datasource"]["id"].clone();
        }
        ran.push(name);
    }
    assert_eq!(ran, ["ListDatasources", "CreateWebhook", "CreateVersion", "Test", "Publish", "WatchEvents"]);
}

fn name_of(operation: &str) -> Option<&str> {
    let line = operation.lines().find(|line| !line.starts_with('#'))?;
    let rest = ["query ", "mutation ", "subscription "].iter().find_map(|word| line.strip_prefix(word))?;
    rest.split(['(', ' ']).next()
}

/// A subscription opens, and gives out what happens next.
async fn watch(client: &Client, operation: &str, id: &Value) {
    let request = client.http.post(format!("{}/graphql", client.url)).bearer_auth(&client.token);
    let body = json!({ "query": operation, "variables": { "id": id } });
    let mut stream = request.header("accept", "text/event-stream").json(&body).send().await.expect("an answer");
    assert!(stream.status().is_success(), "{}", stream.status());
    client.mutate("stopDatasource", json!({ "id": id }), "datasource { status }").await;
    let mut text = String::new();
    while !text.contains("\"STOPPED\"") {
        let chunk = stream.chunk().await.expect("a stream").expect("the stream goes on");
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
}
