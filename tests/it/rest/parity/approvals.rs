//! What is compared of approvals.

use reqwest::Method;
use serde_json::{Value, json};

use super::pairs::{BASE, Pair};

fn none() -> String {
    uuid::Uuid::nil().to_string()
}

fn decide(verb: &str, body: Value) -> (Method, String, Value) {
    (Method::POST, format!("/api/v1/approvals/{}/{verb}", none()), body)
}

pub const PAIRS: &[Pair] = &[
    Pair {
        graphql: "Query.approvals",
        rest: "approvals",
        query: "query($id: ID!) { approvals(filter: { datasourceId: $id }) { nodes { id version checksum status } } }",
        result: "/approvals/nodes",
        call: |id| (Method::GET, format!("/api/v1/approvals?datasourceId={id}"), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.setApprovalPolicy",
        rest: "setApprovalPolicy",
        query: "mutation($input: SetApprovalPolicyInput!) { setApprovalPolicy(input: $input) { policy {
            publish rollback secretChange approvers expiresAfter importsExempt updatedBy } } }",
        // Of a project that has nothing, so that the other operations need no approval.
        variables: |id| json!({ "input": { "project": id, "publish": true, "approvers": 2, "expiresAfter": "8h" } }),
        result: "/setApprovalPolicy/policy",
        call: |id| {
            let body = json!({ "projectId": id, "publish": true, "approvers": 2, "expiresAfter": "8h" });
            (Method::PUT, "/api/v1/approval-policies".to_owned(), body)
        },
        ..BASE
    },
    Pair {
        graphql: "Query.approvalPolicies",
        rest: "approvalPolicies",
        query: "query { approvalPolicies { projectId: project publish rollback secretChange approvers expiresAfter
            importsExempt updatedAt updatedBy } }",
        variables: |_| json!({}),
        result: "/approvalPolicies",
        call: |_| (Method::GET, "/api/v1/approval-policies".to_owned(), Value::Null),
        ..BASE
    },
];

/// These need a policy and a request: `approvals::rest` compares what they do. Here, that none is not found.
pub const ABSENT: &[Pair] = &[
    Pair {
        graphql: "Mutation.requestApproval",
        rest: "requestApproval",
        query: "mutation($input: RequestApprovalInput!) { requestApproval(input: $input) { approval { id } } }",
        variables: |_| json!({ "input": { "id": none() } }),
        call: |_| (Method::POST, format!("/api/v1/datasources/{}/approvals", none()), json!({})),
        ..BASE
    },
    Pair {
        graphql: "Mutation.approveVersion",
        rest: "approveVersion",
        query: "mutation($input: ApproveVersionInput!) { approveVersion(input: $input) { approval { id } } }",
        variables: |_| json!({ "input": { "id": none() } }),
        call: |_| decide("approve", json!({})),
        ..BASE
    },
    Pair {
        graphql: "Mutation.rejectVersion",
        rest: "rejectVersion",
        query: "mutation($input: RejectVersionInput!) { rejectVersion(input: $input) { approval { id } } }",
        variables: |_| json!({ "input": { "id": none(), "comment": "no" } }),
        call: |_| decide("reject", json!({ "comment": "no" })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.withdrawApproval",
        rest: "withdrawApproval",
        query: "mutation($input: WithdrawApprovalInput!) { withdrawApproval(input: $input) { approval { id } } }",
        variables: |_| json!({ "input": { "id": none() } }),
        call: |_| decide("withdraw", json!({})),
        ..BASE
    },
];
