//! Every change leaves an event and an audit entry.

use serde_json::json;

use crate::harness::server::open_webhook;
use crate::on_both_databases;

on_both_databases! {
    async fn a_change_says_who_did_what_and_why(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        let input = json!({ "id": id, "owner": "ops", "tags": ["b", "a"], "reason": "handover" });
        admin.mutate("updateDatasource", input, "datasource { revision }").await;

        let query = "query($id: ID!) { auditLog(filter: { datasourceId: $id, action: \"metadata_updated\" }) { nodes {
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
        let query = "query($id: ID!) { datasourceEvents(id: $id, types: [METADATA_UPDATED]) { nodes { actor payload } } }";
        let data = admin.data(query, json!({ "id": id })).await;
        let changes = json!([
            { "field": "owner", "old": "admin@acme", "new": "ops" },
            { "field": "tags", "old": [], "new": ["a", "b"] },
        ]);
        let event = json!({ "actor": "admin@acme", "payload": { "changes": changes, "reason": "handover" } });
        assert_eq!(data["datasourceEvents"]["nodes"], json!([event]));
    }
}
