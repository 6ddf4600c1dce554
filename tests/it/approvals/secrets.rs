//! A value that counts when somebody else agreed to it.

use serde_json::{Value, json};

use super::{
    approve, ask, ask_for_secret, code, events, guarded, outcome, person, policy, requests, set_secret, status,
};
use crate::harness::{Kind, TestServer, eventually};
use crate::on_both_databases;

const CANARY: &str = "canary-51c0de-waits-in-silence";

async fn call(server: &TestServer, id: &str, token: &str) -> u16 {
    let request = server.http.post(format!("{}/hooks/{id}", server.url)).bearer_auth(token).json(&json!({ "id": 1 }));
    request.send().await.expect("an answer").status().as_u16()
}

/// The versions of the values that are still there, though nobody may read them.
async fn kept(server: &TestServer) -> Vec<i32> {
    let sql = server.database.sql().await;
    let found = "SELECT version FROM datasource_secrets WHERE ciphertext IS NOT NULL ORDER BY version";
    let found = sql.column::<i32>(found).await;
    sql.close().await;
    found
}

/// Whoever agrees knows where the value comes from.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reference_is_shown_to_who_agrees_and_erased_when_nobody_does() {
    let server = TestServer::start_with(Kind::Postgres, &["--secret-env-prefix", "FEED_"]).await;
    let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
    policy(&server, json!({ "secretChange": true })).await;
    let id = guarded(&ada, "guarded").await;
    let input = json!({ "id": id, "key": "hook_token", "reference": "env://FEED_TOKEN", "requestApproval": true });
    let made = ada.mutate("setDatasourceSecret", input, "approval { id }").await;
    let found = requests(&eve, &id).await.remove(0);
    assert_eq!(found["secretReference"], "env://FEED_TOKEN");
    let no = json!({ "id": made["approval"]["id"], "comment": "not that one" });
    eve.mutate("rejectVersion", no, "approval { id }").await;
    let sql = server.database.sql().await;
    assert_eq!(sql.number("SELECT count(*) FROM datasource_secrets WHERE reference IS NOT NULL").await, 0);
    sql.close().await;
}

