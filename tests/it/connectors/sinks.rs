//! The sinks `http` and `postgres` against real servers.

use axum::http::Method;
use serde_json::{Value, json};
use sqlx::Row;

use super::inbox::Inbox;
use super::set_secret;
use crate::harness::server::open_webhook;
use crate::harness::{Database, Kind, TestServer, eventually};

/// A webhook that takes a list of items and writes to `sink`.
pub async fn webhook(server: &TestServer, sink: Value) -> String {
    let mut config = open_webhook(json!({ "n": "$.n", "note": "$.note" }));
    config["mapping"]["input"] = json!("$[*]");
    config["delivery"] = json!({ "sink": sink });
    server.admin().webhook(&format!("to a sink {}", uuid::Uuid::now_v7()), config).await
}

/// Such a webhook that writes to a table of `warehouse`.
pub async fn to_table(server: &TestServer, warehouse: &Database, table: &str, create: bool) -> String {
    let url: url::Url = warehouse.url.as_deref().expect("a URL").parse().expect("a URL");
    let sink = json!({
        "type": "postgres", "host": url.host_str(), "port": url.port().unwrap_or(5432),
        "database": url.path().trim_start_matches('/'), "username": url.username(),
        "password": { "$secret": "db" }, "tls": "disable", "table": table, "create_table": create,
    });
    let id = webhook(server, sink).await;
    set_secret(&server.admin(), &id, "db", url.password().unwrap_or("none")).await;
    id
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_entity_upsert_is_sent_in_batches_and_acknowledged_before_the_sender_is() {
    let server = TestServer::start(Kind::Sqlite).await;
    let inbox = Inbox::start().await;
    let sink = json!({
        "type": "http", "url": inbox.url, "method": "PUT", "max_records": 2,
        "auth": { "type": "bearer", "token": { "$secret": "graph" } },
        "body": { "upsert": true, "entities": "{records}" },
        "item": { "entity_type": "{kind}", "id": "{id}", "attrs": "{data}" },
    });
    let id = webhook(&server, sink).await;
    set_secret(&server.admin(), &id, "graph", "let-me-in").await;
    server.admin().publish(&id).await;
    let items = json!([{ "id": "a", "n": 1 }, { "id": "b", "n": 2 }, { "id": "c", "n": 3 }]);
    assert_eq!(server.post_hook(&id, &items).await.0, 202);
    let requests = inbox.requests();
    assert_eq!(requests.len(), 2, "two and one");
    let first = &requests[0];
    let token = "Bearer let-me-in".parse().expect("a value");
    assert_eq!((&first.method, &first.headers["authorization"]), (&Method::PUT, &token));
    let entity = |id: &str, n: i64| json!({ "entity_type": "event", "id": id, "attrs": { "n": n, "note": null } });
    assert_eq!(first.body, json!({ "upsert": true, "entities": [entity("a", 1), entity("b", 2)] }));
    assert_ne!(first.headers["idempotency-key"], requests[1].headers["idempotency-key"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_receiver_does_not_take_is_not_acknowledged() {
    let server = TestServer::start(Kind::Sqlite).await;
    let inbox = Inbox::start().await;
    let id = webhook(&server, json!({ "type": "http", "url": inbox.url })).await;
    server.admin().publish(&id).await;
    let items = json!([{ "id": "a", "n": 1 }]);
    for (status, wait) in [(503, None), (429, Some("30"))] {
        inbox.answers(status, wait);
        assert_eq!(server.post_hook(&id, &items).await.0, 503, "{status}");
    }
    inbox.answers(204, None);
    assert_eq!(server.post_hook(&id, &items).await.0, 202, "the worker lives");

    // A redirect is no answer: nobody took the records.
    for status in [307, 401] {
        inbox.answers(status, None);
        assert_ne!(server.post_hook(&id, &items).await.0, 202, "{status}");
    }
    inbox.answers(204, None);
    assert_eq!(server.post_hook(&id, &items).await.0, 202, "a sender may repeat");
}

#[cfg(feature = "object_store")]
/// A source that reads waits for a person: the next try would fail like the first.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_stops_at_what_its_receiver_refuses_and_reads_it_again_later() {
    let server = TestServer::start(Kind::Sqlite).await;
    let inbox = Inbox::start().await;
    let feed = server.database.data_dir.path().join("in/acme");
    std::fs::create_dir_all(&feed).expect("made");
    std::fs::write(feed.join("a.jsonl"), "{\"n\":1}\n").expect("written");
    let mut config = super::numbered(json!({ "type": "object_store", "store": { "type": "local" }, "min_age": "0s" }));
    config["delivery"] = json!({ "sink": { "type": "http", "url": inbox.url } });
    inbox.answers(401, None);
    let admin = server.admin();
    let id = super::datasource(&admin, config).await;
    admin.mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
    super::fails_with(&admin, &id, "unauthorized").await;
    inbox.answers(204, None);
    admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
    eventually("the record is taken", || async { (inbox.requests().len() == 2).then_some(()) }).await;
    let sent = inbox.requests();
    assert_eq!(sent[0].body[0]["id"], sent[1].body[0]["id"], "the same record again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_is_kept_for_each_thing_and_replaced_by_its_next_state() {
    let server = TestServer::start(Kind::Sqlite).await;
    let warehouse = Database::create(Kind::Postgres).await;
    let id = to_table(&server, &warehouse, "Studio \"records\"", true).await;
    server.admin().publish(&id).await;
    let many: Vec<_> = (0..1_500).map(|n| json!({ "id": format!("m{n}"), "n": n })).collect();
    let first = json!([{ "id": "a", "n": 1 }, { "id": "b", "n": 2, "note": "NUL \u{0} in it" }, { "id": "a", "n": 3 }]);
    for items in [first, json!([{ "id": "b", "n": 4 }]), json!(many)] {
        assert_eq!(server.post_hook(&id, &items).await.0, 202);
    }
    let mut connection = warehouse.postgres().await;
    let rows = sqlx::query(r#"SELECT id, (data->>'n')::int AS n, datasource_id::text AS d FROM "Studio ""records""" WHERE id IN ('a', 'b') ORDER BY id"#)
        .fetch_all(&mut connection)
        .await
        .expect("rows");
    let found: Vec<(String, i32)> = rows.iter().map(|row| (row.get("id"), row.get("n"))).collect();
    assert_eq!(found, [("a".to_owned(), 3), ("b".to_owned(), 4)]);
    assert_eq!(rows[0].get::<String, _>("d"), id);
    let count: i64 = sqlx::query_scalar(r#"SELECT count(*) FROM "Studio ""records""""#)
        .fetch_one(&mut connection)
        .await
        .expect("a count");
    assert_eq!(count, 1_502);

    // The database ends the connection; the next write makes another.
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'datasource-studio' AND datname = current_database()")
        .execute(&mut connection)
        .await
        .expect("ended");
    eventually("the sink connects anew", || async {
        (server.post_hook(&id, &json!([{ "id": "z", "n": 9 }])).await.0 == 202).then_some(())
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_table_that_is_missing_is_told_before_it_is_written_to() {
    let server = TestServer::start(Kind::Sqlite).await;
    let warehouse = Database::create(Kind::Postgres).await;
    let id = to_table(&server, &warehouse, "missing", false).await;
    server.admin().mutate("publishDatasource", json!({ "id": id }), "version { version }").await;
    let message = super::fails_with(&server.admin(), &id, "query_failed").await;
    assert!(message.contains("missing"), "{message}");
}
