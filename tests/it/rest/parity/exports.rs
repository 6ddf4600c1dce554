//! What is compared of exports.

use reqwest::Method;
use serde_json::{Value, json};

use super::pairs::{BASE, Pair};

pub const PAIRS: &[Pair] = &[
    Pair {
        graphql: "Mutation.createExport",
        rest: "createExport",
        query: "mutation($input: CreateExportInput!) { createExport(input: $input) { export { reason createdBy } } }",
        // Of a project that nobody else exports.
        variables: |id| json!({ "input": { "project": format!("one-{id}"), "reason": "a copy" } }),
        result: "/createExport/export",
        call: |id| {
            let body = json!({ "projectId": format!("one-{id}"), "reason": "a copy" });
            (Method::POST, "/api/v1/exports".to_owned(), body)
        },
        ..BASE
    },
    Pair {
        graphql: "Query.exports",
        rest: "exports",
        query: "query { exports { id projectId: project reason createdAt createdBy } }",
        variables: |_| json!({}),
        result: "/exports",
        call: |_| (Method::GET, "/api/v1/exports".to_owned(), Value::Null),
        ..BASE
    },
];

/// `exports::` compares what these do with an export that there is. Here, that none is not found.
pub const ABSENT: &[Pair] = &[Pair {
    graphql: "Query.export",
    rest: "export",
    query: "query($id: ID!) { export(id: $id) { id } }",
    variables: |_| json!({ "id": uuid::Uuid::nil() }),
    result: "/export",
    call: |_| (Method::GET, format!("/api/v1/exports/{}", uuid::Uuid::nil()), Value::Null),
    ..BASE
}];
