//! Content types, methods, paths, and bodies that no client should send.

use reqwest::Method;
use serde_json::{Value, json};

use super::operations::{all, subject};
use crate::harness::server::open_webhook;
use crate::harness::{Kind, TestServer};
use crate::on_both_databases;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_json_is_refused_and_what_is_asked_for_otherwise_too() {
    let server = TestServer::start(Kind::Sqlite).await;
    let admin = server.admin();
    let new = json!({ "name": "doors", "type": "webhook" }).to_string();
    let create = || admin.call(Method::POST, "/datasources");
    for content_type in
        ["text/plain", "application/x-www-form-urlencoded", "application/merge-patch+json", "application/jsonx", ""]
    {
        create().raw(content_type, new.clone()).send().await.refused(415, "VALIDATION_FAILED");
    }
    for accept in ["text/html", "application/xml, text/*", "application/json;q=0", "application/graphql-response+json"]
    {
        admin.call(Method::GET, "/datasources").header("accept", accept).send().await.refused(406, "VALIDATION_FAILED");
    }
    for accept in ["*/*", "text/html, application/*;q=0.5", "Application/JSON; charset=utf-8", ""] {
        admin.call(Method::GET, "/datasources").header("accept", accept).send().await.ok(200);
    }
    let made = create().raw("Application/JSON; charset=utf-8", new).send().await.ok(201);
    let path = format!("/datasources/{}", made["id"].as_str().expect("an id"));
    let patch =
        |content_type: &str, body: Value| admin.call(Method::PATCH, &path).raw(content_type, body.to_string()).send();
    patch("application/merge-patch+json", json!({ "team": "doors", "tags": ["a"] })).await.ok(200);
    patch("application/json-patch+json", json!([])).await.refused(415, "VALIDATION_FAILED");
    // RFC 7396: null removes, what is absent stays.
    let patched = patch("application/json", json!({ "team": null, "description": null })).await.ok(200);
    assert_eq!((&patched["team"], &patched["tags"], &patched["name"]), (&Value::Null, &json!(["a"]), &json!("doors")));
    let refusal = patch("application/json", json!({ "name": null })).await.refused(400, "VALIDATION_FAILED");
    assert_eq!(refusal["problems"][0]["pointer"], "/name");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_or_a_path_that_there_is_not_is_named() {
    let server = TestServer::start(Kind::Sqlite).await;
    let admin = server.admin();
    let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
    for (method, path, allowed) in [
        (Method::DELETE, "/datasources".to_owned(), ["GET", "POST"].as_slice()),
        (Method::POST, format!("/datasources/{id}"), &["GET", "PUT", "PATCH", "DELETE"]),
        (Method::GET, format!("/datasources/{id}/publish"), &["POST"]),
        (Method::OPTIONS, format!("/api/v1/datasources/{id}/secrets/key"), &["DELETE"]),
        (Method::PUT, "/api/v1/viewer".to_owned(), &["GET"]),
    ] {
        let answer = admin.call(method.clone(), &path).send().await;
        for verb in allowed {
            assert!(answer.header("allow").split(',').any(|a| a.trim() == *verb), "{method} {path}: {answer:?}");
        }
        answer.refused(405, "VALIDATION_FAILED");
    }
    for path in ["/api/v1", "/api/v1/nothing", "/datasources/", "/api/v2/datasources"] {
        admin.get(path).await.refused(404, "NOT_FOUND");
    }
    for (path, pointer) in [
        ("/datasources/one".to_owned(), "/id"),
        (format!("/datasources/{id}/versions/one"), "/version"),
        (format!("/datasources/{id}/versions/99999999999"), "/version"),
        (format!("/datasources/{id}/versions/1/diff/x"), "/other"),
        ("/datasources/%ff".to_owned(), "/id"),
    ] {
        let refusal = admin.get(&path).await.refused(400, "VALIDATION_FAILED");
        assert_eq!(refusal["problems"][0]["pointer"], pointer, "{path}");
    }
    let nowhere = format!("/datasources/{}", uuid::Uuid::nil());
    for path in [
        "",
        "/versions",
        "/versions/1",
        "/versions/1/diff/2",
        "/events",
        "/metrics",
        "/state",
        "/secrets",
        "/samples",
        "/metadata",
        "/metadata/audit",
    ] {
        admin.get(&format!("{nowhere}{path}")).await.refused(404, "NOT_FOUND");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_is_too_long_is_refused() {
    let server = TestServer::start_with(Kind::Sqlite, &["--rest-max-body", "1000"]).await;
    let long = json!({ "name": "doors", "type": "webhook", "description": "x".repeat(1_000) });
    let refusal = server.admin().post("/datasources", long).await.refused(413, "VALIDATION_FAILED");
    assert!(refusal["detail"].as_str().is_some_and(|d| d.contains("1000 bytes")), "{refusal:#}");
}

on_both_databases! {
    async fn a_hostile_body_is_refused_by_its_place_and_leaves_nothing(server: TestServer) {
        let admin = server.admin();
        let deep = format!("{{\"name\":\"x\",\"type\":\"webhook\",\"config\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
        for (body, pointer, says) in [
            ("", "", "EOF"),
            ("{", "", "EOF"),
            ("[]", "", "must be an object, not an array"),
            ("[\"x\",\"webhook\",null]", "", "must be an object, not an array"),
            ("null", "", "must be an object, not null"),
            ("true", "", "must be an object, not true or false"),
            ("{\"name\":\"x\",\"type\":\"webhook\"} {}", "", "trailing"),
            ("{\"name\":\"x\",\"type\":\"webhook\",\"colour\":1}", "/colour", "unknown field `colour`"),
            ("{\"name\":\"x\",\"name\":\"y\",\"type\":\"webhook\"}", "", "duplicate field `name`"),
            ("{\"name\":7,\"type\":\"webhook\"}", "/name", "must be a string, not this whole number"),
            ("{\"name\":\"x\"}", "", "missing field `type`"),
            ("{\"name\":\"x\",\"type\":\"webhook\",\"tags\":[\"a\",1]}", "/tags/1", "must be a string, not this whole number"),
            ("{\"name\":\"\\ud800\",\"type\":\"webhook\"}", "/name", "hex escape"),
            ("{\"name\":\"a\\u0000b\",\"type\":\"webhook\"}", "/name", "control"),
            ("{\"name\":\"x\",\"type\":\"webhook\",\"description\":\"\\u0000\"}", "/description", "NUL"),
            ("{\"name\":\"x\",\"type\":\"webhook\",\"config\":1e999}", "/config", "range"),
            ("{\"name\":\"x\",\"type\":\"telepathy\"}", "/type", "webhook"),
            (&deep, "/config", "recursion"),
        ] {
            let answer = admin.call(Method::POST, "/datasources").raw("application/json", body.to_owned()).send().await;
            let refusal = answer.refused(400, "VALIDATION_FAILED");
            let problem = &refusal["problems"][0];
            assert!(problem["message"].as_str().is_some_and(|m| m.contains(says)), "{body:.80}: {refusal:#}");
            for internal in ["struct ", "i32", "visitor", " at line"] {
                assert!(!refusal.to_string().contains(internal), "{body:.80}: {refusal:#}");
            }
            assert!(problem["pointer"].as_str().is_some_and(|p| p.starts_with(pointer)), "{body:.80}: {refusal:#}");
        }
        let not_utf8 = admin.call(Method::POST, "/datasources").raw("application/json", b"{\"name\":\"\xff\"}".to_vec());
        not_utf8.send().await.refused(400, "VALIDATION_FAILED");
        let invalid = json!({ "name": "x", "type": "webhook", "config": { "connector": { "type": "webhook" }, "colour": 1 } });
        let refusal = admin.post("/datasources", invalid).await.refused(422, "CONFIG_INVALID");
        assert!(refusal["problems"].to_string().contains("colour"), "{refusal:#}");
        assert_eq!(admin.get("/datasources").await.header("x-total-count"), "0");
    }

    async fn an_array_is_taken_for_no_object(server: TestServer) {
        let admin = server.admin();
        let id = subject(&server, "subject").await;
        for operation in all().into_iter().filter(|operation| operation.details.get("requestBody").is_some()) {
            let body = json!(["x", "webhook", null, 1]);
            let refusal = operation.call(&admin, &id).json(&body).send().await.refused(400, "VALIDATION_FAILED");
            let expected = json!({ "pointer": "", "message": "must be an object, not an array" });
            assert_eq!(refusal["problems"][0], expected, "{}", operation.id);
        }
        for (verb, field) in [("backfill", "range"), ("dead-letters/replay", "filter"), ("dead-letters/discard", "filter")] {
            let body = json!({ field: [null, null] });
            let refusal = admin.post(&format!("/datasources/{id}/{verb}"), body).await.refused(400, "VALIDATION_FAILED");
            assert_eq!(refusal["problems"][0]["pointer"], format!("/{field}"), "{verb}");
            assert!(refusal.to_string().contains("must be an object, not an array"), "{verb}: {refusal:#}");
        }
    }

    async fn a_delete_takes_no_body(server: TestServer) {
        let admin = server.admin();
        let id = subject(&server, "subject").await;
        for path in [format!("/datasources/{id}"), format!("/datasources/{id}/secrets/spare")] {
            let call = admin.call(Method::DELETE, &path).json(&json!({ "reason": "It is not needed" }));
            let refusal = call.send().await.refused(400, "VALIDATION_FAILED");
            assert!(refusal["detail"].as_str().is_some_and(|d| d.contains("query parameter")), "{refusal:#}");
        }
        assert_eq!(admin.get(&format!("/datasources/{id}")).await.ok(200)["archivedAt"], Value::Null);
        assert_eq!(admin.get(&format!("/datasources/{id}/secrets")).await.header("x-total-count"), "1");
    }

    async fn a_secret_is_in_no_answer(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        let path = format!("/datasources/{id}/secrets");
        let canary = "canary-4f1d9a";
        let call = |body: Value| admin.call(Method::POST, &path).header("idempotency-key", "set-it").json(&body).send();
        let mut answers = vec![
            call(json!({ "key": "spare", "value": canary })).await,
            call(json!({ "key": "spare", "value": canary })).await,
            call(json!({ "key": "spare", "value": canary, "repin": true })).await,
            admin.post(&path, json!({ "key": "not a key", "value": canary })).await,
            admin.post(&path, json!({ "key": "spare", "value": [canary] })).await,
            admin.post(&path, json!({ "key": "spare", "value": { canary: 1 } })).await,
            admin.post(&path, json!({ "key": "spare", "value": canary, "colour": canary })).await,
            admin.call(Method::POST, &path).raw("application/json", format!("{{\"value\": \"{canary}\" oops")).send().await,
        ];
        for read in ["", "/secrets", "/events", "/metadata/audit", "/versions"] {
            answers.push(admin.get(&format!("/datasources/{id}{read}")).await);
        }
        answers.push(admin.get("/api/v1/audit-log").await);
        let statuses: Vec<_> = answers.iter().map(|a| a.status).collect();
        assert_eq!(statuses, [200, 200, 422, 400, 400, 400, 400, 400, 200, 200, 200, 200, 200, 200]);
        for answer in answers {
            assert!(!format!("{answer:?}").contains(canary), "{answer:?}");
        }
        let sql = server.database.sql().await;
        let stored = sql.column::<String>("SELECT body FROM idempotency_keys").await;
        assert!(stored.len() == 1 && !stored[0].contains(canary), "{stored:?}");
    }
}
