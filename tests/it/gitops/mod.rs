//! Datasources as files: owners, export, import, and the plugin files of HALCYON.

mod crash;
mod export;
mod halcyon;
mod hostile;
mod live;
mod managed_by;
mod modes;
mod round_trip;

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::harness::server::{JWT_SECRET, MASTER_KEY};
use crate::harness::{Database, Kind};

/// The program, on a database, in the organisation `acme`.
pub fn studio(database: &Database, args: &[&str]) -> Command {
    studio_in(database, "acme", args)
}

pub fn studio_in(database: &Database, org: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
    command
        .args(args)
        .args(["--org", org])
        .env_remove("DATABASE_URL")
        .env("STUDIO_DATA_DIR", database.data_dir.path())
        .env("STUDIO_LOG", "warn")
        .env("STUDIO_JWT_SECRET", JWT_SECRET)
        .env("STUDIO_MASTER_KEY", MASTER_KEY)
        .stdin(Stdio::null());
    if let Some(url) = &database.url {
        command.env("DATABASE_URL", url);
    }
    command
}

/// What a run of the program left: its exit code and its two streams.
pub struct Run {
    pub code: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Run {
    /// The report of `import --json`.
    pub fn report(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {}\n{}", self.out, self.err))
    }

    /// `name -> action` of the report.
    pub fn actions(&self) -> Value {
        let items = self.report()["items"].as_array().cloned().unwrap_or_default();
        let action = |item: &Value| {
            let failed = item.get("error").is_some();
            let action = if failed { "failed" } else { item["action"].as_str().unwrap_or_default() };
            (item["name"].as_str().unwrap_or_default().to_owned(), json!(action))
        };
        Value::Object(items.iter().map(action).collect())
    }
}

pub async fn run(database: &Database, args: &[&str]) -> Run {
    run_in(database, "acme", args).await
}

pub async fn run_in(database: &Database, org: &str, args: &[&str]) -> Run {
    let mut command = studio_in(database, org, args);
    let output = tokio::task::spawn_blocking(move || command.output()).await.expect("a thread");
    let output = output.expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    Run { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// `import` of a directory with `--json` and more flags.
pub async fn import(database: &Database, tree: &Path, flags: &[&str]) -> Run {
    let tree = tree.to_str().expect("a path in UTF-8");
    run(database, &[&["import", tree, "--json"], flags].concat()).await
}

/// An embedded database with all its tables and nothing in them.
pub async fn empty() -> Database {
    let database = Database::create(Kind::Sqlite).await;
    let tree = tempfile::tempdir().expect("a directory");
    assert_eq!(import(&database, tree.path(), &[]).await.code, Some(0));
    database
}

pub async fn export(database: &Database, tree: &Path, flags: &[&str]) -> Run {
    let tree = tree.to_str().expect("a path in UTF-8");
    run(database, &[&["export", tree], flags].concat()).await
}

pub fn put(tree: &Path, path: &str, text: impl AsRef<[u8]>) {
    let file = tree.join(path);
    std::fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
    std::fs::write(file, text).expect("a file is written");
}

/// A webhook that takes anything and is published on import.
pub fn webhook(name: &str, description: &str) -> String {
    format!(
        "apiVersion: datasource.studio/v1\nkind: Datasource\nmetadata:\n  name: {name}\n  description: {description}\n\
         spec:\n  publish: true\n  config:\n    connector: {{ type: webhook, auth: {{ type: none }} }}\n"
    )
}

/// Every file below a directory with its bytes, but the index.
pub fn files(tree: &Path) -> std::collections::BTreeMap<String, String> {
    fn walk(root: &Path, directory: &Path, out: &mut std::collections::BTreeMap<String, String>) {
        for entry in std::fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            let name = path.strip_prefix(root).expect("below").to_string_lossy().into_owned();
            if path.is_dir() {
                walk(root, &path, out);
            } else if !name.starts_with('.') {
                out.insert(name, std::fs::read_to_string(&path).expect("a file"));
            }
        }
    }
    let mut out = std::collections::BTreeMap::new();
    walk(tree, tree, &mut out);
    out
}
