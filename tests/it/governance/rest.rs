//! The same over REST.

use reqwest::Method;
use serde_json::{Value, json};

use super::make;
use crate::on_both_databases;

on_both_databases! {
    async fn metadata_is_patched_read_back_and_rolled_back(server: TestServer) {
        let admin = server.admin();
        let id = make(&admin, "doors", json!({})).await;
        let path = format!("/api/v1/datasources/{id}/metadata");
        let patch = |body: Value| admin.call(Method::PATCH, &path).json(&body).send();
        let first = admin.get(&path).await;
        let etag = first.header("etag").to_owned();
        let bare = json!({
            "datasourceId": id, "ownerId": "admin@acme", "team": null, "category": null, "tags": [], "lifecycle": "draft",
            "visibility": { "communities": [], "groups": [] }, "sla": null, "rateLimit": null, "revision": 1,
        });
        assert_eq!(first.ok(200), bare);
        let said = json!({ "visibility": { "groups": ["ops"] }, "lifecycle": "published", "reason": "for consumers",
            "sla": { "availabilityPercent": 99.5, "maxLagSeconds": 60 }, "rateLimit": { "recordsPerSecond": 5 } });
        let now = patch(said).await.ok(200);
        assert_eq!(now["sla"], json!({ "availabilityPercent": 99.5, "maxLagSeconds": 60, "supportTier": null }));
        assert_eq!((&now["lifecycle"], &now["visibility"]), (&json!("published"), &json!({ "communities": [], "groups": ["ops"] })));
        let now = patch(json!({ "sla": { "maxLagSeconds": null }, "visibility": { "communities": ["partners"] } })).await.ok(200);
        assert_eq!(now["sla"], json!({ "availabilityPercent": 99.5, "maxLagSeconds": null, "supportTier": null }));
        assert_eq!(now["visibility"], json!({ "communities": ["partners"], "groups": ["ops"] }));
        let now = patch(json!({ "sla": null, "visibility": null, "rateLimit": null })).await.ok(200);
        assert_eq!((&now["sla"], &now["visibility"], &now["rateLimit"]), (&bare["sla"], &bare["visibility"], &bare["rateLimit"]));
        let detail = admin.get(&format!("/datasources/{id}")).await.ok(200);
        assert_eq!((&detail["lifecycle"], &detail["visibility"]), (&json!("published"), &bare["visibility"]));

        for (body, place) in [
            (json!({ "lifecycle": null }), "/lifecycle"),
            (json!({ "lifecycle": "gone" }), "/lifecycle"),
            (json!({ "visibility": ["ops"] }), "/visibility"),
            (json!({ "visibility": { "people": [] } }), "/visibility"),
            (json!({ "sla": { "maxLagSeconds": "soon" } }), "/sla/maxLagSeconds"),
            (json!({ "rateLimit": { "recordsPerSecond": 0 } }), "/rateLimit/recordsPerSecond"),
        ] {
            let refusal = patch(body.clone()).await.refused(400, "VALIDATION_FAILED");
            let pointer = refusal["problems"][0]["pointer"].as_str().expect("a place");
            assert!(pointer.starts_with(place), "{body}: {pointer}");
        }
        admin.call(Method::PATCH, &path).header("if-match", &etag).json(&json!({ "team": "x" })).send().await.refused(412, "CONFLICT");

        let page = admin.get(&format!("{path}/history?limit=3")).await;
        let next = page.link("next").expect("the first one follows");
        let page = page.ok(200);
        assert_eq!((&page[0]["revision"], &page[2]["reason"]), (&json!(4), &json!("for consumers")));
        assert_eq!(page[2]["metadata"]["visibility"]["groups"], json!(["ops"]));
        assert_eq!(admin.get(&next).await.ok(200)[0]["revision"], 1);
        server.operator().get(&format!("{path}/history")).await.refused(403, "FORBIDDEN");

        let back = format!("{path}/rollback");
        let once = || admin.call(Method::POST, &back).header("idempotency-key", "one").json(&json!({ "revision": 2 })).send();
        let (done, again) = (once().await, once().await);
        assert!(done.header("etag").starts_with("\"5-"), "{}", done.header("etag"));
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(done.body["visibility"]["groups"], json!(["ops"]));
        assert_eq!(done.ok(200), again.ok(200));
        let refusal = admin.post(&back, json!({ "revision": 9 })).await.refused(400, "VALIDATION_FAILED");
        assert_eq!(refusal["problems"][0]["pointer"], "/revision");
        admin.call(Method::POST, &back).header("if-match", &etag).json(&json!({ "revision": 1 })).send().await.refused(412, "CONFLICT");
    }

    async fn rules_are_put_with_a_precondition_and_what_breaks_them_is_listed(server: TestServer) {
        let (admin, viewer) = (server.admin(), server.viewer());
        let path = "/api/v1/governance/rules";
        for name in ["a", "b", "c"] {
            make(&admin, name, json!({ "category": "fun" })).await;
        }
        let etag = viewer.get(path).await.header("etag").to_owned();
        let body = json!({ "categories": ["sensors"], "required": [{ "lifecycle": "published", "fields": ["team", "rate_limit"] }],
            "transitions": [{ "from": "draft", "to": ["published"] }] });
        viewer.call(Method::PUT, path).json(&body).send().await.refused(403, "FORBIDDEN");
        let put = |etag: &str| admin.call(Method::PUT, path).header("if-match", etag).json(&body).send();
        let set = put(&etag).await.ok(200);
        assert_eq!((&set["revision"], &set["required"], &set["transitions"]), (&json!(1), &body["required"], &body["transitions"]));
        put(&etag).await.refused(412, "CONFLICT");
        let tuple = json!({ "transitions": [["draft", ["published"]]] });
        admin.call(Method::PUT, path).json(&tuple).send().await.refused(400, "VALIDATION_FAILED");
        let known = viewer.get(path).await;
        let same = viewer.call(Method::GET, path).header("if-none-match", known.header("etag")).send().await;
        assert_eq!(same.status, 304);

        let new = json!({ "name": "d", "type": "webhook", "category": "games", "lifecycle": "published" });
        let refusal = admin.post("/datasources", new).await.refused(400, "VALIDATION_FAILED");
        let places: Vec<_> = refusal["problems"].as_array().expect("problems").iter().map(|p| p["pointer"].clone()).collect();
        assert_eq!(places, [json!("/category"), json!("/team"), json!("/rateLimit")]);
        let listed = admin.get("/api/v1/governance/violations?limit=2").await;
        let next = listed.link("next").expect("one more");
        let listed = listed.ok(200);
        assert_eq!(listed[0]["problems"], json!([{ "pointer": "/category", "message": "must be one of: sensors" }]));
        let rest = admin.get(&next).await;
        let back = rest.link("prev").expect("the way back");
        assert_eq!(rest.ok(200).as_array().map(Vec::len), Some(1));
        assert_eq!(admin.get(&back).await.ok(200), listed);
        viewer.get("/api/v1/governance/violations").await.refused(403, "FORBIDDEN");
    }
}
