//! ETag, If-Match and If-None-Match.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::server::open_webhook;
use crate::harness::{Answer, Client};
use crate::on_both_databases;

async fn change(client: &Client, method: Method, path: &str, etag: &str, body: Value) -> Answer {
    let call = client.call(method, path).header("if-match", etag);
    if body.is_null() { call.send().await } else { call.json(&body).send().await }
}

on_both_databases! {
    async fn what_did_not_change_is_not_sent_again(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        for path in [format!("/datasources/{id}"), format!("/api/v1/datasources/{id}/metadata")] {
            let first = admin.get(&path).await;
            let etag = first.header("etag").to_owned();
            assert!(etag.starts_with("\"1-") && etag.ends_with('"'), "strong, and with the revision: {etag}");
            for known in [etag.clone(), format!("\"0-000000000000\", {etag}"), format!("W/{etag}"), "*".to_owned()] {
                let same = admin.call(Method::GET, &path).header("if-none-match", &known).send().await;
                assert_eq!((same.status, same.header("etag"), &same.body), (304, &*etag, &json!("")), "{known}");
            }
            let other = admin.call(Method::GET, &path).header("if-none-match", "\"1-000000000000\"").send().await;
            assert_eq!(other.ok(200), first.body);
        }
    }

    /// The state is part of the body: what only the worker changed is news to a reader, and no conflict to a writer.
    async fn a_worker_changes_the_tag_but_not_the_precondition(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        let path = format!("/datasources/{id}");
        let published = admin.post(&format!("{path}/publish"), json!({})).await;
        let etag = published.header("etag").to_owned();
        admin.running(&id, 1).await;
        let now = admin.call(Method::GET, &path).header("if-none-match", &etag).send().await;
        assert_ne!(now.header("etag"), etag);
        assert_eq!(now.ok(200)["state"]["workerStatus"], "running");
        change(&admin, Method::PUT, &path, &etag, json!({ "description": "fine" })).await.ok(200);
    }

    async fn a_writer_who_read_an_older_revision_is_refused_and_changes_nothing(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        let path = format!("/api/v1/datasources/{id}");
        let old = admin.get(&path).await.header("etag").to_owned();
        admin.call(Method::PATCH, &path).json(&json!({ "description": "somebody else" })).send().await.ok(200);
        let before = admin.get(&path).await.ok(200);

        let draft = json!({ "config": open_webhook(json!({ "b": "$.b" })) });
        for (method, verb, body) in [
            (Method::PUT, "", json!({ "description": "mine" })),
            (Method::PATCH, "", json!({ "description": "mine" })),
            (Method::DELETE, "", Value::Null),
            (Method::PATCH, "/metadata", json!({ "team": "mine" })),
            (Method::POST, "/versions", draft),
            (Method::POST, "/publish", json!({})),
            (Method::POST, "/rollback", json!({})),
            (Method::POST, "/start", json!({})),
            (Method::POST, "/stop", json!({})),
            (Method::POST, "/restart", json!({})),
            (Method::POST, "/restore", json!({})),
            (Method::POST, "/repin-secrets", json!({})),
        ] {
            let at = format!("{path}{verb}");
            let refusal = change(&admin, method.clone(), &at, &old, body.clone()).await.refused(412, "CONFLICT");
            assert!(refusal["detail"].as_str().is_some_and(|d| d.contains("read it again")), "{refusal:#}");
            let weak = format!("W/{old}");
            change(&admin, method.clone(), &at, &weak, body.clone()).await.refused(412, "CONFLICT");
            for malformed in ["1", "\"1\"", "\"one-0123456789ab\"", "\"1-0123456789ab", "\"1-0123456789ab\", \"2-0123456789ab\"", ""] {
                let refusal = change(&admin, method.clone(), &at, malformed, body.clone()).await;
                let refusal = refusal.refused(400, "VALIDATION_FAILED");
                assert_eq!(refusal["problems"][0]["pointer"], "/headers/if-match", "{malformed:?}");
            }
        }
        assert_eq!(admin.get(&path).await.ok(200), before);

        let etag = admin.get(&path).await.header("etag").to_owned();
        let edited = change(&admin, Method::PUT, &path, &etag, json!({ "description": "mine" })).await;
        let next = edited.header("etag").to_owned();
        edited.ok(200);
        change(&admin, Method::POST, &format!("{path}/publish"), &next, json!({})).await.ok(200);
        let next = admin.get(&path).await.header("etag").to_owned();
        let stopped = change(&admin, Method::POST, &format!("{path}/stop"), &next, json!({})).await;
        let next = stopped.header("etag").to_owned();
        assert_eq!(stopped.ok(200)["status"], "disabled");
        change(&admin, Method::POST, &format!("{path}/start"), &next, json!({})).await.ok(200);
        change(&admin, Method::DELETE, &path, "*", Value::Null).await.ok(200);
    }

    async fn a_precondition_on_what_has_no_revision_is_refused(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("doors", open_webhook(json!({ "a": "$.a" }))).await;
        let etag = admin.get(&format!("/datasources/{id}")).await.header("etag").to_owned();
        let path = format!("/datasources/{id}/secrets");
        for (method, path) in [(Method::POST, path.clone()), (Method::DELETE, format!("{path}/spare"))] {
            let body = if method == Method::POST { json!({ "key": "spare", "value": "hunter2" }) } else { Value::Null };
            let refusal = change(&admin, method, &path, &etag, body).await.refused(400, "VALIDATION_FAILED");
            assert_eq!(refusal["problems"][0]["pointer"], "/headers/if-match");
        }
        assert_eq!(admin.get(&path).await.header("x-total-count"), "0");
    }
}
