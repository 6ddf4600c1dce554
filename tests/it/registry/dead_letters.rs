//! Records that failed: found, mended, delivered after all, or discarded.

use serde_json::{Value, json};

use super::{draft_and_publish, events, numbered_webhook, numbers};
use crate::connectors::inbox::Inbox;
use crate::harness::{Client, eventually};
use crate::on_both_databases;

const LETTERS: &str = "query($id: ID!, $filter: DeadLetterFilterInput, $first: Int, $after: String) {
    deadLetters(id: $id, filter: $filter, first: $first, after: $after) {
        totalCount pageInfo { hasNextPage endCursor }
        nodes { id version errorCode errorPath errorMessage scope payload complete attempts editedBy } } }";

/// Records whose `n` is not negative pass.
fn picky() -> Value {
    let mut config = numbered_webhook();
    let source = r#"if record.n < 0 { throw "negative" } record"#;
    config["mapping"]["transform"] = json!({ "language": "rhai", "source": source });
    config
}

pub async fn letters(client: &Client, id: &str, filter: Value) -> Vec<Value> {
    let mut data = client.data(LETTERS, json!({ "id": id, "filter": filter })).await;
    let Value::Array(nodes) = data["deadLetters"]["nodes"].take() else { panic!("a list of dead letters") };
    nodes
}

async fn letter_id(client: &Client, id: &str) -> String {
    letters(client, id, json!({})).await[0]["id"].as_str().expect("an id").to_owned()
}

/// Asks for a replay and waits for its end; answers with the job.
pub async fn replay(client: &Client, id: &str, filter: Value) -> Value {
    let input = json!({ "id": id, "filter": filter, "reason": "mended" });
    let asked = client.mutate("replayDeadLetters", input, "job { id }").await;
    ended(client, &asked["job"]["id"]).await
}

/// Waits for the end of a job; answers with how it ended.
pub async fn ended(client: &Client, job: &Value) -> Value {
    let query = "query($id: ID!) { job(id: $id) { kind status errorCode errorMessage version
        progress { read total delivered failed skipped } } }";
    eventually("the job ends", || async {
        let job = client.data(query, json!({ "id": job })).await["job"].take();
        (!["QUEUED", "RUNNING"].contains(&job["status"].as_str().expect("a status"))).then_some(job)
    })
    .await
}

