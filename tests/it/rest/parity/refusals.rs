//! Input that breaks a rule is refused alike: the same code, at the same places.

use reqwest::Method;
use serde_json::{Value, json};

use super::subject;
use crate::harness::Client;
use crate::harness::server::{mutation, open_webhook};
use crate::on_both_databases;

/// A mutation with an input, and a call of REST that breaks the same rule.
struct Case {
    mutation: &'static str,
    input: Value,
    method: Method,
    path: &'static str,
    body: Value,
    code: &'static str,
}

fn case(mutation: &'static str, input: Value, path: &'static str, body: Value, code: &'static str) -> Case {
    let method = match mutation {
        "updateDatasource" => Method::PUT,
        "updateDatasourceMetadata" => Method::PATCH,
        "deleteDatasourceSecret" | "archiveDatasource" => Method::DELETE,
        _ => Method::POST,
    };
    Case { mutation, input, method, path, body, code }
}

fn cases() -> Vec<Case> {
    let long = "x".repeat(5_000);
    let pins = json!({ "connector": { "type": "webhook", "auth": { "type": "bearer", "token": { "$secret": "t" } } },
        "secrets": { "t": "unset" } });
    let both = |body: Value| (body.clone(), body);
    let mut cases = Vec::new();
    let mut same = |name, path, body: Value, code| {
        let (input, body) = both(body);
        cases.push(case(name, input, path, body, code));
    };
    same(
        "createDatasource",
        "",
        json!({ "name": "", "type": "telepathy", "tags": [" "], "team": "a\nb" }),
        "VALIDATION_FAILED",
    );
    same("createDatasource", "", json!({ "name": "taken", "type": "webhook" }), "CONFLICT");
    same(
        "createDatasource",
        "",
        json!({ "name": "x", "type": "webhook", "config": { "colour": 1 } }),
        "CONFIG_INVALID",
    );
    same("updateDatasource", "/{id}", json!({ "name": " x", "description": long }), "VALIDATION_FAILED");
    same("updateDatasource", "/{id}", json!({ "name": "taken" }), "CONFLICT");
    same("updateDatasourceMetadata", "/{id}/metadata", json!({ "team": long, "tags": [""] }), "VALIDATION_FAILED");
    same("cloneDatasource", "/{id}/clone", json!({ "name": "taken" }), "CONFLICT");
    same("cloneDatasource", "/{id}/clone", json!({ "name": "x", "version": 9 }), "NOT_FOUND");
    same("createDatasourceVersion", "/{id}/versions", json!({ "config": [] }), "CONFIG_INVALID");
    same("createDatasourceVersion", "/{id}/versions", json!({ "config": pins, "comment": long }), "VALIDATION_FAILED");
    same("publishDatasource", "/{id}/publish", json!({ "version": 9 }), "NOT_FOUND");
    same("publishDatasource", "/{id}/publish", json!({ "version": 2 }), "CONFLICT");
    same("publishDatasource", "/{id}/publish", json!({ "version": 4 }), "SECRET_MISSING");
    same("rollbackDatasource", "/{id}/rollback", json!({ "targetVersion": 3 }), "CONFLICT");
    same("rollbackDatasource", "/{id}/rollback", json!({ "targetVersion": 9 }), "NOT_FOUND");
    same("testDatasource", "/{id}/test", json!({ "version": 9 }), "NOT_FOUND");
    same("testDatasource", "/{id}/test", json!({ "payload": 1, "sample": "one" }), "VALIDATION_FAILED");
    same("testDatasource", "/{id}/test", json!({ "fetch": true, "version": 1 }), "VALIDATION_FAILED");
    same("testDatasource", "/{id}/test", json!({ "sample": "none" }), "NOT_FOUND");
    same("testDatasource", "/{id}/test", json!({ "configOverride": {} }), "CONFIG_INVALID");
    same("setDatasourceSecret", "/{id}/secrets", json!({ "key": "a b", "value": "" }), "VALIDATION_FAILED");
    same("startDatasource", "/{id}/start", json!({ "reason": long }), "VALIDATION_FAILED");
    cases.push(case(
        "deleteDatasourceSecret",
        json!({ "key": "none" }),
        "/{id}/secrets/none",
        Value::Null,
        "NOT_FOUND",
    ));
    let (input, path) = (json!({ "reason": long }), "/{id}?reason={long}");
    cases.push(case("archiveDatasource", input, path, Value::Null, "VALIDATION_FAILED"));
    let (input, body) = (json!({ "owner": "" }), json!({ "ownerId": "" }));
    cases.push(case("updateDatasourceMetadata", input, "/{id}/metadata", body, "VALIDATION_FAILED"));
    let input = json!({ "name": "x", "type": "webhook", "owner": " ", "project": "" });
    let body = json!({ "name": "x", "type": "webhook", "ownerId": " ", "projectId": "" });
    cases.push(case("createDatasource", input, "", body, "VALIDATION_FAILED"));
    cases
}

