//! Every field: set, merged, cleared, copied, and written to files.

use serde_json::{Value, json};

use super::{make, metadata, outcome, places, update};
use crate::gitops::{export, files, import, put, webhook};
use crate::on_both_databases;

fn all() -> Value {
    json!({
        "owner": "ada", "team": "doors", "category": "sensors", "tags": ["b", "a", "b"],
        "visibility": { "communities": ["partners"], "groups": ["ops"] }, "lifecycle": "PUBLISHED",
        "sla": { "availabilityPercent": 99.95, "maxLagSeconds": 60, "supportTier": "gold" },
        "rateLimit": { "recordsPerSecond": 500 },
    })
}

on_both_databases! {
    async fn every_field_is_set_merged_and_cleared(server: TestServer) {
        let admin = server.admin();
        let id = make(&admin, "doors", json!({})).await;
        let bare = json!({
            "owner": "admin@acme", "team": null, "category": null, "tags": [], "lifecycle": "DRAFT",
            "visibility": { "communities": [], "groups": [] }, "sla": null, "rateLimit": null,
        });
        assert_eq!(metadata(&admin, &id).await, bare);
        let mut input = all();
        input["reason"] = json!("goes to consumers");
        assert_eq!(update(&admin, &id, input).await, 2);
        let mut expected = all();
        expected["tags"] = json!(["a", "b"]);
        assert_eq!(metadata(&admin, &id).await, expected);
        assert_eq!(update(&admin, &id, all()).await, 2, "nothing changed, and nothing was written");

        // Parts stay that are not named; null clears them, or the whole.
        update(&admin, &id, json!({ "sla": { "maxLagSeconds": null }, "visibility": { "groups": ["night", "ops"] } })).await;
        expected["sla"]["maxLagSeconds"] = Value::Null;
        expected["visibility"]["groups"] = json!(["night", "ops"]);
        assert_eq!(metadata(&admin, &id).await, expected);
        let none = json!({ "team": null, "category": null, "tags": [], "visibility": null, "sla": null, "rateLimit": null });
        assert_eq!(update(&admin, &id, none).await, 4);
        let mut cleared = bare.clone();
        cleared["owner"] = json!("ada");
        cleared["lifecycle"] = json!("PUBLISHED");
        assert_eq!(metadata(&admin, &id).await, cleared);

        // One entry a field, with what it was and why.
        let audit = "query($id: ID!) { datasourceMetadataAudit(id: $id) { nodes { action field oldValue newValue reason actor } } }";
        let audit = admin.data(audit, json!({ "id": id })).await["datasourceMetadataAudit"]["nodes"].take();
        let audit = audit.as_array().expect("nodes");
        let first: Vec<_> = audit.iter().filter(|entry| entry["reason"] == "goes to consumers").collect();
        assert_eq!(first.len(), 8, "{audit:#?}");
        let limit = first.iter().find(|entry| entry["field"] == "rateLimit").expect("an entry");
        assert_eq!((&limit["oldValue"], &limit["newValue"]), (&Value::Null, &json!({ "recordsPerSecond": 500 })));
        assert_eq!((&limit["action"], &limit["actor"]), (&json!("metadata_updated"), &json!("admin@acme")));
    }

    async fn all_that_is_wrong_is_told_at_once(server: TestServer) {
        let admin = server.admin();
        let id = make(&admin, "doors", json!({})).await;
        let wrong = json!({
            "owner": " ", "team": "x".repeat(121), "tags": [""], "visibility": { "communities": [" "], "groups": ["a\nb"] },
            "sla": { "availabilityPercent": 101.0, "maxLagSeconds": 0, "supportTier": "a\nb" },
            "rateLimit": { "recordsPerSecond": 0 },
        });
        let expected = [
            "/owner", "/team", "/tags/0", "/visibility/communities/0", "/visibility/groups/0",
            "/sla/availabilityPercent", "/sla/maxLagSeconds", "/sla/supportTier", "/rateLimit/recordsPerSecond",
        ];
        for (name, base) in [
            ("updateDatasourceMetadata", json!({ "id": id })),
            ("updateDatasource", json!({ "id": id })),
            ("createDatasource", json!({ "name": "lifts", "type": "webhook" })),
        ] {
            let mut input = base;
            for (field, value) in wrong.as_object().expect("an object") {
                input[field] = value.clone();
            }
            assert_eq!(places(&admin, name, input).await, expected, "{name}");
        }
        let stale = json!({ "id": id, "expectedRevision": 7, "team": "x" });
        assert_eq!(outcome(&admin, "updateDatasourceMetadata", stale).await.0, "CONFLICT");
        let operator = server.operator();
        assert_eq!(outcome(&operator, "updateDatasourceMetadata", json!({ "id": id, "team": "x" })).await.0, "FORBIDDEN");
    }

    async fn a_copy_has_what_is_said_of_it_but_for_owner_and_lifecycle(server: TestServer) {
        let (admin, operator) = (server.admin(), server.operator());
        let mut input = all();
        input["visibility"] = Value::Null;
        let id = make(&admin, "doors", input).await;
        let made = operator.mutate("cloneDatasource", json!({ "id": id, "name": "copy" }), "datasource { id }").await;
        let copy = metadata(&admin, made["datasource"]["id"].as_str().expect("an id")).await;
        let mut expected = metadata(&admin, &id).await;
        expected["owner"] = json!("operator@acme");
        expected["lifecycle"] = json!("DRAFT");
        assert_eq!(copy, expected);
        // Nor is a copy shown to more people than what it was made from.
        update(&admin, &id, json!({ "visibility": { "groups": ["ops"] } })).await;
        let made = admin.mutate("cloneDatasource", json!({ "id": id, "name": "second" }), "datasource { id }").await;
        let copy = metadata(&admin, made["datasource"]["id"].as_str().expect("an id")).await;
        assert_eq!(copy["visibility"], json!({ "communities": [], "groups": ["ops"] }));
    }

    async fn files_carry_metadata_and_leave_alone_what_they_do_not_say(server: TestServer) {
        let admin = server.admin();
        let id = make(&admin, "doors", all()).await;
        let (tree, again) = (tempfile::tempdir().expect("a directory"), tempfile::tempdir().expect("a directory"));
        assert_eq!(export(&server.database, tree.path(), &[]).await.code, Some(0));
        let text = files(tree.path()).into_values().next().expect("a file");
        for line in ["lifecycle: published", "availabilityPercent: 99.95", "recordsPerSecond: 500", "- partners", "- ops"] {
            assert!(text.contains(line), "{line:?} is not in {text}");
        }
        let check = import(&server.database, tree.path(), &["--mode", "check"]).await;
        assert_eq!((check.code, check.actions()), (Some(0), json!({ "doors": "unchanged" })), "{}", check.out);

        // What is in the database is not overwritten by a bootstrap, nor by a file that does not say it.
        put(again.path(), "doors.yaml", webhook("doors", "from a file"));
        let kept = import(&server.database, again.path(), &["--mode", "bootstrap"]).await;
        assert_eq!(kept.actions(), json!({ "doors": "kept" }), "{}", kept.out);
        let before = metadata(&admin, &id).await;
        let synced = import(&server.database, again.path(), &["--mode", "sync", "--adopt"]).await;
        assert_eq!(synced.actions(), json!({ "doors": "update" }), "{}", synced.out);
        let after = metadata(&admin, &id).await;
        for field in ["owner", "visibility", "lifecycle", "sla", "rateLimit"] {
            assert_eq!(after[field], before[field], "{field}");
        }
        assert_eq!((&after["team"], &after["tags"]), (&Value::Null, &json!([])), "as before, a file says these or clears them");

        let said = webhook("doors", "from a file").replace(
            "spec:",
            "  visibility: { groups: [night] }\n  lifecycle: deprecated\n  sla: { maxLagSeconds: 5 }\n  rateLimit: { recordsPerSecond: 7 }\nspec:",
        );
        put(again.path(), "doors.yaml", said.clone());
        let synced = import(&server.database, again.path(), &["--mode", "sync"]).await;
        assert_eq!(synced.actions(), json!({ "doors": "update" }), "{}", synced.out);
        let after = metadata(&admin, &id).await;
        assert_eq!(after["visibility"], json!({ "communities": [], "groups": ["night"] }));
        assert_eq!((&after["lifecycle"], &after["rateLimit"]), (&json!("DEPRECATED"), &json!({ "recordsPerSecond": 7 })));
        let wrong = said.replace("deprecated", "gone").replace("recordsPerSecond: 7", "recordsPerSecond: many");
        put(again.path(), "doors.yaml", wrong);
        let refused = import(&server.database, again.path(), &["--mode", "sync"]).await;
        assert_eq!(refused.actions(), json!({ "doors": "refused" }));
        let findings = refused.report()["items"][0]["findings"].clone();
        let places: Vec<_> = findings.as_array().expect("findings").iter().map(|f| f["pointer"].as_str().unwrap_or_default()).collect();
        assert_eq!(places, ["/metadata/lifecycle", "/metadata/rateLimit/recordsPerSecond"], "{findings:#}");
    }
}
