//! Who says who is told: an admin of the whole organisation, and nobody of another one; and how many there may be.

use datasource_studio::domain::Role;
use serde_json::json;

use super::receiver::Receiver;
use super::{audited, endpoint, shown, test, told, with};
use crate::harness::server::mutation;
use crate::on_both_databases;

/// Every mutation on an endpoint or a message that is there, with what it takes.
fn mutations(hook: &str, message: &str) -> [(&'static str, serde_json::Value); 6] {
    [
        ("updateNotificationEndpoint", json!({ "id": hook, "url": "http://127.0.0.1:9/theirs" })),
        ("deleteNotificationEndpoint", json!({ "id": hook })),
        ("rotateNotificationSecret", json!({ "id": hook, "overlap": "0s" })),
        ("sendTestNotification", json!({ "id": hook })),
        ("redeliverNotification", json!({ "id": message })),
        ("recoverNotifications", json!({ "endpointId": hook, "since": "2020-01-01T00:00:00Z" })),
    ]
}

on_both_databases! {
    async fn another_organisation_finds_neither_endpoints_nor_messages(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let (hook, _) = told(&admin, &receiver).await;
        let message = test(&admin, &hook).await;
        let before = shown(&admin, &hook).await;
        let stranger = server.client(Role::Admin, "globex");
        for (name, input) in mutations(&hook, &message) {
            let code = stranger.code(&mutation(name, "__typename"), json!({ "input": input })).await;
            assert_eq!(code, "NOT_FOUND", "{name}");
        }
        let theirs = stranger.data("{ notificationEndpoints { id } notificationDeliveries { nodes { id } } }", json!({})).await;
        assert_eq!(theirs, json!({ "notificationEndpoints": [], "notificationDeliveries": { "nodes": [] } }));
        let after = shown(&admin, &hook).await;
        assert_eq!((&after["url"], &after["secrets"]), (&before["url"], &before["secrets"]));
    }

    /// An endpoint is told of all projects, so that a token for some of them is not enough.
    async fn an_admin_of_some_projects_is_forbidden(server: TestServer) {
        let admin = server.admin();
        let receiver = Receiver::start().await;
        let (hook, _) = told(&admin, &receiver).await;
        let message = test(&admin, &hook).await;
        let limited = server.limited_to(Role::Admin, &["default"]);
        let create = ("createNotificationEndpoint", json!({ "url": receiver.url("/theirs") }));
        for (name, input) in mutations(&hook, &message).into_iter().chain([create]) {
            let code = limited.code(&mutation(name, "__typename"), json!({ "input": input })).await;
            assert_eq!(code, "FORBIDDEN", "{name}");
        }
        assert_eq!(limited.code("{ notificationEndpoints { id } }", json!({})).await, "FORBIDDEN");
        assert_eq!(limited.code("{ notificationDeliveries { nodes { id } } }", json!({})).await, "FORBIDDEN");
    }

    async fn an_organisation_has_so_many_endpoints_and_no_more(server: TestServer) {
        let server = with(server, &["--quota-notification-endpoints", "2"]).await;
        let admin = server.admin();
        let (first, _) = endpoint(&admin, "http://127.0.0.1:9/1", json!({})).await;
        endpoint(&admin, "http://127.0.0.1:9/2", json!({})).await;
        let third = json!({ "input": { "url": "http://127.0.0.1:9/3" } });
        let create = mutation("createNotificationEndpoint", "endpoint { id }");
        let refused = admin.send(&create, third.clone()).await;
        let message = refused["errors"][0]["extensions"]["problems"][0]["message"].as_str().expect("a message").to_owned();
        assert!(message.contains("notification_endpoints") && message.contains("delete one"), "{message}");
        admin.mutate("deleteNotificationEndpoint", json!({ "id": first }), "endpoint { id }").await;
        admin.data(&create, third).await;
    }

    async fn changes_are_audited_without_the_path_of_the_url(server: TestServer) {
        let admin = server.admin();
        let (hook, _) = endpoint(&admin, "http://127.0.0.1:9/services/T0-token", json!({ "team": "feeds" })).await;
        let input = json!({ "id": hook, "url": "http://127.0.0.1:9/services/T1-token", "reason": "moved" });
        admin.mutate("updateNotificationEndpoint", input, "endpoint { url }").await;
        let updated = audited(&admin, "notification_endpoint_updated").await;
        assert_eq!(updated.len(), 1, "one field changed: {updated:?}");
        assert_eq!((&updated[0]["reason"], &updated[0]["actor"]), (&json!("moved"), &json!("admin@acme")));
        assert_ne!(updated[0]["oldValue"], updated[0]["newValue"], "that it is another one can be seen");
        let created = audited(&admin, "notification_endpoint_created").await;
        let log = format!("{created:?}{updated:?}");
        assert!(log.contains("http://127.0.0.1:9") && !log.contains("token"), "{log}");
    }
}
