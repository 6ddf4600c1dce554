//! Changing what runs while it runs: publish, failure to start, rollback, restart, stop, secrets.

use std::collections::HashSet;

use serde_json::{Value, json};

use super::senders::Senders;
use super::source::{HttpSource, poller, poller_datasource};
use super::{draft_and_publish, events, numbered_webhook, numbers, state_becomes, worker_events};
use crate::connectors::inbox::Inbox;
use crate::harness::server::open_webhook;
use crate::harness::{Client, Kind, TestServer, eventually};
use crate::on_both_databases;

/// A numbered webhook that asks for a bearer token, which is the secret `token`.
fn guarded_webhook() -> Value {
    let mut config = numbered_webhook();
    config["connector"]["auth"] = json!({ "type": "bearer", "token": { "$secret": "token" } });
    config
}

async fn post_with(server: &TestServer, id: &str, token: &str, n: i64) -> u16 {
    let request = server.http.post(format!("{}/hooks/{id}", server.url)).bearer_auth(token);
    request.json(&json!({ "n": n })).send().await.expect("an answer").status().as_u16()
}

on_both_databases! {
    /// Twenty versions go live under constant load, and no sender notices.
    async fn a_publish_swaps_the_worker_without_refusing_or_losing_a_record(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("busy", numbered_webhook()).await;
        admin.publish(&id).await;
        let senders = Senders::start(3, &server.url, &id);
        for v in 2..=21 {
            let config = open_webhook(json!({ "n": "$.n", "v": v }));
            assert_eq!(draft_and_publish(&admin, &id, config).await, v);
            admin.running(&id, v).await;
            senders.answered(senders.count() + 1).await;
        }
        let sent = senders.finish().await;
        assert_eq!(sent.refused, [], "every record is accepted");
        assert_eq!(sent.broken_off, 0, "every request is answered");

        let records = server.delivered("acme", &id);
        let kept: HashSet<_> = numbers(&records).into_iter().collect();
        assert_eq!(kept, sent.acknowledged, "every accepted record is in the sink");
        assert_eq!(records.len(), kept.len(), "once");
        let versions: HashSet<_> = records.iter().map(|r| r["version"].as_i64().expect("a version")).collect();
        assert_eq!(versions, (1..=21).collect(), "every version served some");
        for record in &records {
            let expected = if record["version"] == 1 { Value::Null } else { record["version"].clone() };
            assert_eq!(record["data"]["v"], expected, "mapped by the version that it names: {record}");
        }
    }

    async fn a_version_whose_sink_cannot_be_used_leaves_the_one_before_it_running(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("events", numbered_webhook()).await;
        admin.publish(&id).await;
        assert_eq!(server.post_hook(&id, &json!({ "n": 1 })).await.0, 202);

        let blocker = server.database.data_dir.path().join("out/acme/blocked");
        std::fs::write(&blocker, "a file where the directory should be").expect("writes");
        let mut config = numbered_webhook();
        config["delivery"] = json!({ "sink": { "type": "jsonl", "path": "blocked" } });
        draft_and_publish(&admin, &id, config).await;

        let state = state_becomes(&admin, &id, json!({ "status": "ERROR" })).await;
        assert_eq!(state["errorCode"], "path_not_allowed", "{state}");
        assert_eq!((&state["workerStatus"], &state["runningVersion"]), (&json!("RUNNING"), &json!(1)), "{state}");
        let error = events(&admin, &id).await.pop().expect("an event");
        assert_eq!((&error["eventType"], &error["version"]), (&json!("WORKER_ERROR"), &json!(2)), "{error}");
        let kept = json!({ "fromVersion": 1, "toVersion": 2, "outcome": "kept_previous", "reason": "version" });
        assert_eq!(error["payload"]["reload"], kept, "{error}");
        let (status, receipt) = server.post_hook(&id, &json!({ "n": 2 })).await;
        assert_eq!((status, &receipt["version"]), (202, &json!(1)), "version 1 goes on");

        admin.mutate("rollbackDatasource", json!({ "id": id, "targetVersion": 1 }), "version { version }").await;
        let well = json!({ "status": "ACTIVE", "workerStatus": "RUNNING", "errorCode": null, "errorMessage": null });
        state_becomes(&admin, &id, well).await;
        assert_eq!(worker_events(&admin, &id).await, ["WORKER_ERROR", "RECOVERED"]);

        // The way is clear: now the same version starts.
        std::fs::remove_file(&blocker).expect("removes");
        admin.mutate("rollbackDatasource", json!({ "id": id, "targetVersion": 2 }), "version { version }").await;
        admin.running(&id, 2).await;
        assert_eq!(server.post_hook(&id, &json!({ "n": 3 })).await.1["version"], 2);
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 2]);
        let elsewhere = crate::harness::server::delivered(&server.database.data_dir.path().join("out/acme/blocked"));
        assert_eq!(numbers(&elsewhere), [3]);
    }

    async fn a_reload_reports_what_it_did(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("events", numbered_webhook()).await;
        admin.publish(&id).await;
        draft_and_publish(&admin, &id, numbered_webhook()).await;
        let reload = reloads(&admin, &id, 1).await.pop().expect("one");
        assert!(reload["drainedMs"].is_u64(), "{reload}");
        let expected = json!({
            "fromVersion": 1, "toVersion": 2, "outcome": "replaced", "reason": "version", "cutOff": false,
            "drainedMs": reload["drainedMs"],
        });
        assert_eq!(reload, expected);
        admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
        let reload = reloads(&admin, &id, 2).await.pop().expect("another");
        assert_eq!((&reload["fromVersion"], &reload["toVersion"], &reload["reason"]), (&json!(2), &json!(2), &json!("restart")));
    }

    async fn a_secret_deleted_by_force_fails_the_next_start_only(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", numbered_webhook()).await;
        admin.publish(&id).await;
        set_secret(&admin, &id, "first").await;
        draft_and_publish(&admin, &id, guarded_webhook()).await;
        admin.running(&id, 2).await;
        assert_eq!(post_with(&server, &id, "first", 1).await, 202);

        let delete = |force| json!({ "input": { "id": id, "key": "token", "force": force } });
        let mutation = crate::harness::server::mutation("deleteDatasourceSecret", "secret { key }");
        assert_eq!(admin.code(&mutation, delete(false)).await, "CONFLICT");
        admin.data(&mutation, delete(true)).await;
        assert_eq!(post_with(&server, &id, "first", 2).await, 202, "what runs goes on");

        admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
        let state = state_becomes(&admin, &id, json!({ "status": "ERROR" })).await;
        assert_eq!(state["errorCode"], "secret_missing", "{state}");
        assert!(state["errorMessage"].as_str().is_some_and(|m| m.contains("token")), "it is named: {state}");
        assert_eq!(state["workerStatus"], "RUNNING", "{state}");
        assert_eq!(post_with(&server, &id, "first", 3).await, 202);

        admin.mutate("rollbackDatasource", json!({ "id": id }), "version { version }").await;
        admin.running(&id, 1).await;
        state_becomes(&admin, &id, json!({ "status": "ACTIVE", "errorCode": null })).await;
        assert_eq!(server.post_hook(&id, &json!({ "n": 4 })).await.0, 202, "version 1 asks for no token");
        assert_eq!(worker_events(&admin, &id).await, ["WORKER_ERROR", "RECOVERED"]);
    }

    async fn a_rotated_secret_counts_from_its_repinning_on(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded_webhook()).await;
        set_secret(&admin, &id, "first").await;
        admin.publish(&id).await;

        let set = json!({ "id": id, "key": "token", "value": "second" });
        let done = admin.mutate("setDatasourceSecret", set, "repinRequired secret { version }").await;
        assert_eq!((&done["repinRequired"], &done["secret"]["version"]), (&json!(true), &json!(2)), "{done}");
        admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
        assert_eq!(post_with(&server, &id, "second", 1).await, 401, "the version is bound to the first value");
        assert_eq!(post_with(&server, &id, "first", 2).await, 202);

        admin.mutate("repinDatasourceSecrets", json!({ "id": id }), "datasource { id }").await;
        eventually("the new value is taken", || async {
            (post_with(&server, &id, "second", 3).await == 202).then_some(())
        }).await;
        assert_eq!(post_with(&server, &id, "first", 4).await, 401);
        assert_eq!(admin.state(&id).await["runningVersion"], 1, "the version is the same");

        let set = json!({ "id": id, "key": "token", "value": "third", "repin": true });
        let done = admin.mutate("setDatasourceSecret", set, "repinRequired").await;
        assert_eq!(done["repinRequired"], false);
        eventually("the third value is taken", || async {
            (post_with(&server, &id, "third", 5).await == 202).then_some(())
        }).await;
        assert_eq!(numbers(&server.delivered("acme", &id)), [2, 3, 5]);
    }

    async fn stop_start_and_restart(server: TestServer) {
        let (admin, operator) = (server.admin(), server.operator());
        let id = admin.webhook("events", numbered_webhook()).await;
        admin.publish(&id).await;
        server.post_hook(&id, &json!({ "n": 1 })).await;

        let stopped = operator.mutate("stopDatasource", json!({ "id": id }), "datasource { status }").await;
        assert_eq!(stopped["datasource"]["status"], "DISABLED");
        let state = state_becomes(&admin, &id, json!({ "workerStatus": "STOPPED", "desired": "STOPPED" })).await;
        assert_eq!((&state["runningVersion"], &state["errorCode"]), (&Value::Null, &Value::Null), "{state}");
        let (status, problem) = server.post_hook(&id, &json!({ "n": 2 })).await;
        assert_eq!((status, &problem["code"]), (404, &json!("NOT_FOUND")), "{problem}");
        let restart = crate::harness::server::mutation("restartDatasource", "datasource { id }");
        assert_eq!(operator.code(&restart, json!({ "input": { "id": id } })).await, "CONFLICT");

        // A publish does not start what somebody stopped.
        draft_and_publish(&admin, &id, numbered_webhook()).await;
        assert_eq!(admin.state(&id).await["desired"], "STOPPED");

        operator.mutate("startDatasource", json!({ "id": id }), "datasource { status }").await;
        admin.running(&id, 2).await;
        assert_eq!(server.post_hook(&id, &json!({ "n": 3 })).await.0, 202);
        operator.mutate("restartDatasource", json!({ "id": id, "reason": "to be sure" }), "datasource { id }").await;
        assert_eq!(server.post_hook(&id, &json!({ "n": 4 })).await.0, 202, "a restart is not an outage");
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 3, 4]);

        let types = events(&admin, &id).await.into_iter().map(|e| e["eventType"].clone());
        let types: Vec<_> = types.filter(|kind| kind != "RELOADED").collect();
        assert_eq!(types, [
            "CREATED", "VERSION_CREATED", "PUBLISHED", "STOPPED", "VERSION_CREATED", "PUBLISHED", "STARTED", "RESTARTED",
        ]);
    }

    async fn an_archived_webhook_is_gone_and_comes_back_stopped(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("events", numbered_webhook()).await;
        admin.publish(&id).await;
        admin.mutate("archiveDatasource", json!({ "id": id }), "datasource { archivedAt }").await;
        state_becomes(&admin, &id, json!({ "workerStatus": "STOPPED", "runningVersion": null })).await;
        assert_eq!(server.post_hook(&id, &json!({ "n": 1 })).await.0, 404);

        admin.mutate("restoreDatasource", json!({ "id": id }), "datasource { status }").await;
        assert_eq!(server.post_hook(&id, &json!({ "n": 2 })).await.0, 404, "restored, but stopped");
        admin.mutate("startDatasource", json!({ "id": id }), "datasource { status }").await;
        admin.running(&id, 1).await;
        assert_eq!(server.post_hook(&id, &json!({ "n": 3 })).await.0, 202);
    }
}

