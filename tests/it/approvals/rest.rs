//! The same over REST.

use serde_json::json;

use super::{open, person, policy};
use crate::on_both_databases;

on_both_databases! {
    async fn a_request_goes_its_way(server: TestServer) {
        let (bob, eve) = (person(&server, "bob", "operator"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true, "secretChange": true })).await;
        let id = open(&bob, "doors").await;
        let path = format!("/api/v1/datasources/{id}");
        eve.post(&format!("{path}/publish"), json!({})).await.refused(403, "APPROVAL_REQUIRED");
        let asked = bob.post(&format!("{path}/approvals"), json!({ "comment": "please" })).await.ok(200);
        assert_eq!((&asked["action"], &asked["status"], &asked["author"]), (&json!("publish"), &json!("pending"), &json!("bob")));
        assert_eq!(asked["version"], 1);
        let request = asked["id"].as_str().expect("an id").to_owned();
        let at = |verb: &str| format!("/api/v1/approvals/{request}/{verb}");
        eve.post(&at("reject"), json!({})).await.refused(400, "VALIDATION_FAILED");
        eve.post(&at("reject"), json!({ "comment": "no" })).await.ok(200);
        eve.post(&at("approve"), json!({})).await.refused(409, "CONFLICT");

        let asked = bob.post(&format!("{path}/approvals"), json!({ "version": 1 })).await.ok(200);
        let withdrawn = format!("/api/v1/approvals/{}/withdraw", asked["id"].as_str().expect("an id"));
        assert_eq!(bob.post(&withdrawn, json!({})).await.ok(200)["status"], "withdrawn");
        let asked = bob.post(&format!("{path}/approvals"), json!({})).await.ok(200);
        let agree = format!("/api/v1/approvals/{}/approve", asked["id"].as_str().expect("an id"));
        assert_eq!(eve.post(&agree, json!({ "comment": "fine" })).await.ok(200)["status"], "approved");
        let version = eve.get(&format!("{path}/versions/1")).await.ok(200);
        assert_eq!((&version["approval"], &version["approvedBy"]), (&json!("approved"), &json!("eve")));
        let live = eve.post(&format!("{path}/publish"), json!({})).await.ok(200);
        assert_eq!(live["currentVersion"], 1);

        let all = eve.get("/api/v1/approvals?limit=2").await;
        let next = all.link("next").expect("a next page");
        let words = |page: &serde_json::Value| -> Vec<String> {
            let nodes = page.as_array().expect("an array").iter();
            nodes.map(|node| node["status"].as_str().expect("a word").to_owned()).collect()
        };
        assert_eq!(words(&all.ok(200)), ["used", "withdrawn"]);
        assert_eq!(words(&eve.get(&next).await.ok(200)), ["rejected"]);
        let some = eve.get(&format!("/api/v1/approvals?status=rejected&status=used&action=publish&datasourceId={id}")).await;
        assert_eq!(words(&some.ok(200)), ["used", "rejected"]);

        let secret = json!({ "key": "k", "value": "v", "requestApproval": true });
        let asked = eve.post(&format!("{path}/secrets"), secret).await.ok(200);
        assert_eq!((&asked["version"], &asked["repinRequired"]), (&json!(1), &json!(false)));
        assert_eq!(eve.get(&format!("{path}/secrets")).await.ok(200), json!([]));
        let agree = format!("/api/v1/approvals/{}/approve", asked["approvalId"].as_str().expect("an id"));
        let ada = person(&server, "ada", "admin");
        assert_eq!(ada.post(&agree, json!({})).await.ok(200)["status"], "used");
        assert_eq!(eve.get(&format!("{path}/secrets")).await.ok(200)[0]["version"], 1);
    }

    async fn a_request_is_made_once_under_one_key(server: TestServer) {
        let bob = person(&server, "bob", "operator");
        policy(&server, json!({ "publish": true })).await;
        let id = open(&bob, "doors").await;
        let ask = || {
            let call = bob.call(reqwest::Method::POST, &format!("/api/v1/datasources/{id}/approvals"));
            call.header("idempotency-key", "one").json(&json!({})).send()
        };
        let (first, again) = (ask().await, ask().await);
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(first.ok(200), again.ok(200));
    }
}
