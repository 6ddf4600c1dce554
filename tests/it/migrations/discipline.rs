//! Locks, checksums and categories: what keeps a database and the builds that run on it in step.

use std::process::Command;

use serde_json::Value;

use super::studio;
use crate::harness::server::{JWT_SECRET, MASTER_KEY};
use crate::harness::{Database, Kind, Process, Sql, eventually};

/// What `migrate status --json` says of every migration.
fn status(database: &Database) -> Vec<Value> {
    let output = studio(database, &["migrate", "status", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn of(rows: &[Value], name: &str) -> Value {
    rows.iter().find(|row| row["name"] == name).unwrap_or_else(|| panic!("{name} is not in {rows:#?}")).clone()
}

/// A database with everything applied, and a connection to spoil it by.
async fn migrated(kind: Kind) -> (Database, Sql) {
    let database = Database::create(kind).await;
    let output = studio(&database, &["migrate", "up"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let sql = database.sql().await;
    (database, sql)
}

/// As it is before `migrate up --release`.
async fn without_release(sql: &Sql) {
    sql.run("DELETE FROM migration_history WHERE category = 'release'").await;
    sql.run("CREATE TABLE seaql_migrations (version varchar(255) NOT NULL PRIMARY KEY, applied_at bigint NOT NULL)")
        .await;
}

/// What a server that does not start says.
fn refusal(database: &Database) -> String {
    let output = studio(database, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(!output.status.success(), "the server must not start");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

async fn readiness(server: &Process) -> Option<(u16, Value)> {
    let answer = reqwest::get(format!("{}/health/ready", server.url)).await.ok()?;
    Some((answer.status().as_u16(), answer.json().await.ok()?))
}

/// Waits until the registry has looked, so that only migrations can still be in the way.
async fn settled(server: &Process) -> (u16, Value) {
    eventually("the registry has looked", || async {
        let (status, body) = readiness(server).await?;
        (body["checks"]["registry"]["ok"] == true).then_some((status, body))
    })
    .await
}

/// Nothing ran on it yet: what was cut off goes on as it began.
async fn a_first_start_that_was_cut_off(kind: Kind) {
    let database = Database::create(kind).await;
    assert!(studio(&database, &["migrate", "up", "--steps", "3"]).status.success());
    assert!(studio(&database, &["migrate", "up"]).status.success());
    let rows = status(&database);
    assert!(rows.iter().all(|row| row["state"] == "applied"), "{rows:#?}");
    // From then on it is a database like others.
    let sql = database.sql().await;
    without_release(&sql).await;
    sql.close().await;
    assert!(studio(&database, &["migrate", "up"]).status.success());
    assert_eq!(of(&status(&database), "100_sea_orm_history")["state"], "pending");
}

#[tokio::test]
async fn a_first_start_that_was_cut_off_goes_on_with_all_on_sqlite() {
    a_first_start_that_was_cut_off(Kind::Sqlite).await;
}

#[tokio::test]
async fn a_first_start_that_was_cut_off_goes_on_with_all_on_postgres() {
    a_first_start_that_was_cut_off(Kind::Postgres).await;
}

async fn status_shows_all(kind: Kind) {
    let (database, sql) = migrated(kind).await;
    let rows = status(&database);
    for (name, category) in
        [("001_core", "startup"), ("100_sea_orm_history", "release"), ("DM001_sample_sizes", "data")]
    {
        let row = of(&rows, name);
        assert_eq!((row["category"].as_str(), row["state"].as_str()), (Some(category), Some("applied")), "{row:#}");
        assert_eq!(row["checksum"].as_str().map(str::len), Some(64), "{row:#}");
        assert!(row["appliedAt"].is_string() && row["durationMs"].is_number(), "{row:#}");
        assert_eq!(row["build"], env!("CARGO_PKG_VERSION"));
    }
    let names: Vec<_> = rows.iter().map(|row| row["name"].as_str().expect("a name").to_owned()).collect();
    let kept = sql.column::<String>("SELECT name FROM migration_history").await;
    assert_eq!(names.len(), kept.len());
    let text = String::from_utf8(studio(&database, &["migrate", "status"]).stdout).expect("text");
    assert!(names.iter().all(|name| text.contains(name.as_str())), "{text}");
    sql.close().await;
}

#[tokio::test]
async fn status_shows_every_migration_on_sqlite() {
    status_shows_all(Kind::Sqlite).await;
}

#[tokio::test]
async fn status_shows_every_migration_on_postgres() {
    status_shows_all(Kind::Postgres).await;
}

async fn a_changed_migration(kind: Kind) {
    let (database, sql) = migrated(kind).await;
    sql.run("UPDATE migration_history SET checksum = 'c0ffee' WHERE name = '012_approvals'").await;
    let said = refusal(&database);
    assert!(said.contains("012_approvals") && said.contains("c0ffee") && said.contains("never edited"), "{said}");
    assert_eq!(of(&status(&database), "012_approvals")["state"], "changed");
    let up = studio(&database, &["migrate", "up"]);
    assert!(!up.status.success() && String::from_utf8_lossy(&up.stderr).contains("012_approvals"));
    sql.close().await;
}

#[tokio::test]
async fn a_changed_migration_is_refused_by_name_on_sqlite() {
    a_changed_migration(Kind::Sqlite).await;
}

#[tokio::test]
async fn a_changed_migration_is_refused_by_name_on_postgres() {
    a_changed_migration(Kind::Postgres).await;
}

async fn a_pending_release_migration(kind: Kind) {
    let (database, sql) = migrated(kind).await;
    without_release(&sql).await;
    let server = Process::spawn(&database, database.data_dir.path(), &[]);
    let (status_code, body) = settled(&server).await;
    assert_eq!(status_code, 503, "{body:#}");
    let reason = body["checks"]["migrations"]["reason"].as_str().expect("a reason");
    assert!(reason.contains("100_sea_orm_history") && reason.contains("migrate up --release"), "{reason}");
    // All else goes on.
    let admin = server.client(datasource_studio::domain::Role::Admin);
    admin.webhook("orders", crate::harness::server::open_webhook(serde_json::json!({}))).await;

    let plain = studio(&database, &["migrate", "up"]);
    let said = String::from_utf8_lossy(&plain.stdout).into_owned();
    assert!(plain.status.success() && said.contains("100_sea_orm_history waits for"), "{said}");
    assert_eq!(of(&status(&database), "100_sea_orm_history")["state"], "pending");
    let release = studio(&database, &["migrate", "up", "--release"]);
    assert!(release.status.success(), "{}", String::from_utf8_lossy(&release.stderr));
    assert_eq!(of(&status(&database), "100_sea_orm_history")["state"], "applied");
    server.ready().await;
    sql.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_release_migration_keeps_a_server_from_being_ready_on_sqlite() {
    a_pending_release_migration(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pending_release_migration_keeps_a_server_from_being_ready_on_postgres() {
    a_pending_release_migration(Kind::Postgres).await;
}

async fn a_newer_build_was_here(kind: Kind) {
    let (database, sql) = migrated(kind).await;
    let applied = |name: &str, category: &str| {
        format!(
            "INSERT INTO migration_history (name, category, checksum, applied_at, duration_ms, build)
             SELECT '{name}', '{category}', 'abc', applied_at, 1, '9.9.9' FROM migration_history WHERE name = '001_core'"
        )
    };
    sql.run(&applied("098_next", "startup")).await;
    assert_eq!(of(&status(&database), "098_next")["state"], "unknown");
    Process::start(&database, database.data_dir.path(), &[]).await.kill();

    sql.run(&applied("198_next", "release")).await;
    let said = refusal(&database);
    assert!(said.contains("198_next") && said.contains("9.9.9") && said.contains("newer build"), "{said}");
    sql.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_build_stops_an_older_one_only_by_a_release_migration_on_sqlite() {
    a_newer_build_was_here(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_build_stops_an_older_one_only_by_a_release_migration_on_postgres() {
    a_newer_build_was_here(Kind::Postgres).await;
}

/// A database as the builds left it that knew neither checksums nor categories.
async fn a_database_of_before(kind: Kind) {
    let (database, sql) = migrated(kind).await;
    let rows = status(&database);
    let newer = rows.iter().rev().take_while(|row| row["name"] != "012_approvals").count();
    sql.close().await;
    let down = studio(&database, &["migrate", "down", "--steps", &newer.to_string(), "--yes"]);
    assert!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
    let sql = database.sql().await;
    sql.run("INSERT INTO seaql_migrations (version, applied_at) SELECT name, 1700000000 FROM migration_history").await;
    sql.run("DROP TABLE migration_history").await;
    assert_eq!(of(&status(&database), "012_approvals")["state"], "applied", "it is seen before anything is written");

    let up = studio(&database, &["migrate", "up"]);
    assert!(up.status.success(), "{}", String::from_utf8_lossy(&up.stderr));
    let rows = status(&database);
    let adopted = of(&rows, "012_approvals");
    assert_eq!((adopted["state"].as_str(), &adopted["durationMs"]), (Some("applied"), &Value::Null));
    assert!(adopted["appliedAt"].as_str().is_some_and(|at| at.starts_with("2023-11-14")), "{adopted:#}");
    let stored = sql.column::<String>("SELECT checksum FROM migration_history WHERE name = '012_approvals'").await;
    assert_eq!(adopted["checksum"], stored[0].as_str());
    assert_eq!(of(&rows, "017_data_migrations")["state"], "applied");
    // There may be servers of the older build, which still look there.
    assert_eq!(of(&rows, "100_sea_orm_history")["state"], "pending");
    sql.close().await;
}

#[tokio::test]
async fn a_database_of_before_is_taken_over_on_sqlite() {
    a_database_of_before(Kind::Sqlite).await;
}

#[tokio::test]
async fn a_database_of_before_is_taken_over_on_postgres() {
    a_database_of_before(Kind::Postgres).await;
}

async fn two_processes_at_once(kind: Kind) {
    let database = Database::create(kind).await;
    let spawn = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
        command.args(["migrate", "up"]).env_remove("DATABASE_URL").env("STUDIO_DATA_DIR", database.data_dir.path());
        command.env("STUDIO_JWT_SECRET", JWT_SECRET).env("STUDIO_MASTER_KEY", MASTER_KEY);
        command.envs(database.url.iter().map(|url| ("DATABASE_URL", url)));
        command.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
        command.spawn().expect("the program runs")
    };
    let both = [spawn(), spawn()];
    let outputs = both.map(|process| process.wait_with_output().expect("it ends"));
    for output in &outputs {
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let applied = outputs.iter().filter(|o| String::from_utf8_lossy(&o.stdout).contains("applied 001_core")).count();
    assert_eq!(applied, 1, "one migrates, the other waits and finds nothing to do: {outputs:#?}");
    assert!(status(&database).iter().all(|row| row["state"] == "applied"));
}

#[tokio::test]
async fn of_two_processes_one_migrates_on_sqlite() {
    two_processes_at_once(Kind::Sqlite).await;
}

#[tokio::test]
async fn of_two_processes_one_migrates_on_postgres() {
    two_processes_at_once(Kind::Postgres).await;
}

#[tokio::test]
async fn a_lock_that_does_not_come_free_ends_the_wait_with_its_holder() {
    for schema in ["studio", "audit"] {
        let database = Database::create(Kind::Postgres).await;
        let sql = database.sql().await;
        sql.run("SET application_name = 'somebody-else'").await;
        sql.run(&format!("SELECT pg_advisory_lock(hashtext('{schema}'))")).await;
        let output = studio(&database, &["migrate", "up", "--migration-lock-timeout", "0s"]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success(), "it must not migrate");
        for word in [schema, "somebody-else", "--migration-lock-timeout"] {
            assert!(said.contains(word), "{word} is not in: {said}");
        }
        sql.close().await;
        assert!(studio(&database, &["migrate", "up"]).status.success(), "the lock ended with its session");
    }
}
