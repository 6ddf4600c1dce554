//! `testDatasource`: a configuration on a sample, in a sandbox.

use serde_json::{Value, json};

use super::source::{HttpSource, page, poller, poller_datasource, status};
use super::{draft_and_publish, events, numbered_webhook};
use crate::harness::Client;
use crate::harness::server::mutation;
use crate::on_both_databases;

const RUN: &str = "run { success version outputs { id kind data } errors { record code path message }
    warnings logs payload durationMs }";

async fn run(client: &Client, input: Value) -> Value {
    client.mutate("testDatasource", input, RUN).await["run"].take()
}

async fn refusal(client: &Client, input: Value) -> Value {
    let answer = client.send(&mutation("testDatasource", RUN), json!({ "input": input })).await;
    assert!(answer["errors"][0].is_object(), "an error, not {answer:#}");
    answer["errors"][0].clone()
}

fn with_transform(source: &str) -> Value {
    let mut config = numbered_webhook();
    config["mapping"]["transform"] = json!({ "language": "rhai", "source": source });
    config
}

on_both_databases! {
    async fn a_payload_is_mapped_by_any_version_or_by_an_override(server: TestServer) {
        let operator = server.operator();
        let id = operator.webhook("events", numbered_webhook()).await;
        let mut renamed = numbered_webhook();
        renamed["mapping"]["outputs"][0]["fields"] = json!({ "number": "$.n" });
        operator.mutate("createDatasourceVersion", json!({ "id": id, "config": renamed }), "version { id }").await;
        let payload = json!({ "id": "r-1", "n": 7 });

        let latest = run(&operator, json!({ "id": id, "payload": payload })).await;
        assert_eq!((&latest["success"], &latest["version"]), (&json!(true), &json!(2)), "{latest}");
        assert_eq!(latest["outputs"], json!([{ "id": "r-1", "kind": "event", "data": { "number": 7 } }]));
        assert_eq!((&latest["errors"], &latest["warnings"], &latest["payload"]), (&json!([]), &json!([]), &Value::Null));

        let first = run(&operator, json!({ "id": id, "version": 1, "payload": payload })).await;
        assert_eq!(first["outputs"][0]["data"], json!({ "n": 7 }));

        let mut other = numbered_webhook();
        other["mapping"]["outputs"][0]["kind"] = json!("other");
        let overridden = run(&operator, json!({ "id": id, "configOverride": other, "payload": payload })).await;
        assert_eq!((&overridden["version"], &overridden["outputs"][0]["kind"]), (&Value::Null, &json!("other")));

        // A string is the raw payload, as the source would send it.
        let raw = run(&operator, json!({ "id": id, "payload": "{\"id\": \"r-2\", \"n\": 8}" })).await;
        assert_eq!(raw["outputs"][0]["id"], "r-2", "{raw}");

        let missing = refusal(&operator, json!({ "id": id, "version": 9, "payload": {} })).await;
        assert_eq!(missing["extensions"]["code"], "NOT_FOUND");
        let invalid = json!({ "id": id, "configOverride": { "connector": { "type": "webhook" } }, "payload": {} });
        let invalid = refusal(&operator, invalid).await;
        assert_eq!(invalid["extensions"]["code"], "CONFIG_INVALID");
        assert_eq!(invalid["extensions"]["problems"][0]["pointer"], "/connector/auth", "{invalid}");
    }

    async fn without_a_payload_the_connectors_example_is_mapped(server: TestServer) {
        let operator = server.operator();
        let mut config = numbered_webhook();
        config["mapping"]["outputs"][0]["fields"] = json!({ "repository": "$.repository.full_name" });
        let id = operator.webhook("events", config).await;
        let example = run(&operator, json!({ "id": id })).await;
        let payload: Value = serde_json::from_str(example["payload"].as_str().expect("shown")).expect("JSON");
        assert_eq!(example["outputs"][0]["data"]["repository"], payload["repository"]["full_name"], "{example}");
        assert!(payload["repository"]["full_name"].is_string());
    }

    async fn a_payload_is_kept_as_a_sample_and_used_again(server: TestServer) {
        let operator = server.operator();
        let id = operator.webhook("events", numbered_webhook()).await;
        run(&operator, json!({ "id": id, "payload": { "id": "kept", "n": 1 }, "saveSampleAs": "first" })).await;
        let again = run(&operator, json!({ "id": id, "sample": "first" })).await;
        assert_eq!(again["outputs"][0]["id"], "kept", "{again}");
        assert!(again["payload"].as_str().is_some_and(|p| p.contains("kept")), "{again}");

        let query = "query($id: ID!) { datasourceSamples(id: $id) { name createdBy } }";
        let samples = server.viewer().data(query, json!({ "id": id })).await;
        assert_eq!(samples["datasourceSamples"], json!([{ "name": "first", "createdBy": "operator@acme" }]));
        let missing = refusal(&operator, json!({ "id": id, "sample": "second" })).await;
        assert_eq!(missing["extensions"]["code"], "NOT_FOUND");
        let both = refusal(&operator, json!({ "id": id, "sample": "first", "payload": {} })).await;
        assert_eq!(both["extensions"]["code"], "VALIDATION_FAILED");
    }

    async fn a_sample_is_fetched_from_the_source(server: TestServer) {
        let source = HttpSource::start(|visit| match visit.header("authorization") {
            Some("Bearer let-me-in") => page([1, 2]),
            _ => status(401, &[]),
        })
        .await;
        let admin = server.admin();
        let mut config = poller(&source.url);
        config["connector"]["auth"] = json!({ "type": "bearer", "token": { "$secret": "token" } });
        let id = poller_datasource(&admin, "items", config).await;
        let fetch = json!({ "id": id, "fetch": true });
        assert_eq!(refusal(&admin, fetch.clone()).await["extensions"]["code"], "SECRET_MISSING");

        let set = |value: &str| json!({ "id": id, "key": "token", "value": value });
        admin.mutate("setDatasourceSecret", set("wrong"), "secret { version }").await;
        let refused = refusal(&admin, fetch.clone()).await;
        assert_eq!(refused["extensions"]["code"], "TEST_FAILED");
        assert!(refused["message"].as_str().is_some_and(|m| m.contains("401")), "{refused}");

        admin.mutate("setDatasourceSecret", set("let-me-in"), "secret { version }").await;
        let fetched = run(&admin, fetch).await;
        let ids: Vec<_> = fetched["outputs"].as_array().expect("outputs").iter().map(|o| o["id"].clone()).collect();
        assert_eq!(ids, ["1", "2"], "{fetched}");
        assert!(!fetched.to_string().contains("let-me-in"), "a secret shows nowhere");
        assert_eq!(source.visits().len(), 2, "one request a fetch");

        assert_eq!(admin.state(&id).await["checkpoint"], Value::Null, "no checkpoint moves");
        assert!(!server.database.data_dir.path().join("out").exists(), "no sink is touched");
        let webhook = admin.webhook("waits", numbered_webhook()).await;
        let refused = refusal(&admin, json!({ "id": webhook, "fetch": true })).await;
        assert_eq!(refused["extensions"]["problems"][0]["pointer"], "/fetch");
    }

    /// A test beside a running poller: the poller and its checkpoint do not notice.
    async fn a_test_moves_nothing_of_what_runs(server: TestServer) {
        let source = HttpSource::of_items(3).await;
        let admin = server.admin();
        let id = poller_datasource(&admin, "items", poller(&source.url)).await;
        admin.publish(&id).await;
        crate::harness::eventually("the items arrive", || async {
            (admin.state(&id).await["checkpoint"]["cursor"] == 3).then_some(())
        }).await;
        let payload = json!({ "items": [{ "n": 99 }] });
        let tested = run(&admin, json!({ "id": id, "payload": payload })).await;
        assert_eq!(tested["outputs"][0]["data"], json!({ "n": 99 }));
        assert_eq!(run(&admin, json!({ "id": id, "fetch": true })).await["outputs"].as_array().map(Vec::len), Some(3));

        source.has_items(4);
        crate::harness::eventually("the next item arrives", || async {
            (admin.state(&id).await["checkpoint"]["cursor"] == 4).then_some(())
        }).await;
        assert_eq!(super::super::numbers(&server.delivered("acme", &id)), [1, 2, 3, 4]);
    }

    /// Records fail one by one, each with the part of the configuration that failed.
    async fn a_record_that_fails_names_its_place(server: TestServer) {
        let operator = server.operator();
        let mut config = with_transform(r#"if record.n < 0 { throw "negative" } print(`saw ${record.n}`); record"#);
        config["mapping"]["input"] = json!("$[*]");
        let id = operator.webhook("events", config).await;
        let payload = json!([{ "id": 1, "n": 1 }, { "id": 2, "n": -2 }, { "id": 3, "n": 3 }]);
        let tested = run(&operator, json!({ "id": id, "payload": payload })).await;
        assert_eq!(tested["success"], false);
        let ids: Vec<_> = tested["outputs"].as_array().expect("outputs").iter().map(|o| o["id"].clone()).collect();
        assert_eq!(ids, ["1", "3"], "the others are mapped: {tested}");
        let error = &tested["errors"][0];
        assert_eq!((&error["record"], &error["code"]), (&json!(1), &json!("transform_failed")), "{tested}");
        assert!(error["path"].as_str().is_some_and(|p| p.starts_with("/mapping/transform")), "{error}");
        assert!(error["message"].as_str().is_some_and(|m| m.contains("negative")), "{error}");
        assert_eq!(tested["logs"], json!(["saw 1", "saw 3"]));

        let unreadable = run(&operator, json!({ "id": id, "payload": "not json" })).await;
        assert_eq!(unreadable["success"], false);
        assert_eq!(unreadable["errors"][0]["record"], Value::Null, "{unreadable}");
        assert_eq!(unreadable["errors"][0]["path"], "/connector");
    }

    async fn what_is_probably_not_meant_is_a_warning(server: TestServer) {
        let operator = server.operator();
        let mut config = numbered_webhook();
        config["mapping"]["input"] = json!("$.items[*]");
        let id = operator.webhook("events", config).await;
        let nothing = run(&operator, json!({ "id": id, "payload": { "other": [] } })).await;
        assert_eq!((&nothing["success"], &nothing["outputs"]), (&json!(true), &json!([])));
        assert!(nothing["warnings"][0].as_str().is_some_and(|w| w.contains("mapping.input")), "{nothing}");
        let null = run(&operator, json!({ "id": id, "payload": { "items": [{ "id": 1 }] } })).await;
        assert!(null["warnings"][0].as_str().is_some_and(|w| w.contains("event.n")), "{null}");
    }

    async fn a_test_is_on_the_timeline_and_leaves_nothing_else(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("events", numbered_webhook()).await;
        draft_and_publish(&admin, &id, numbered_webhook()).await;
        admin.running(&id, 2).await;
        let before = admin.state(&id).await;
        run(&admin, json!({ "id": id, "payload": { "id": 1, "n": 1 } })).await;
        assert_eq!(server.delivered("acme", &id), [Value::Null; 0]);
        assert_eq!(admin.state(&id).await["revision"], before["revision"]);
        let event = events(&admin, &id).await.pop().expect("an event");
        assert_eq!((&event["eventType"], &event["payload"]["outputs"]), (&json!("TEST_RUN"), &json!(1)), "{event}");
    }

    async fn a_payload_has_a_limit(server: TestServer) {
        let operator = server.operator();
        let id = operator.webhook("events", numbered_webhook()).await;
        let payload = format!("\"{}\"", "x".repeat(1024 * 1024));
        let refused = refusal(&operator, json!({ "id": id, "payload": payload })).await;
        assert_eq!(refused["extensions"]["code"], "VALIDATION_FAILED");
        assert_eq!(refused["extensions"]["problems"][0]["pointer"], "/payload", "{}", refused["message"]);
    }

    /// Programs that never end or grow without end, more of them than run at once: each ends with an
    /// error, and everybody else is served meanwhile.
    async fn a_hostile_transform_harms_nobody(server: TestServer) {
        let operator = server.operator();
        let id = operator.webhook("events", numbered_webhook()).await;
        let hostile = [
            "loop { }",
            "let s = \"x\"; loop { s += s; }",
            "let a = [1]; loop { a += a; }",
            "fn f(n) { f(n + 1) } f(0)",
        ];
        // Many records, each of which would take its time.
        let payload = json!((0..500).map(|n| json!({ "id": n, "n": n })).collect::<Vec<_>>());
        let runs: Vec<_> = (0..16).map(|i| {
            let mut config = with_transform(hostile[i % hostile.len()]);
            config["mapping"]["input"] = json!("$[*]");
            let input = json!({ "id": id, "configOverride": config, "payload": payload });
            let operator = operator.clone();
            tokio::spawn(async move { operator.send(&mutation("testDatasource", RUN), json!({ "input": input })).await })
        }).collect();

        let viewer = server.viewer();
        let mut served = 0;
        while runs.iter().any(|run| !run.is_finished()) {
            viewer.state(&id).await;
            served += 1;
        }
        assert!(served > 0, "others are served meanwhile");
        let mut ended = 0;
        for run in runs {
            let answer = run.await.expect("an answer");
            if let Some(error) = answer.get("errors") {
                let code = &error[0]["extensions"]["code"];
                assert!(code == "RATE_LIMITED" || code == "TEST_FAILED", "{answer:#}");
                continue;
            }
            let run = &answer["data"]["testDatasource"]["run"];
            assert_eq!((&run["success"], &run["outputs"]), (&json!(false), &json!([])), "{run}");
            let code = run["errors"][0]["code"].as_str().expect("a code");
            assert!(code.starts_with("transform_"), "{run}");
            ended += 1;
        }
        assert!(ended > 0, "those that had their turn end with the reason");
        let after = run(&operator, json!({ "id": id, "payload": { "id": 1, "n": 1 } })).await;
        assert_eq!(after["success"], true, "and the next test runs as ever");
    }
}