on_both_databases! {
    /// From the failure to the delivery: look, publish a better mapping, replay.
    async fn a_better_version_delivers_what_an_older_one_could_not(server: TestServer) {
        let operator = server.operator();
        let id = operator.webhook("feed", picky()).await;
        server.admin().publish(&id).await;
        for n in [-1, 2, -3] {
            server.post_hook(&id, &json!({ "id": n, "n": n })).await;
        }
        let kept = letters(&operator, &id, json!({})).await;
        let payloads: Vec<_> = kept.iter().map(|l| l["payload"].as_str().expect("a payload")).collect();
        assert_eq!(payloads, [r#"{"id":-3,"n":-3}"#, r#"{"id":-1,"n":-1}"#], "newest first");
        assert_eq!(kept[0]["errorCode"], "transform_failed");
        assert_eq!(kept[0]["errorPath"], "/mapping/transform/source");
        assert!(kept[0]["errorMessage"].as_str().is_some_and(|m| m.contains("negative")), "{}", kept[0]);
        assert_eq!((&kept[0]["version"], &kept[0]["attempts"], &kept[0]["complete"]), (&json!(1), &json!(0), &json!(true)));

        // With the version that failed, they fail again, and stay.
        let job = replay(&operator, &id, json!({})).await;
        assert_eq!((&job["kind"], &job["status"]), (&json!("REPLAY"), &json!("FAILED")));
        assert_eq!(job["errorCode"], "all_records_failed", "{job}");
        assert_eq!(job["progress"], json!({ "read": 2, "total": 2, "delivered": 0, "failed": 2, "skipped": 0 }));
        let end = events(&operator, &id).await.pop().expect("an event");
        let counts = json!({ "total": 2, "delivered": 0, "failed": 2, "skipped": 0 });
        assert_eq!((&end["eventType"], &end["payload"]["status"]), (&json!("REPLAY_ENDED"), &json!("failed")));
        assert_eq!(end["payload"]["counts"], counts);
        assert!(letters(&operator, &id, json!({})).await.iter().all(|l| l["attempts"] == 1));

        assert_eq!(draft_and_publish(&server.admin(), &id, numbered_webhook()).await, 2);
        let job = replay(&operator, &id, json!({})).await;
        assert_eq!(job["version"], 2);
        assert_eq!(job["progress"], json!({ "read": 2, "total": 2, "delivered": 2, "failed": 0, "skipped": 0 }));
        assert_eq!(letters(&operator, &id, json!({})).await, [Value::Null; 0]);
        assert_eq!(numbers(&server.delivered("acme", &id)), [2, -1, -3]);
        eventually("the gauge follows", || async {
            let gauge = server.metric(&format!("datasource_dead_letters{{datasource=\"{id}\"}}")).await;
            (gauge == Some(0.0)).then_some(())
        }).await;
        let told = events(&operator, &id).await.into_iter().map(|e| e["eventType"].clone());
        let told: Vec<_> = told.filter(|kind| kind != "RELOADED").collect();
        assert_eq!(told[told.len() - 2..], ["DEAD_LETTERS_REPLAYED", "REPLAY_ENDED"]);
    }

    /// Of a document with many records only the one that failed is kept, so that a replay repeats none of the others.
    async fn only_the_record_that_failed_is_kept(server: TestServer) {
        let operator = server.operator();
        let mut config = picky();
        config["mapping"]["input"] = json!("$.items[*]");
        let id = operator.webhook("batches", config).await;
        server.admin().publish(&id).await;
        let items: Vec<_> = [1, -2, 3].iter().map(|n| json!({ "id": n, "n": n })).collect();
        server.post_hook(&id, &json!({ "items": items })).await;
        let kept = letters(&operator, &id, json!({})).await;
        assert_eq!((&kept[0]["scope"], &kept[0]["payload"]), (&json!("RECORD"), &json!(r#"{"id":-2,"n":-2}"#)));

        let edit = json!({ "id": kept[0]["id"], "payload": { "id": 2, "n": 2 }, "reason": "the sign was wrong" });
        let edited = operator.mutate("editDeadLetter", edit, "deadLetter { payload editedBy }").await;
        assert_eq!(edited["deadLetter"], json!({ "payload": r#"{"id":2,"n":2}"#, "editedBy": "operator@acme" }));
        assert_eq!(replay(&operator, &id, json!({})).await["progress"]["delivered"], 1);
        assert_eq!(numbers(&server.delivered("acme", &id)), [1, 3, 2]);
    }

    async fn what_a_version_redacts_is_not_kept(server: TestServer) {
        let operator = server.operator();
        let mut config = picky();
        config["delivery"] = json!({ "dead_letters": { "redact": ["$.person.name", "$..iban"] } });
        let id = operator.webhook("people", config).await;
        server.admin().publish(&id).await;
        let person = json!({ "name": "Grace", "accounts": [{ "iban": "CH93" }] });
        server.post_hook(&id, &json!({ "id": 1, "n": -1, "person": person })).await;

        let kept = letters(&operator, &id, json!({})).await;
        let payload: Value = serde_json::from_str(kept[0]["payload"].as_str().expect("text")).expect("JSON");
        let redacted = json!({ "name": "[redacted]", "accounts": [{ "iban": "[redacted]" }] });
        assert_eq!(payload, json!({ "id": 1, "n": -1, "person": redacted }));
        // A record with holes is not delivered before somebody filled them.
        assert_eq!(kept[0]["complete"], false);
        assert_eq!(replay(&operator, &id, json!({})).await["progress"]["failed"], 1);
        let before = kept;
        let kept = letters(&operator, &id, json!({})).await;
        assert_eq!((&before[0]["attempts"], &kept[0]["attempts"]), (&json!(0), &json!(1)));
        for why in ["errorCode", "errorPath", "errorMessage", "version"] {
            assert_eq!(kept[0][why], before[0][why], "a replay that tried nothing knows no better reason");
        }
        let edit = json!({ "id": kept[0]["id"], "payload": { "id": 1, "n": 1 } });
        operator.mutate("editDeadLetter", edit, "deadLetter { complete }").await;
        assert_eq!(replay(&operator, &id, json!({})).await["progress"]["delivered"], 1);
    }

    /// What is edited while a replay waits for the sink is another letter than the one that is delivered.
    async fn an_edit_during_a_replay_is_not_lost(server: TestServer) {
        let (operator, inbox) = (server.operator(), Inbox::start().await);
        let to_inbox = |mut config: Value| {
            config["delivery"] = json!({ "sink": { "type": "http", "url": inbox.url, "timeout": "2s" } });
            config
        };
        let id = operator.webhook("feed", to_inbox(picky())).await;
        server.admin().publish(&id).await;
        for n in [-1, -2] {
            server.post_hook(&id, &json!({ "id": n, "n": n })).await;
        }
        draft_and_publish(&server.admin(), &id, to_inbox(numbered_webhook())).await;
        let edited = letter_id(&operator, &id).await;
        inbox.hangs(true);
        let asked = operator.mutate("replayDeadLetters", json!({ "id": id }), "job { id }").await;
        eventually("the sink was asked", || async { (inbox.arrived() > 0).then_some(()) }).await;
        let edit = json!({ "id": edited, "payload": { "id": 5, "n": 5 }, "reason": "a better one" });
        operator.mutate("editDeadLetter", edit, "deadLetter { id }").await;
        inbox.hangs(false);
        let job = ended(&operator, &asked["job"]["id"]).await;
        assert_eq!((&job["status"], &job["progress"]["delivered"]), (&json!("SUCCEEDED"), &json!(2)), "{job}");
        assert_eq!(inbox.taken(), ["-1", "-2"]);

        let kept = letters(&operator, &id, json!({})).await;
        assert_eq!(kept.len(), 1, "the other one is gone: {kept:?}");
        assert_eq!((&kept[0]["id"], &kept[0]["payload"]), (&json!(edited), &json!(r#"{"id":5,"n":5}"#)));
        assert_eq!(replay(&operator, &id, json!({})).await["progress"]["delivered"], 1);
        assert_eq!(inbox.taken(), ["-1", "-2", "5"]);
        assert_eq!(letters(&operator, &id, json!({})).await, [Value::Null; 0]);
    }

    async fn filters_pages_and_discarding(server: TestServer) {
        let operator = server.operator();
        let id = operator.webhook("feed", picky()).await;
        server.admin().publish(&id).await;
        for n in 1..=5 {
            server.post_hook(&id, &json!({ "id": n, "n": -n })).await;
        }
        let page = operator.data(LETTERS, json!({ "id": id, "first": 2 })).await["deadLetters"].take();
        assert_eq!((&page["totalCount"], page["nodes"].as_array().map(Vec::len)), (&json!(5), Some(2)));
        assert_eq!(page["pageInfo"]["hasNextPage"], true);
        let rest = json!({ "id": id, "after": page["pageInfo"]["endCursor"] });
        assert_eq!(operator.data(LETTERS, rest).await["deadLetters"]["nodes"].as_array().map(Vec::len), Some(3));
        assert_eq!(letters(&operator, &id, json!({ "errorCodes": ["id_invalid"] })).await.len(), 0);
        assert_eq!(letters(&operator, &id, json!({ "version": 1, "errorCodes": ["transform_failed"] })).await.len(), 5);

        let first = letter_id(&operator, &id).await;
        let discard = |filter: Value| json!({ "id": id, "filter": filter, "reason": "test data" });
        let gone = operator.mutate("discardDeadLetters", discard(json!({ "ids": [first] })), "discarded").await;
        assert_eq!(gone["discarded"], 1);
        assert_eq!(operator.mutate("discardDeadLetters", discard(json!({})), "discarded").await["discarded"], 4);
        assert_eq!(operator.mutate("discardDeadLetters", discard(json!({})), "discarded").await["discarded"], 0);
        let last = events(&operator, &id).await.pop().expect("an event");
        assert_eq!((&last["eventType"], &last["payload"]["count"]), (&json!("DEAD_LETTERS_DISCARDED"), &json!(4)));
    }

    async fn other_tenants_and_viewers_see_none(server: TestServer) {
        let operator = server.operator();
        let id = operator.webhook("feed", picky()).await;
        server.admin().publish(&id).await;
        server.post_hook(&id, &json!({ "n": -1 })).await;
        let letter = letter_id(&operator, &id).await;

        let stranger = server.client(datasource_studio::domain::Role::Admin, "globex");
        assert_eq!(stranger.code(LETTERS, json!({ "id": id })).await, "NOT_FOUND");
        assert_eq!(server.viewer().code(LETTERS, json!({ "id": id })).await, "FORBIDDEN");
        let edit = crate::harness::server::mutation("editDeadLetter", "deadLetter { id }");
        let input = json!({ "input": { "id": letter, "payload": {} } });
        assert_eq!(stranger.code(&edit, input).await, "NOT_FOUND");
        for name in ["replayDeadLetters", "discardDeadLetters"] {
            let selection = if name.starts_with("replay") { "job { id }" } else { "discarded" };
            let query = crate::harness::server::mutation(name, selection);
            assert_eq!(stranger.code(&query, json!({ "input": { "id": id } })).await, "NOT_FOUND", "{name}");
        }
        assert_eq!(letters(&operator, &id, json!({})).await.len(), 1);
    }
}
