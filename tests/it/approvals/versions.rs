//! Publication and rollback.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::{
    approve, ask, code, draft, events, guarded, open, outcome, person, policy, requests, set_secret, shown, status,
};
use crate::harness::Client;
use crate::on_both_databases;

on_both_databases! {
    async fn a_draft_goes_live_when_somebody_else_agreed(server: TestServer) {
        let (ada, bob, eve) =
            (person(&server, "ada", "admin"), person(&server, "bob", "operator"), person(&server, "eve", "admin"));
        let id = open(&ada, "doors").await;
        assert_eq!(code(&bob, "requestApproval", json!({ "id": id })).await, "CONFLICT", "nothing asks for it by default");
        policy(&server, json!({ "publish": true })).await;

        let (refused, message) = outcome(&ada, "publishDatasource", json!({ "id": id })).await;
        assert_eq!(refused, "APPROVAL_REQUIRED");
        assert!(message.contains("requestApproval"), "{message}");
        let request = ask(&bob, &id).await;
        assert_eq!(shown(&ada, &id, 1).await, json!({ "approval": "PENDING", "approvedBy": null }));
        let (refused, message) = outcome(&ada, "publishDatasource", json!({ "id": id })).await;
        assert_eq!(refused, "APPROVAL_REQUIRED");
        assert!(message.contains(&request), "{message}");
        assert_eq!(code(&bob, "requestApproval", json!({ "id": id })).await, "CONFLICT", "it is open already");

        for (who, why) in [(&ada, "the author"), (&bob, "an operator")] {
            assert_eq!(code(who, "approveVersion", json!({ "id": request })).await, "FORBIDDEN", "{why}");
        }
        let agreed = approve(&eve, &request).await;
        assert_eq!((&agreed["status"], &agreed["decisions"][0]["by"]), (&json!("APPROVED"), &json!("eve")));
        assert_eq!(shown(&ada, &id, 1).await, json!({ "approval": "APPROVED", "approvedBy": "eve" }));
        assert_eq!(code(&eve, "approveVersion", json!({ "id": request })).await, "CONFLICT");
        ada.publish(&id).await;
        assert_eq!(status(&ada, &id, &request).await, "USED");
        assert_eq!(shown(&ada, &id, 1).await, json!({ "approval": "APPROVED", "approvedBy": "eve" }));

        // What was agreed to was that version, once.
        draft(&bob, &id, "b").await;
        assert_eq!(code(&ada, "publishDatasource", json!({ "id": id })).await, "APPROVAL_REQUIRED");
        let told = events(&ada, &id).await;
        for event in ["APPROVAL_REQUESTED", "APPROVAL_GRANTED", "PUBLISHED"] {
            assert_eq!(told.iter().filter(|told| *told == event).count(), 1, "{event}: {told:?}");
        }
        let audit = "query($id: ID) { auditLog(filter: { datasourceId: $id, outcome: SUCCESS }) { nodes { action actor reason } } }";
        let audit = ada.data(audit, json!({ "id": id })).await["auditLog"]["nodes"].take();
        let entries = audit.as_array().expect("nodes");
        for (action, actor) in [("approval_requested", "bob"), ("approval_granted", "eve")] {
            assert!(entries.iter().any(|e| e["action"] == action && e["actor"] == actor), "{action}: {audit}");
        }
    }

    /// What a program wrote and asked for by a key of hers, she would have written and asked for.
    async fn who_let_a_program_in_is_no_second_person_to_it(server: TestServer) {
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true })).await;
        let account = async |maker: &Client, name: &str| {
            let input = json!({ "name": name, "role": "ADMIN" });
            maker.mutate("createServiceAccount", input, "serviceAccount { id }").await["serviceAccount"]["id"].clone()
        };
        let program = async |maker: &Client, account: &Value| {
            let key = maker.mutate("createApiKey", json!({ "serviceAccountId": account, "name": "one" }), "key").await;
            server.with_token(key["key"].as_str().expect("a key").to_owned())
        };
        // Hers by its account, by a key of an account of somebody else, and by a program of hers.
        let own = program(&ada, &account(&ada, "own").await).await;
        let lent = program(&ada, &account(&eve, "lent").await).await;
        let grandchild = program(&own, &account(&own, "grandchild").await).await;
        for (bot, name) in [(own, "doors"), (lent, "lifts"), (grandchild, "stairs")] {
            let id = open(&bot, name).await;
            let request = ask(&bot, &id).await;
            let (refused, message) = outcome(&ada, "approveVersion", json!({ "id": request })).await;
            assert_eq!(refused, "FORBIDDEN", "{name}");
            assert!(message.contains("somebody else"), "{message}");
            assert_eq!(code(&ada, "publishDatasource", json!({ "id": id })).await, "APPROVAL_REQUIRED");
            assert_eq!(approve(&person(&server, "mal", "admin"), &request).await["status"], "APPROVED");
        }
    }

    async fn what_is_asked_for_in_vain_takes_nothing_from_what_was_agreed_to(server: TestServer) {
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true, "rollback": true })).await;
        let id = open(&ada, "doors").await;
        for field in ["", "b"] {
            if !field.is_empty() {
                draft(&ada, &id, field).await;
            }
            approve(&eve, &ask(&ada, &id).await).await;
            ada.publish(&id).await;
        }
        let approved = json!({ "approval": "APPROVED", "approvedBy": "eve" });
        assert_eq!(shown(&ada, &id, 1).await, approved);
        let again = json!({ "id": id, "version": 1 });
        let request = ada.mutate("requestApproval", again, "approval { id }").await["approval"]["id"].clone();
        assert_eq!(shown(&ada, &id, 1).await["approval"], "PENDING");
        ada.mutate("withdrawApproval", json!({ "id": request }), "approval { id }").await;
        assert_eq!(shown(&ada, &id, 1).await, approved);
    }

    async fn a_request_shows_whether_the_last_test_was_a_good_one(server: TestServer) {
        let ada = person(&server, "ada", "admin");
        policy(&server, json!({ "publish": true, "approvers": 2 })).await;
        let id = open(&ada, "doors").await;
        let seen = async || requests(&ada, &id).await.remove(0);
        let test = async |payload: Value| {
            ada.mutate("testDatasource", json!({ "id": id, "payload": payload }), "run { success }").await
        };
        ask(&ada, &id).await;
        assert_eq!((&seen().await["testEvent"], &seen().await["missing"]), (&json!(null), &json!(2)));
        let run = test(json!(["no object"])).await;
        assert_eq!(seen().await["status"], "VOID", "it was tested since: {run}");
        ask(&ada, &id).await;
        assert_eq!(seen().await["testSucceeded"], run["run"]["success"]);
        test(json!({ "id": "1", "a": 1 })).await;
        ask(&ada, &id).await;
        assert_eq!(seen().await["testSucceeded"], true);
    }

    async fn who_asked_cannot_agree_and_a_program_is_no_person(server: TestServer) {
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true })).await;
        let id = open(&person(&server, "bob", "operator"), "doors").await;
        let request = ask(&ada, &id).await;
        let (refused, message) = outcome(&ada, "approveVersion", json!({ "id": request })).await;
        assert_eq!(refused, "FORBIDDEN");
        assert!(message.contains("somebody else"), "{message}");
        // Whoever makes an account could agree to their own request by its key.
        let account = json!({ "name": "second", "role": "ADMIN" });
        let account = ada.mutate("createServiceAccount", account, "serviceAccount { id }").await;
        let key = json!({ "serviceAccountId": account["serviceAccount"]["id"], "name": "one" });
        let key = ada.mutate("createApiKey", key, "key").await;
        let program = server.with_token(key["key"].as_str().expect("a key").to_owned());
        let (refused, message) = outcome(&program, "approveVersion", json!({ "id": request })).await;
        assert_eq!(refused, "FORBIDDEN");
        assert!(message.contains("person"), "{message}");
        assert_eq!(approve(&eve, &request).await["status"], "APPROVED");
        // What people agreed to, a program may do.
        assert_eq!(code(&program, "publishDatasource", json!({ "id": id })).await, "");
    }

    async fn as_many_agree_as_the_policy_says(server: TestServer) {
        let people = ["ada", "eve", "mal"].map(|name| person(&server, name, "admin"));
        policy(&server, json!({ "publish": true, "approvers": 2 })).await;
        let bob = person(&server, "bob", "operator");
        let id = open(&bob, "doors").await;
        let request = ask(&bob, &id).await;
        assert_eq!(approve(&people[0], &request).await["status"], "PENDING");
        assert_eq!(code(&people[0], "approveVersion", json!({ "id": request })).await, "CONFLICT", "one person counts once");
        assert_eq!(code(&people[0], "publishDatasource", json!({ "id": id })).await, "APPROVAL_REQUIRED");
        assert_eq!(approve(&people[1], &request).await["status"], "APPROVED");
        // A policy that asks for more counts at once, and one that asks for less does not.
        policy(&server, json!({ "publish": true, "approvers": 3 })).await;
        assert_eq!(code(&people[0], "publishDatasource", json!({ "id": id })).await, "APPROVAL_REQUIRED");
        approve(&people[2], &request).await;
        assert_eq!(code(&people[0], "publishDatasource", json!({ "id": id })).await, "");
    }

    async fn a_request_ends_by_a_rejection_or_when_it_is_taken_back(server: TestServer) {
        let (ada, bob, eve) =
            (person(&server, "ada", "admin"), person(&server, "bob", "operator"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true })).await;
        let id = open(&bob, "doors").await;
        let request = ask(&bob, &id).await;
        assert_eq!(code(&eve, "rejectVersion", json!({ "id": request, "comment": " " })).await, "VALIDATION_FAILED");
        let rejected = json!({ "id": request, "comment": "the id is missing" });
        let done = eve.mutate("rejectVersion", rejected, "approval { status closedAt decisions { by approved comment } }").await;
        let said = json!([{ "by": "eve", "approved": false, "comment": "the id is missing" }]);
        assert_eq!((&done["approval"]["status"], &done["approval"]["decisions"]), (&json!("REJECTED"), &said));
        assert!(done["approval"]["closedAt"].is_string());
        assert_eq!(shown(&bob, &id, 1).await, json!({ "approval": "REJECTED", "approvedBy": "eve" }));
        assert_eq!(code(&ada, "approveVersion", json!({ "id": request })).await, "CONFLICT");
        assert_eq!(code(&ada, "publishDatasource", json!({ "id": id })).await, "APPROVAL_REQUIRED");

        let request = ask(&bob, &id).await;
        let other = person(&server, "carol", "operator");
        assert_eq!(code(&other, "withdrawApproval", json!({ "id": request })).await, "FORBIDDEN");
        assert_eq!(code(&bob, "withdrawApproval", json!({ "id": request })).await, "");
        assert_eq!(shown(&bob, &id, 1).await, json!({ "approval": "NOT_REQUIRED", "approvedBy": null }));
        assert_eq!(code(&eve, "approveVersion", json!({ "id": request })).await, "CONFLICT");
        let request = ask(&bob, &id).await;
        assert_eq!(code(&ada, "withdrawApproval", json!({ "id": request })).await, "", "an admin may");
        assert_eq!(code(&server.client(Role::Admin, "other"), "approveVersion", json!({ "id": request })).await, "NOT_FOUND");
    }

    async fn a_request_is_void_as_soon_as_a_secret_of_it_changes(server: TestServer) {
        let (bob, eve) = (person(&server, "bob", "operator"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true })).await;
        let id = guarded(&bob, "guarded").await;
        assert_eq!(code(&bob, "requestApproval", json!({ "id": id })).await, "SECRET_MISSING");
        set_secret(&eve, &id, "hook_token", "one").await;
        set_secret(&eve, &id, "other", "one").await;
        let request = ask(&bob, &id).await;
        assert_eq!(requests(&bob, &id).await[0]["secretPins"], json!([{ "key": "hook_token", "version": 1 }]));
        set_secret(&eve, &id, "other", "two").await;
        approve(&eve, &request).await;
        set_secret(&eve, &id, "hook_token", "two").await;
        let found = requests(&bob, &id).await.remove(0);
        assert_eq!(found["status"], "VOID", "{found}");
        assert!(found["reason"].as_str().is_some_and(|reason| reason.contains("hook_token")), "{found}");
        assert_eq!(code(&eve, "publishDatasource", json!({ "id": id })).await, "APPROVAL_REQUIRED");
        assert_eq!(shown(&bob, &id, 1).await["approval"], "NOT_REQUIRED");
        assert_eq!(events(&bob, &id).await.iter().filter(|event| *event == "APPROVAL_VOIDED").count(), 1);

        let request = ask(&bob, &id).await;
        approve(&eve, &request).await;
        eve.mutate("deleteDatasourceSecret", json!({ "id": id, "key": "hook_token" }), "secret { key }").await;
        assert_eq!(status(&bob, &id, &request).await, "VOID");
    }

    async fn a_request_holds_for_the_test_that_it_was_made_with(server: TestServer) {
        let (bob, eve) = (person(&server, "bob", "operator"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true })).await;
        let id = open(&bob, "doors").await;
        let test = |payload: Value| json!({ "id": id, "payload": payload });
        bob.mutate("testDatasource", test(json!({ "id": "1", "a": 1 })), "run { success }").await;
        let request = ask(&bob, &id).await;
        let evidence = requests(&bob, &id).await[0]["testEvent"].clone();
        let told = "query($id: ID!) { datasourceEvents(id: $id, types: [TEST_RUN]) { nodes { id } } }";
        assert_eq!(bob.data(told, json!({ "id": id })).await["datasourceEvents"]["nodes"][0]["id"], evidence);
        // Whoever decides may repeat the test.
        eve.mutate("testDatasource", test(json!({ "id": "1", "a": 1 })), "run { success }").await;
        assert_eq!(approve(&eve, &request).await["status"], "APPROVED");
        eve.mutate("testDatasource", test(json!({ "id": "1", "a": 2 })), "run { success }").await;
        let found = requests(&bob, &id).await.remove(0);
        assert_eq!(found["status"], "VOID", "{found}");
        assert!(found["reason"].as_str().is_some_and(|reason| reason.contains("tested")), "{found}");
        assert_eq!(code(&eve, "publishDatasource", json!({ "id": id })).await, "APPROVAL_REQUIRED");
        // A test of something else says nothing about this version.
        let request = ask(&bob, &id).await;
        let config = crate::harness::server::open_webhook(json!({ "z": "$.z" }));
        let elsewhere = json!({ "id": id, "payload": { "id": "2" }, "configOverride": config });
        bob.mutate("testDatasource", elsewhere, "run { success }").await;
        assert_eq!(status(&bob, &id, &request).await, "PENDING");
    }

    async fn a_rollback_needs_a_second_person_where_the_policy_says_so(server: TestServer) {
        let (ada, eve) = (person(&server, "ada", "admin"), person(&server, "eve", "admin"));
        let id = open(&ada, "doors").await;
        ada.publish(&id).await;
        draft(&ada, &id, "b").await;
        ada.publish(&id).await;
        policy(&server, json!({ "rollback": true })).await;
        let (refused, message) = outcome(&ada, "rollbackDatasource", json!({ "id": id })).await;
        assert_eq!(refused, "APPROVAL_REQUIRED");
        assert!(message.contains("rollback to version 1"), "{message}");
        assert_eq!(code(&eve, "requestApproval", json!({ "id": id })).await, "CONFLICT", "version 2 is the published one");
        let bob = person(&server, "bob", "operator");
        let made = bob.mutate("requestApproval", json!({ "id": id, "version": 1 }), "approval { id action }").await;
        assert_eq!(made["approval"]["action"], "ROLLBACK");
        let request = made["approval"]["id"].as_str().expect("an id");
        assert_eq!(code(&ada, "approveVersion", json!({ "id": request })).await, "FORBIDDEN", "she is its author");
        approve(&eve, request).await;
        assert_eq!(code(&ada, "rollbackDatasource", json!({ "id": id })).await, "");
        assert_eq!(status(&ada, &id, request).await, "USED");
        // Publishing needs nobody here.
        draft(&ada, &id, "c").await;
        assert_eq!(code(&ada, "publishDatasource", json!({ "id": id })).await, "");
    }

    /// Without a policy everything goes on, and what was asked for before is not agreed to behind anybody's back.
    async fn what_goes_live_without_it_ends_a_request(server: TestServer) {
        let (bob, eve) = (person(&server, "bob", "operator"), person(&server, "eve", "admin"));
        policy(&server, json!({ "publish": true })).await;
        let (published, archived) = (open(&bob, "doors").await, open(&bob, "lifts").await);
        let (one, two) = (ask(&bob, &published).await, ask(&bob, &archived).await);
        policy(&server, json!({})).await;
        assert_eq!(code(&eve, "publishDatasource", json!({ "id": published })).await, "");
        assert_eq!(status(&bob, &published, &one).await, "VOID");
        eve.mutate("archiveDatasource", json!({ "id": archived }), "datasource { id }").await;
        assert_eq!(status(&bob, &archived, &two).await, "VOID");
        assert_eq!(code(&eve, "approveVersion", json!({ "id": one })).await, "CONFLICT");
    }
}
