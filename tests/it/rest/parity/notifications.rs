//! What is compared of notifications.

use reqwest::Method;
use serde_json::{Value, json};

use super::pairs::{BASE, Pair};

const URL: &str = "http://127.0.0.1:9/hook";

fn none() -> String {
    uuid::Uuid::nil().to_string()
}

fn endpoint(verb: &str) -> String {
    format!("/api/v1/notifications/endpoints/{}{verb}", none())
}

pub const PAIRS: &[Pair] = &[
    Pair {
        graphql: "Mutation.createNotificationEndpoint",
        rest: "createNotificationEndpoint",
        query:
            "mutation($input: CreateNotificationEndpointInput!) { createNotificationEndpoint(input: $input) { endpoint {
            url description filter { projects datasourceIds ownerId: owner team category } active disabledReason
            failingSince secrets { version createdBy expiresAt } createdBy updatedBy } } }",
        // Switched off: nobody listens there.
        variables: |id| {
            let filter = json!({ "projects": ["billing"], "owner": "ada", "datasourceIds": [none()] });
            json!({ "input": { "url": URL, "description": "parity", "filter": filter, "active": false, "reason": id } })
        },
        result: "/createNotificationEndpoint/endpoint",
        call: |id| {
            let filter = json!({ "projects": ["billing"], "ownerId": "ada", "datasourceIds": [none()] });
            let body = json!({ "url": URL, "description": "parity", "filter": filter, "active": false, "reason": id });
            (Method::POST, "/api/v1/notifications/endpoints".to_owned(), body)
        },
        found: "/endpoint",
        ..BASE
    },
    Pair {
        graphql: "Query.notificationEndpoints",
        rest: "notificationEndpoints",
        query: "query { notificationEndpoints { id url description active disabledReason failingSince
            filter { projects datasourceIds ownerId: owner team category }
            secrets { version createdAt createdBy expiresAt } createdAt createdBy updatedAt updatedBy } }",
        variables: |_| json!({}),
        result: "/notificationEndpoints",
        call: |_| (Method::GET, "/api/v1/notifications/endpoints".to_owned(), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Query.notificationDeliveries",
        rest: "notificationDeliveries",
        query: "query($id: ID!) { notificationDeliveries(filter: { datasourceId: $id }) { nodes { id type status } } }",
        result: "/notificationDeliveries/nodes",
        call: |id| (Method::GET, format!("/api/v1/notifications/deliveries?datasourceId={id}"), Value::Null),
        ..BASE
    },
];

/// These need an endpoint or a message: `notifications::rest` compares what they do. Here, that none is not found.
pub const ABSENT: &[Pair] = &[
    Pair {
        graphql: "Mutation.updateNotificationEndpoint",
        rest: "updateNotificationEndpoint",
        query: "mutation($input: UpdateNotificationEndpointInput!) { updateNotificationEndpoint(input: $input) {
            endpoint { id } } }",
        variables: |_| json!({ "input": { "id": none(), "active": false } }),
        call: |_| (Method::PATCH, endpoint(""), json!({ "active": false })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.deleteNotificationEndpoint",
        rest: "deleteNotificationEndpoint",
        query: "mutation($input: DeleteNotificationEndpointInput!) { deleteNotificationEndpoint(input: $input) {
            endpoint { id } } }",
        variables: |_| json!({ "input": { "id": none() } }),
        call: |_| (Method::DELETE, endpoint(""), Value::Null),
        ..BASE
    },
    Pair {
        graphql: "Mutation.rotateNotificationSecret",
        rest: "rotateNotificationSecret",
        query: "mutation($input: RotateNotificationSecretInput!) { rotateNotificationSecret(input: $input) {
            endpoint { id } } }",
        variables: |_| json!({ "input": { "id": none() } }),
        call: |_| (Method::POST, endpoint("/rotate-secret"), json!({})),
        ..BASE
    },
    Pair {
        graphql: "Mutation.sendTestNotification",
        rest: "sendTestNotification",
        query: "mutation($input: SendTestNotificationInput!) { sendTestNotification(input: $input) { delivery { id } } }",
        variables: |_| json!({ "input": { "id": none() } }),
        call: |_| (Method::POST, endpoint("/test"), json!({})),
        ..BASE
    },
    Pair {
        graphql: "Mutation.recoverNotifications",
        rest: "recoverNotifications",
        query: "mutation($input: RecoverNotificationsInput!) { recoverNotifications(input: $input) { recovered } }",
        variables: |_| json!({ "input": { "endpointId": none(), "since": "2026-01-01T00:00:00Z" } }),
        call: |_| (Method::POST, endpoint("/recover"), json!({ "since": "2026-01-01T00:00:00Z" })),
        ..BASE
    },
    Pair {
        graphql: "Mutation.redeliverNotification",
        rest: "redeliverNotification",
        query: "mutation($input: RedeliverNotificationInput!) { redeliverNotification(input: $input) { delivery { id } } }",
        variables: |_| json!({ "input": { "id": none() } }),
        call: |_| {
            let path = format!("/api/v1/notifications/deliveries/{}/redeliver", none());
            (Method::POST, path, json!({}))
        },
        ..BASE
    },
];
