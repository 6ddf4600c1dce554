//! Dead letters do not stay for ever: the oldest go, counted and told.

use serde_json::{Value, json};

use super::dead_letters::letters;
use super::{events, numbered_webhook};
use crate::harness::{Client, Kind, TestServer, eventually};

/// A datasource with the dead letters -1, -2 and so on, the last the newest.
async fn failing(server: &TestServer, name: &str, count: i64) -> String {
    let mut config = numbered_webhook();
    let source = r#"if record.n < 0 { throw "negative" } record"#;
    config["mapping"]["transform"] = json!({ "language": "rhai", "source": source });
    let id = server.operator().webhook(name, config).await;
    server.admin().publish(&id).await;
    for n in 1..=count {
        assert_eq!(server.post_hook(&id, &json!({ "n": -n })).await.0, 202);
    }
    id
}

async fn kept(client: &Client, id: &str) -> Vec<i64> {
    let found = letters(client, id, json!({})).await.into_iter();
    let payloads = found.map(|l| serde_json::from_str::<Value>(l["payload"].as_str().expect("text")).expect("JSON"));
    payloads.map(|payload| payload["n"].as_i64().expect("a number")).collect()
}

async fn expired(server: &TestServer, reason: &str) -> Option<f64> {
    server.metric(&format!("datasource_dead_letters_expired_total{{reason=\"{reason}\"}}")).await
}

async fn too_many(kind: Kind) {
    let server = TestServer::start_with(kind, &["--dead-letters-max", "2", "--housekeeping-interval", "100ms"]).await;
    let operator = server.operator();
    let (crowded, roomy) = (failing(&server, "crowded", 5).await, failing(&server, "roomy", 2).await);
    eventually("the oldest are gone", || async { (kept(&operator, &crowded).await == [-5, -4]).then_some(()) }).await;
    assert_eq!(kept(&operator, &roomy).await, [-2, -1], "another datasource keeps its own");
    eventually("it is counted", || async { (expired(&server, "count").await == Some(3.0)).then_some(()) }).await;
    eventually("the gauge follows", || async {
        let gauge = server.metric(&format!("datasource_dead_letters{{datasource=\"{crowded}\"}}")).await;
        (gauge == Some(2.0)).then_some(())
    })
    .await;
    let told = events(&operator, &crowded).await.into_iter().filter(|e| e["eventType"] == "DEAD_LETTERS_DISCARDED");
    let told: Vec<_> =
        told.inspect(|e| assert_eq!(e["actor"], "system:housekeeping")).map(|e| e["payload"].clone()).collect();
    assert_eq!(told.iter().map(|p| p["count"].as_i64().expect("a count")).sum::<i64>(), 3, "{told:?}");
    assert!(told.iter().all(|p| p["reason"] == "count" && p["limit"] == 2), "{told:?}");
}

async fn too_old(kind: Kind) {
    let server = TestServer::start_with(kind, &["--housekeeping-interval", "100ms"]).await;
    let operator = server.operator();
    let id = failing(&server, "old", 3).await;
    let age = |days: i64| (chrono::Utc::now() - chrono::Duration::days(days)).format("%Y-%m-%dT%H:%M:%SZ").to_string();
    for (n, days) in [(1, 31), (2, 29)] {
        let sql = format!("UPDATE dead_letters SET created_at = '{}' WHERE payload LIKE '%:-{n}}}'", age(days));
        server.database.sql().await.run(&sql).await;
    }
    eventually("the oldest is gone", || async { (kept(&operator, &id).await == [-3, -2]).then_some(()) }).await;
    eventually("it is counted", || async { (expired(&server, "age").await == Some(1.0)).then_some(()) }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_too_many_the_oldest_go_on_sqlite() {
    too_many(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_too_many_the_oldest_go_on_postgres() {
    too_many(Kind::Postgres).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_goes_on_sqlite() {
    too_old(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_old_goes_on_postgres() {
    too_old(Kind::Postgres).await;
}
