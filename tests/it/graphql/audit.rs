//! Every change leaves an event and an audit entry, and tampering shows.

use datasource_studio::app::OpContext;
use datasource_studio::auth::Actor;
use datasource_studio::auth::policy::{authorize, grant};
use datasource_studio::config::Settings;
use datasource_studio::store::audit::ChainState;
use datasource_studio::store::{DatabaseUrl, Store};
use serde_json::json;

use crate::harness::server::open_webhook;
use crate::harness::{Kind, TestServer};
use crate::on_both_databases;

on_both_databases! {
    async fn a_change_says_who_did_what_and_why(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        let input = json!({ "id": id, "owner": "ops", "tags": ["b", "a"], "reason": "handover" });
        admin.mutate("updateDatasource", input, "datasource { revision }").await;

        let query = "query($id: ID!) { auditLog(filter: { datasourceId: $id, action: \"update\" }) { nodes {
            action actor reason outcome field oldValue newValue requestId sourceAddress } } }";
        let data = admin.data(query, json!({ "id": id })).await;
        let entries = data["auditLog"]["nodes"].as_array().expect("entries");
        let fields: Vec<_> = entries.iter().map(|e| (e["field"].as_str(), &e["oldValue"], &e["newValue"])).collect();
        assert_eq!(fields, [
            (Some("tags"), &json!([]), &json!(["a", "b"])),
            (Some("owner"), &json!("admin@acme"), &json!("ops")),
        ]);
        for entry in entries {
            assert_eq!((&entry["actor"], &entry["reason"], &entry["outcome"]), (&json!("admin@acme"), &json!("handover"), &json!("SUCCESS")));
            assert_eq!(entry["sourceAddress"], "127.0.0.1");
            assert!(entry["requestId"].as_str().is_some_and(|r| !r.is_empty()));
        }
        let query = "query($id: ID!) { datasourceEvents(id: $id, types: [UPDATED]) { nodes { actor payload } } }";
        let data = admin.data(query, json!({ "id": id })).await;
        assert_eq!(data["datasourceEvents"]["nodes"], json!([{ "actor": "admin@acme", "payload": { "fields": ["owner", "tags"] } }]));
    }

    async fn an_edited_a_removed_and_a_moved_entry_break_the_chain(server: TestServer) {
        let admin = server.admin();
        for name in ["a", "b", "c"] {
            admin.webhook(name, open_webhook(json!({}))).await;
        }
        assert!(matches!(verify(&server).await, ChainState::Intact { entries } if entries >= 6));
        let sql = server.database.sql().await;
        let spoil = |statement: &'static str, mend: &'static str, at: i64| {
            let (sql, server) = (&sql, &server);
            async move {
                assert!(sql.run(statement).await >= 1, "{statement}");
                assert_eq!(verify(server).await, ChainState::Broken { seq: at }, "{statement}");
                sql.run(mend).await;
                assert!(matches!(verify(server).await, ChainState::Intact { .. }), "{mend}");
            }
        };
        spoil(
            "UPDATE audit_entries SET actor = 'somebody else' WHERE seq = 3",
            "UPDATE audit_entries SET actor = 'admin@acme' WHERE seq = 3",
            3,
        ).await;
        spoil(
            "UPDATE audit_entries SET seq = 100 WHERE seq = 4",
            "UPDATE audit_entries SET seq = 4 WHERE seq = 100",
            4,
        ).await;
        // Hashing the edited entry anew is not enough: its successor still names the old hash.
        spoil(
            "UPDATE audit_entries SET hash = 'x' || substr(hash, 2) WHERE seq = 2",
            "UPDATE audit_entries SET hash = (SELECT prev_hash FROM audit_entries next WHERE next.seq = 3) WHERE seq = 2",
            2,
        ).await;
        sql.run("DELETE FROM audit_entries WHERE seq = 6").await;
        assert_eq!(verify(&server).await, ChainState::Broken { seq: 6 }, "the end is cut off");
        sql.run("DELETE FROM audit_entries WHERE seq = 2").await;
        assert_eq!(verify(&server).await, ChainState::Broken { seq: 2 }, "one is missing in the middle");
        sql.close().await;
    }
}

pub async fn assert_intact(server: &TestServer) {
    assert!(matches!(verify(server).await, ChainState::Intact { entries } if entries > 0));
}

/// Through the store of a second process, as an auditor would.
async fn verify(server: &TestServer) -> ChainState {
    let settings: Settings = server.settings();
    let url = match server.database.kind {
        Kind::Sqlite => DatabaseUrl::Sqlite(server.database.data_dir.path().join("studio.db")),
        Kind::Postgres => DatabaseUrl::Postgres(server.database.url.clone().expect("a URL").into()),
    };
    let store = Store::connect(url, &settings).await.expect("a store");
    let ctx = OpContext::new(Actor::system("auditor", "acme"), "test");
    let proof = authorize::<grant::ReadAudit>(&ctx.actor).expect("an admin");
    let tx = store.read(proof.scope()).await.expect("a transaction");
    let state = tx.verify_audit_chain(&proof).await.expect("an answer");
    drop(tx);
    store.close().await;
    state
}
