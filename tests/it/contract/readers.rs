//! Who sees what: the login counts, and nothing that it says.

use serde_json::Value;

use super::{Reader, said, studio, two_organisations};
use crate::harness::{Database, Kind};

const VIEWS: &str = "SELECT c.oid::regclass::text FROM pg_class c
    WHERE c.relnamespace = 'contract_v1'::regnamespace AND c.relkind = 'v' ORDER BY 1";

/// Those that show rows of organisations.
const VIEWS_OF_TENANTS: &str = "SELECT c.oid::regclass::text FROM pg_class c
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'org_id'
    WHERE c.relnamespace = 'contract_v1'::regnamespace AND c.relkind = 'v' ORDER BY 1";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_sees_the_organisations_that_were_granted() {
    let server = two_organisations().await;
    let reader = Reader::create(&server.database).await;
    let sql = reader.sql().await;
    let views = sql.column::<String>(VIEWS_OF_TENANTS).await;
    assert!(views.len() >= 7, "{views:?}");
    for view in &views {
        assert_eq!(sql.number(&format!("SELECT count(*) FROM {view}")).await, 0, "{view} before any grant");
    }

    reader.grant(&server.database, "acme");
    for view in &views {
        let orgs = sql.column::<String>(&format!("SELECT DISTINCT org_id FROM {view}")).await;
        assert_eq!(orgs, ["acme"], "{view}");
    }
    reader.grant(&server.database, "globex");
    assert_eq!(sql.number("SELECT count(*) FROM contract_v1.datasources").await, 2);

    said(studio(&server.database, &["contract", "revoke", "--login", &reader.name, "--org", "acme"]));
    let left = sql.column::<String>("SELECT name FROM contract_v1.datasources").await;
    assert_eq!(left, ["globex-orders"], "a revocation counts at once, for sessions that are open too");
    sql.close().await;
    reader.drop(&server.database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_cannot_choose_its_organisation() {
    let server = two_organisations().await;
    let reader = Reader::create(&server.database).await;
    reader.grant(&server.database, "acme");
    let sql = reader.sql().await;
    for trick in ["SET app.org_id = 'globex'", "SET ROLE studio_reader"] {
        sql.run(trick).await;
        let seen = sql.column::<String>("SELECT DISTINCT org_id FROM contract_v1.datasource_events").await;
        assert_eq!(seen, ["acme"], "after {trick}");
    }
    sql.run("RESET ROLE").await;
    for trick in [
        "SET ROLE studio_contract",
        "SET ROLE studio_runtime",
        "SET ROLE studio_registry",
        "SET SESSION AUTHORIZATION studio_contract",
        "INSERT INTO studio.contract_readers VALUES (session_user, 'globex', now(), 'me')",
        "SELECT studio.publish_contract()",
        "SELECT studio.expose('studio.datasources', 'id')",
        "CREATE VIEW contract_v1.mine AS SELECT 1",
    ] {
        let refusal = sql.refusal(trick).await;
        assert!(refusal.contains("denied"), "{trick}: {refusal}");
    }
    sql.close().await;
    reader.drop(&server.database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_reaches_no_table() {
    let server = two_organisations().await;
    let reader = Reader::create(&server.database).await;
    reader.grant(&server.database, "acme");
    let owner = server.database.sql().await;
    let tables = "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname IN ('studio', 'audit')";
    let tables = owner.column::<String>(tables).await;
    owner.close().await;
    // What every login may see: which migrations are applied, so that one that only serves can compare.
    let open = ["studio.migration_history", "studio.data_migrations"];
    let sql = reader.sql().await;
    for table in tables.iter().filter(|table| !open.contains(&table.as_str())) {
        let refusal = sql.refusal(&format!("SELECT * FROM {table}")).await;
        assert!(refusal.contains("denied"), "{table}: {refusal}");
    }
    for view in sql.column::<String>(VIEWS).await {
        let refusal = sql.refusal(&format!("DELETE FROM {view}")).await;
        assert!(refusal.contains("denied") || refusal.contains("cannot delete"), "{view}: {refusal}");
    }
    sql.close().await;
    reader.drop(&server.database).await;
}

/// Whoever may connect may listen, and speak: but not on the channels of the nodes, whose names are theirs alone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_hears_nothing_of_what_nodes_tell_each_other() {
    let server = two_organisations().await;
    let reader = Reader::create(&server.database).await;
    reader.grant(&server.database, "acme");
    let mut listener = sqlx::postgres::PgListener::connect(&reader.url).await.expect("a connection");
    listener.listen_all(["studio_changes", "studio_live"]).await.expect("it may listen");
    let owner = server.database.sql().await;
    let secrets = owner.column::<String>("SELECT secret FROM studio.installation").await;
    assert_eq!(secrets.iter().map(String::len).collect::<Vec<_>>(), [32]);
    owner.close().await;
    let admin = server.admin();
    admin.webhook("news", crate::harness::server::open_webhook(serde_json::json!({}))).await;
    // What was told comes before what is told now.
    let sql = reader.sql().await;
    sql.run("NOTIFY studio_changes, 'mine'").await;
    assert_eq!(listener.recv().await.expect("a notification").payload(), "mine");
    sql.close().await;
    drop(listener);
    reader.drop(&server.database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_login_that_takes_the_name_of_one_that_is_gone_sees_nothing() {
    let server = two_organisations().await;
    let gone = Reader::create(&server.database).await;
    gone.grant(&server.database, "acme");
    let owner = server.database.sql().await;
    owner.run("UPDATE studio.contract_readers SET login_id = 1").await;
    owner.close().await;
    let sql = gone.sql().await;
    assert_eq!(sql.number("SELECT count(*) FROM contract_v1.datasources").await, 0);
    gone.grant(&server.database, "acme");
    assert!(
        sql.number("SELECT count(*) FROM contract_v1.datasources").await > 0,
        "a new grant is one of the new login"
    );
    sql.close().await;
    gone.drop(&server.database).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_comes_out_of_the_views() {
    let server = two_organisations().await;
    let reader = Reader::create(&server.database).await;
    reader.grant(&server.database, "acme");
    let sql = reader.sql().await;
    let mut seen = 0;
    for view in sql.column::<String>(VIEWS).await {
        for row in sql.column::<String>(&format!("SELECT to_jsonb(v)::text FROM {view} v")).await {
            assert!(!row.contains("canary-of-the-contract"), "{view}: {row}");
            seen += 1;
        }
    }
    assert!(seen > 10, "there were rows to look at: {seen}");
    let hidden = ["config", "secret_pins", "ciphertext", "payload", "checkpoint", "wrapped", "hash", "old_value"];
    let columns = "SELECT DISTINCT attname::text FROM pg_attribute JOIN pg_class c ON c.oid = attrelid
        WHERE c.relnamespace = 'contract_v1'::regnamespace AND attnum > 0";
    let columns = sql.column::<String>(columns).await;
    assert!(!columns.iter().any(|column| hidden.contains(&column.as_str())), "{columns:?}");
    sql.close().await;
    reader.drop(&server.database).await;
}

/// The role that owns the views could read what they read, if anybody could become it; it owns nothing else.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_of_the_views_owns_and_changes_nothing() {
    let server = two_organisations().await;
    let sql = server.database.sql().await;
    let owned = "SELECT count(*) FROM pg_class WHERE relowner = 'studio_contract'::regrole
        AND NOT (relkind = 'v' AND relnamespace = 'contract_v1'::regnamespace)";
    assert_eq!(sql.number(owned).await, 0);
    let may = "SELECT count(*) FROM pg_roles WHERE rolname IN ('studio_contract', 'studio_reader')
        AND (rolcanlogin OR rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)";
    assert_eq!(sql.number(may).await, 0);
    for statement in [
        "UPDATE datasources SET name = 'mine'",
        "SELECT config FROM datasource_versions",
        "SELECT payload FROM dead_letters",
        "SELECT ciphertext FROM datasource_secrets",
        "SELECT old_value FROM audit.audit_entries",
        "CREATE TABLE contract_v1.mine (id integer)",
    ] {
        sql.run("BEGIN; SET LOCAL ROLE studio_contract").await;
        let refusal = sql.refusal(statement).await;
        assert!(refusal.contains("denied"), "{statement}: {refusal}");
        sql.run("ROLLBACK").await;
    }
    sql.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_read_is_said_at_the_command_line_and_audited() {
    let server = two_organisations().await;
    let database = &server.database;
    let reader = Reader::create(database).await;
    let grant = |login: &str| studio(database, &["contract", "grant", "--login", login, "--org", "acme"]);
    let refused = |login: &str, why: &str| {
        let output = grant(login);
        let message = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && message.contains(why), "{login}: {message}");
    };
    refused("nobody_of_this_name", "CREATE ROLE");
    refused("", "login");
    refused("studio_runtime", "roles of the program");
    refused("studio_reader", "cannot log in");
    let sql = database.sql().await;
    let owner = sql.column::<String>("SELECT session_user::text").await.remove(0);
    refused(&owner, "superuser");

    assert!(said(grant(&reader.name)).contains(" sees the organisation acme"));
    assert!(said(grant(&reader.name)).contains(" saw the organisation acme"), "twice is once");
    sql.run(&format!("REVOKE studio_reader FROM {}", reader.name)).await;
    assert!(said(grant(&reader.name)).contains("GRANT studio_reader TO"), "it says what is missing");

    let list: Value = serde_json::from_str(&said(studio(database, &["contract", "list", "--json"]))).expect("JSON");
    assert_eq!(list.as_array().map(Vec::len), Some(1), "{list:#}");
    assert_eq!((&list[0]["login"], &list[0]["org"]), (&Value::from(reader.name.as_str()), &Value::from("acme")));
    let audited = "SELECT count(*) FROM audit.audit_entries WHERE action = 'contract_granted' AND org_id = 'acme'";
    assert_eq!(sql.number(audited).await, 1);
    assert!(
        said(studio(database, &["contract", "revoke", "--login", &reader.name, "--org", "acme"])).contains("no longer")
    );
    assert!(
        said(studio(database, &["contract", "revoke", "--login", &reader.name, "--org", "acme"])).contains("did not")
    );
    let audited = "SELECT count(*) FROM audit.audit_entries WHERE action = 'contract_revoked' AND org_id = 'acme'";
    assert_eq!(sql.number(audited).await, 1);
    sql.close().await;
    reader.drop(database).await;
}

#[tokio::test]
async fn an_embedded_database_has_no_contract_and_says_so() {
    let database = Database::create(Kind::Sqlite).await;
    let output = studio(&database, &["contract", "grant", "--login", "reporting"]);
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && message.contains("PostgreSQL"), "{message}");
}
