//! Versions, restoring, and writers at the same time.

use serde_json::json;

use super::{ITEM, delete, item, refusal, save, save_with, template, versions, view};
use crate::harness::Kind;
use crate::harness::server::mutation;
use crate::on_both_databases;

on_both_databases! {
    async fn another_content_makes_a_version_and_the_same_makes_none(server: TestServer) {
        let admin = server.admin();
        let first = save_with(&admin, "CONNECTOR_TEMPLATE", "orders", template(), json!({ "comment": "first" })).await;
        assert_eq!((&first["version"], &first["revision"], &first["source"]), (&json!(1), &json!(1), &json!("API")));
        assert_eq!(first["checksum"].as_str().map(str::len), Some(64));
        let same = save(&admin, "CONNECTOR_TEMPLATE", "orders", template()).await;
        assert_eq!(same, first, "nothing changed, so nothing was written");
        let tagged = save_with(&admin, "CONNECTOR_TEMPLATE", "orders", template(), json!({ "tags": ["b", "a"] })).await;
        assert_eq!((&tagged["version"], &tagged["revision"], &tagged["tags"]), (&json!(1), &json!(2), &json!(["a", "b"])));
        let mut changed = template();
        changed["title"] = json!("All orders");
        let second = save(&admin, "CONNECTOR_TEMPLATE", "orders", changed.clone()).await;
        assert_eq!((&second["version"], &second["revision"]), (&json!(2), &json!(3)));
        assert_eq!(second["tags"], json!(["a", "b"]), "what is absent stays");

        let all = versions(&admin, "CONNECTOR_TEMPLATE", "orders").await;
        assert_eq!((all.len(), &all[0]["data"], &all[1]["data"]), (2, &changed, &template()));
        assert_eq!((&all[1]["comment"], &all[1]["checksum"]), (&json!("first"), &first["checksum"]));
    }

    async fn an_earlier_content_comes_back_as_a_new_version(server: TestServer) {
        let viewer = server.viewer();
        let first = save(&viewer, "SAVED_VIEW", "mine", view("a")).await;
        save(&viewer, "SAVED_VIEW", "mine", view("b")).await;
        let restore = |version: i32| {
            let input = json!({ "type": "SAVED_VIEW", "name": "mine", "version": version });
            viewer.mutate("restoreMetadataItem", input, "item { version data checksum source active revision }")
        };
        let back = restore(1).await["item"].clone();
        assert_eq!((&back["version"], &back["data"], &back["source"]), (&json!(3), &view("a"), &json!("DATABASE")));
        assert_eq!(back["checksum"], first["checksum"]);
        assert_eq!(versions(&viewer, "SAVED_VIEW", "mine").await[0]["comment"], "restored from version 1");

        // Also after a deletion, which keeps the history.
        let gone = delete(&viewer, "SAVED_VIEW", "mine").await;
        assert_eq!((&gone["active"], &gone["revision"]), (&json!(false), &json!(4)));
        assert!(item(&viewer, "SAVED_VIEW", "mine").await.is_null());
        assert_eq!(versions(&viewer, "SAVED_VIEW", "mine").await.len(), 3);
        let back = restore(2).await["item"].clone();
        assert_eq!((&back["active"], &back["version"], &back["data"]), (&json!(true), &json!(4), &view("b")));
        assert_eq!(item(&viewer, "SAVED_VIEW", "mine").await["data"], view("b"));
        let none = json!({ "type": "SAVED_VIEW", "name": "mine", "version": 9 });
        assert_eq!(refusal(&viewer, "restoreMetadataItem", none).await.0, "NOT_FOUND");
    }

    async fn a_name_that_is_saved_again_goes_on_with_its_history(server: TestServer) {
        let viewer = server.viewer();
        save(&viewer, "SAVED_VIEW", "mine", view("a")).await;
        delete(&viewer, "SAVED_VIEW", "mine").await;
        let again = save(&viewer, "SAVED_VIEW", "mine", view("b")).await;
        assert_eq!((&again["active"], &again["version"]), (&json!(true), &json!(2)));
    }

    async fn who_read_an_older_revision_overwrites_nothing(server: TestServer) {
        let viewer = server.viewer();
        let input = |tag: &str, revision: i64| {
            json!({ "type": "SAVED_VIEW", "name": "mine", "data": view(tag), "expectedRevision": revision })
        };
        viewer.mutate("saveMetadataItem", input("a", 0), "item { name }").await;
        let (code, message, _) = refusal(&viewer, "saveMetadataItem", input("b", 0)).await;
        assert!(code == "CONFLICT" && message.contains("read it again"), "{message}");
        viewer.mutate("saveMetadataItem", input("b", 1), "item { name }").await;
        assert_eq!(refusal(&viewer, "saveMetadataItem", input("c", 1)).await.0, "CONFLICT");
        let old = json!({ "type": "SAVED_VIEW", "name": "mine", "expectedRevision": 1 });
        assert_eq!(refusal(&viewer, "deleteMetadataItem", old).await.0, "CONFLICT");
        let old = json!({ "type": "SAVED_VIEW", "name": "mine", "version": 1, "expectedRevision": 1 });
        assert_eq!(refusal(&viewer, "restoreMetadataItem", old).await.0, "CONFLICT");
        assert_eq!(item(&viewer, "SAVED_VIEW", "mine").await["data"], view("b"));
    }

    async fn writers_at_the_same_time_lose_no_version(server: TestServer) {
        let viewer = server.viewer();
        save(&viewer, "SAVED_VIEW", "mine", view("0")).await;
        let query = mutation("saveMetadataItem", &format!("item {{ {ITEM} }}"));
        let tags: Vec<_> = (1..=8).map(|n| n.to_string()).collect();
        let saves = tags.iter().map(|tag| {
            viewer.data(&query, json!({ "input": { "type": "SAVED_VIEW", "name": "mine", "data": view(tag) } }))
        });
        futures::future::join_all(saves).await;
        let all = versions(&viewer, "SAVED_VIEW", "mine").await;
        let numbers: Vec<_> = all.iter().map(|content| content["version"].as_i64().expect("a number")).collect();
        assert_eq!(numbers, [9, 8, 7, 6, 5, 4, 3, 2, 1]);
        let mut found: Vec<_> = all.iter().map(|content| content["data"]["filter"]["tags"][0].to_string()).collect();
        found.sort_unstable();
        found.dedup();
        assert_eq!(found.len(), 9, "each content is there");
        assert_eq!(item(&viewer, "SAVED_VIEW", "mine").await["data"], all[0]["data"]);
    }

    /// Of those who begin a name at once, one does.
    async fn a_name_is_taken_once(server: TestServer) {
        let admin = server.admin();
        let query = mutation("saveMetadataItem", "item { version }");
        let mut input = json!({ "type": "CONNECTOR_TEMPLATE", "name": "orders", "data": template() });
        input["expectedRevision"] = json!(0);
        let saves = (0..8).map(|_| admin.send(&query, json!({ "input": input })));
        let answers = futures::future::join_all(saves).await;
        let done = answers.iter().filter(|answer| answer.get("errors").is_none()).count();
        assert_eq!(done, 1, "{answers:#?}");
        assert!(answers.iter().all(|a| a.get("errors").is_none() || a["errors"][0]["extensions"]["code"] == "CONFLICT"));
        let sql = server.database.sql().await;
        assert_eq!(sql.number("SELECT count(*) FROM metadata_items WHERE name = 'orders'").await, 1);
    }

    async fn what_was_saved_once_is_not_changed_by_the_program(server: TestServer) {
        save(&server.viewer(), "SAVED_VIEW", "mine", view("a")).await;
        let sql = server.database.sql().await;
        for statement in ["UPDATE metadata_item_versions SET data = '{}'", "DELETE FROM metadata_item_versions"] {
            let refused = match server.database.kind {
                Kind::Sqlite => sql.refusal(statement).await,
                Kind::Postgres => {
                    sql.run("BEGIN; SET LOCAL ROLE studio_runtime; SET LOCAL app.org_id = 'acme'").await;
                    let refused = sql.refusal(statement).await;
                    sql.run("ROLLBACK").await;
                    refused
                }
            };
            assert!(refused.contains("append-only") || refused.contains("denied"), "{refused}");
        }
    }
}
