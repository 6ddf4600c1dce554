//! How much there may be.

use serde_json::{Value, json};

use super::{delete, names, refusal, save, template, view};
use crate::gitops::run;
use crate::on_both_databases;

on_both_databases! {
    async fn an_item_has_a_length_and_an_organisation_a_quota(server: TestServer) {
        let admin = server.admin();
        let long = json!({ "list": "datasources", "columns": ["x".repeat(300 * 1024)] });
        let (code, _, problems) = refusal(&admin, "saveMetadataItem", json!({ "type": "SAVED_VIEW", "name": "long", "data": long })).await;
        assert_eq!((code.as_str(), &problems[0]["pointer"]), ("VALIDATION_FAILED", &json!("/data")));
        assert!(problems[0]["message"].as_str().is_some_and(|m| m.contains("262144")), "{problems:#}");

        let set = run(&server.database, &["quota", "set", "metadata_items", "2"]).await;
        assert_eq!(set.code, Some(0), "{}", set.err);
        save(&admin, "SAVED_VIEW", "one", view("1")).await;
        save(&admin, "CONNECTOR_TEMPLATE", "two", template()).await;
        let third = json!({ "type": "SAVED_VIEW", "name": "three", "data": view("3") });
        let (_, message, _) = refusal(&admin, "saveMetadataItem", third).await;
        assert!(message.contains("metadata_items") && message.contains("delete one"), "{message}");
        save(&admin, "SAVED_VIEW", "one", view("changed")).await;
        let used = admin.data("{ viewer { quotas { name limit used } } }", Value::Null).await;
        let quotas = used["viewer"]["quotas"].as_array().expect("quotas").clone();
        assert!(quotas.contains(&json!({ "name": "metadata_items", "limit": 2, "used": 2 })), "{quotas:?}");
        // What was deleted takes no place, and takes one again to come back.
        delete(&admin, "SAVED_VIEW", "one").await;
        save(&admin, "SAVED_VIEW", "three", view("3")).await;
        let back = json!({ "type": "SAVED_VIEW", "name": "one", "version": 1 });
        assert!(refusal(&admin, "restoreMetadataItem", back).await.1.contains("metadata_items"));
        assert!(!names(&admin, "SAVED_VIEW").await.contains(&"one".to_owned()));
    }

    async fn one_person_does_not_take_all_the_names(server: TestServer) {
        let viewer = server.viewer();
        for n in 0..100 {
            save(&viewer, "SAVED_VIEW", &format!("view {n}"), view("a")).await;
        }
        let more = json!({ "type": "SAVED_VIEW", "name": "one more", "data": view("a") });
        let (code, message, _) = refusal(&viewer, "saveMetadataItem", more).await;
        assert!(code == "VALIDATION_FAILED" && message.contains("100 private views"), "{message}");
        save(&server.operator(), "SAVED_VIEW", "another person's", view("a")).await;
    }

    /// A few lines that stand for gigabytes are refused in the time and memory of a few lines.
    async fn a_template_does_not_grow_without_end(server: TestServer) {
        let admin = server.admin();
        let mut data = template();
        data["config"]["mapping"]["outputs"][0]["fields"] = json!({ "many": format!("x{}", "{{param.path}}".repeat(5_000)) });
        save(&admin, "CONNECTOR_TEMPLATE", "bomb", data).await;
        let template = json!({ "name": "bomb", "parameters": { "path": "x".repeat(100_000) } });
        let input = json!({ "name": "bomb", "type": "webhook", "template": template });
        let (code, message, problems) = refusal(&admin, "createDatasource", input).await;
        assert_eq!((code.as_str(), &problems[0]["pointer"]), ("VALIDATION_FAILED", &json!("/template/parameters")));
        assert!(message.contains("262144"), "{message}");
    }
}
