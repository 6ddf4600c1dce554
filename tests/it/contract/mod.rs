//! The schema `contract_v1`: what it promises to other programs, and whom it shows what.

mod consumer;
mod readers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Output;

use datasource_studio::domain::{
    ApprovalState, DatasourceStatus, DesiredState, EventType, Lifecycle, Outcome, Role, VersionState, WorkerStatus,
};
use serde_json::json;

use crate::harness::server::{JWT_SECRET, MASTER_KEY, open_webhook};
use crate::harness::{Database, Kind, Sql, TestServer};

const SNAPSHOT: &str = include_str!("contract_v1.snap");

/// Every column of every view, with its type.
const COLUMNS: &str = "SELECT format('%s.%s %s', c.relname, a.attname, format_type(a.atttypid, a.atttypmod))
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    WHERE c.relnamespace = 'contract_v1'::regnamespace AND c.relkind = 'v'";

fn studio(database: &Database, args: &[&str]) -> Output {
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_datasource-studio"));
    command
        .args(args)
        .env_remove("DATABASE_URL")
        .env("STUDIO_DATA_DIR", database.data_dir.path())
        .env("STUDIO_JWT_SECRET", JWT_SECRET)
        .env("STUDIO_MASTER_KEY", MASTER_KEY)
        .envs(database.url.iter().map(|url| ("DATABASE_URL", url)));
    command.output().expect("the program runs")
}

/// What the program printed; fails when it did not succeed.
fn said(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// Two organisations with a published datasource each, a secret, a dead letter and a sample.
async fn two_organisations() -> TestServer {
    let server = TestServer::start(Kind::Postgres).await;
    for org in ["acme", "globex"] {
        let admin = server.client(Role::Admin, org);
        let id = admin.webhook(&format!("{org}-orders"), open_webhook(json!({ "total": "$.amount" }))).await;
        let secret = json!({ "id": id, "key": "token", "value": "canary-of-the-contract" });
        admin.mutate("setDatasourceSecret", secret, "secret { key }").await;
        admin.publish(&id).await;
    }
    let sql = server.database.sql().await;
    let letter = "INSERT INTO dead_letters (id, org_id, project_id, datasource_id, version, error_code, error_path,
            error_message, payload, truncated, created_at)
        SELECT gen_random_uuid(), org_id, project_id, id, 1, 'mapping_failed', '/mapping', 'no id',
            'canary-of-the-contract', false, now() FROM datasources";
    sql.run(letter).await;
    sql.close().await;
    server
}

/// A login that may read the contract, and nothing else.
struct Reader {
    name: String,
    url: String,
}

impl Reader {
    async fn create(database: &Database) -> Self {
        let name = format!("reader_{}", uuid::Uuid::now_v7().simple());
        let sql = database.sql().await;
        sql.run(&format!("CREATE ROLE {name} LOGIN PASSWORD 'reader' IN ROLE studio_reader")).await;
        sql.close().await;
        let mut url = url::Url::parse(database.url.as_deref().expect("PostgreSQL")).expect("a URL");
        url.set_username(&name).expect("a user");
        url.set_password(Some("reader")).expect("a password");
        Self { name, url: url.into() }
    }

    fn grant(&self, database: &Database, org: &str) {
        said(studio(database, &["contract", "grant", "--login", &self.name, "--org", org]));
    }

    async fn sql(&self) -> Sql {
        Sql::connect(&self.url).await
    }

    async fn drop(self, database: &Database) {
        let sql = database.sql().await;
        sql.run(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name)).await;
        sql.close().await;
    }
}

fn columns(text: &str) -> BTreeMap<&str, &str> {
    text.lines().filter(|l| !l.is_empty()).map(|l| l.split_once(' ').expect("a column and its type")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_view_loses_or_changes_a_column() {
    let server = TestServer::start(Kind::Postgres).await;
    let sql = server.database.sql().await;
    let text = sql.column::<String>(COLUMNS).await.join("\n");
    let (found, promised) = (columns(&text), columns(SNAPSHOT));
    for (column, kind) in &promised {
        match found.get(column) {
            Some(now) => assert_eq!(
                now, kind,
                "contract_v1.{column} changed its type; add a column instead: docs/schema-authority.md"
            ),
            None => panic!("contract_v1.{column} is gone; readers rely on it: docs/schema-authority.md"),
        }
    }
    let added: Vec<_> = found.iter().filter(|(column, _)| !promised.contains_key(*column)).collect();
    assert!(
        added.is_empty(),
        "write these down in tests/it/contract/contract_v1.snap, from now on they stay: {added:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_view_and_column_says_what_it_is() {
    let server = TestServer::start(Kind::Postgres).await;
    let sql = server.database.sql().await;
    let silent = format!(
        "{COLUMNS} AND (col_description(c.oid, a.attnum) IS NULL OR obj_description(c.oid, 'pg_class') IS NULL)"
    );
    assert_eq!(sql.column::<String>(&silent).await, [""; 0], "COMMENT ON them");
    let leaky = "SELECT relname::text FROM pg_class WHERE relnamespace = 'contract_v1'::regnamespace AND relkind = 'v'
        AND (relowner <> 'studio_contract'::regrole OR NOT 'security_barrier=true' = ANY (reloptions))";
    assert_eq!(sql.column::<String>(leaky).await, [""; 0], "end the migration with studio.publish_contract()");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_code_has_its_meaning() {
    fn codes<T: Copy>(kind: &'static str, all: &[T], name: fn(T) -> &'static str) -> Vec<(&'static str, &'static str)> {
        all.iter().map(|value| (kind, name(*value))).collect()
    }
    let stored: Vec<_> = EventType::ALL.iter().copied().filter(|event| *event != EventType::Dropped).collect();
    let known: BTreeSet<_> = [
        codes("datasource_status", DatasourceStatus::ALL, DatasourceStatus::as_str),
        codes("lifecycle", Lifecycle::ALL, Lifecycle::as_str),
        codes("version_state", VersionState::ALL, VersionState::as_str),
        codes("approval_state", ApprovalState::ALL, ApprovalState::as_str),
        codes("desired_state", DesiredState::ALL, DesiredState::as_str),
        codes("worker_status", WorkerStatus::ALL, WorkerStatus::as_str),
        codes("audit_outcome", Outcome::ALL, Outcome::as_str),
        codes("event_type", &stored, EventType::as_str),
    ]
    .concat()
    .into_iter()
    .map(|(kind, code)| format!("{kind}/{code}"))
    .collect();
    let server = TestServer::start(Kind::Postgres).await;
    let sql = server.database.sql().await;
    let told = sql.column::<String>("SELECT kind || '/' || code FROM code_values").await;
    let missing: Vec<_> = known.iter().filter(|code| !told.contains(code)).collect();
    assert!(missing.is_empty(), "tell in a seed migration (S002_…) what these mean: {missing:?}");
}

/// The page tells of every view.
#[test]
fn every_view_is_on_the_page() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/schema-authority.md");
    let page = std::fs::read_to_string(page).expect("the page");
    let views: BTreeSet<_> = columns(SNAPSHOT).keys().filter_map(|column| column.split('.').next()).collect();
    for view in views {
        assert!(page.contains(&format!("| `{view}` |")), "docs/schema-authority.md has no row for {view}");
    }
}
