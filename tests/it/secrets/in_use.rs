//! Secrets in use: by which versions, proven before they take over, and audited when they are opened.

use serde_json::{Value, json};

use crate::harness::{Client, eventually};
use crate::on_both_databases;
use crate::registry::source::{HttpSource, page, poller, poller_datasource, status};

fn guarded(field: &str) -> Value {
    json!({
        "connector": { "type": "webhook", "auth": { "type": "bearer", "token": { "$secret": "token" } } },
        "mapping": { "outputs": [{ "kind": "event", "id": "$.id", "fields": { field: "$.a" } }] },
    })
}

async fn set(admin: &Client, id: &str, value: &str, repin: bool) {
    let input = json!({ "id": id, "key": "token", "value": value, "repin": repin });
    admin.mutate("setDatasourceSecret", input, "secret { version }").await;
}

/// The newest event of a kind that `wanted` takes.
async fn event(admin: &Client, id: &str, kind: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let query = "query($id: ID!) { datasourceEvents(id: $id, last: 50) { nodes { eventType payload } } }";
    eventually(kind, || async {
        let seen = admin.data(query, json!({ "id": id })).await;
        let nodes = seen["datasourceEvents"]["nodes"].as_array()?.clone();
        nodes
            .into_iter()
            .rev()
            .find(|e| e["eventType"] == kind && wanted(&e["payload"]))
            .map(|mut e| e["payload"].take())
    })
    .await
}

async fn openings(admin: &Client, id: &str) -> Vec<Value> {
    let query = "query($id: ID!) { auditLog(filter: { datasourceId: $id, action: \"secrets_opened\" }, first: 50) {
        nodes { actor field oldValue newValue reason outcome } } }";
    admin.data(query, json!({ "id": id })).await["auditLog"]["nodes"].as_array().expect("entries").clone()
}

on_both_databases! {
    /// A worker that has a source goes on reading it by the value that it has, until a new one is proven.
    async fn a_new_value_takes_over_only_when_the_source_takes_it(server: TestServer) {
        let source = HttpSource::start(|visit| match visit.header("authorization") {
            Some("Bearer first" | "Bearer third") => page([1]),
            _ => status(401, &[]),
        })
        .await;
        let admin = server.admin();
        let mut config = poller(&source.url);
        config["connector"]["auth"] = json!({ "type": "bearer", "token": { "$secret": "token" } });
        let id = poller_datasource(&admin, "items", config).await;
        set(&admin, &id, "first", false).await;
        let version = admin.publish(&id).await;

        set(&admin, &id, "second-is-wrong", true).await;
        let refused = event(&admin, &id, "WORKER_ERROR", |payload| payload["code"] == "secrets_refused").await;
        assert_eq!(refused["reload"]["outcome"], "kept_previous");
        assert_eq!(refused["reload"]["reason"], "secrets");
        let message = refused["message"].as_str().expect("a message");
        assert!(message.contains("token version 2") && message.contains("unauthorized"), "{message}");
        assert!(!message.contains("second-is-wrong"), "{message}");
        let tried = source.visits().len();
        eventually("the worker reads on by the value that it has", || async {
            let visits = source.visits();
            visits[tried..].iter().any(|visit| visit.header("authorization") == Some("Bearer first")).then_some(())
        })
        .await;
        assert_eq!(admin.state(&id).await["workerStatus"], "RUNNING");

        set(&admin, &id, "third", true).await;
        let reload = event(&admin, &id, "RELOADED", |payload| payload["reason"] == "secrets").await;
        assert_eq!((&reload["fromVersion"], &reload["toVersion"]), (&json!(version), &json!(version)));
        eventually("the new value is used", || async {
            source.visits().last().is_some_and(|visit| visit.header("authorization") == Some("Bearer third")).then_some(())
        })
        .await;
        eventually("the failure is over", || async { admin.state(&id).await["errorCode"].is_null().then_some(()) }).await;
    }

    /// Once a start, and not once a record.
    async fn each_opening_by_a_worker_is_audited(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded("a")).await;
        set(&admin, &id, "one", false).await;
        assert_eq!(openings(&admin, &id).await, Vec::<Value>::new(), "to set a secret is not to open it");
        admin.publish(&id).await;
        let hook = || server.http.post(format!("{}/hooks/{id}", server.url)).bearer_auth("one").json(&json!({ "id": 1 }));
        for _ in 0..5 {
            assert_eq!(hook().send().await.expect("an answer").status(), 202);
        }
        let seen = openings(&admin, &id).await;
        assert_eq!(seen, [json!({
            "actor": "system:registry", "field": "secrets.token", "oldValue": null,
            "newValue": { "version": 1, "reference": false }, "reason": "start of version 1", "outcome": "SUCCESS",
        })]);
        set(&admin, &id, "two", true).await;
        eventually("the next start is audited too", || async {
            let seen = openings(&admin, &id).await;
            (seen.len() == 2 && seen[0]["newValue"]["version"] == 2).then_some(())
        })
        .await;
    }

    async fn an_opening_that_fails_is_audited_as_well(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded("a")).await;
        set(&admin, &id, "one", false).await;
        let sql = server.database.sql().await;
        let damaged = sql.column::<Vec<u8>>("SELECT ciphertext FROM datasource_secrets").await.remove(0);
        let hex: String = damaged.iter().enumerate().map(|(i, b)| format!("{:02x}", if i == 40 { b ^ 1 } else { *b })).collect();
        let literal = if server.database.url.is_some() { format!("'\\x{hex}'::bytea") } else { format!("x'{hex}'") };
        sql.run(&format!("UPDATE datasource_secrets SET ciphertext = {literal}")).await;
        sql.close().await;
        admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
        eventually("the failure is audited", || async {
            openings(&admin, &id).await.first().is_some_and(|entry| entry["outcome"] == "FAILED").then_some(())
        })
        .await;
        eventually("and told", || async { (admin.state(&id).await["errorCode"] == "secret_unreadable").then_some(()) }).await;
    }

    async fn a_secret_says_which_versions_use_which_value(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded("a")).await;
        set(&admin, &id, "one", false).await;
        let query = "query($id: ID!) { datasource(id: $id) { secrets { version usedBy { version state secretVersion nodes } } } }";
        let uses = || async { admin.data(query, json!({ "id": id })).await["datasource"]["secrets"][0]["usedBy"].take() };
        assert_eq!(uses().await, json!([]));
        admin.publish(&id).await;
        set(&admin, &id, "two", false).await;
        let first = uses().await;
        assert_eq!((&first[0]["version"], &first[0]["state"], &first[0]["secretVersion"]), (&json!(1), &json!("PUBLISHED"), &json!(1)));
        assert_eq!(first[0]["nodes"].as_array().map(Vec::len), Some(1), "a worker runs it: {first}");

        let draft = json!({ "id": id, "config": guarded("b") });
        admin.mutate("createDatasourceVersion", draft, "version { version }").await;
        admin.publish(&id).await;
        let both = uses().await;
        let told: Vec<_> = both.as_array().expect("uses").iter().map(|u| (u["version"].as_i64(), u["state"].as_str(), u["secretVersion"].as_i64())).collect();
        assert_eq!(told, [(Some(2), Some("PUBLISHED"), Some(2)), (Some(1), Some("ARCHIVED"), Some(1))]);
        assert_eq!(both[1]["nodes"], json!([]));

        let rest = admin.get(&format!("/datasources/{id}/secrets")).await.ok(200);
        assert_eq!(rest[0]["usedBy"][0]["secretVersion"], 2);
        assert_eq!(rest[0]["usedBy"][1]["state"], "archived");
    }
}
