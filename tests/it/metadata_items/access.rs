//! Who sees, saves and shares what.

use datasource_studio::domain::Role;
use serde_json::json;

use super::{delete, item, names, refusal, save, save_with, template, versions, view};
use crate::on_both_databases;

on_both_databases! {
    async fn a_view_is_its_owners_until_an_admin_shares_it(server: TestServer) {
        let (viewer, operator, admin) = (server.viewer(), server.operator(), server.admin());
        let saved = save(&viewer, "SAVED_VIEW", "mine", view("a")).await;
        assert_eq!((&saved["visibility"], &saved["owner"]), (&json!("PRIVATE"), &json!("viewer@acme")));
        assert!(item(&operator, "SAVED_VIEW", "mine").await.is_null());
        assert!(!names(&operator, "SAVED_VIEW").await.contains(&"mine".to_owned()));
        assert!(names(&viewer, "SAVED_VIEW").await.contains(&"mine".to_owned()));
        assert_eq!(item(&admin, "SAVED_VIEW", "mine").await["owner"], "viewer@acme");

        // Somebody else can neither take the name nor reach what is under it.
        let other = json!({ "type": "SAVED_VIEW", "name": "mine", "data": view("b") });
        let (code, message, _) = refusal(&operator, "saveMetadataItem", other).await;
        assert!(code == "CONFLICT" && message.contains("taken"), "{message}");
        let gone = refusal(&operator, "deleteMetadataItem", json!({ "type": "SAVED_VIEW", "name": "mine" })).await;
        assert_eq!(gone.0, "NOT_FOUND");

        let share = json!({ "type": "SAVED_VIEW", "name": "mine", "data": view("a"), "visibility": "SHARED" });
        let (code, message, _) = refusal(&viewer, "saveMetadataItem", share.clone()).await;
        assert!(code == "FORBIDDEN" && message.contains("admin"), "{message}");
        let shared = save_with(&admin, "SAVED_VIEW", "mine", view("a"), json!({ "visibility": "SHARED" })).await;
        assert_eq!((&shared["owner"], &shared["version"], &shared["revision"]), (&json!("viewer@acme"), &json!(1), &json!(2)));
        assert_eq!(item(&operator, "SAVED_VIEW", "mine").await["visibility"], "SHARED");
        // What all see is not changed by one.
        let own = json!({ "type": "SAVED_VIEW", "name": "mine", "data": view("c") });
        assert_eq!(refusal(&viewer, "saveMetadataItem", own).await.0, "FORBIDDEN");
    }

    async fn a_deleted_view_tells_nothing_to_who_takes_its_name(server: TestServer) {
        let (viewer, operator) = (server.viewer(), server.operator());
        save(&viewer, "SAVED_VIEW", "mine", view("secret")).await;
        delete(&viewer, "SAVED_VIEW", "mine").await;
        let saved = save(&operator, "SAVED_VIEW", "mine", view("b")).await;
        assert_eq!((&saved["owner"], &saved["version"]), (&json!("operator@acme"), &json!(1)));
        assert_eq!(versions(&operator, "SAVED_VIEW", "mine").await.len(), 1);
        assert_eq!(versions(&viewer, "SAVED_VIEW", "mine").await[0]["data"], view("secret"));
    }

    async fn templates_are_for_admins_of_the_whole_organisation_to_write(server: TestServer) {
        let input = json!({ "type": "CONNECTOR_TEMPLATE", "name": "orders", "data": template() });
        for caller in [server.viewer(), server.operator(), server.limited_to(Role::Admin, &["billing"])] {
            for mutation in ["saveMetadataItem", "deleteMetadataItem", "restoreMetadataItem"] {
                let mut input = json!({ "type": "CONNECTOR_TEMPLATE", "name": "orders" });
                match mutation {
                    "saveMetadataItem" => input["data"] = template(),
                    "restoreMetadataItem" => input["version"] = json!(1),
                    _ => {}
                }
                assert_eq!(refusal(&caller, mutation, input).await.0, "FORBIDDEN", "{mutation}");
            }
        }
        let private = json!({ "type": "CONNECTOR_TEMPLATE", "name": "orders", "data": template(), "visibility": "PRIVATE" });
        let (code, _, problems) = refusal(&server.admin(), "saveMetadataItem", private).await;
        assert_eq!((code.as_str(), &problems[0]["pointer"]), ("VALIDATION_FAILED", &json!("/visibility")));
        server.admin().mutate("saveMetadataItem", input, "item { name }").await;
        for caller in [server.viewer(), server.limited_to(Role::Viewer, &["billing"])] {
            assert_eq!(item(&caller, "CONNECTOR_TEMPLATE", "orders").await["owner"], "admin@acme");
        }
    }

    async fn another_organisation_has_its_own(server: TestServer) {
        let stranger = server.client(Role::Admin, "other");
        save(&server.admin(), "CONNECTOR_TEMPLATE", "orders", template()).await;
        assert!(item(&stranger, "CONNECTOR_TEMPLATE", "orders").await.is_null());
        let saved = save(&stranger, "CONNECTOR_TEMPLATE", "orders", template()).await;
        assert_eq!((&saved["owner"], &saved["version"]), (&json!("admin@other"), &json!(1)));
        delete(&stranger, "CONNECTOR_TEMPLATE", "orders").await;
        assert_eq!(item(&server.admin(), "CONNECTOR_TEMPLATE", "orders").await["owner"], "admin@acme");
    }

    async fn each_change_is_in_the_audit_log(server: TestServer) {
        let admin = server.admin();
        save_with(&admin, "CONNECTOR_TEMPLATE", "orders", template(), json!({ "comment": "first" })).await;
        delete(&admin, "CONNECTOR_TEMPLATE", "orders").await;
        let query = "{ auditLog(filter: { outcome: SUCCESS }) { nodes { action actor reason field oldValue newValue } } }";
        let data = admin.data(query, json!({})).await;
        let entries = data["auditLog"]["nodes"].as_array().expect("entries").clone();
        let about = |action: &str, field: &str| {
            let field = format!("metadataItems.connector_template.orders.{field}");
            let found = entries.iter().find(|entry| entry["action"] == action && entry["field"] == field);
            found.unwrap_or_else(|| panic!("{action} {field}: {entries:#?}")).clone()
        };
        assert_eq!(about("metadata_item_saved", "version")["reason"], "first");
        assert_eq!(about("metadata_item_deleted", "active")["actor"], "admin@acme");
        assert!(about("metadata_item_saved", "checksum")["newValue"].to_string().len() > 64);
    }
}
