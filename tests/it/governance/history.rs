//! How metadata changed, and the way back.

use serde_json::{Value, json};

use super::{make, metadata, outcome, places, set_rules, update};
use crate::harness::Client;
use crate::on_both_databases;

/// The revisions of the metadata with what they were made by, newest first.
async fn history(client: &Client, id: &str) -> Vec<Value> {
    let query =
        "query($id: ID!) { metadataHistory(id: $id) { nodes { revision by reason metadata { revision team tags } } } }";
    let data = client.data(query, json!({ "id": id })).await;
    data["metadataHistory"]["nodes"].as_array().expect("nodes").clone()
}

fn revisions(history: &[Value]) -> Vec<i64> {
    history.iter().map(|kept| kept["revision"].as_i64().expect("a number")).collect()
}

async fn roll_back(client: &Client, id: &str, revision: i64) -> i64 {
    let input = json!({ "id": id, "revision": revision, "reason": "a mistake" });
    let done = client.mutate("rollbackDatasourceMetadata", input, "datasource { revision }").await;
    done["datasource"]["revision"].as_i64().expect("a number")
}

on_both_databases! {
    async fn a_change_is_on_the_timeline_with_all_its_fields(server: TestServer) {
        let admin = server.admin();
        let id = make(&admin, "doors", json!({ "team": "doors" })).await;
        update(&admin, &id, json!({ "team": null, "rateLimit": { "recordsPerSecond": 5 }, "reason": "moved" })).await;
        let query = "query($id: ID!) { datasourceEvents(id: $id, types: [METADATA_UPDATED]) { nodes { actor payload } } }";
        let events = admin.data(query, json!({ "id": id })).await["datasourceEvents"]["nodes"].take();
        assert_eq!(events, json!([{ "actor": "admin@acme", "payload": { "reason": "moved", "changes": [
            { "field": "team", "old": "doors", "new": null },
            { "field": "rateLimit", "old": null, "new": { "recordsPerSecond": 5 } },
        ] } }]));
        // A change of both kinds tells of each.
        let both = json!({ "id": id, "description": "all doors", "team": "gates" });
        admin.mutate("updateDatasource", both, "datasource { id }").await;
        let query = "query($id: ID!) { datasourceEvents(id: $id, first: 2) { nodes { eventType } } }";
        let events = admin.data(query, json!({ "id": id })).await["datasourceEvents"]["nodes"].take();
        assert_eq!(events, json!([{ "eventType": "METADATA_UPDATED" }, { "eventType": "UPDATED" }]));
    }

    async fn one_call_takes_a_change_back_and_another_one_that(server: TestServer) {
        let admin = server.admin();
        let id = make(&admin, "doors", json!({ "team": "doors", "tags": ["a"] })).await;
        assert_eq!(update(&admin, &id, json!({ "team": "lifts", "reason": "reorganised" })).await, 2);
        // A change that is none of metadata counts as a revision, and has no entry.
        admin.mutate("updateDatasource", json!({ "id": id, "description": "x" }), "datasource { id }").await;
        assert_eq!(update(&admin, &id, json!({ "tags": [] })).await, 4);
        let before = metadata(&admin, &id).await;
        assert_eq!(roll_back(&admin, &id, 1).await, 5);
        let now = metadata(&admin, &id).await;
        assert_eq!((&now["team"], &now["tags"]), (&json!("doors"), &json!(["a"])));
        assert_eq!(roll_back(&admin, &id, 4).await, 6);
        assert_eq!(metadata(&admin, &id).await, before);
        assert_eq!(roll_back(&admin, &id, 3).await, 7, "as it was then, though another revision made it so");
        assert_eq!(metadata(&admin, &id).await["tags"], json!(["a"]));
        assert_eq!(roll_back(&admin, &id, 7).await, 7, "it is so already");

        let kept = history(&admin, &id).await;
        assert_eq!(revisions(&kept), [7, 6, 5, 4, 2, 1]);
        assert_eq!(kept[4], json!({ "revision": 2, "by": "admin@acme", "reason": "reorganised",
            "metadata": { "revision": 2, "team": "lifts", "tags": ["a"] } }));
        let query = "query($id: ID!) { datasourceEvents(id: $id, types: [METADATA_UPDATED], first: 1) { nodes { payload } } }";
        let event = admin.data(query, json!({ "id": id })).await["datasourceEvents"]["nodes"][0]["payload"].take();
        assert_eq!((&event["rolledBackTo"], &event["reason"]), (&json!(2), &json!("a mistake")));
        let query = "query($id: ID!, $after: String) { metadataHistory(id: $id, first: 4, after: $after) {
            nodes { revision } pageInfo { hasNextPage endCursor } } }";
        let first = admin.data(query, json!({ "id": id })).await["metadataHistory"].take();
        assert_eq!(first["pageInfo"]["hasNextPage"], true);
        let next = admin.data(query, json!({ "id": id, "after": first["pageInfo"]["endCursor"] })).await;
        assert_eq!(next["metadataHistory"]["nodes"], json!([{ "revision": 2 }, { "revision": 1 }]));
    }

    async fn the_way_back_is_held_to_the_rules_of_today(server: TestServer) {
        let admin = server.admin();
        let id = make(&admin, "doors", json!({ "category": "fun" })).await;
        update(&admin, &id, json!({ "category": "sensors" })).await;
        update(&admin, &id, json!({ "team": "doors" })).await;
        set_rules(&admin, json!({ "categories": ["sensors"] })).await;
        let back = |revision: i64| json!({ "id": id, "revision": revision });
        assert_eq!(places(&admin, "rollbackDatasourceMetadata", back(1)).await, ["/category"]);
        assert_eq!(metadata(&admin, &id).await["team"], "doors");
        assert_eq!(roll_back(&admin, &id, 2).await, 4);
        for revision in [0, -1, 5] {
            assert_eq!(places(&admin, "rollbackDatasourceMetadata", back(revision)).await, ["/revision"], "{revision}");
        }
        let stale = json!({ "id": id, "revision": 3, "expectedRevision": 3 });
        assert_eq!(outcome(&admin, "rollbackDatasourceMetadata", stale).await.0, "CONFLICT");
        assert_eq!(outcome(&server.operator(), "rollbackDatasourceMetadata", back(3)).await.0, "FORBIDDEN");
        admin.mutate("archiveDatasource", json!({ "id": id }), "datasource { id }").await;
        assert_eq!(outcome(&admin, "rollbackDatasourceMetadata", back(3)).await.0, "CONFLICT");
    }

    /// A datasource of an older build begins its history with what it was.
    async fn what_is_older_than_its_history_can_be_brought_back_too(server: TestServer) {
        let admin = server.admin();
        let id = make(&admin, "doors", json!({ "team": "doors" })).await;
        let sql = server.database.sql().await;
        sql.run("DELETE FROM datasource_metadata_history").await;
        sql.close().await;
        assert!(history(&admin, &id).await.is_empty());
        assert_eq!(update(&admin, &id, json!({ "team": "lifts" })).await, 2);
        assert_eq!(revisions(&history(&admin, &id).await), [2, 1]);
        roll_back(&admin, &id, 1).await;
        assert_eq!(metadata(&admin, &id).await["team"], "doors");
    }
}
