//! The circuit breaker: a sink that fails again and again is left alone, and tried now and then.

use serde_json::{Value, json};

use super::source::{HttpSource, poller, poller_datasource};
use super::{numbered_webhook, state_becomes, worker_events};
use crate::connectors::inbox::Inbox;
use crate::harness::{Kind, TestServer, eventually};
use crate::on_both_databases;

/// Writes to `inbox`, and leaves it alone for `open_for` after two failures in a row.
fn guarded(mut config: Value, inbox: &Inbox, open_for: &str) -> Value {
    config["delivery"] = json!({ "sink": { "type": "http", "url": inbox.url } });
    config["runtime"]["circuit_breaker"] = json!({ "failures": 2, "open_for": open_for });
    config
}

async fn shown(server: &TestServer, id: &str, state: &str) -> Option<f64> {
    server.metric(&format!("datasource_circuit_state{{datasource=\"{id}\",state=\"{state}\"}}")).await
}

on_both_databases! {
    async fn a_webhook_fails_fast_while_its_sink_is_left_alone(server: TestServer) {
        let inbox = Inbox::start().await;
        let admin = server.admin();
        let id = admin.webhook("guarded", guarded(numbered_webhook(), &inbox, "1h")).await;
        admin.publish(&id).await;
        inbox.answers(503, None);
        for _ in 0..5 {
            assert_eq!(server.post_hook(&id, &json!({ "id": 1, "n": 1 })).await.0, 503);
        }
        assert_eq!(inbox.requests().len(), 2, "nothing is sent to it any more");
        let request = server.http.post(format!("{}/hooks/{id}", server.url)).json(&json!({ "n": 1 }));
        let refusal = request.send().await.expect("an answer");
        let wait: u64 = refusal.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
        assert!(wait > 3_000, "the sender is told when there is a use in coming again: {wait}");

        let open = json!({ "circuit": "OPEN", "status": "ERROR", "workerStatus": "RUNNING", "errorCode": "circuit_open" });
        let state = state_becomes(&admin, &id, open).await;
        assert!(state["errorMessage"].as_str().is_some_and(|m| m.contains("503")), "{state}");
        assert_eq!((shown(&server, &id, "open").await, shown(&server, &id, "closed").await), (Some(1.0), Some(0.0)));

        // Whoever mended the sink does not wait for an hour.
        inbox.answers(204, None);
        admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
        eventually("it is written to", || async {
            (server.post_hook(&id, &json!({ "id": 1, "n": 1 })).await.0 == 202).then_some(())
        }).await;
        state_becomes(&admin, &id, json!({ "circuit": "CLOSED", "status": "ACTIVE", "errorCode": null })).await;
        assert_eq!(worker_events(&admin, &id).await, ["WORKER_ERROR", "RECOVERED"]);
    }

    async fn a_poller_holds_its_batch_until_a_probe_shows_that_the_sink_is_well(server: TestServer) {
        let (source, inbox) = (HttpSource::of_items(3).await, Inbox::start().await);
        inbox.answers(503, None);
        let admin = server.admin();
        let id = poller_datasource(&admin, "guarded", guarded(poller(&source.url), &inbox, "100ms")).await;
        admin.publish(&id).await;
        eventually("it is probed again and again", || async { (inbox.requests().len() >= 5).then_some(()) }).await;
        assert_eq!(source.visits().len(), 1, "nothing more is read meanwhile");
        state_becomes(&admin, &id, json!({ "workerStatus": "RUNNING", "errorCode": "circuit_open" })).await;

        inbox.answers(204, None);
        eventually("the batch arrives", || async { (inbox.taken() == ["1", "2", "3"]).then_some(()) }).await;
        let well = json!({ "circuit": "CLOSED", "status": "ACTIVE", "errorCode": null, "checkpoint": { "cursor": 3 } });
        let state = state_becomes(&admin, &id, well).await;
        assert_eq!(state["restartCount"], 0, "it went on, and was not started again: {state}");
        assert_eq!(worker_events(&admin, &id).await, ["WORKER_ERROR", "RECOVERED"]);
    }
}

/// The grace is longer than this test has patience for.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_waits_for_its_sink_stops_at_once() {
    let server = TestServer::start_with(Kind::Sqlite, &["--drain-grace", "10m", "--shutdown-grace", "10m"]).await;
    let (source, inbox) = (HttpSource::of_items(3).await, Inbox::start().await);
    inbox.answers(503, None);
    let admin = server.admin();
    let id = poller_datasource(&admin, "guarded", guarded(poller(&source.url), &inbox, "1h")).await;
    admin.publish(&id).await;
    state_becomes(&admin, &id, json!({ "errorCode": "circuit_open" })).await;
    admin.mutate("stopDatasource", json!({ "id": id }), "datasource { id }").await;
    let state = state_becomes(&admin, &id, json!({ "workerStatus": "STOPPED" })).await;
    assert_eq!(state["checkpoint"], Value::Null, "what was not taken is read again");
}
