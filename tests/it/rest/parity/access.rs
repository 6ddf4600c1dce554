//! What is compared of service accounts, their keys, and tokens that end early.

use reqwest::Method;
use serde_json::{Value, json};

use super::pairs::{BASE, Pair};

fn none() -> String {
    uuid::Uuid::nil().to_string()
}

pub const PAIRS: &[Pair] = &[
    Pair {
        graphql: "Query.serviceAccounts",
        rest: "serviceAccounts",
        query: "query { serviceAccounts { id name description role projects createdAt createdBy disabledAt disabledBy
            apiKeys { id name role projects createdAt createdBy expiresAt revokedAt revokedBy } } }",
        variables: |_| json!({}),
        result: "/serviceAccounts",
        call: |_| (Method::GET, "/api/v1/service-accounts".to_owned(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.createServiceAccount",
        rest: "createServiceAccount",
        query: "mutation($input: CreateServiceAccountInput!) { createServiceAccount(input: $input) { serviceAccount {
            name description role projects createdBy disabledAt } } }",
        variables: |id| json!({ "input": { "name": id, "description": "Deploys", "role": "OPERATOR", "projects": ["a"] } }),
        result: "/createServiceAccount/serviceAccount",
        call: |id| {
            let body = json!({ "name": id, "description": "Deploys", "role": "operator", "projects": ["a"] });
            (Method::POST, "/api/v1/service-accounts".to_owned(), body)
        },
        ..BASE
    },
    Pair {
        graphql: "Mutation.revokeToken",
        rest: "revokeToken",
        query: "mutation($input: RevokeTokenInput!) { revokeToken(input: $input) { token { expiresAt reason revokedBy } } }",
        variables: |id| json!({ "input": { "jti": id, "expiresAt": "2099-01-01T00:00:00Z", "reason": "parity" } }),
        result: "/revokeToken/token",
        call: |id| {
            let body = json!({ "expiresAt": "2099-01-01T00:00:00Z", "reason": "parity" });
            (Method::PUT, format!("/api/v1/revoked-tokens/{id}"), body)
        },
        ..BASE
    },
    Pair {
        graphql: "Mutation.grantAccess",
        rest: "grantAccess",
        query: "mutation($input: GrantAccessInput!) { grantAccess(input: $input) { grant {
            principal projectId: project role createdBy } } }",
        variables: |id| json!({ "input": { "principalKind": "GROUP", "principal": "ops", "role": "OPERATOR", "datasourceId": id } }),
        result: "/grantAccess/grant",
        call: |id| {
            let body = json!({ "principalKind": "group", "principal": "ops", "role": "operator", "datasourceId": id });
            (Method::PUT, "/api/v1/access-grants".to_owned(), body)
        },
        ..BASE
    },
    Pair {
        graphql: "Query.accessGrants",
        rest: "accessGrants",
        query: "query { accessGrants { id principal role projectId: project datasourceId createdAt createdBy } }",
        variables: |_| json!({}),
        result: "/accessGrants",
        call: |_| (Method::GET, "/api/v1/access-grants".to_owned(), Value::Null),
        ..BASE
    },
];

/// These need an account or a key: `identity::service_accounts` compares what they do. Here, that none is not found.
pub const ABSENT: &[Pair] = &[
    Pair {
        graphql: "Mutation.setServiceAccountDisabled",
        rest: "setServiceAccountDisabled",
        query: "mutation($input: SetServiceAccountDisabledInput!) { setServiceAccountDisabled(input: $input) {
            serviceAccount { id } } }",
        variables: |_| json!({ "input": { "id": none(), "disabled": true } }),
        call: |_| (Method::PATCH, format!("/api/v1/service-accounts/{}", none()), json!({ "disabled": true })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.createApiKey",
        rest: "createApiKey",
        query: "mutation($input: CreateApiKeyInput!) { createApiKey(input: $input) { key } }",
        variables: |_| json!({ "input": { "serviceAccountId": none(), "name": "one" } }),
        call: |_| (Method::POST, format!("/api/v1/service-accounts/{}/api-keys", none()), json!({ "name": "one" })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.revokeApiKey",
        rest: "revokeApiKey",
        query: "mutation($input: RevokeApiKeyInput!) { revokeApiKey(input: $input) { apiKey { id } } }",
        variables: |_| json!({ "input": { "id": "0123456789abcdef" } }),
        call: |_| (Method::DELETE, "/api/v1/api-keys/0123456789abcdef".to_owned(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.revokeAccess",
        rest: "revokeAccess",
        query: "mutation($input: RevokeAccessInput!) { revokeAccess(input: $input) { grant { id } } }",
        variables: |_| json!({ "input": { "id": none() } }),
        call: |_| (Method::DELETE, format!("/api/v1/access-grants/{}", none()), Value::Null),
        ..BASE
    },
];
