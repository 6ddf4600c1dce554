//! What happened is changed by nobody: not by the program, and not by the owner of the tables by accident.

use serde_json::json;

use crate::harness::server::open_webhook;
use crate::harness::{Kind, Sql, TestServer};
use crate::on_both_databases;

const TABLES: [&str; 3] = ["audit_entries", "audit_checkpoints", "datasource_events"];

/// A row in each of the tables.
async fn with_history(kind: Kind) -> TestServer {
    let server = TestServer::start(kind).await;
    server.admin().webhook("orders", open_webhook(json!({}))).await;
    TestServer::on(server.stop().await, &[]).await
}

async fn refused(sql: &Sql, statement: &str, why: &str) {
    let refusal = sql.refusal(statement).await;
    assert!(refusal.contains(why), "{statement}: {refusal}");
}

async fn counts(sql: &Sql) -> Vec<i64> {
    let mut counts = Vec::new();
    for table in TABLES {
        counts.push(sql.number(&format!("SELECT count(*) FROM {table}")).await);
    }
    counts
}

on_both_databases! {
    async fn the_owner_is_refused_too(server: TestServer) {
        let kind = server.database.kind;
        drop(server);
        let server = with_history(kind).await;
        let sql = server.database.sql().await;
        let before = counts(&sql).await;
        assert!(before.iter().all(|count| *count > 0), "{before:?}");
        for table in TABLES {
            refused(&sql, &format!("UPDATE {table} SET created_at = created_at"), "append-only: UPDATE").await;
            refused(&sql, &format!("DELETE FROM {table}"), "append-only: DELETE").await;
            match kind {
                Kind::Postgres => refused(&sql, &format!("TRUNCATE {table}"), "append-only: TRUNCATE").await,
                Kind::Sqlite => {
                    let replace = format!("REPLACE INTO {table} SELECT * FROM {table}");
                    refused(&sql, &replace, "append-only: REPLACE").await;
                }
            }
        }
        assert_eq!(counts(&sql).await, before);
        sql.close().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_program_has_no_grant_to_change_history() {
    let server = with_history(Kind::Postgres).await;
    let sql = server.database.sql().await;
    for role in ["studio_runtime", "studio_registry"] {
        for table in TABLES {
            for verb in ["UPDATE {} SET created_at = created_at", "DELETE FROM {}", "TRUNCATE {}"] {
                sql.run(&format!("BEGIN; SET LOCAL ROLE {role}; SET LOCAL app.org_id = 'acme'")).await;
                refused(&sql, &verb.replace("{}", table), "permission denied").await;
                sql.run("ROLLBACK").await;
            }
        }
        sql.run(&format!("BEGIN; SET LOCAL ROLE {role}")).await;
        refused(&sql, "SELECT studio.drop_event_month('2020-01-01')", "permission denied").await;
        sql.run("ROLLBACK").await;
    }
}

/// A month that is over goes as a whole, and who reads the feed is told of the gap.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_owner_drops_events_by_the_month() {
    let server = with_history(Kind::Postgres).await;
    let sql = server.database.sql().await;
    sql.run(
        "CREATE TABLE studio.datasource_events_2020_01 PARTITION OF studio.datasource_events \
        FOR VALUES FROM ('2020-01-01') TO ('2020-02-01')",
    )
    .await;
    sql.run("INSERT INTO datasource_events (org_id, seq, project_id, datasource_id, event_type, actor, payload, created_at) \
        VALUES ('acme', 0, 'default', gen_random_uuid(), 'update', 'a', '{}', '2020-01-15'), \
               ('acme', -1, 'default', gen_random_uuid(), 'update', 'a', '{}', '2020-01-15')").await;
    refused(&sql, "DELETE FROM studio.datasource_events_2020_01", "append-only: DELETE").await;
    sql.run("UPDATE orgs SET event_floor = -5").await;
    sql.run("SELECT studio.drop_event_month('2020-01-31')").await;
    assert_eq!(sql.number("SELECT count(*) FROM datasource_events WHERE created_at < '2020-02-01'").await, 0);
    assert_eq!(sql.number("SELECT event_floor FROM orgs WHERE org_id = 'acme'").await, 0);
    refused(&sql, "SELECT studio.drop_event_month('2020-01-01')", "there is no partition").await;
    refused(&sql, "SELECT studio.drop_event_month(current_date)", "is not over").await;
    let walled = "SELECT count(*) FROM pg_class WHERE oid = 'studio.orgs'::regclass AND relforcerowsecurity";
    assert_eq!(sql.number(walled).await, 1, "the wall stands again");

    // Every month ahead is as safe as this one.
    let open = "SELECT count(*) FROM pg_inherits WHERE inhparent = 'studio.datasource_events'::regclass AND \
        (SELECT count(*) FROM pg_trigger WHERE tgrelid = inhrelid AND tgname LIKE 'append_only%') < 2";
    assert_eq!(sql.number("SELECT studio.ensure_event_partitions(6)::bigint").await, 3);
    assert_eq!(sql.number(open).await, 0);
    sql.close().await;
}
