//! `http_poller`, end to end: schedule, checkpoint, conditions, refusals, recovery.

use std::time::Duration;

use axum::response::IntoResponse;
use serde_json::{Value, json};

use super::source::{HttpSource, page, poller, poller_datasource, status};
use super::{draft_and_publish, events, numbers, state_becomes, worker_events};
use crate::harness::{TestServer, eventually};
use crate::on_both_databases;

on_both_databases! {
    async fn it_polls_on_its_schedule_and_keeps_a_checkpoint(server: TestServer) {
        let source = HttpSource::of_items(3).await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "items", poller(&source.url)).await;
        admin.publish(&id).await;
        arrives(&server, &id, 3).await;

        source.has_items(5);
        arrives(&server, &id, 5).await;
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 2, 3, 4, 5], "each item once, in order");
        state_becomes(&admin, &id, json!({ "checkpoint": { "cursor": 5 } })).await;
        let asked: Vec<_> = source.visits().iter().map(|v| v.query.get("since").cloned()).collect();
        assert_eq!(asked[..2], [None, Some("3".to_owned())], "the next poll asks for what is new");
    }

    async fn a_restart_of_the_server_goes_on_from_the_checkpoint(server: TestServer) {
        let source = HttpSource::of_items(3).await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "items", poller(&source.url)).await;
        admin.publish(&id).await;
        arrives(&server, &id, 3).await;

        let database = server.stop().await;
        let before = source.visits().len();
        source.has_items(6);
        let server = TestServer::on(database, &[]).await;
        arrives(&server, &id, 6).await;
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 2, 3, 4, 5, 6], "none twice, none lost");
        assert_eq!(source.visits()[before].query["since"], "3");
    }

    async fn a_new_version_goes_on_from_the_checkpoint(server: TestServer) {
        let source = HttpSource::of_items(3).await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "items", poller(&source.url)).await;
        admin.publish(&id).await;
        arrives(&server, &id, 3).await;

        let mut config = poller(&source.url);
        config["mapping"]["outputs"][0]["fields"]["renamed"] = json!("$.n");
        let version = draft_and_publish(&admin, &id, config).await;
        admin.running(&id, version).await;
        source.has_items(5);
        arrives(&server, &id, 5).await;

        let records = server.delivered("acme", &id);
        assert_eq!(numbers(&records), [1, 2, 3, 4, 5]);
        let versions: Vec<_> = records.iter().map(|r| r["version"].as_i64()).collect();
        assert_eq!(versions, [1, 1, 1, 2, 2].map(Some));
        assert_eq!(records[4]["data"], json!({ "n": 5, "renamed": 5 }));
    }

    async fn what_did_not_change_is_not_delivered_again(server: TestServer) {
        let source = HttpSource::start(|visit| match visit.header("if-none-match") {
            Some("\"v1\"") => status(304, &[]),
            _ => ([("etag", "\"v1\"")], page([1])).into_response(),
        })
        .await;
        let admin = server.admin();
        let mut config = poller(&source.url);
        config["connector"].as_object_mut().expect("an object").remove("incremental");
        let id = poller_datasource(&admin, "tagged", config).await;
        admin.publish(&id).await;
        eventually("the source is asked again", || async { (source.visits().len() >= 3).then_some(()) }).await;

        let tags: Vec<_> = source.visits().iter().map(|v| v.header("if-none-match").map(str::to_owned)).collect();
        assert_eq!(tags[..3], [None, Some("\"v1\"".to_owned()), Some("\"v1\"".to_owned())]);
        assert_eq!(numbers(&server.delivered("acme", &id)), [1]);
    }

    /// The source says when to come again, and nobody comes earlier.
    async fn a_rate_limit_is_waited_for_and_recovered_from(server: TestServer) {
        let source = HttpSource::start(|visit| match visit.index {
            0 => status(429, &[("retry-after", "6")]),
            _ => page([1]),
        })
        .await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "limited", poller(&source.url)).await;
        admin.mutate("publishDatasource", json!({ "id": id }), "datasource { id }").await;

        let waiting = json!({ "workerStatus": "BACKING_OFF", "status": "ERROR", "errorCode": "rate_limited" });
        let state = state_becomes(&admin, &id, waiting).await;
        assert!(state["errorMessage"].as_str().is_some_and(|m| m.contains("429")), "{state}");

        arrives(&server, &id, 1).await;
        let visits = source.visits();
        // The version's own longest pause is one second.
        assert!(visits[1].at - visits[0].at >= Duration::from_secs(6), "came early");
        let well = json!({ "workerStatus": "RUNNING", "status": "ACTIVE", "errorCode": null, "errorMessage": null });
        let state = state_becomes(&admin, &id, well).await;
        assert_eq!(state["restartCount"], 1, "{state}");
        assert_eq!(worker_events(&admin, &id).await, ["WORKER_ERROR", "RECOVERED"]);
    }

    /// A refused credential is not tried again and again: it waits for a person.
    async fn a_permanent_refusal_stops_the_worker_until_it_is_restarted(server: TestServer) {
        let source = HttpSource::start(|_| status(401, &[])).await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "refused", poller(&source.url)).await;
        admin.mutate("publishDatasource", json!({ "id": id }), "datasource { id }").await;
        let state = state_becomes(&admin, &id, json!({ "workerStatus": "ERROR", "status": "ERROR" })).await;
        assert_eq!(state["errorCode"], "unauthorized", "{state}");
        assert_eq!(state["runningVersion"], Value::Null, "{state}");
        let error = events(&admin, &id).await.pop().expect("an event");
        assert_eq!((&error["eventType"], &error["version"]), (&json!("WORKER_ERROR"), &json!(1)));
        assert_eq!((&error["payload"]["code"], &error["payload"]["permanent"]), (&json!("unauthorized"), &json!(true)));

        source.has_items(2);
        server.operator().mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
        arrives(&server, &id, 2).await;
        let well = json!({ "workerStatus": "RUNNING", "status": "ACTIVE", "errorCode": null });
        state_becomes(&admin, &id, well).await;
        assert_eq!(worker_events(&admin, &id).await, ["WORKER_ERROR", "RECOVERED"]);
    }

    async fn a_source_that_is_down_for_a_while_is_read_when_it_is_back(server: TestServer) {
        let source = HttpSource::start(|_| status(503, &[])).await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "flaky", poller(&source.url)).await;
        admin.mutate("publishDatasource", json!({ "id": id }), "datasource { id }").await;
        eventually("it is tried again", || async {
            let state = admin.state(&id).await;
            (state["restartCount"].as_i64() >= Some(2)).then_some(())
        })
        .await;
        let state = admin.state(&id).await;
        assert_eq!((&state["status"], &state["errorCode"]), (&json!("ERROR"), &json!("http_status")), "{state}");
        assert_eq!(worker_events(&admin, &id).await, ["WORKER_ERROR"], "a try is not a recovery");

        source.has_items(2);
        arrives(&server, &id, 2).await;
        state_becomes(&admin, &id, json!({ "workerStatus": "RUNNING", "status": "ACTIVE", "errorCode": null })).await;
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 2]);
        assert_eq!(worker_events(&admin, &id).await, ["WORKER_ERROR", "RECOVERED"]);
    }

    async fn an_address_that_the_egress_policy_denies_is_an_error_until_a_rollback(server: TestServer) {
        let source = HttpSource::of_items(2).await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "items", poller(&source.url)).await;
        admin.publish(&id).await;
        arrives(&server, &id, 2).await;

        draft_and_publish(&admin, &id, poller("http://10.0.0.1/items")).await;
        let state = state_becomes(&admin, &id, json!({ "status": "ERROR" })).await;
        assert_eq!(state["errorCode"], "egress_denied", "{state}");

        admin.mutate("rollbackDatasource", json!({ "id": id }), "version { version }").await;
        admin.running(&id, 1).await;
        source.has_items(4);
        arrives(&server, &id, 4).await;
        state_becomes(&admin, &id, json!({ "status": "ACTIVE", "errorCode": null })).await;
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 2, 3, 4]);
    }

    async fn a_stopped_poller_asks_for_nothing_until_it_is_started(server: TestServer) {
        let source = HttpSource::of_items(1).await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "items", poller(&source.url)).await;
        admin.publish(&id).await;
        arrives(&server, &id, 1).await;

        admin.mutate("stopDatasource", json!({ "id": id }), "datasource { status }").await;
        state_becomes(&admin, &id, json!({ "workerStatus": "STOPPED", "status": "DISABLED" })).await;
        let before = source.visits().len();
        source.has_items(2);
        admin.mutate("startDatasource", json!({ "id": id }), "datasource { status }").await;
        arrives(&server, &id, 2).await;
        assert_eq!(source.visits()[before].query["since"], "1", "it goes on where it stopped");
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 2]);
    }
}

/// Waits until item `n` is in the sink.
async fn arrives(server: &TestServer, id: &str, n: i64) {
    eventually(&format!("item {n} arrives"), || async {
        numbers(&server.delivered("acme", id)).contains(&n).then_some(())
    })
    .await;
}
