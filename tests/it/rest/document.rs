//! The OpenAPI document and its page.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::operations::all;
use crate::harness::{Kind, TestServer};

/// A POST that changes nothing, and those whose answer is shown once.
const NOT_REPEATED: [&str; 4] =
    ["validateConfig", "createApiKey", "createNotificationEndpoint", "rotateNotificationSecret"];

/// What is printed, what is served and what the routes are made of is one document.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_document_and_its_page_come_from_the_binary() {
    let server = TestServer::start(Kind::Sqlite).await;
    // Neither needs a token.
    let anybody = server.with_token(String::new());
    let served = anybody.get("/api/openapi.json").await.ok(200);
    assert_eq!(served, datasource_studio::rest::document());
    assert_eq!(served["openapi"], "3.1.0");

    let page = anybody.get("/api/docs").await;
    assert_eq!(page.status, 200, "a redirect leads to it");
    let policy = page.header("content-security-policy").to_owned();
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
    let html = page.body.as_str().expect("a page").to_owned();
    assert!(!html.contains("https://") && !html.contains("<script>"), "{html}");
    let sources = html.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next());
    let sources: Vec<_> = sources.map(|source| source.trim_start_matches("./")).collect();
    assert!(sources.len() >= 3, "{html}");
    for source in sources {
        let script = anybody.get(&format!("/api/docs/{source}")).await;
        assert!(
            script.status == 200 && script.header("content-type").contains("javascript"),
            "{source}: {}",
            script.status
        );
        if source == "swagger-initializer.js" {
            assert!(script.body.to_string().contains("/api/openapi.json"), "{script:?}");
        }
    }
}

#[test]
fn every_operation_says_all_that_a_client_must_know() {
    for operation in all() {
        let (id, details) = (&operation.id, &operation.details);
        for text in ["summary", "description"] {
            let there = details[text].as_str().is_some_and(|t| !t.trim().is_empty());
            assert!(there || (text == "description" && id == "datasourceVersion"), "{id} has no {text}");
        }
        assert_eq!(details["tags"].as_array().map(Vec::len), Some(1), "{id}");
        let responses = details["responses"].as_object().expect("responses");
        let has = |status: &str| responses.contains_key(status);
        assert!(has("200") != has("201"), "{id} has one success");
        for status in ["400", "401", "403", "406", "500", "503"] {
            assert!(has(status), "{id} does not document {status}");
        }
        assert_eq!(has("404"), operation.is_about_one() || operation.names_a_part(), "{id}");
        let body = details.get("requestBody").is_some();
        assert_eq!((has("413"), has("415")), (body, body), "{id}");
        for (media, content) in details["requestBody"]["content"].as_object().into_iter().flatten() {
            assert!(content["example"].is_object(), "{id} has no example of {media}");
        }
        let parameters = details["parameters"].as_array().cloned().unwrap_or_default();
        let named: BTreeSet<_> = parameters.iter().filter_map(|p| p["name"].as_str()).collect();
        assert_eq!(
            named.contains("Idempotency-Key"),
            operation.method == "POST" && !NOT_REPEATED.contains(&id.as_str()),
            "{id}"
        );
        assert_eq!(named.contains("If-Match"), has("412"), "{id}");
        assert_eq!(named.contains("If-None-Match"), has("304"), "{id}");
        for parameter in &parameters {
            assert!(parameter["description"].as_str().is_some_and(|d| !d.is_empty()), "{id}: {parameter:#}");
        }
    }
}

#[test]
fn every_field_is_described_and_every_reference_leads_somewhere() {
    let document = datasource_studio::rest::document();
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for (name, schema) in schemas {
        let parts: Vec<_> = std::iter::once(schema).chain(schema["allOf"].as_array().into_iter().flatten()).collect();
        for (field, property) in parts.iter().flat_map(|part| part["properties"].as_object()).flat_map(Map::iter) {
            assert!(property.to_string().contains("\"description\""), "{name}.{field} is not described: {property}");
        }
    }
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 100);
    for reference in references {
        let pointer = reference.strip_prefix('#').expect("within the document");
        assert!(document.pointer(pointer).is_some(), "{reference} leads nowhere");
    }
}

fn collect<'a>(value: &'a Value, references: &mut Vec<&'a str>) {
    match value {
        Value::Object(map) => {
            references.extend(map.get("$ref").and_then(Value::as_str));
            map.values().for_each(|v| collect(v, references));
        }
        Value::Array(items) => items.iter().for_each(|v| collect(v, references)),
        _ => {}
    }
}
