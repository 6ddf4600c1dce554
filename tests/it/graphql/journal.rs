//! What a mutation leaves behind: its events and its audit entries, or nothing at all.

use serde_json::{Value, json};

use crate::harness::server::{mutation, open_webhook};
use crate::harness::{Client, Sql};
use crate::on_both_databases;

/// Refusals are written later, and the opening of secrets when a worker starts.
const BY_MUTATIONS: &str = "org_id = 'acme' AND outcome <> 'refused' AND action <> 'secrets_opened'";

/// The kinds of events and the actions of audit entries since a place in each.
async fn since(sql: &Sql, (events, entries): (i64, i64)) -> (Vec<String>, Vec<String>) {
    let kinds =
        format!("SELECT event_type FROM datasource_events WHERE org_id = 'acme' AND seq > {events} ORDER BY seq");
    let actions = format!("SELECT action FROM audit_entries WHERE {BY_MUTATIONS} AND seq > {entries} ORDER BY seq");
    let mut actions = sql.column::<String>(&actions).await;
    // One entry a changed field: what counts here is that there is one.
    actions.dedup();
    (sql.column::<String>(&kinds).await, actions)
}

async fn place(sql: &Sql) -> (i64, i64) {
    let events = sql.number("SELECT event_seq FROM orgs WHERE org_id = 'acme'").await;
    (events, sql.number("SELECT audit_seq FROM orgs WHERE org_id = 'acme'").await)
}

/// How much was written down.
async fn written(sql: &Sql) -> (i64, i64) {
    let (events, _) = place(sql).await;
    (events, sql.number(&format!("SELECT count(*) FROM audit_entries WHERE {BY_MUTATIONS}")).await)
}

async fn subject(client: &Client, name: &str) -> String {
    let config = json!({
        "connector": { "type": "webhook", "auth": { "type": "bearer", "token": { "$secret": "token" } } },
        "mapping": { "outputs": [{ "kind": "event", "fields": {} }] },
    });
    let id = client.webhook(name, config).await;
    client.mutate("setDatasourceSecret", json!({ "id": id, "key": "token", "value": "one" }), "secret { key }").await;
    id
}

