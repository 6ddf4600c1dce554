//! What needs a second person, and who may say so.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::{approve, ask, code, person, policy};
use crate::harness::Client;
use crate::harness::server::open_webhook;
use crate::on_both_databases;

const POLICIES: &str =
    "{ approvalPolicies { project publish rollback secretChange approvers expiresAfter importsExempt } }";

async fn in_project(author: &Client, project: &str) -> String {
    let config = open_webhook(json!({ "a": "$.a" }));
    let input = json!({ "name": "doors", "type": "webhook", "project": project, "config": config });
    let made = author.mutate("createDatasource", input, "datasource { id }").await;
    made["datasource"]["id"].as_str().expect("an id").to_owned()
}

async fn policies(client: &Client) -> Value {
    client.data(POLICIES, json!({})).await["approvalPolicies"].take()
}

on_both_databases! {
    async fn the_stricter_of_organisation_and_project_counts(server: TestServer) {
        let (bob, eve) = (person(&server, "bob", "operator"), person(&server, "eve", "admin"));
        let (north, south) = (in_project(&bob, "north").await, in_project(&bob, "south").await);
        assert_eq!(policies(&bob).await, json!([]));
        policy(&server, json!({ "project": "north", "publish": true, "approvers": 1 })).await;
        assert_eq!(code(&eve, "publishDatasource", json!({ "id": south })).await, "");
        assert_eq!(code(&eve, "publishDatasource", json!({ "id": north })).await, "APPROVAL_REQUIRED");

        // Nobody loosens the policy of the organisation by that of a project.
        policy(&server, json!({ "publish": true, "approvers": 2, "expiresAfter": "8h" })).await;
        policy(&server, json!({ "project": "north" })).await;
        assert_eq!(code(&eve, "publishDatasource", json!({ "id": north })).await, "APPROVAL_REQUIRED");
        let request = ask(&bob, &north).await;
        assert_eq!(approve(&eve, &request).await["status"], "PENDING");
        let said = |project: Value, publish, approvers, expires: &str| {
            json!({ "project": project, "publish": publish, "rollback": false, "secretChange": false,
                "approvers": approvers, "expiresAfter": expires, "importsExempt": false })
        };
        let all = json!([said(Value::Null, true, 2, "8h"), said(json!("north"), false, 1, "3d")]);
        assert_eq!(policies(&bob).await, all);
        assert_eq!(policies(&server.client(Role::Admin, "other")).await, json!([]));
        let audit = "{ auditLog(filter: { action: \"approval_policy_set\" }) { nodes { actor field oldValue newValue } } }";
        let audit = eve.data(audit, json!({})).await["auditLog"]["nodes"].take();
        let approvers = audit.as_array().expect("nodes").iter().find(|e| e["field"] == "approvalPolicy.approvers");
        let approvers = approvers.expect("an entry");
        assert_eq!((&approvers["actor"], &approvers["newValue"]), (&json!("admin@acme"), &json!(2)));
    }

    async fn a_policy_is_set_by_an_admin_of_all_that_it_is_for(server: TestServer) {
        let north = server.limited_to(Role::Admin, &["north"]);
        assert_eq!(code(&north, "setApprovalPolicy", json!({ "publish": true })).await, "FORBIDDEN");
        assert_eq!(code(&north, "setApprovalPolicy", json!({ "project": "south" })).await, "FORBIDDEN");
        assert_eq!(code(&north, "setApprovalPolicy", json!({ "project": "north", "publish": true })).await, "");
        assert_eq!(code(&server.operator(), "setApprovalPolicy", json!({})).await, "FORBIDDEN");

        // Who is admin of one datasource decides on it, and says nothing about others.
        let (bob, ada) = (person(&server, "bob", "operator"), person(&server, "ada", "operator"));
        let (own, other) = (in_project(&bob, "north").await, in_project(&bob, "south").await);
        policy(&server, json!({ "publish": true })).await;
        let grant = json!({ "principalKind": "USER", "principal": "ada", "role": "ADMIN", "datasourceId": own });
        server.admin().mutate("grantAccess", grant, "grant { id }").await;
        let (one, two) = (ask(&bob, &own).await, ask(&bob, &other).await);
        assert_eq!(code(&ada, "setApprovalPolicy", json!({ "project": "north" })).await, "FORBIDDEN");
        assert_eq!(code(&ada, "approveVersion", json!({ "id": two })).await, "NOT_FOUND");
        assert_eq!(approve(&ada, &one).await["status"], "APPROVED");
    }

    async fn a_policy_that_cannot_be_meant_is_refused(server: TestServer) {
        let admin = server.admin();
        for input in [
            json!({ "approvers": 0 }),
            json!({ "approvers": 11 }),
            json!({ "expiresAfter": "soon" }),
            json!({ "expiresAfter": "59s" }),
            json!({ "expiresAfter": "91d" }),
            json!({ "project": " north" }),
            json!({ "reason": "x".repeat(5_000) }),
        ] {
            assert_eq!(code(&admin, "setApprovalPolicy", input.clone()).await, "VALIDATION_FAILED", "{input}");
        }
        assert_eq!(policies(&admin).await, json!([]));
    }
}