async fn by_graphql(client: &Client, case: &Case, id: &str) -> (String, Value) {
    let mut input = case.input.clone();
    if case.mutation != "createDatasource" {
        input["id"] = json!(id);
    }
    let answer = client.send(&mutation(case.mutation, "__typename"), json!({ "input": input })).await;
    let error = &answer["errors"][0]["extensions"];
    let code = error["code"].as_str().unwrap_or_else(|| panic!("{}: {answer:#}", case.mutation));
    (code.to_owned(), error["problems"].clone())
}

async fn by_rest(client: &Client, case: &Case, id: &str) -> (String, Value) {
    let path = case.path.replace("{id}", id).replace("{long}", &"x".repeat(5_000));
    let call = client.call(case.method.clone(), &format!("/api/v1/datasources{path}"));
    let answer = if case.body.is_null() { call } else { call.json(&case.body) }.send().await;
    let code = answer.body["code"].as_str().unwrap_or_else(|| panic!("{}: {answer:#?}", case.mutation));
    (code.to_owned(), answer.body["problems"].clone())
}

/// As GraphQL names the fields.
fn renamed(problems: &Value) -> Value {
    let mut problems = problems.clone();
    for pointer in problems.as_array_mut().into_iter().flatten().map(|p| &mut p["pointer"]) {
        match pointer.as_str() {
            Some("/ownerId") => *pointer = json!("/owner"),
            Some("/projectId") => *pointer = json!("/project"),
            _ => {}
        }
    }
    problems
}

on_both_databases! {
    async fn input_that_breaks_a_rule_is_refused_alike(server: TestServer) {
        let admin = server.admin();
        let id = subject(&admin, "subject", &[]).await;
        let config = json!({ "connector": { "type": "webhook", "auth": { "type": "bearer", "token": { "$secret": "t" } } },
            "secrets": { "t": "unset" }, "mapping": open_webhook(json!({ "a": "$.a" }))["mapping"] });
        admin.post(&format!("/datasources/{id}/versions"), json!({ "config": config })).await.ok(201);
        admin.post("/datasources", json!({ "name": "taken", "type": "webhook" })).await.ok(201);
        // The registry goes on meanwhile, with what was asked for before.
        let events = async || {
            let mut events = admin.get(&format!("/datasources/{id}/events?limit=100")).await.ok(200);
            events.as_array_mut().expect("events").retain(|event| event["actor"] != "system:registry");
            events
        };
        let before = events().await;
        for case in cases() {
            let (left, right) = (by_graphql(&admin, &case, &id).await, by_rest(&admin, &case, &id).await);
            assert_eq!(left.0, case.code, "{} {}: {}", case.mutation, case.input, left.1);
            assert_eq!(left, (right.0, renamed(&right.1)), "{} {}: left GraphQL, right REST", case.mutation, case.input);
        }
        assert_eq!(events().await, before);
    }

    /// What is archived takes no change by either.
    async fn an_archived_datasource_is_left_alone_alike(server: TestServer) {
        let admin = server.admin();
        let id = subject(&admin, "subject", &["archive"]).await;
        let config = open_webhook(json!({ "a": "$.a" }));
        for (mutation, path, body) in [
            ("updateDatasource", "/{id}", json!({ "description": "x" })),
            ("updateDatasourceMetadata", "/{id}/metadata", json!({ "team": "x" })),
            ("createDatasourceVersion", "/{id}/versions", json!({ "config": config })),
            ("publishDatasource", "/{id}/publish", json!({})),
            ("rollbackDatasource", "/{id}/rollback", json!({})),
            ("startDatasource", "/{id}/start", json!({})),
            ("stopDatasource", "/{id}/stop", json!({})),
            ("restartDatasource", "/{id}/restart", json!({})),
            ("setDatasourceSecret", "/{id}/secrets", json!({ "key": "k", "value": "v" })),
            ("repinDatasourceSecrets", "/{id}/repin-secrets", json!({})),
        ] {
            let case = case(mutation, body.clone(), path, body, "CONFLICT");
            let (left, right) = (by_graphql(&admin, &case, &id).await, by_rest(&admin, &case, &id).await);
            assert_eq!((left.0.as_str(), right.0.as_str()), ("CONFLICT", "CONFLICT"), "{mutation}");
        }
    }
}
