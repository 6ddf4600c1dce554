//! Templates and saved views: where they come from, who may do what with them, and what they are used for.

mod access;
mod bounds;
mod files;
mod history;
mod layers;
mod nodes;
mod rest;
mod templates;

use serde_json::{Value, json};

use crate::harness::Client;
use crate::harness::server::mutation;

const ITEM: &str = "name type data version checksum source layer shadows active owner visibility tags revision createdBy \
    updatedBy";

/// A view of the datasources with a tag.
fn view(tag: &str) -> Value {
    json!({ "list": "datasources", "filter": { "tags": [tag] } })
}

/// A webhook that takes anything, with a field whose path is asked for.
fn template() -> Value {
    json!({
        "title": "Orders",
        "connector": "webhook",
        "parameters": {
            "path": { "type": "string", "examples": ["$.amount"] },
            "kind": { "type": "string", "default": "order", "pattern": "^[a-z]+$" },
            "batch": { "type": "integer", "default": 10, "minimum": 1 },
        },
        "config": {
            "connector": { "type": "webhook", "auth": { "type": "none" } },
            "mapping": { "outputs": [{
                "kind": "{{param.kind}}", "id": "$.id",
                "fields": { "total": "{{param.path}}", "about": "a {{param.kind}} of {{param.batch}}" },
            }] },
            "delivery": { "batch": { "max_records": "{{param.batch}}" } },
        },
    })
}

/// Saves an item; answers with it.
async fn save(client: &Client, kind: &str, name: &str, data: Value) -> Value {
    save_with(client, kind, name, data, json!({})).await
}

async fn save_with(client: &Client, kind: &str, name: &str, data: Value, more: Value) -> Value {
    let mut input = json!({ "type": kind, "name": name, "data": data });
    for (key, value) in more.as_object().expect("an object") {
        input[key] = value.clone();
    }
    client.mutate("saveMetadataItem", input, &format!("item {{ {ITEM} }}")).await["item"].take()
}

async fn delete(client: &Client, kind: &str, name: &str) -> Value {
    let input = json!({ "type": kind, "name": name });
    client.mutate("deleteMetadataItem", input, &format!("item {{ {ITEM} }}")).await["item"].take()
}

/// The item that counts, or null.
async fn item(client: &Client, kind: &str, name: &str) -> Value {
    let query = format!(
        "query($type: MetadataItemType!, $name: String!) {{ metadataItem(type: $type, name: $name) {{ {ITEM} }} }}"
    );
    client.data(&query, json!({ "type": kind, "name": name })).await["metadataItem"].take()
}

/// The names of a type that a caller sees.
async fn names(client: &Client, kind: &str) -> Vec<String> {
    let query =
        "query($type: MetadataItemType!) { metadataItems(type: $type, first: 200) { totalCount nodes { name } } }";
    let data = client.data(query, json!({ "type": kind })).await;
    let nodes = data["metadataItems"]["nodes"].as_array().expect("nodes").clone();
    assert_eq!(data["metadataItems"]["totalCount"], nodes.len());
    nodes.iter().map(|node| node["name"].as_str().expect("a name").to_owned()).collect()
}

/// The versions of an item, newest first.
async fn versions(client: &Client, kind: &str, name: &str) -> Vec<Value> {
    let query = "query($type: MetadataItemType!, $name: String!) { metadataItemVersions(type: $type, name: $name) {
        nodes { version data checksum source comment createdBy } } }";
    let data = client.data(query, json!({ "type": kind, "name": name })).await;
    data["metadataItemVersions"]["nodes"].as_array().expect("nodes").clone()
}

/// How a mutation is refused: its code, its message and its problems.
async fn refusal(client: &Client, name: &str, input: Value) -> (String, String, Value) {
    let answer = client.send(&mutation(name, "__typename"), json!({ "input": input })).await;
    let error = &answer["errors"][0];
    let code = error["extensions"]["code"].as_str().unwrap_or_else(|| panic!("an error, not {answer:#}"));
    let message = error["message"].as_str().expect("a message");
    (code.to_owned(), message.to_owned(), error["extensions"]["problems"].clone())
}

/// The pointers of problems, in order.
fn pointers(problems: &Value) -> Vec<String> {
    let all = problems.as_array().into_iter().flatten();
    let mut all: Vec<_> = all.map(|p| p["pointer"].as_str().expect("a pointer").to_owned()).collect();
    all.sort_unstable();
    all
}
