//! The same over REST.

use reqwest::Method;
use serde_json::{Value, json};

use super::{template, view};
use crate::on_both_databases;

const VIEWS: &str = "/api/v1/metadata/saved_view";

on_both_databases! {
    async fn an_item_lives_its_life(server: TestServer) {
        let (viewer, admin) = (server.viewer(), server.admin());
        let path = format!("{VIEWS}/my%20feeds");
        viewer.get(&path).await.refused(404, "NOT_FOUND");
        let put = |body: Value| viewer.call(Method::PUT, &path).json(&body).send();
        let saved = put(json!({ "data": view("a"), "tags": ["x"], "comment": "first" })).await;
        let etag = saved.header("etag").to_owned();
        assert!(etag.starts_with("\"1-"), "{etag}");
        let saved = saved.ok(200);
        assert_eq!((&saved["name"], &saved["type"], &saved["ownerId"]), (&json!("my feeds"), &json!("saved_view"), &json!("viewer@acme")));
        assert_eq!((&saved["visibility"], &saved["source"], &saved["layer"]), (&json!("private"), &json!("api"), &json!("database")));

        let known = viewer.call(Method::GET, &path).header("if-none-match", &etag).send().await;
        assert_eq!(known.status, 304);
        put(json!({ "data": view("b") })).await.ok(200);
        let stale = viewer.call(Method::PUT, &path).header("if-match", &etag).json(&json!({ "data": view("c") })).send().await;
        stale.refused(412, "CONFLICT");
        viewer.call(Method::DELETE, &path).header("if-match", &etag).send().await.refused(412, "CONFLICT");

        let history = viewer.get(&format!("{path}/versions?limit=1")).await;
        assert_eq!(history.header("x-total-count"), "2");
        let next = history.link("next").expect("a next page");
        assert_eq!(history.ok(200)[0]["version"], 2);
        let first = viewer.get(&next).await.ok(200);
        assert_eq!((&first[0]["version"], &first[0]["comment"], &first[0]["data"]), (&json!(1), &json!("first"), &view("a")));

        // A restoration is done once under one key.
        let restore = || {
            let call = viewer.call(Method::POST, &format!("{path}/restore")).header("idempotency-key", "once");
            call.json(&json!({ "version": 1 })).send()
        };
        let (done, again) = (restore().await, restore().await);
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(done.ok(200), again.ok(200));
        let now = viewer.get(&path).await.ok(200);
        assert_eq!((&now["version"], &now["source"], &now["data"]), (&json!(3), &json!("database"), &view("a")));

        admin.call(Method::DELETE, &format!("{path}?reason=unused")).send().await.ok(200);
        viewer.get(&path).await.refused(404, "NOT_FOUND");
        assert_eq!(viewer.get(&format!("{path}/versions")).await.header("x-total-count"), "3");
        let audit = admin.get("/api/v1/audit-log?action=metadata_item_deleted").await.ok(200);
        assert_eq!(audit[0]["reason"], "unused");
    }

    async fn what_ships_is_listed_and_can_be_replaced_by_its_tag(server: TestServer) {
        let admin = server.admin();
        let types = admin.get("/api/v1/metadata").await;
        assert_eq!(types.header("x-total-count"), "3");
        assert_eq!(types.ok(200)[0]["type"], "connector_template");
        let list = admin.get("/api/v1/metadata/connector_template?layer=registry&limit=2").await;
        assert_eq!(list.header("x-total-count"), "4");
        assert!(list.link("next").is_some());
        assert_eq!(list.ok(200).as_array().map(Vec::len), Some(2));
        admin.get("/api/v1/metadata/recipe").await.refused(400, "VALIDATION_FAILED");

        let path = "/api/v1/metadata/connector_template/generic-webhook";
        let shipped = admin.get(path).await;
        let etag = shipped.header("etag").to_owned();
        assert!(etag.starts_with("\"0-"), "{etag}");
        let put = || admin.call(Method::PUT, path).header("if-match", &etag).json(&json!({ "data": template() })).send();
        assert_eq!(put().await.ok(200)["shadows"], json!(["registry"]));
        put().await.refused(412, "CONFLICT");
        let problem = admin.call(Method::PUT, path).json(&json!({ "data": [] })).send().await.refused(400, "VALIDATION_FAILED");
        assert_eq!(problem["problems"][0]["pointer"], "/data");
        server.operator().call(Method::PUT, path).json(&json!({ "data": template() })).send().await.refused(403, "FORBIDDEN");
    }
}