on_both_databases! {
    async fn a_value_waits_encrypted_and_counts_with_the_agreement(server: TestServer) {
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        let id = guarded(&ada, "guarded").await;
        let asked = json!({ "id": id, "key": "hook_token", "value": "one", "requestApproval": true });
        assert_eq!(code(&ada, "setDatasourceSecret", asked).await, "CONFLICT", "nothing asks for it by default");
        set_secret(&ada, &id, "hook_token", "one").await;
        ada.publish(&id).await;

        policy(&server, json!({ "secretChange": true })).await;
        let plain = json!({ "id": id, "key": "hook_token", "value": CANARY });
        let (refused, message) = outcome(&ada, "setDatasourceSecret", plain).await;
        assert_eq!(refused, "APPROVAL_REQUIRED");
        assert!(message.contains("requestApproval") && !message.contains(CANARY), "{message}");
        let request = ask_for_secret(&ada, &id, "hook_token", CANARY).await;
        let found = requests(&eve, &id).await.remove(0);
        assert_eq!((&found["action"], &found["secretVersion"]), (&json!("SECRET_CHANGE"), &json!(2)));
        assert_eq!(found["secretPins"], json!([{ "key": "hook_token", "version": 1 }]), "what it takes the place of");

        // Until then nothing runs with it, and nobody sees it.
        assert_eq!((call(&server, &id, CANARY).await, call(&server, &id, "one").await), (401, 202));
        eve.mutate("repinDatasourceSecrets", json!({ "id": id }), "datasource { id }").await;
        let secrets = "query($id: ID!) { datasource(id: $id) { secrets { version } currentVersion { secretPins { version } } } }";
        let seen = eve.data(secrets, json!({ "id": id })).await;
        let first = json!({ "secrets": [{ "version": 1 }], "currentVersion": { "secretPins": [{ "version": 1 }] } });
        assert_eq!(seen["datasource"], first);
        let everything = "query($id: ID!) { approvals { nodes { comment reason secretKey decisions { comment } } }
            datasourceEvents(id: $id) { nodes { payload } } auditLog { nodes { oldValue newValue reason field } } }";
        let seen = eve.data(everything, json!({ "id": id })).await.to_string();
        assert!(seen.contains("hook_token") && !seen.contains(CANARY));
        let sql = server.database.sql().await;
        let stored = sql.column::<Vec<u8>>("SELECT ciphertext FROM datasource_secrets ORDER BY version").await;
        assert!(stored.iter().all(|bytes| !String::from_utf8_lossy(bytes).contains(CANARY)));
        sql.close().await;

        assert_eq!(code(&ada, "approveVersion", json!({ "id": request })).await, "FORBIDDEN");
        let agreed = approve(&eve, &request).await;
        assert_eq!(agreed["status"], "USED");
        // It was asked for with `repin`.
        eventually("the new value counts", || async { (call(&server, &id, CANARY).await == 202).then_some(()) }).await;
        let seen = eve.data(secrets, json!({ "id": id })).await;
        let second = json!({ "secrets": [{ "version": 2 }], "currentVersion": { "secretPins": [{ "version": 2 }] } });
        assert_eq!(seen["datasource"], second);
        let told = events(&eve, &id).await;
        for event in ["APPROVAL_REQUESTED", "APPROVAL_GRANTED"] {
            assert!(told.contains(&event.to_owned()), "{event}: {told:?}");
        }
        assert_eq!(told.iter().filter(|event| *event == "SECRET_SET").count(), 2, "{told:?}");
        assert!(!server.metrics().await.contains(CANARY));
    }

    async fn the_first_value_of_a_key_waits_too(server: TestServer) {
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        policy(&server, json!({ "secretChange": true })).await;
        let id = guarded(&ada, "guarded").await;
        let request = ask_for_secret(&ada, &id, "hook_token", "one").await;
        assert_eq!(code(&eve, "publishDatasource", json!({ "id": id })).await, "SECRET_MISSING");
        let again = json!({ "id": id, "key": "hook_token", "value": "two", "requestApproval": true });
        assert_eq!(code(&eve, "setDatasourceSecret", again).await, "CONFLICT", "one at a time");
        assert_eq!(approve(&eve, &request).await["status"], "USED");
        eve.publish(&id).await;
        assert_eq!(call(&server, &id, "one").await, 202);
    }

    async fn a_value_that_nobody_agreed_to_is_gone(server: TestServer) {
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        policy(&server, json!({ "secretChange": true })).await;
        let id = guarded(&ada, "guarded").await;
        let request = ask_for_secret(&ada, &id, "hook_token", CANARY).await;
        assert_eq!(kept(&server).await, [1]);
        let no = json!({ "id": request, "comment": "too short" });
        eve.mutate("rejectVersion", no, "approval { status }").await;
        assert_eq!(kept(&server).await, Vec::<i32>::new());
        let request = ask_for_secret(&ada, &id, "hook_token", CANARY).await;
        assert_eq!(kept(&server).await, [2], "no number is used twice");
        ada.mutate("withdrawApproval", json!({ "id": request }), "approval { status }").await;
        assert_eq!(kept(&server).await, Vec::<i32>::new());

        // What is set when no policy asks any more is newer than what waits.
        let request = ask_for_secret(&ada, &id, "hook_token", CANARY).await;
        policy(&server, json!({})).await;
        set_secret(&eve, &id, "hook_token", "now").await;
        assert_eq!(status(&ada, &id, &request).await, "VOID");
        assert_eq!(kept(&server).await, [4]);
        assert_eq!(code(&eve, "approveVersion", json!({ "id": request })).await, "CONFLICT");
    }

    async fn an_agreement_to_a_secret_ends_what_was_asked_for_with_the_old_one(server: TestServer) {
        let (ada, bob, eve) =
            (person(&server, "ada", "admin"), person(&server, "bob", "operator"), person(&server, "eve", "admin"));
        let id = guarded(&bob, "guarded").await;
        set_secret(&ada, &id, "hook_token", "one").await;
        policy(&server, json!({ "publish": true, "secretChange": true })).await;
        let version = ask(&bob, &id).await;
        approve(&eve, &version).await;
        let secret = ask_for_secret(&ada, &id, "hook_token", "two").await;
        assert_eq!(status(&bob, &id, &version).await, "APPROVED", "a value that waits changes nothing");
        approve(&eve, &secret).await;
        assert_eq!(status(&bob, &id, &version).await, "VOID");
        assert_eq!(code(&ada, "publishDatasource", json!({ "id": id })).await, "APPROVAL_REQUIRED");
    }

    async fn what_runs_loses_no_secret_to_one_person(server: TestServer) {
        let ada = person(&server, "ada", "admin");
        let id = guarded(&ada, "guarded").await;
        for key in ["hook_token", "spare"] {
            set_secret(&ada, &id, key, "one").await;
        }
        ada.publish(&id).await;
        policy(&server, json!({ "secretChange": true })).await;
        let delete = |key: &str, force: bool| -> Value { json!({ "id": id, "key": key, "force": force }) };
        assert_eq!(code(&ada, "deleteDatasourceSecret", delete("hook_token", false)).await, "CONFLICT");
        assert_eq!(code(&ada, "deleteDatasourceSecret", delete("hook_token", true)).await, "APPROVAL_REQUIRED");
        assert_eq!(code(&ada, "deleteDatasourceSecret", delete("spare", false)).await, "", "nothing runs with it");
        assert_eq!(call(&server, &id, "one").await, 202);
    }
}
