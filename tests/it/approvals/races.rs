//! What happens at the same time: one after the other, in either order, and never something in between.

use serde_json::{Value, json};

use super::{
    approve, ask, ask_for_secret, code, guarded, let_expire, open, person, policy, requests, set_secret, status,
};
use crate::on_both_databases;

/// Enough for both orders to come up.
const ROUNDS: usize = 12;

on_both_databases! {
    async fn two_people_who_agree_at_once_are_two(server: TestServer) {
        let bob = person(&server, "bob", "operator");
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true, "approvers": 2 })).await;
        for round in 0..ROUNDS {
            let id = open(&bob, &format!("doors {round}")).await;
            let request = ask(&bob, &id).await;
            let agree = || json!({ "id": request });
            let (one, two) =
                tokio::join!(code(&ada, "approveVersion", agree()), code(&eve, "approveVersion", agree()));
            assert_eq!((one.as_str(), two.as_str()), ("", ""));
            let found = requests(&bob, &id).await.remove(0);
            assert_eq!((&found["status"], found["decisions"].as_array().map(Vec::len)), (&json!("APPROVED"), Some(2)));
        }
    }

    async fn the_last_agreement_is_given_once(server: TestServer) {
        let bob = person(&server, "bob", "operator");
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true })).await;
        for round in 0..ROUNDS {
            let id = open(&bob, &format!("doors {round}")).await;
            let request = ask(&bob, &id).await;
            let agree = || json!({ "id": request });
            let (one, two) =
                tokio::join!(code(&ada, "approveVersion", agree()), code(&eve, "approveVersion", agree()));
            let mut ends = [one, two];
            ends.sort();
            assert_eq!(ends, ["", "CONFLICT"]);
            assert_eq!(requests(&bob, &id).await[0]["decisions"].as_array().map(Vec::len), Some(1));
        }
    }

    /// Either the version goes live with the value that was agreed to, or it does not go live.
    async fn a_version_never_goes_live_with_a_secret_that_nobody_agreed_to(server: TestServer) {
        let bob = person(&server, "bob", "operator");
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true })).await;
        for round in 0..ROUNDS {
            let id = guarded(&bob, &format!("guarded {round}")).await;
            set_secret(&ada, &id, "hook_token", "one").await;
            let request = ask(&bob, &id).await;
            approve(&eve, &request).await;
            let (published, ()) = tokio::join!(
                code(&ada, "publishDatasource", json!({ "id": id })),
                set_secret(&eve, &id, "hook_token", "two"),
            );
            let query = "query($id: ID!) { datasource(id: $id) { currentVersion { secretPins { version } } } }";
            let live = ada.data(query, json!({ "id": id })).await["datasource"]["currentVersion"].take();
            match published.as_str() {
                "" => {
                    assert_eq!(live["secretPins"], json!([{ "version": 1 }]));
                    assert_eq!(status(&bob, &id, &request).await, "USED");
                }
                other => {
                    assert_eq!((other, &live), ("APPROVAL_REQUIRED", &Value::Null));
                    assert_eq!(status(&bob, &id, &request).await, "VOID");
                }
            }
        }
    }

    /// The value counts, or it is over and counts never.
    async fn an_agreement_at_the_last_moment_counts_or_does_not(server: TestServer) {
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        policy(&server, json!({ "secretChange": true })).await;
        let id = guarded(&ada, "guarded").await;
        for round in 0..ROUNDS {
            let key = format!("key-{round}");
            let request = ask_for_secret(&ada, &id, &key, "one").await;
            let (agreed, ()) =
                tokio::join!(code(&eve, "approveVersion", json!({ "id": request })), let_expire(&server));
            let query = "query($id: ID!) { datasource(id: $id) { secrets { key } } }";
            let secrets = ada.data(query, json!({ "id": id })).await["datasource"]["secrets"].take();
            let counts = secrets.as_array().expect("secrets").iter().any(|secret| secret["key"] == *key);
            let (agreed, status) = (agreed.as_str(), status(&ada, &id, &request).await);
            assert!(
                matches!((agreed, status.as_str(), counts), ("", "USED", true) | ("CONFLICT", "EXPIRED", false)),
                "{agreed:?} {status} {counts}"
            );
        }
    }

    /// An agreement is used up once.
    async fn of_two_who_publish_at_once_one_does(server: TestServer) {
        let bob = person(&server, "bob", "operator");
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true })).await;
        let id = open(&bob, "doors").await;
        let request = ask(&bob, &id).await;
        approve(&eve, &request).await;
        let publish = || json!({ "id": id });
        let (one, two) =
            tokio::join!(code(&ada, "publishDatasource", publish()), code(&eve, "publishDatasource", publish()));
        let mut ends = [one, two];
        ends.sort();
        assert_eq!(ends, ["", "CONFLICT"]);
        assert_eq!(status(&bob, &id, &request).await, "USED");
    }
}
