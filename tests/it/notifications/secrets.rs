//! What signs: shown once, sealed, rotated with both for a while, moved to new data keys, and opened on the record.

use serde_json::{Value, json};

use super::receiver::{Receiver, Visit};
use super::{audited, endpoint, messages, shown, test, told};
use crate::harness::{Client, TestServer, eventually};
use crate::on_both_databases;

async fn rotate(admin: &Client, hook: &str, overlap: &str) -> String {
    let input = json!({ "id": hook, "overlap": overlap, "reason": "a test" });
    let new = admin.mutate("rotateNotificationSecret", input, "secret").await;
    new["secret"].as_str().expect("a secret").to_owned()
}

/// Sends a test and waits for it.
async fn next(admin: &Client, hook: &str, receiver: &Receiver) -> Visit {
    let id = test(admin, hook).await;
    eventually("the test arrives", || async { receiver.visits().into_iter().find(|visit| visit.id() == id) }).await
}

fn signatures(visit: &Visit) -> usize {
    visit.header("webhook-signature").split(' ').count()
}

/// The keys of the organisation: how many values each seals, the active one last.
async fn sealed(admin: &Client) -> Vec<(bool, u64)> {
    let data = admin.data("{ encryptionKeys { dataKeys { active secrets } rotations { status } } }", json!({})).await;
    let keys = data["encryptionKeys"]["dataKeys"].as_array().expect("keys").iter();
    keys.map(|key| (key["active"] == true, key["secrets"].as_u64().expect("a number"))).collect()
}

on_both_databases! {
    async fn both_secrets_sign_until_the_overlap_is_over(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let (hook, first) = told(&admin, &receiver).await;
        assert_eq!(signatures(&next(&admin, &hook, &receiver).await), 1);

        let second = rotate(&admin, &hook, "1h").await;
        assert_ne!(first, second);
        let visit = next(&admin, &hook, &receiver).await;
        assert!(visit.is_signed_by(&first) && visit.is_signed_by(&second), "{visit:?}");
        let secrets = shown(&admin, &hook).await["secrets"].clone();
        assert_eq!(secrets.as_array().map(Vec::len), Some(2));
        assert!(secrets[0]["version"] == 2 && secrets[0]["expiresAt"].is_null() && secrets[1]["expiresAt"].is_string());

        // As if the hour were over.
        let sql = server.database.sql().await;
        sql.run("UPDATE notification_secrets SET expires_at = created_at WHERE expires_at IS NOT NULL").await;
        sql.close().await;
        let visit = next(&admin, &hook, &receiver).await;
        assert!(!visit.is_signed_by(&first) && visit.is_signed_by(&second), "{visit:?}");

        let third = rotate(&admin, &hook, "0s").await;
        let visit = next(&admin, &hook, &receiver).await;
        assert!(!visit.is_signed_by(&second) && visit.is_signed_by(&third), "at once, where the old one leaked: {visit:?}");
        assert_eq!(signatures(&visit), 1);
        assert_eq!(audited(&admin, "notification_secret_rotated").await.len(), 2);
    }

    async fn a_secret_is_shown_once_and_stored_sealed(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let (hook, secret) = told(&admin, &receiver).await;
        let visit = next(&admin, &hook, &receiver).await;
        assert!(secret.starts_with("whsec_") && visit.is_signed_by(&secret));

        let sql = server.database.sql().await;
        let stored = sql.column::<Vec<u8>>("SELECT ciphertext FROM notification_secrets").await.remove(0);
        sql.close().await;
        assert!(!String::from_utf8_lossy(&stored).contains(&secret[..12]));
        let query = "{ auditLog(first: 100) { nodes { action field oldValue newValue reason } } }";
        let log = admin.data(query, json!({})).await.to_string();
        let shown = format!("{}{log}{}", shown(&admin, &hook).await, json!(messages(&admin, &hook).await));
        assert!(!shown.contains(&secret[6..]), "{shown}");
        assert!(!server.metrics().await.contains(&secret[6..]));
    }

    /// Once a node and a secret, and not once a message.
    async fn each_opening_is_audited(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let (hook, _) = told(&admin, &receiver).await;
        for _ in 0..3 {
            next(&admin, &hook, &receiver).await;
        }
        let expected = json!({
            "actor": "system:notifications", "reason": "notifications", "outcome": "SUCCESS",
            "field": format!("notificationEndpoints.{hook}.secret"), "oldValue": null, "newValue": { "version": 1 },
        });
        assert_eq!(audited(&admin, "secrets_opened").await, [expected]);
        rotate(&admin, &hook, "0s").await;
        next(&admin, &hook, &receiver).await;
        let opened = audited(&admin, "secrets_opened").await;
        assert_eq!((opened.len(), &opened[0]["newValue"]["version"]), (2, &json!(2)));
    }

    async fn signing_secrets_move_to_a_new_data_key(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let (hook, secret) = told(&admin, &receiver).await;
        let (other, _) = endpoint(&admin, &receiver.url("/other"), json!({})).await;
        let id = admin.webhook("orders", crate::harness::server::open_webhook(json!({}))).await;
        let value = json!({ "id": id, "key": "token", "value": "of no use" });
        admin.mutate("setDatasourceSecret", value, "secret { key }").await;
        assert_eq!(sealed(&admin).await, [(true, 3)], "those of endpoints count");
        admin.mutate("rotateKeys", json!({ "kind": "DATA_KEY" }), "rotation { id }").await;
        eventually("all have moved", || async { (sealed(&admin).await == [(false, 0), (true, 3)]).then_some(()) }).await;
        let ended = "{ encryptionKeys { rotations { status total done error } } }";
        let rotation = eventually("the rotation ended", || async {
            let mut rotation = admin.data(ended, json!({})).await["encryptionKeys"]["rotations"][0].take();
            (rotation["status"].take() == "SUCCEEDED").then_some(rotation)
        })
        .await;
        assert_eq!((&rotation["total"], &rotation["done"], &rotation["error"]), (&json!(3), &json!(3), &Value::Null));
        let retired = admin.mutate("retireKeys", json!({}), "retired").await;
        assert_eq!(retired["retired"].as_array().map(Vec::len), Some(1));

        // A process that remembers no key opens what is stored now.
        let server = TestServer::on(server.stop().await, &[]).await;
        let admin = server.admin();
        assert!(next(&admin, &hook, &receiver).await.is_signed_by(&secret));
        assert!(!next(&admin, &other, &receiver).await.is_signed_by(&secret), "each endpoint has its own");
    }
}
