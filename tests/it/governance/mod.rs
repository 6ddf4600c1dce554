//! What people say of a datasource while it runs: by the rules of their organisation, with its history, and shown to
//! those that it is for.

mod fields;
mod history;
mod rate_limit;
mod rest;
mod rules;
mod visibility;

use serde_json::{Value, json};

use crate::harness::server::{JWT_SECRET, mutation};
use crate::harness::{Client, TestServer};

const FIELDS: &str = "owner team category tags visibility { communities groups } lifecycle \
    sla { availabilityPercent maxLagSeconds supportTier } rateLimit { recordsPerSecond }";

/// A person of `acme` with more claims in their token.
fn person(server: &TestServer, subject: &str, role: &str, more: Value) -> Client {
    let roles = json!([format!("datasource:{role}")]);
    let mut claims = json!({ "sub": subject, "org": "acme", "roles": roles, "exp": 4_102_444_800_u64 });
    for (name, value) in more.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    server.with_token(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token"))
}

/// A webhook without a configuration, of which more is said; answers with its id.
async fn make(client: &Client, name: &str, more: Value) -> String {
    let mut input = json!({ "name": name, "type": "webhook" });
    for (field, value) in more.as_object().expect("an object") {
        input[field] = value.clone();
    }
    let made = client.mutate("createDatasource", input, "datasource { id }").await;
    made["datasource"]["id"].as_str().expect("an id").to_owned()
}

async fn metadata(client: &Client, id: &str) -> Value {
    let query = format!("query($id: ID!) {{ datasourceMetadata(id: $id) {{ {FIELDS} }} }}");
    client.data(&query, json!({ "id": id })).await["datasourceMetadata"].take()
}

/// Changes metadata; answers with the revision after it.
async fn update(client: &Client, id: &str, more: Value) -> i64 {
    let mut input = more;
    input["id"] = json!(id);
    let done = client.mutate("updateDatasourceMetadata", input, "datasource { revision }").await;
    done["datasource"]["revision"].as_i64().expect("a number")
}

async fn set_rules(client: &Client, input: Value) -> Value {
    let mut done = client.mutate("setGovernanceRules", input, "rules { revision categories maxTags updatedBy }").await;
    done["rules"].take()
}

/// How an operation ends: `""` or the code of its refusal, and what is wrong, by place.
async fn outcome(client: &Client, name: &str, input: Value) -> (String, Vec<(String, String)>) {
    let answer = client.send(&mutation(name, "__typename"), json!({ "input": input })).await;
    let error = &answer["errors"][0]["extensions"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let problems = error["problems"].as_array().cloned().unwrap_or_default();
    (text(&error["code"]), problems.iter().map(|p| (text(&p["pointer"]), text(&p["message"]))).collect())
}

/// The places of what is wrong, of an operation that is refused for it.
async fn places(client: &Client, name: &str, input: Value) -> Vec<String> {
    let (code, problems) = outcome(client, name, input).await;
    assert_eq!(code, "VALIDATION_FAILED", "{name}: {problems:?}");
    problems.into_iter().map(|(pointer, _)| pointer).collect()
}
