//! Introspection, and servers that run only the documents that they know.

use datasource_studio::domain::Role;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::{Client, Kind, Process, Socket, TestServer};

const KNOWN: &str = "query Me { viewer { subject } }";

fn hash(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

fn manifest() -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let subscription = "subscription { datasourceEvents { id } }";
    let known = json!({ hash(KNOWN): KNOWN, format!("sha256:{}", hash(subscription)): subscription });
    std::fs::write(file.path(), known.to_string()).expect("written");
    file
}

async fn post(client: &Client, body: Value) -> (u16, Value) {
    let request = client.http.post(format!("{}/graphql", client.url)).bearer_auth(&client.token).json(&body);
    let response = request.send().await.expect("an answer");
    (response.status().as_u16(), response.json().await.expect("JSON"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_document_may_be_named_by_its_hash() {
    let manifest = manifest();
    let path = manifest.path().to_str().expect("a path");
    let server = TestServer::start_with(Kind::Sqlite, &["--graphql-trusted-documents", path]).await;
    let viewer = server.viewer();
    let named = json!({ "documentId": format!("sha256:{}", hash(KNOWN)) });
    let apollo = json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": hash(KNOWN) } } });
    for body in [named.clone(), apollo, json!([named])] {
        let (status, answer) = post(&viewer, body).await;
        let answer = answer.as_array().map_or(&answer, |all| &all[0]);
        assert_eq!((status, &answer["data"]["viewer"]["subject"]), (200, &json!("viewer@acme")), "{answer}");
    }
    let url = format!("{}/graphql?documentId=sha256:{}", server.url, hash(KNOWN));
    let answer: Value =
        viewer.http.get(url).bearer_auth(&viewer.token).send().await.expect("an answer").json().await.expect("JSON");
    assert_eq!(answer["data"]["viewer"]["subject"], "viewer@acme");
    let (_, unknown) = post(&viewer, json!({ "documentId": hash("{ x }") })).await;
    assert_eq!(unknown["errors"][0]["extensions"]["code"], "NOT_FOUND", "{unknown}");
    // Others are run as well: nothing was said of trusting only these.
    assert!(viewer.send("{ viewer { role } }", json!({})).await["data"].is_object());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_only_trusted_documents_run_nothing_else_does() {
    let manifest = manifest();
    let path = manifest.path().to_str().expect("a path");
    let flags = ["--graphql-trusted-documents", path, "--graphql-documents", "trusted"];
    let server = TestServer::start_with(Kind::Sqlite, &flags).await;
    let admin = server.admin();
    assert_eq!(admin.data(KNOWN, json!({})).await["viewer"]["subject"], "admin@acme");
    for other in
        ["{ viewer { role } }", "{ __schema { types { name } } }", "mutation { nothing }", &format!("{KNOWN} ")]
    {
        assert_eq!(admin.code(other, json!({})).await, "FORBIDDEN", "{other}");
    }
    let mut socket = Socket::subscribe(&admin, "subscription { datasourceStates { id } }", json!({})).await;
    assert_eq!(socket.error_code().await, "FORBIDDEN");
    let mut socket = Socket::connect(&admin).await;
    let payload = json!({ "extensions": { "persistedQuery": { "sha256Hash": hash("subscription { datasourceEvents { id } }") } } });
    socket.send(json!({ "id": "1", "type": "subscribe", "payload": payload })).await;
    let input = json!({ "name": "orders", "type": "webhook" });
    let create = admin.http.post(format!("{}/api/v1/datasources", admin.url)).bearer_auth(&admin.token).json(&input);
    assert_eq!(create.send().await.expect("an answer").status(), 201, "REST is no document");
    assert!(socket.next().await["datasourceEvents"]["id"].is_string());
}

#[test]
fn a_manifest_that_cannot_be_trusted_stops_the_start() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), json!({ hash("{ a }"): "{ b }" }).to_string()).expect("written");
    let path = file.path().to_str().expect("a path");
    let error = Process::fails(&["--graphql-trusted-documents", path]);
    assert!(error.contains("is not the SHA-256 of its document"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn introspection_and_suggestions_can_be_turned_off() {
    let server = TestServer::start_with(Kind::Sqlite, &["--graphql-introspection", "false"]).await;
    let admin = server.client(Role::Admin, "acme");
    for query in [
        "{ __schema { types { name } } }",
        "{ a: __type(name: \"Query\") { name } }",
        "{ ...F } fragment F on Query { __schema { queryType { name } } }",
    ] {
        let answer = admin.send(query, json!({})).await;
        assert_eq!(answer["errors"][0]["extensions"]["code"], "FORBIDDEN", "{query}: {answer}");
        assert!(answer.get("data").is_none(), "{query}: {answer}");
    }
    let answer = admin.send("{ datasourcs { totalCount } }", json!({})).await;
    assert!(!answer.to_string().contains("Did you mean"), "{answer}");
    assert_eq!(admin.data("{ __typename viewer { __typename } }", json!({})).await["__typename"], "Query");
}

/// Whoever has no token learns nothing of the schema, whatever the settings are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_token_there_is_neither_introspection_nor_suggestion() {
    let server = TestServer::start(Kind::Sqlite).await;
    let nobody = reqwest::Client::new();
    for query in ["{ __schema { types { name } } }", "{ __typename }", "{ datasourcs { totalCount } }", "{"] {
        let request = nobody.post(format!("{}/graphql", server.url)).json(&json!({ "query": query }));
        let response = request.send().await.expect("an answer");
        assert_eq!(response.status(), 401);
        let text = response.text().await.expect("text");
        assert!(!text.contains("Did you mean") && !text.contains("datasources"), "{text}");
    }
}
