//! The manual migration path, the start-up one, and settings that are refused by name.

mod data;
mod discipline;

use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::server::{JWT_SECRET, MASTER_KEY};
use crate::harness::{Database, Kind, Process};

fn studio(database: &Database, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
    command
        .args(args)
        .env_remove("DATABASE_URL")
        .env("STUDIO_DATA_DIR", database.data_dir.path())
        .env("STUDIO_JWT_SECRET", JWT_SECRET)
        .env("STUDIO_MASTER_KEY", MASTER_KEY);
    if let Some(url) = &database.url {
        command.env("DATABASE_URL", url);
    }
    command.output().expect("the program runs")
}

fn applied(database: &Database) -> Vec<bool> {
    let output = studio(database, &["migrate", "status", "--json"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).expect("JSON");
    rows.iter().map(|row| row["applied"] == true).collect()
}

async fn up_and_down_and_up(kind: Kind) {
    let database = Database::create(kind).await;
    assert!(applied(&database).iter().all(|applied| !applied), "asking changes nothing");
    assert!(studio(&database, &["migrate", "up"]).status.success());
    assert!(applied(&database).iter().all(|applied| *applied), "to an empty database all categories are applied");

    let refused = studio(&database, &["migrate", "down"]);
    assert!(!refused.status.success());
    assert!(String::from_utf8_lossy(&refused.stderr).contains("--yes"));

    let steps = applied(&database).len().to_string();
    assert!(studio(&database, &["migrate", "down", "--steps", &steps, "--yes"]).status.success());
    assert!(applied(&database).iter().all(|applied| !applied));
    assert!(studio(&database, &["migrate", "up"]).status.success());
    Process::start(&database, database.data_dir.path(), &[]).await;
}

#[tokio::test]
async fn migrations_go_up_and_down_on_sqlite() {
    up_and_down_and_up(Kind::Sqlite).await;
}

#[tokio::test]
async fn migrations_go_up_and_down_on_postgres() {
    up_and_down_and_up(Kind::Postgres).await;
}

#[tokio::test]
async fn tables_live_in_their_schemas_and_events_in_months() {
    let database = Database::create(Kind::Postgres).await;
    assert!(studio(&database, &["migrate", "up"]).status.success());
    let sql = database.sql().await;
    let schemas = sql
        .column::<String>("SELECT DISTINCT schemaname FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1")
        .await;
    assert_eq!(schemas, ["audit", "studio"]);
    let months = sql
        .column::<String>("SELECT tablename::text FROM pg_tables WHERE tablename ~ '^datasource_events_[0-9]{4}_[0-9]{2}$' ORDER BY 1")
        .await;
    assert_eq!(months.len(), 4, "this month and three ahead: {months:?}");
    sql.close().await;
}

#[tokio::test]
async fn a_bad_setting_is_refused_by_name() {
    let database = Database::create(Kind::Sqlite).await;
    let file = database.data_dir.path().join("studio.toml");
    let path = file.to_str().expect("UTF-8");
    let refused = |args: &[&str], name: &str| {
        let output = studio(&database, args);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(name), "{args:?}: {message}");
    };
    refused(&["serve", "--listen", "nowhere"], "--listen");
    refused(&["serve", "--lease-ttl", "soon"], "--lease-ttl");
    refused(&["serve", "--lease-ttl", "5s"], "--lease-ttl");
    refused(&["serve", "--reconcile-interval", "0s"], "--reconcile-interval");
    let long = "n".repeat(101);
    for name in ["", " ", "a\nb", "caf\u{e9}", long.as_str()] {
        refused(&["serve", "--node-name", name], "--node-name");
    }
    refused(&["serve", "--drain-grace", "21s"], "--drain-grace");
    refused(&["serve", "--shutdown-grace", "9s"], "--shutdown-grace");
    refused(&["serve", "--dead-letters-max", "0"], "--dead-letters-max");
    refused(&["serve", "--database-url", "mysql://localhost/x"], "DATABASE_URL");
    refused(&["serve", "--default-sink", "void"], "STUDIO_DEFAULT_SINK");
    refused(&["serve", "--egress-allow", "no host!"], "--egress-allow");
    refused(&["serve", "--log", "info,=,"], "STUDIO_LOG");
    refused(&["serve", "--master-key", "c2hvcnQ="], "STUDIO_MASTER_KEY");
    refused(&["serve", "--config", "/nonexistent.toml"], "/nonexistent.toml");
    std::fs::write(&file, "lissten = \"127.0.0.1:0\"\n").expect("a file");
    refused(&["serve", "--config", path], "lissten");
    std::fs::write(&file, "lease-ttl = \"soon\"\n").expect("a file");
    refused(&["serve", "--config", path], "lease-ttl");
    std::fs::write(&file, "not toml").expect("a file");
    refused(&["serve", "--config", path], "studio.toml");
}

/// Wherever a value is written, the command line refuses it before anything starts, with 2.
#[test]
fn a_value_that_is_no_value_ends_the_command_with_2() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("studio.toml");
    std::fs::write(&file, "graphql-max-depth = \"deep\"\n").expect("a file");
    let studio = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
        command.args(["token", "--data-dir"]).arg(directory.path()).env_remove("STUDIO_GRAPHQL_MAX_DEPTH");
        command
    };
    for (place, mut command) in [("flag", studio()), ("environment", studio()), ("file", studio())] {
        match place {
            "flag" => command.args(["--graphql-max-depth", "deep"]),
            "environment" => command.env("STUDIO_GRAPHQL_MAX_DEPTH", "deep"),
            _ => command.arg("--config").arg(&file),
        };
        let output = command.output().expect("the program runs");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{place}: {message}");
        assert!(message.contains("graphql-max-depth") && message.contains("deep"), "{place}: {message}");
    }
    assert!(studio().output().expect("the program runs").status.success(), "without it the command works");
}

#[tokio::test]
async fn a_flag_wins_over_the_environment_and_that_over_the_file() {
    let root = tempfile::tempdir().expect("a directory");
    let place = |name: &str| root.path().join(name);
    let file = place("studio.toml");
    std::fs::write(&file, format!("data-dir = {:?}\n", place("from-file"))).expect("a file");
    let migrate = |flag: bool, environment: bool| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
        command.args(["migrate", "up", "--config"]).arg(&file).env_remove("DATABASE_URL").env_remove("STUDIO_DATA_DIR");
        if flag {
            command.arg("--data-dir").arg(place("from-flag"));
        }
        if environment {
            command.env("STUDIO_DATA_DIR", place("from-environment"));
        }
        assert!(command.output().expect("the program runs").status.success());
        let made = ["from-flag", "from-environment", "from-file"].map(|name| place(name).join("studio.db").exists());
        for name in ["from-flag", "from-environment", "from-file"] {
            let _ = std::fs::remove_dir_all(place(name));
        }
        made
    };
    assert_eq!(migrate(true, true), [true, false, false]);
    assert_eq!(migrate(false, true), [false, true, false]);
    assert_eq!(migrate(false, false), [false, false, true]);
}

#[tokio::test]
async fn a_second_server_on_an_embedded_database_is_refused() {
    let database = Database::create(Kind::Sqlite).await;
    let _first = Process::start(&database, database.data_dir.path(), &[]).await;
    let output = studio(&database, &["serve", "--listen", "127.0.0.1:0"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("another server"));
}
