//! `checkDatasource`, and the same check before a published version takes over.

use serde_json::{Value, json};

use super::source::{HttpSource, page, poller, poller_datasource, status};
use super::{draft_and_publish, events, numbered_webhook, numbers, state_becomes};
use crate::harness::server::mutation;
use crate::harness::{Client, eventually};
use crate::on_both_databases;

const RUN: &str = "success version steps { name success code message durationMs }";

/// What a check says, and `name: success` of its steps.
async fn check(client: &Client, input: Value) -> (Value, Vec<(String, bool)>) {
    let run = client.mutate("checkDatasource", input, RUN).await;
    let steps = run["steps"].as_array().expect("steps").iter();
    let steps = steps.map(|s| (s["name"].as_str().expect("a name").to_owned(), s["success"] == true)).collect();
    (run, steps)
}

fn step(name: &str, success: bool) -> (String, bool) {
    (name.to_owned(), success)
}

on_both_databases! {
    async fn a_check_says_step_by_step_whether_the_source_can_be_read(server: TestServer) {
        let source = HttpSource::start(|visit| match visit.header("authorization") {
            Some("Bearer let-me-in") => page([1, 2]),
            _ => status(401, &[]),
        })
        .await;
        let admin = server.admin();
        let mut config = poller(&source.url);
        config["connector"]["auth"] = json!({ "type": "bearer", "token": { "$secret": "token" } });
        let id = poller_datasource(&admin, "items", config).await;

        let set = |value: &str| json!({ "id": id, "key": "token", "value": value });
        admin.mutate("setDatasourceSecret", set("wrong-token"), "secret { version }").await;
        let (refused, steps) = check(&admin, json!({ "id": id })).await;
        let there = [step("resolve", true), step("connect", true)];
        assert_eq!(steps, [&there[..], &[step("authenticate", false)]].concat(), "{refused}");
        assert_eq!((&refused["success"], &refused["steps"][2]["code"]), (&json!(false), &json!("unauthorized")));
        assert!(!refused.to_string().contains("wrong-token"), "a secret shows nowhere: {refused}");

        admin.mutate("setDatasourceSecret", set("let-me-in"), "secret { version }").await;
        let (open, steps) = check(&admin, json!({ "id": id, "version": 1 })).await;
        assert_eq!((&open["success"], &open["version"]), (&json!(true), &json!(1)), "{open}");
        let answered = [&there[..], &[step("authenticate", true), step("fetch", true)]].concat();
        assert_eq!(steps, [&answered[..], &[step("decode", true)]].concat());

        source.answers(|_| status(200, &[]));
        let (unreadable, steps) = check(&admin, json!({ "id": id })).await;
        assert_eq!(steps, [&answered[..], &[step("decode", false)]].concat(), "{unreadable}");

        assert_eq!(admin.state(&id).await["checkpoint"], Value::Null, "no checkpoint moves");
        let event = events(&admin, &id).await.pop().expect("an event");
        assert_eq!((&event["eventType"], &event["payload"]["failedStep"]), (&json!("SOURCE_CHECKED"), &json!("decode")));
    }

    async fn a_source_that_waits_to_be_called_is_well(server: TestServer) {
        let operator = server.operator();
        let id = operator.webhook("events", numbered_webhook()).await;
        let (run, steps) = check(&operator, json!({ "id": id })).await;
        assert_eq!(steps, [step("secret", true), step("accept", true)], "{run}");
        let missing = json!({ "input": { "id": id, "version": 9 } });
        assert_eq!(operator.code(&mutation("checkDatasource", RUN), missing).await, "NOT_FOUND");
    }

    /// A secret goes where the configuration says, so an operator may not send it by a draft of theirs.
    async fn only_an_admin_checks_a_draft_with_secrets(server: TestServer) {
        let source = HttpSource::of_items(1).await;
        let mut config = poller(&source.url);
        config["connector"]["auth"] = json!({ "type": "bearer", "token": { "$secret": "token" } });
        let id = poller_datasource(&server.operator(), "items", config).await;
        let secret = json!({ "id": id, "key": "token", "value": "let-me-in" });
        server.admin().mutate("setDatasourceSecret", secret, "secret { version }").await;
        let input = json!({ "input": { "id": id } });
        assert_eq!(server.operator().code(&mutation("checkDatasource", RUN), input).await, "FORBIDDEN");
        assert_eq!(source.visits().len(), 0, "nothing was sent");

        server.admin().publish(&id).await;
        assert_eq!(check(&server.operator(), json!({ "id": id })).await.0["success"], true);
    }

    async fn a_version_whose_source_cannot_be_reached_leaves_the_one_before_it_running(server: TestServer) {
        let (old, new) = (HttpSource::of_items(1).await, HttpSource::start(|_| status(503, &[])).await);
        let admin = server.admin();
        let id = poller_datasource(&admin, "items", poller(&old.url)).await;
        admin.publish(&id).await;
        assert_eq!(draft_and_publish(&admin, &id, poller(&new.url)).await, 2);
        let state = state_becomes(&admin, &id, json!({ "errorCode": "http_status" })).await;
        assert_eq!((&state["workerStatus"], &state["runningVersion"]), (&json!("RUNNING"), &json!(1)), "{state}");

        old.has_items(2);
        eventually("the old version reads on", || async {
            (numbers(&server.delivered("acme", &id)) == [1, 2]).then_some(())
        })
        .await;
        new.has_items(3);
        admin.running(&id, 2).await;
        state_becomes(&admin, &id, json!({ "errorCode": null, "status": "ACTIVE", "checkpoint": { "cursor": 3 } })).await;
    }
}
