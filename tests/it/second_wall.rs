//! The second wall on PostgreSQL: what a query that forgot its tenant can reach is still one tenant's.
//!
//! The statements here are what a defect in the program would send. They run in the
//! role that the program's transactions take.

use datasource_studio::domain::Role;
use serde_json::json;

use crate::harness::server::open_webhook;
use crate::harness::{Database, Kind, Process, Sql, TestServer};

/// Every table with a tenant; partitions are reached through their table.
const TABLES: &str = "SELECT c.oid::regclass::text FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
    WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND c.relnamespace IN ('studio'::regnamespace, 'audit'::regnamespace) ORDER BY 1";

const NOT_OURS: &str = "SELECT count(*) FROM {} WHERE org_id <> 'acme'";

async fn two_tenants() -> TestServer {
    let server = TestServer::start(Kind::Postgres).await;
    for org in ["acme", "globex"] {
        let admin = server.client(Role::Admin, org);
        let id = admin.webhook("orders", open_webhook(json!({ "total": "$.amount" }))).await;
        admin
            .mutate("setDatasourceSecret", json!({ "id": id, "key": "token", "value": "hidden" }), "secret { key }")
            .await;
        let test = json!({ "id": id, "payload": { "id": 1 }, "saveSampleAs": "first" });
        admin.mutate("testDatasource", test, "run { success }").await;
    }
    server
}

/// Acts from here on as a transaction of the program does, in a transaction that is never committed.
async fn enter(sql: &Sql, role: &str, org: &str) {
    sql.run(&format!("BEGIN; SET LOCAL ROLE {role}; SET LOCAL app.org_id = '{org}'")).await;
}

