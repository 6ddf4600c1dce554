//! Single records that a sink never takes: the others arrive, and `on_error` decides about these.

use serde_json::{Value, json};

use super::inbox::Inbox;
use super::sinks::{to_table, webhook};
use super::{fails_with, publish_again};
use crate::harness::{Database, Kind, TestServer};
use crate::on_both_databases;
use crate::registry::dead_letters::{letters, replay};

/// Checks that these are the dead letters, oldest first: their codes, and the ids of the records in them.
pub async fn kept(server: &TestServer, id: &str, expected: &[(&str, &str)]) {
    let mut found: Vec<(String, String)> = Vec::new();
    for letter in letters(&server.operator(), id, json!({})).await.into_iter().rev() {
        assert_eq!((&letter["errorPath"], &letter["scope"]), (&json!("/delivery/sink"), &json!("RECORD")), "{letter}");
        // Cut ones are no JSON any more.
        let payload = letter["payload"].as_str().expect("a payload");
        let record_id = payload.split_once(r#""id":""#).and_then(|(_, rest)| rest.split_once('"')).expect("an id").0;
        found.push((letter["errorCode"].as_str().expect("a code").to_owned(), record_id.to_owned()));
    }
    let found: Vec<_> = found.iter().map(|(code, id)| (code.as_str(), id.as_str())).collect();
    assert_eq!(found, expected);
}

fn items(count: usize) -> Value {
    (0..count).map(|n| json!({ "id": format!("x{n}"), "n": n })).collect()
}

async fn to_inbox(server: &TestServer, inbox: &Inbox, on_error: &str) -> String {
    let id = webhook(server, json!({ "type": "http", "url": inbox.url })).await;
    let mut config = crate::harness::server::open_webhook(json!({ "n": "$.n" }));
    config["mapping"]["input"] = json!("$[*]");
    config["delivery"] = json!({ "sink": { "type": "http", "url": inbox.url }, "on_error": on_error });
    publish_again(&server.admin(), &id, config).await;
    server.admin().running(&id, 2).await;
    id
}

on_both_databases! {
    /// The receiver only says that something in the batch is wrong.
    async fn refused_records_are_found_and_set_aside_and_all_others_arrive(server: TestServer) {
        let inbox = Inbox::start().await;
        inbox.refuses(&["x17", "x63"]);
        let id = to_inbox(&server, &inbox, "dead_letter").await;
        let (status, receipt) = server.post_hook(&id, &items(100)).await;
        assert_eq!((status, &receipt["records"], &receipt["failed"]), (202, &json!(98), &json!(2)), "{receipt}");
        let expected: Vec<_> = (0..100).filter(|n| ![17, 63].contains(n)).map(|n| format!("x{n}")).collect();
        assert_eq!(inbox.taken(), expected, "once each, in their order");
        assert!(inbox.requests().len() < 30, "the culprits are searched by halves, not one by one");
        kept(&server, &id, &[("http_status", "x17"), ("http_status", "x63")]).await;
        let gauge = server.metric(&format!("datasource_dead_letters{{datasource=\"{id}\"}}")).await;
        assert_eq!(gauge, Some(2.0));

        // A replay maps them again; what is refused again stays and counts an attempt.
        inbox.refuses(&["x63"]);
        let job = replay(&server.operator(), &id, json!({})).await;
        assert_eq!(job["progress"], json!({ "read": 2, "total": 2, "delivered": 1, "failed": 1, "skipped": 0 }));
        let left = letters(&server.operator(), &id, json!({})).await;
        assert_eq!((left.len(), &left[0]["attempts"], &left[0]["payload"]), (1, &json!(1), &json!(r#"{"id":"x63","n":63}"#)));
        assert_eq!(inbox.taken().last().map(String::as_str), Some("x17"));
    }

    async fn refused_records_are_skipped_or_stop_the_worker_as_the_version_says(server: TestServer) {
        let inbox = Inbox::start().await;
        inbox.refuses(&["x1"]);
        let id = to_inbox(&server, &inbox, "skip").await;
        let (status, receipt) = server.post_hook(&id, &items(3)).await;
        assert_eq!((status, &receipt["records"], &receipt["skipped"]), (202, &json!(2), &json!(1)), "{receipt}");
        assert_eq!(inbox.taken(), ["x0", "x2"]);

        let id = to_inbox(&server, &inbox, "stop").await;
        let (status, problem) = server.post_hook(&id, &items(3)).await;
        assert_eq!(status, 422, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|d| d.contains("\"x1\"")), "it is named: {problem}");
        fails_with(&server.admin(), &id, "record_failed").await;
        kept(&server, &id, &[]).await;
    }
}

/// Letters are kept when the batch is done, so that one that comes again leaves them once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_comes_again_leaves_its_dead_letters_once() {
    let server = TestServer::start(Kind::Sqlite).await;
    let inbox = Inbox::start().await;
    let id = to_inbox(&server, &inbox, "dead_letter").await;
    inbox.answers_by(|body| {
        let records = body.as_array().expect("a list").len();
        (
            if records > 1 {
                422
            } else if body[0]["id"] == "x0" {
                400
            } else {
                503
            },
            None,
        )
    });
    assert_eq!(server.post_hook(&id, &items(2)).await.0, 503, "not all of it is safe yet");
    kept(&server, &id, &[]).await;
    inbox.refuses(&["x0"]);
    assert_eq!(server.post_hook(&id, &items(2)).await.0, 202);
    kept(&server, &id, &[("http_status", "x0")]).await;
}

/// A constraint of a table of somebody else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_the_table_keeps_out_does_not_hold_up_the_others() {
    let server = TestServer::start(Kind::Sqlite).await;
    let warehouse = Database::create(Kind::Postgres).await;
    let id = to_table(&server, &warehouse, "readings", true).await;
    server.admin().publish(&id).await;
    let mut connection = warehouse.postgres().await;
    sqlx::query("ALTER TABLE readings ADD CHECK ((data->>'n')::int < 100)")
        .execute(&mut connection)
        .await
        .expect("altered");
    let items =
        json!([{ "id": "a", "n": 1 }, { "id": "b", "n": 100 }, { "id": "c", "n": "many" }, { "id": "a", "n": 4 }]);
    let (status, receipt) = server.post_hook(&id, &items).await;
    assert_eq!((status, &receipt["records"], &receipt["failed"]), (202, &json!(2), &json!(2)), "{receipt}");
    kept(&server, &id, &[("row_refused", "b"), ("row_refused", "c")]).await;
    let rows: Vec<(String, i32)> =
        sqlx::query_as("SELECT id, (data->>'n')::int FROM readings").fetch_all(&mut connection).await.expect("rows");
    assert_eq!(rows, [("a".to_owned(), 4)]);
}
