//! A limit that changes without another version. Debts are of a thousand seconds, so that no slow machine pays one.

use serde_json::{Value, json};

use super::update;
use crate::harness::server::open_webhook;
use crate::harness::{Client, TestServer, eventually};
use crate::on_both_databases;
use crate::registry::source::{HttpSource, page, poller, poller_datasource};

/// A webhook of lists, of which each element is a record.
async fn of_lists(admin: &Client, name: &str, limit: Option<u32>) -> String {
    let mut config = open_webhook(json!({ "n": "$.n" }));
    config["mapping"]["input"] = json!("$[*]");
    if let Some(limit) = limit {
        config["runtime"] = json!({ "rate_limit": { "records_per_second": limit } });
    }
    let id = admin.webhook(name, config).await;
    admin.publish(&id).await;
    id
}

async fn limit(admin: &Client, id: &str, records_per_second: Value) {
    let limit =
        if records_per_second.is_null() { Value::Null } else { json!({ "recordsPerSecond": records_per_second }) };
    update(admin, id, json!({ "rateLimit": limit })).await;
}

/// Sends a thousand records again and again, until it is answered so.
async fn answered(server: &TestServer, id: &str, status: u16) {
    let many: Value = (0..1_000).map(|n| json!({ "n": n })).collect();
    eventually(&format!("the webhook answers {status}"), || async {
        (server.post_hook(id, &many).await.0 == status).then_some(())
    })
    .await;
}

on_both_databases! {
    async fn a_webhook_obeys_the_smaller_limit_and_a_new_one_at_once(server: TestServer) {
        let admin = server.admin();
        let id = of_lists(&admin, "open", None).await;
        answered(&server, &id, 202).await;
        limit(&admin, &id, json!(1)).await;
        answered(&server, &id, 429).await;
        // Nothing was published anew.
        let state = admin.state(&id).await;
        assert_eq!((&state["runningVersion"], &state["restartCount"]), (&json!(1), &json!(0)));
        limit(&admin, &id, Value::Null).await;
        answered(&server, &id, 202).await;

        // The configuration's is the smaller one here, whatever is said beside it.
        let id = of_lists(&admin, "limited", Some(1)).await;
        limit(&admin, &id, json!(1_000_000)).await;
        answered(&server, &id, 202).await;
        answered(&server, &id, 429).await;
    }

    async fn a_worker_obeys_it_and_goes_on_when_it_is_lifted(server: TestServer) {
        let source = HttpSource::start(|visit| match visit.query.get("since") {
            None => page(1..=1_000),
            Some(since) if since == "1000" => page([1_001]),
            Some(_) => page([]),
        })
        .await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "items", poller(&source.url)).await;
        limit(&admin, &id, json!(1)).await;
        admin.publish(&id).await;
        eventually("the source is asked for more", || async {
            source.visits().iter().any(|visit| visit.query.contains_key("since")).then_some(())
        })
        .await;
        assert_eq!(server.delivered("acme", &id).len(), 1_000, "what comes next waits for a thousand seconds");
        limit(&admin, &id, Value::Null).await;
        eventually("the rest is delivered", || async { (server.delivered("acme", &id).len() == 1_001).then_some(()) }).await;
        assert_eq!(admin.state(&id).await["runningVersion"], 1);
    }
}
