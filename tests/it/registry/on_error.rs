//! Records that cannot be mapped: skipped, set aside, or a reason to stop, as the version says.

use serde_json::{Value, json};

use super::source::{HttpSource, page, poller, poller_datasource};
use super::{draft_and_publish, events, numbered_webhook, numbers, state_becomes};
use crate::harness::{TestServer, eventually};
use crate::on_both_databases;

/// Records with a negative `n` cannot be mapped.
fn picky(mut config: Value, on_error: &str) -> Value {
    let source = r#"if record.n < 0 { throw "negative" } record"#;
    config["mapping"]["transform"] = json!({ "language": "rhai", "source": source });
    config["delivery"] = json!({ "on_error": on_error });
    config
}

/// Items 1, -2 and 3 at once.
async fn mixed_source() -> HttpSource {
    HttpSource::start(|visit| if visit.query.contains_key("since") { page([]) } else { page([1, -2, 3]) }).await
}

async fn dead_letters(server: &TestServer, id: &str) -> Option<f64> {
    server.metric(&format!("datasource_dead_letters{{datasource=\"{id}\"}}")).await
}

on_both_databases! {
    async fn a_webhook_skips_what_cannot_be_mapped(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("skips", picky(numbered_webhook(), "skip")).await;
        admin.publish(&id).await;

        let (status, receipt) = server.post_hook(&id, &json!({ "n": -1 })).await;
        assert_eq!((status, &receipt["records"], &receipt["skipped"]), (202, &json!(0), &json!(1)), "{receipt}");
        let (status, receipt) = server.post_hook(&id, &json!({ "n": 1 })).await;
        assert_eq!((status, &receipt["records"], &receipt["skipped"]), (202, &json!(1), &json!(0)), "{receipt}");

        assert_eq!(numbers(&server.delivered("acme", &id)), [1]);
        eventually("the counters are reported", || async {
            let metrics = admin.state(&id).await["metrics"].take();
            (metrics["delivered"] == 1 && metrics["skipped"] == 1 && metrics["failed"] == 0).then_some(())
        }).await;
        assert_eq!(dead_letters(&server, &id).await, Some(0.0));
    }

    async fn a_webhook_sets_aside_what_cannot_be_mapped(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("keeps", picky(numbered_webhook(), "dead_letter")).await;
        admin.publish(&id).await;

        let (status, receipt) = server.post_hook(&id, &json!({ "n": -1 })).await;
        assert_eq!((status, &receipt["records"], &receipt["failed"]), (202, &json!(0), &json!(1)), "{receipt}");
        server.post_hook(&id, &json!({ "n": 1 })).await;

        assert_eq!(numbers(&server.delivered("acme", &id)), [1]);
        assert_eq!(dead_letters(&server, &id).await, Some(1.0));
        eventually("the counters are reported", || async {
            (admin.state(&id).await["metrics"]["failed"] == 1).then_some(())
        }).await;
    }

    /// The sender is told, so that nothing is lost: it keeps the record, and people look.
    async fn a_webhook_stops_at_what_cannot_be_mapped(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("stops", picky(numbered_webhook(), "stop")).await;
        admin.publish(&id).await;
        server.post_hook(&id, &json!({ "n": 1 })).await;

        let (status, problem) = server.post_hook(&id, &json!({ "n": -1 })).await;
        assert_eq!((status, &problem["code"]), (422, &json!("CONFIG_INVALID")), "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|d| d.contains("negative")), "{problem}");
        let state = state_becomes(&admin, &id, json!({ "workerStatus": "ERROR", "status": "ERROR" })).await;
        assert_eq!(state["errorCode"], "record_failed", "{state}");
        let (status, _) = server.post_hook(&id, &json!({ "n": 2 })).await;
        assert_eq!(status, 503, "the webhook is there, but its worker is not");
        assert_eq!(events(&admin, &id).await.pop().expect("an event")["eventType"], "WORKER_ERROR");

        admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
        state_becomes(&admin, &id, json!({ "workerStatus": "RUNNING", "status": "ACTIVE", "errorCode": null })).await;
        server.post_hook(&id, &json!({ "n": 3 })).await;
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 3]);
        assert_eq!(events(&admin, &id).await.pop().expect("an event")["eventType"], "RECOVERED");
    }

    async fn a_poller_skips_what_cannot_be_mapped(server: TestServer) {
        let source = mixed_source().await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "skips", picky(poller(&source.url), "skip")).await;
        admin.publish(&id).await;
        eventually("the checkpoint moves past all", || async {
            (admin.state(&id).await["checkpoint"]["cursor"] == 3).then_some(())
        }).await;
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 3]);
        assert_eq!(dead_letters(&server, &id).await, Some(0.0));
    }

    async fn a_poller_sets_aside_what_cannot_be_mapped(server: TestServer) {
        let source = mixed_source().await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "keeps", picky(poller(&source.url), "dead_letter")).await;
        admin.publish(&id).await;
        eventually("the checkpoint moves past all", || async {
            (admin.state(&id).await["checkpoint"]["cursor"] == 3).then_some(())
        }).await;
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 3]);
        assert_eq!(dead_letters(&server, &id).await, Some(1.0));
    }

    /// Nothing of the page counts as done: after a repair it is read again.
    async fn a_poller_stops_at_what_cannot_be_mapped(server: TestServer) {
        let source = mixed_source().await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "stops", picky(poller(&source.url), "stop")).await;
        admin.mutate("publishDatasource", json!({ "id": id }), "datasource { id }").await;
        let state = state_becomes(&admin, &id, json!({ "workerStatus": "ERROR", "status": "ERROR" })).await;
        assert_eq!(state["errorCode"], "record_failed", "{state}");
        assert_eq!(state["checkpoint"], Value::Null, "{state}");
        assert_eq!(server.delivered("acme", &id).len(), 0);

        draft_and_publish(&admin, &id, picky(poller(&source.url), "skip")).await;
        admin.running(&id, 2).await;
        eventually("the page is read again", || async {
            (numbers(&server.delivered("acme", &id)) == [1, 3]).then_some(())
        }).await;
        state_becomes(&admin, &id, json!({ "status": "ACTIVE", "errorCode": null })).await;
    }

    async fn a_rate_limit_asks_the_sender_to_come_again(server: TestServer) {
        let admin = server.admin();
        let mut config = numbered_webhook();
        config["runtime"] = json!({ "rate_limit": { "records_per_second": 1 } });
        let id = admin.webhook("limited", config).await;
        admin.publish(&id).await;

        let posts = (0..30).map(|n| {
            let request = server.http.post(format!("{}/hooks/{id}", server.url)).json(&json!({ "n": n }));
            async move { (n, request.send().await.expect("an answer")) }
        });
        let answers = futures::future::join_all(posts).await;
        let accepted: Vec<i64> = answers.iter().filter(|(_, a)| a.status() == 202).map(|(n, _)| *n).collect();
        let (_, refused) = answers.iter().find(|(_, a)| a.status() == 429).expect("one too many");
        let wait: u64 = refused.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
        assert!(wait >= 1);
        assert_eq!(refused.headers()["content-type"], "application/problem+json");
        assert!(answers.iter().all(|(_, a)| a.status() == 202 || a.status() == 429));

        assert!(!accepted.is_empty(), "the first one comes through");
        let mut kept = numbers(&server.delivered("acme", &id));
        kept.sort_unstable();
        assert_eq!(kept, accepted, "what was accepted is there, what was refused is not");
    }

    /// A limit is of records, however many come in one request.
    async fn a_rate_limit_counts_the_records_of_a_request(server: TestServer) {
        let admin = server.admin();
        let mut config = numbered_webhook();
        config["runtime"] = json!({ "rate_limit": { "records_per_second": 1 } });
        config["mapping"]["input"] = json!("$[*]");
        let id = admin.webhook("limited", config.clone()).await;
        admin.publish(&id).await;
        admin.running(&id, 1).await;
        let many: Value = (0..1_000).map(|n| json!({ "n": n })).collect();
        let (status, receipt) = server.post_hook(&id, &many).await;
        assert_eq!((status, &receipt["records"]), (202, &json!(1_000)), "more than may come at once comes when nothing is owed");
        let request = server.http.post(format!("{}/hooks/{id}", server.url)).json(&json!([{ "n": 0 }]));
        let refused = request.send().await.expect("an answer");
        assert_eq!(refused.status(), 429);
        let wait: u64 = refused.headers()["retry-after"].to_str().expect("text").parse().expect("seconds");
        assert!((500..=1_000).contains(&wait), "a debt of a thousand seconds: {wait}");

        // A worker in the place of this one owes the same.
        let version = draft_and_publish(&admin, &id, config).await;
        admin.running(&id, version).await;
        assert_eq!(server.post_hook(&id, &many).await.0, 429);
        assert_eq!(server.delivered("acme", &id).len(), 1_000);
    }
}
