//! The same over REST.

use reqwest::Method;
use serde_json::json;

use super::receiver::Receiver;
use super::{becomes, shown};
use crate::harness::eventually;
use crate::on_both_databases;

const ENDPOINTS: &str = "/api/v1/notifications/endpoints";
const DELIVERIES: &str = "/api/v1/notifications/deliveries";

on_both_databases! {
    async fn an_endpoint_lives_over_rest(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let body = json!({ "url": receiver.url("/hook"), "description": "Team billing",
            "filter": { "eventTypes": ["publish"], "ownerId": "ada" } });
        // A secret that is shown once cannot be repeated.
        let keyed = admin.call(Method::POST, ENDPOINTS).header("idempotency-key", "one").json(&body).send().await;
        assert_eq!(keyed.refused(400, "VALIDATION_FAILED")["problems"][0]["pointer"], "/headers/idempotency-key");
        let made = admin.post(ENDPOINTS, body).await.ok(200);
        let (hook, secret) = (made["endpoint"]["id"].as_str().expect("an id"), made["secret"].as_str().expect("a secret"));
        assert_eq!(made["endpoint"]["filter"]["eventTypes"], json!(["publish"]));
        assert_eq!(made["endpoint"]["filter"]["ownerId"], "ada");
        let list = admin.get(ENDPOINTS).await.ok(200);
        assert_eq!(list, json!([made["endpoint"]]));

        let one = format!("{ENDPOINTS}/{hook}");
        let sent = admin.post(&format!("{one}/test"), json!({ "reason": "a look" })).await.ok(200);
        assert_eq!((&sent["status"], &sent["type"]), (&json!("pending"), &json!("notification.test")));
        becomes(&admin, hook, "DELIVERED").await;
        assert!(receiver.visits()[0].is_signed_by(secret));
        let log = admin.get(&format!("{DELIVERIES}?endpointId={hook}&status=delivered")).await.ok(200);
        assert_eq!((&log[0]["id"], &log[0]["attempts"][0]["status"]), (&sent["id"], &json!(200)));
        assert_eq!(admin.get(&format!("{DELIVERIES}?status=failed")).await.ok(200), json!([]));

        let id = sent["id"].as_str().expect("an id");
        let again = admin.post(&format!("{DELIVERIES}/{id}/redeliver"), json!({})).await.ok(200);
        assert_eq!(again["status"], "pending");
        eventually("it arrives again", || async { (receiver.visits().len() == 2).then_some(()) }).await;
        becomes(&admin, hook, "DELIVERED").await;
        let recovered = admin.post(&format!("{one}/recover"), json!({ "since": "2020-01-01T00:00:00Z" })).await.ok(200);
        assert_eq!(recovered, json!({ "recovered": 0 }));

        let rotated = admin.post(&format!("{one}/rotate-secret"), json!({ "overlap": "1h" })).await.ok(200);
        assert_ne!(rotated["secret"], made["secret"]);
        assert_eq!(rotated["endpoint"]["secrets"].as_array().map(Vec::len), Some(2));
        for (overlap, why) in [("8d", "at most 7d"), ("soon", "not a duration")] {
            let refused = admin.post(&format!("{one}/rotate-secret"), json!({ "overlap": overlap })).await;
            let refused = refused.refused(400, "VALIDATION_FAILED");
            assert_eq!(refused["problems"][0]["pointer"], "/overlap");
            assert!(refused["problems"][0]["message"].as_str().expect("a text").contains(why), "{refused}");
        }

        let off = json!({ "active": false, "filter": {}, "reason": "a pause" });
        let off = admin.call(Method::PATCH, &one).json(&off).send().await.ok(200);
        assert_eq!((&off["active"], &off["filter"]["eventTypes"]), (&json!(false), &json!([])));
        assert_eq!(off["description"], "Team billing", "what is left out stays");
        assert_eq!(shown(&admin, hook).await["active"], false);
        admin.post(&format!("{one}/test"), json!({})).await.refused(409, "CONFLICT");
        let wrong = json!({ "filter": { "ownerId": "" } });
        let wrong = admin.call(Method::PATCH, &one).json(&wrong).send().await.refused(400, "VALIDATION_FAILED");
        assert_eq!(wrong["problems"][0]["pointer"], "/filter/ownerId");
        let gone = admin.call(Method::DELETE, &format!("{one}?reason=over")).send().await.ok(200);
        assert_eq!(gone["id"], hook);
        admin.call(Method::DELETE, &one).send().await.refused(404, "NOT_FOUND");
        assert_eq!(admin.get(DELIVERIES).await.ok(200), json!([]), "its log went with it");
    }

    async fn a_test_with_a_key_is_sent_once(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let made = admin.post(ENDPOINTS, json!({ "url": receiver.url("/hook") })).await.ok(200);
        let path = format!("{ENDPOINTS}/{}/test", made["endpoint"]["id"].as_str().expect("an id"));
        let send = || async {
            admin.call(Method::POST, &path).header("idempotency-key", "once").json(&json!({})).send().await
        };
        let first = send().await.ok(200);
        let second = send().await;
        assert_eq!(second.header("idempotent-replayed"), "true");
        assert_eq!(second.ok(200)["id"], first["id"]);
        assert_eq!(admin.get(DELIVERIES).await.ok(200).as_array().map(Vec::len), Some(1));
    }
}
