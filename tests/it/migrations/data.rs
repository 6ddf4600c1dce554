//! Migrations of data run beside the service, in batches, and survive what kills it.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::studio;
use crate::harness::server::open_webhook;
use crate::harness::{Database, Kind, Process, Sql, eventually};

const NAME: &str = "DM001_sample_sizes";
const SAMPLES: i64 = 40;

fn progress(database: &Database) -> Value {
    let output = studio(database, &["migrate", "status", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    rows.into_iter().find(|row| row["name"] == NAME).expect("the data migration")
}

/// A database with samples that a build stored which did not measure them.
async fn with_old_samples(kind: Kind) -> (Database, Sql) {
    let database = Database::create(kind).await;
    let server = Process::start(&database, database.data_dir.path(), &[]).await;
    let admin = server.client(Role::Admin);
    let id = admin.webhook("orders", open_webhook(json!({}))).await;
    for number in 0..SAMPLES {
        let input = json!({ "id": id, "payload": { "id": number }, "saveSampleAs": format!("sample-{number}") });
        admin.mutate("testDatasource", input, "run { success }").await;
    }
    assert!(server.terminate());
    let sql = database.sql().await;
    sql.run("UPDATE test_samples SET size = NULL").await;
    sql.run(&format!("DELETE FROM migration_history WHERE name = '{NAME}'")).await;
    sql.run(&format!("DELETE FROM data_migrations WHERE name = '{NAME}'")).await;
    (database, sql)
}

async fn unmeasured(sql: &Sql) -> i64 {
    sql.number("SELECT count(*) FROM test_samples WHERE size IS NULL").await
}

async fn a_killed_one_goes_on(kind: Kind) {
    let (database, sql) = with_old_samples(kind).await;
    assert_eq!(progress(&database)["state"], "pending");
    let slow = ["--data-migration-batch", "1", "--data-migration-pause", "1s"];
    let leases = ["--lease-ttl", "2s", "--heartbeat-interval", "500ms"];
    let server = Process::start(&database, database.data_dir.path(), &[slow, leases].concat()).await;
    let begun = eventually("the first rows are done", || async {
        let row = progress(&database);
        (row["state"] == "running" && row["done"].as_i64() > Some(0)).then_some(row)
    })
    .await;
    assert_eq!(begun["total"], SAMPLES);
    server.kill();
    let left = unmeasured(&sql).await;
    assert!(left > 0, "it was killed in the middle");

    let server = Process::start(&database, database.data_dir.path(), &leases).await;
    eventually("the rest is done", || async { (progress(&database)["state"] == "applied").then_some(()) }).await;
    assert_eq!(unmeasured(&sql).await, 0);
    assert_eq!(sql.number("SELECT count(*) FROM test_samples WHERE size <> octet_length(payload)").await, 0);
    assert_eq!(sql.number(&format!("SELECT done FROM data_migrations WHERE name = '{NAME}'")).await, SAMPLES);
    let metrics = reqwest::get(format!("{}/metrics", server.url)).await.expect("an answer").text().await.expect("text");
    assert!(metrics.contains(&format!("data_migration_progress{{migration=\"{NAME}\"}} 1")), "{metrics}");
    sql.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_data_migration_goes_on_on_sqlite() {
    a_killed_one_goes_on(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_data_migration_goes_on_on_postgres() {
    a_killed_one_goes_on(Kind::Postgres).await;
}

/// Two nodes look at the same rows; each row is counted once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_nodes_one_runs_a_data_migration() {
    let (database, sql) = with_old_samples(Kind::Postgres).await;
    let other = tempfile::tempdir().expect("a directory");
    let flags = ["--data-migration-batch", "1", "--data-migration-pause", "10ms"];
    let _first = Process::spawn(&database, database.data_dir.path(), &flags);
    let _second = Process::spawn(&database, other.path(), &flags);
    eventually("all is done", || async { (progress(&database)["state"] == "applied").then_some(()) }).await;
    let row = "SELECT done FROM data_migrations WHERE epoch = 1 AND done = total";
    assert_eq!(sql.column::<i64>(row).await, [SAMPLES], "one took it, and did all of it");
    assert_eq!(unmeasured(&sql).await, 0);
    sql.close().await;
}