async fn leave(sql: &Sql) {
    sql.run("ROLLBACK").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_table_of_tenants_is_behind_the_wall() {
    let server = two_tenants().await;
    let sql = server.database.sql().await;
    let tables = sql.column::<String>(TABLES).await;
    assert!(tables.len() > 10, "{tables:?}");
    let walled = "SELECT polrelid::regclass::text FROM pg_policy JOIN pg_class ON pg_class.oid = polrelid
        WHERE polname = 'tenant' AND relrowsecurity AND relforcerowsecurity ORDER BY 1";
    let walled = sql.column::<String>(walled).await;
    let open: Vec<_> = tables.iter().filter(|table| !walled.contains(table)).collect();
    assert!(open.is_empty(), "a migration forgot studio.protect for {open:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_without_its_tenant_reaches_one_tenant() {
    let server = two_tenants().await;
    let sql = server.database.sql().await;
    let mut of_both = 0;
    for table in sql.column::<String>(TABLES).await {
        let others = NOT_OURS.replace("{}", &table);
        // What the wall hides is there: the owner of a test database is a superuser, for whom there is no wall.
        of_both += i64::from(sql.number(&others).await > 0);

        enter(&sql, "studio_runtime", "acme").await;
        assert_eq!(sql.number(&others).await, 0, "{table} shows rows of another tenant");
        leave(&sql).await;

        enter(&sql, "studio_runtime", "").await;
        let nobodys = sql.number(&format!("SELECT count(*) FROM {table}")).await;
        assert_eq!(nobodys, 0, "{table} shows rows to a transaction without a tenant");
        leave(&sql).await;
    }
    assert!(of_both >= 8, "both tenants have rows to hide: {of_both}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_without_its_tenant_changes_nothing_of_another() {
    let server = two_tenants().await;
    let sql = server.database.sql().await;
    enter(&sql, "studio_runtime", "acme").await;
    assert_eq!(sql.run("UPDATE datasources SET description = 'mine now'").await, 1);
    assert_eq!(sql.run("DELETE FROM test_samples").await, 1);
    leave(&sql).await;

    enter(&sql, "studio_runtime", "acme").await;
    let moved = sql.refusal("UPDATE datasources SET org_id = 'globex'").await;
    assert!(moved.contains("row-level security"), "{moved}");
    leave(&sql).await;

    enter(&sql, "studio_runtime", "acme").await;
    let planted = sql.refusal("INSERT INTO orgs (org_id, audit_head, created_at) VALUES ('initech', '', now())").await;
    assert!(planted.contains("row-level security"), "{planted}");
    leave(&sql).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_happened_cannot_be_changed_by_the_program() {
    let server = two_tenants().await;
    let sql = server.database.sql().await;
    let partition = sql
        .column::<String>("SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'studio.datasource_events'::regclass LIMIT 1")
        .await
        .remove(0);
    let statements = [
        "UPDATE audit.audit_entries SET actor = 'nobody'".to_owned(),
        "DELETE FROM audit.audit_entries".to_owned(),
        "TRUNCATE audit.audit_entries".to_owned(),
        "DELETE FROM datasource_events".to_owned(),
        format!("SELECT * FROM {partition}"),
        "ALTER TABLE datasources DISABLE ROW LEVEL SECURITY".to_owned(),
        "DROP POLICY tenant ON datasources".to_owned(),
        "CREATE TABLE studio.mine (id integer)".to_owned(),
    ];
    for role in ["studio_runtime", "studio_registry"] {
        for statement in &statements {
            enter(&sql, role, "acme").await;
            let refusal = sql.refusal(statement).await;
            assert!(refusal.contains("denied") || refusal.contains("must be owner"), "{role}: {statement}: {refusal}");
            leave(&sql).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_registry_sees_all_tenants_but_no_secrets_and_no_history() {
    let server = two_tenants().await;
    let sql = server.database.sql().await;
    enter(&sql, "studio_registry", "").await;
    assert_eq!(sql.number("SELECT count(*) FROM datasource_state").await, 2);
    leave(&sql).await;
    for table in ["datasource_secrets", "data_keys", "datasource_versions", "audit.audit_entries", "datasource_events"]
    {
        enter(&sql, "studio_registry", "acme").await;
        let refusal = sql.refusal(&format!("SELECT * FROM {table}")).await;
        assert!(refusal.contains("denied"), "{table}: {refusal}");
        leave(&sql).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_served_one_tenant_serves_the_next_one_clean() {
    let server = TestServer::start_with(Kind::Postgres, &["--database-max-connections", "1"]).await;
    for round in 0..3 {
        for org in ["acme", "globex"] {
            let admin = server.client(Role::Admin, org);
            admin.webhook(&format!("{org}-{round}"), open_webhook(json!({}))).await;
            // A refused call gives its transaction up in the middle.
            let again =
                json!({ "name": format!("{org}-{round}"), "type": "webhook", "config": open_webhook(json!({})) });
            let create =
                "mutation($input: CreateDatasourceInput!) { createDatasource(input: $input) { datasource { id } } }";
            assert_eq!(admin.code(create, json!({ "input": again })).await, "CONFLICT");
            let seen = admin.data("{ datasources { nodes { name } } }", json!({})).await;
            let seen = seen["datasources"]["nodes"].as_array().expect("nodes").clone();
            assert_eq!(seen.len(), round + 1);
            assert!(
                seen.iter().all(|node| node["name"].as_str().is_some_and(|name| name.starts_with(org))),
                "{seen:?}"
            );
        }
    }
}

/// A login that may take the two roles and nothing else.
struct Login {
    name: String,
    url: String,
}

impl Login {
    async fn create(database: &Database) -> Self {
        let name = format!("app_{}", uuid::Uuid::now_v7().simple());
        let sql = database.sql().await;
        sql.run(&format!("CREATE ROLE {name} LOGIN NOINHERIT PASSWORD 'app' IN ROLE studio_runtime, studio_registry"))
            .await;
        sql.close().await;
        let mut url = url::Url::parse(database.url.as_deref().expect("PostgreSQL")).expect("a URL");
        url.set_username(&name).expect("a user");
        url.set_password(Some("app")).expect("a password");
        Self { name, url: url.into() }
    }

    async fn drop(self, database: &Database) {
        let sql = database.sql().await;
        sql.run(&format!("DROP OWNED BY {0}; DROP ROLE {0}", self.name)).await;
        sql.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_owns_nothing_can_serve() {
    let mut database = Database::create(Kind::Postgres).await;
    let owner = database.url.clone().expect("PostgreSQL");
    // The roles come with the first migration of the cluster.
    Process::start(&database, database.data_dir.path(), &[]).await.kill();
    let login = Login::create(&database).await;
    database.url = Some(login.url.clone());
    let server = Process::start(&database, database.data_dir.path(), &[]).await;
    let admin = server.client(Role::Admin);
    let id = admin.webhook("orders", open_webhook(json!({ "total": "$.amount" }))).await;
    let version = admin.publish(&id).await;
    admin.running(&id, version).await;
    let answer =
        reqwest::Client::new().post(format!("{}/hooks/{id}", server.url)).json(&json!({ "id": 1 })).send().await;
    assert_eq!(answer.expect("an answer").status(), 202);
    assert!(server.terminate());

    database.url = Some(owner);
    let sql = database.sql().await;
    let owned = format!("SELECT count(*) FROM pg_class WHERE relowner = '{}'::regrole", login.name);
    assert_eq!(sql.number(&owned).await, 0);
    sql.close().await;
    login.drop(&database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrations_run_as_the_owner_where_one_is_named() {
    let roles = Database::create(Kind::Postgres).await;
    Process::start(&roles, roles.data_dir.path(), &[]).await.kill();
    let mut database = Database::create(Kind::Postgres).await;
    let owner = database.url.clone().expect("PostgreSQL");
    let login = Login::create(&database).await;
    database.url = Some(login.url.clone());
    let flags = ["--migration-database-url", owner.as_str()];
    let server = Process::start(&database, database.data_dir.path(), &flags).await;
    server.client(Role::Admin).webhook("orders", open_webhook(json!({}))).await;
    assert!(server.terminate());
    database.url = Some(owner);
    login.drop(&database).await;
}