on_both_databases! {
    /// One after the other, from its draft to the archive and back.
    async fn every_mutation_writes_its_event_and_its_entry(server: TestServer) {
        let admin = server.admin();
        let id = subject(&admin, "orders").await;
        let draft = json!({ "config": open_webhook(json!({ "a": "$.a" })) });
        let steps = [
            ("updateDatasource", json!({ "team": "blue", "category": "demo" }), "datasource { id }", vec!["metadata_updated"]),
            ("publishDatasource", json!({}), "version { version }", vec!["publish"]),
            ("setDatasourceSecret", json!({ "key": "token", "value": "two" }), "secret { key }", vec!["secret_set"]),
            ("repinDatasourceSecrets", json!({}), "datasource { id }", vec!["secrets_repinned"]),
            ("setDatasourceSecret", json!({ "key": "token", "value": "three", "repin": true }), "secret { key }", vec!["secret_set", "secrets_repinned"]),
            ("createDatasourceVersion", draft, "version { version }", vec!["version_created"]),
            ("testDatasource", json!({ "payload": {} }), "run { success }", vec!["test_run"]),
            ("publishDatasource", json!({}), "version { version }", vec!["publish"]),
            ("rollbackDatasource", json!({}), "version { version }", vec!["rollback"]),
            ("stopDatasource", json!({}), "datasource { id }", vec!["stop"]),
            ("startDatasource", json!({}), "datasource { id }", vec!["start"]),
            ("restartDatasource", json!({}), "datasource { id }", vec!["restart"]),
            ("cloneDatasource", json!({ "name": "copy" }), "datasource { id }", vec!["clone", "version_created"]),
            ("archiveDatasource", json!({}), "datasource { id }", vec!["archive"]),
            ("restoreDatasource", json!({}), "datasource { id }", vec!["restore"]),
            ("deleteDatasourceSecret", json!({ "key": "token", "force": true }), "secret { key }", vec!["secret_deleted"]),
        ];
        let sql = server.database.sql().await;
        for (name, mut input, selection, expected) in steps {
            let before = place(&sql).await;
            input["id"] = json!(id);
            admin.mutate(name, input, selection).await;
            let (mut kinds, actions) = since(&sql, before).await;
            // A worker tells of its own life in between.
            kinds.retain(|kind| !["error", "recovered", "reloaded"].contains(&kind.as_str()));
            assert_eq!((&kinds, &actions), (&expected.iter().map(|e| (*e).to_owned()).collect(), &kinds), "{name}");
        }
        sql.close().await;
    }

    /// Whatever fails, fails as a whole.
    async fn a_mutation_that_fails_writes_nothing(server: TestServer) {
        let admin = server.admin();
        let id = subject(&admin, "orders").await;
        admin.webhook("taken", open_webhook(json!({}))).await;
        let rows = "SELECT count(*) FROM datasources";
        let (sql, versions) = (server.database.sql().await, "SELECT count(*) FROM datasource_versions");
        let before = (written(&sql).await, sql.number(rows).await, sql.number(versions).await);
        let config = json!({ "connector": { "type": "webhook" }, "nonsense": 1 });
        for (name, mut input, selection, code) in [
            ("createDatasource", json!({ "name": "taken", "type": "webhook", "config": open_webhook(json!({})) }), "datasource { id }", "CONFLICT"),
            ("createDatasource", json!({ "name": "new", "type": "webhook", "config": config }), "datasource { id }", "CONFIG_INVALID"),
            ("cloneDatasource", json!({ "id": id, "name": "taken" }), "datasource { id }", "CONFLICT"),
            ("updateDatasource", json!({ "id": id, "name": "taken" }), "datasource { id }", "CONFLICT"),
            ("updateDatasource", json!({ "id": id, "name": "new", "expectedRevision": 99 }), "datasource { id }", "CONFLICT"),
            ("updateDatasource", json!({ "id": id, "name": "" }), "datasource { id }", "VALIDATION_FAILED"),
            ("createDatasourceVersion", json!({ "id": id, "config": config }), "version { version }", "CONFIG_INVALID"),
            ("publishDatasource", json!({ "id": id, "version": 99 }), "version { version }", "NOT_FOUND"),
            ("rollbackDatasource", json!({ "id": id }), "version { version }", "CONFLICT"),
            ("startDatasource", json!({ "id": id }), "datasource { id }", "CONFLICT"),
            ("repinDatasourceSecrets", json!({ "id": id }), "datasource { id }", "CONFLICT"),
            ("deleteDatasourceSecret", json!({ "id": id, "key": "unknown" }), "secret { key }", "NOT_FOUND"),
            ("testDatasource", json!({ "id": id, "sample": "unknown" }), "run { success }", "NOT_FOUND"),
        ] {
            let answer = admin.send(&mutation(name, selection), json!({ "input": input.take() })).await;
            assert_eq!(answer["errors"][0]["extensions"]["code"], code, "{name}: {answer:#}");
        }
        assert_eq!((written(&sql).await, sql.number(rows).await, sql.number(versions).await), before);
        sql.close().await;
    }

    /// To ask for what is so already is no change, and no error either.
    async fn a_mutation_that_changes_nothing_writes_nothing(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        admin.mutate("archiveDatasource", json!({ "id": id }), "datasource { id }").await;
        let sql = server.database.sql().await;
        let before = place(&sql).await;
        admin.mutate("archiveDatasource", json!({ "id": id }), "datasource { id }").await;
        admin.mutate("restoreDatasource", json!({ "id": id }), "datasource { id }").await;
        assert_eq!(since(&sql, before).await.0, ["restore"]);
        let before = place(&sql).await;
        admin.mutate("restoreDatasource", json!({ "id": id }), "datasource { id }").await;
        let same = json!({ "id": id, "name": "orders", "team": Value::Null, "tags": [] });
        let done = admin.mutate("updateDatasource", same, "datasource { revision }").await;
        assert_eq!(since(&sql, before).await, (vec![], vec![]));
        assert_eq!(done["datasource"]["revision"], admin.state(&id).await["revision"]);
        sql.close().await;
    }
}
