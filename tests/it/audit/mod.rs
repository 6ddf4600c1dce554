//! The audit log as an auditor meets it: at the command line, with the database, or with a file and a key.

mod append_only;
mod chain;
mod export;

use std::process::{Command, Output};

use serde_json::Value;

use crate::harness::server::MASTER_KEY;
use crate::harness::{Database, TestServer};

/// `datasource-studio audit …` in the environment of the server.
pub fn audit(database: &Database, args: &[&str]) -> Output {
    let mut command = bare(args);
    command.env("STUDIO_DATA_DIR", database.data_dir.path()).env("STUDIO_MASTER_KEY", MASTER_KEY);
    if let Some(url) = &database.url {
        command.env("DATABASE_URL", url);
    }
    command.output().expect("the program runs")
}

/// The same without a database, and without a key.
fn bare(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
    let unset = ["DATABASE_URL", "STUDIO_DATA_DIR", "STUDIO_MASTER_KEY", "STUDIO_AUDIT_SIGNING_KEY"];
    unset.into_iter().fold(command.arg("audit").args(args), |command, name| command.env_remove(name));
    command
}

/// What `verify --json` says of `acme`; its exit code agrees.
pub fn verify(database: &Database) -> Value {
    report(&audit(database, &["verify", "--org", "acme", "--json"]))
}

fn report(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stdout);
    let report: Value = serde_json::from_str(&said)
        .unwrap_or_else(|e| panic!("{e}: {said}{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!(output.status.code(), Some(if report["ok"] == true { 0 } else { 1 }), "{report}");
    report
}

/// What is broken, and where.
fn broken(report: &Value) -> (&str, i64) {
    let at = &report["break"];
    (at["kind"].as_str().unwrap_or_default(), at["seq"].as_i64().unwrap_or_default())
}

pub fn assert_intact(server: &TestServer) {
    let report = verify(&server.database);
    assert_eq!(report["ok"], true, "{report}");
    assert!(report["entries"].as_i64().is_some_and(|n| n > 0), "{report}");
}

fn public_key(database: &Database) -> String {
    let output = audit(database, &["verify", "--public-key"]);
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).expect("UTF-8").trim().to_owned()
}

/// A server that stopped twice, each time with something new: six entries and more, two checkpoints.
async fn signed_twice(server: TestServer) -> Database {
    let webhook = |name: &'static str| (name, crate::harness::server::open_webhook(serde_json::json!({})));
    for (name, config) in [webhook("a"), webhook("b")] {
        server.admin().webhook(name, config).await;
    }
    let server = TestServer::on(server.stop().await, &[]).await;
    let (name, config) = webhook("c");
    server.admin().webhook(name, config).await;
    server.stop().await
}