async fn set_secret(admin: &Client, id: &str, value: &str) {
    let set = json!({ "id": id, "key": "token", "value": value });
    admin.mutate("setDatasourceSecret", set, "secret { version }").await;
}

/// The payloads of the reloads on the timeline, oldest first, when there are `count`.
async fn reloads(client: &Client, id: &str, count: usize) -> Vec<Value> {
    eventually("the reload is on the timeline", || async {
        let told = events(client, id).await.into_iter().filter(|e| e["eventType"] == "RELOADED");
        let told: Vec<_> = told.map(|e| e["payload"].clone()).collect();
        (told.len() == count).then_some(told)
    })
    .await
}

/// A sink that does not answer must not keep the next version waiting for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reload_is_cut_off_at_the_deadline_and_says_so() {
    let server = TestServer::start_with(Kind::Sqlite, &["--drain-grace", "100ms"]).await;
    let (source, inbox) = (HttpSource::of_items(1).await, Inbox::start().await);
    inbox.hangs(true);
    let admin = server.admin();
    let mut config = poller(&source.url);
    config["delivery"] = json!({ "sink": { "type": "http", "url": inbox.url, "timeout": "10m" } });
    let id = poller_datasource(&admin, "items", config).await;
    admin.publish(&id).await;
    eventually("the sink is written to", || async { (inbox.arrived() == 1).then_some(()) }).await;
    draft_and_publish(&admin, &id, poller(&source.url)).await;
    let reload = reloads(&admin, &id, 1).await.pop().expect("one");
    assert_eq!((&reload["cutOff"], &reload["outcome"]), (&json!(true), &json!("replaced")), "{reload}");
    eventually("the next version reads it again", || async {
        (numbers(&server.delivered("acme", &id)) == [1]).then_some(())
    })
    .await;
}
