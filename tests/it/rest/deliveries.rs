//! Jobs and dead letters over REST: what GraphQL shows, by the names of REST.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::server::{mutation, open_webhook};
use crate::harness::{Client, TestServer, eventually};
use crate::on_both_databases;

const JOB: &str = "query($id: ID!) { job(id: $id) { id kind status version input cancelRequested createdBy
    progress { read total delivered failed skipped } } }";

/// A live webhook whose records must have a kind, and one record that had none.
async fn with_a_dead_letter(server: &TestServer) -> (String, Value) {
    let admin = server.admin();
    let mut config = open_webhook(json!({ "n": "$.n" }));
    config["mapping"]["outputs"][0]["kind"] = json!("$.kind");
    let id = admin.webhook("picky", config).await;
    admin.publish(&id).await;
    let (status, _) = server.post_hook(&id, &json!({ "id": 1, "n": 1 })).await;
    assert_eq!(status, 202);
    let letters = server.operator().get(&format!("/datasources/{id}/dead-letters")).await;
    assert_eq!(letters.header("x-total-count"), "1");
    let letter = letters.ok(200)[0].take();
    (id, letter)
}

async fn ended(client: &Client, path: &str) -> Value {
    eventually("the job ends", || async {
        let job = client.get(path).await.ok(200);
        (!["queued", "running"].contains(&job["status"].as_str().expect("a status"))).then_some(job)
    })
    .await
}

/// GraphQL's answer, in REST's words.
fn in_words(mut job: Value) -> Value {
    for word in ["kind", "status"] {
        job[word] = json!(job[word].as_str().expect("a word").to_lowercase());
    }
    job
}

/// Of `whole`, the fields that `part` has.
fn fields(part: &Value, whole: &Value) -> Value {
    match part {
        Value::Object(map) => map.keys().map(|key| (key.clone(), fields(&map[key], &whole[key]))).collect(),
        _ => whole.clone(),
    }
}

on_both_databases! {
    async fn a_dead_letter_is_edited_and_replayed(server: TestServer) {
        let (id, letter) = with_a_dead_letter(&server).await;
        let operator = server.operator();
        assert_eq!(letter["errorCode"], "kind_invalid");
        assert_eq!((&letter["scope"], &letter["payload"]), (&json!("record"), &json!(r#"{"id":1,"n":1}"#)));
        let path = format!("/datasources/{id}/dead-letters/{}", letter["id"].as_str().expect("an id"));
        let edit = json!({ "payload": { "id": 1, "n": 1, "kind": "event" }, "reason": "it was an event" });
        let edited = operator.call(Method::PATCH, &path).json(&edit).send().await.ok(200);
        assert_eq!(edited["editedBy"], "operator@acme");

        let replay = format!("/datasources/{id}/dead-letters/replay");
        let asked = operator.post(&replay, json!({ "filter": { "ids": [letter["id"]] } })).await;
        let job = asked.header("location").to_owned();
        assert_eq!(asked.ok(201)["kind"], "replay");
        let by_rest = ended(&operator, &job).await;
        assert_eq!(by_rest["progress"]["delivered"], 1, "{by_rest}");
        let by_graphql = in_words(operator.data(JOB, json!({ "id": by_rest["id"] })).await["job"].take());
        assert_eq!(by_graphql, fields(&by_graphql, &by_rest), "left GraphQL, right REST");
        assert_eq!(server.delivered("acme", &id)[0]["kind"], "event");
        operator.post(&replay, json!({})).await.refused(409, "CONFLICT");
        let query = mutation("replayDeadLetters", "job { id }");
        assert_eq!(operator.code(&query, json!({ "input": { "id": id } })).await, "CONFLICT");
    }

    /// What is refused is refused alike, and nothing is found under a datasource that it is not of.
    async fn what_is_anothers_is_not_found(server: TestServer) {
        let (id, letter) = with_a_dead_letter(&server).await;
        let other = server.admin().webhook("other", open_webhook(json!({}))).await;
        let letter = letter["id"].as_str().expect("an id");
        let edit = json!({ "payload": {} });
        let operator = server.operator();
        let path = |id: &str| format!("/datasources/{id}/dead-letters/{letter}");
        operator.call(Method::PATCH, &path(&other)).json(&edit).send().await.refused(404, "NOT_FOUND");
        server.viewer().call(Method::PATCH, &path(&id)).json(&edit).send().await.refused(403, "FORBIDDEN");
        let stranger = server.client(datasource_studio::domain::Role::Admin, "globex");
        stranger.call(Method::PATCH, &path(&id)).json(&edit).send().await.refused(404, "NOT_FOUND");
        server.viewer().get(&format!("/datasources/{id}/dead-letters")).await.refused(403, "FORBIDDEN");

        let job = operator.post(&format!("/datasources/{id}/dead-letters/replay"), json!({})).await.ok(201);
        let job = job["id"].as_str().expect("an id");
        operator.get(&format!("/datasources/{other}/jobs/{job}")).await.refused(404, "NOT_FOUND");
        operator.post(&format!("/datasources/{other}/jobs/{job}/cancel"), json!({})).await.refused(404, "NOT_FOUND");
        stranger.get(&format!("/datasources/{id}/jobs/{job}")).await.refused(404, "NOT_FOUND");
        let cancel = mutation("cancelJob", "job { id }");
        assert_eq!(stranger.code(&cancel, json!({ "input": { "id": job } })).await, "NOT_FOUND");
    }

    async fn a_job_that_ended_stays_as_it_ended(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("feed", open_webhook(json!({}))).await;
        admin.publish(&id).await;
        let body = json!({ "range": { "file": "none.jsonl" } });
        let asked = admin.post(&format!("/api/v1/datasources/{id}/backfill"), body).await;
        let job = asked.header("location").to_owned();
        assert!(job.starts_with("/api/v1/"), "{job}");
        asked.ok(201);
        assert_eq!(ended(&admin, &job).await["errorCode"], "file_unreadable");
        let cancelled = admin.post(&format!("{job}/cancel"), json!({ "reason": "too late" })).await.ok(200);
        assert_eq!((&cancelled["status"], &cancelled["cancelRequested"]), (&json!("failed"), &json!(false)));
    }
}
