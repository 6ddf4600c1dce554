//! What was refused is in the audit log, by whichever way it was tried; who cannot be told from others writes nothing.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use crate::harness::server::open_webhook;
use crate::harness::{Client, Socket, TestServer, eventually};
use crate::on_both_databases;

const REFUSED: &str = "query($action: String!) { auditLog(filter: { outcome: REFUSED, action: $action }) { nodes {
    action actor datasourceId outcome field newValue requestId sourceAddress reason } } }";

/// The refused attempts of one operation, newest first, as soon as there is one.
async fn refused(admin: &Client, operation: &str) -> Vec<Value> {
    eventually("the refusal is written down", || async {
        let mut data = admin.data(REFUSED, json!({ "action": operation })).await;
        let Value::Array(entries) = data["auditLog"]["nodes"].take() else { panic!("{data}") };
        (!entries.is_empty()).then_some(entries)
    })
    .await
}

on_both_databases! {
    async fn a_refusal_says_who_tried_what_on_what_and_why_not(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        let publish = "mutation($id: ID!) { go: publishDatasource(input: { id: $id }) { version { version } } }";
        assert_eq!(server.operator().code(publish, json!({ "id": id })).await, "FORBIDDEN");

        let entries = refused(&admin, "publishDatasource").await;
        assert_eq!(entries.len(), 1);
        let entry = &entries[0];
        assert_eq!(entry["actor"], "operator@acme");
        assert_eq!(entry["datasourceId"], json!(id));
        assert_eq!((&entry["outcome"], &entry["field"]), (&json!("REFUSED"), &json!("refusal")));
        assert_eq!(entry["newValue"], json!({ "code": "FORBIDDEN", "count": 1 }));
        assert_eq!(entry["sourceAddress"], "127.0.0.1");
        assert!(entry["requestId"].as_str().is_some_and(|r| !r.is_empty()));
    }

    async fn every_kind_of_refusal_is_told_by_both_apis(server: TestServer) {
        let admin = server.admin();
        let id = admin.webhook("orders", open_webhook(json!({}))).await;
        let nobody = uuid::Uuid::now_v7();
        let path = |verb: &str| format!("/api/v1/datasources/{id}{verb}");
        // Nothing is published yet, so that a start is a conflict.
        admin.post(&path("/start"), json!({})).await.refused(409, "CONFLICT");
        admin.post(&path("/test"), json!({ "payload": 1, "sample": "x" })).await.refused(400, "VALIDATION_FAILED");
        admin.post(&path("/versions"), json!({ "config": [] })).await.refused(422, "CONFIG_INVALID");
        admin.post(&format!("/datasources/{nobody}/stop"), json!({})).await.refused(404, "NOT_FOUND");
        server.operator().get("/api/v1/audit-log").await.refused(403, "FORBIDDEN");
        let restart = "mutation($id: ID!) { restartDatasource(input: { id: $id }) { datasource { id } } }";
        assert_eq!(admin.code(restart, json!({ "id": id })).await, "CONFLICT");
        assert_eq!(admin.code(restart, json!({})).await, "VALIDATION_FAILED");

        for (operation, code, target) in [
            ("startDatasource", "CONFLICT", json!(id)),
            ("testDatasource", "VALIDATION_FAILED", json!(id)),
            ("createDatasourceVersion", "CONFIG_INVALID", json!(id)),
            ("stopDatasource", "NOT_FOUND", json!(nobody)),
            ("auditLog", "FORBIDDEN", Value::Null),
        ] {
            let entries = refused(&admin, operation).await;
            assert_eq!(entries[0]["newValue"], json!({ "code": code, "count": 1 }), "{operation}");
            assert_eq!(entries[0]["datasourceId"], target, "{operation}");
        }
        let codes: Vec<_> = refused(&admin, "restartDatasource").await;
        assert!(codes.iter().any(|e| e["newValue"]["code"] == "CONFLICT"), "{codes:?}");
        assert!(codes.iter().any(|e| e["newValue"]["code"] == "VALIDATION_FAILED"), "{codes:?}");
        // A reader may ask for what is not there; that is no attempt at anything.
        server.viewer().get(&format!("/datasources/{nobody}")).await.refused(404, "NOT_FOUND");
        assert_eq!(server.metric("audit_refused_total{code=\"NOT_FOUND\"}").await, Some(1.0));
    }

    async fn a_document_that_is_too_much_is_told_as_one(server: TestServer) {
        let deep = format!("{}{}", "{ a ".repeat(50), "}".repeat(50));
        assert_eq!(server.viewer().code(&deep, json!({})).await, "QUERY_TOO_COMPLEX");
        let entries = refused(&server.admin(), "graphql").await;
        assert_eq!(entries[0]["actor"], "viewer@acme");
        assert_eq!(entries[0]["newValue"], json!({ "code": "QUERY_TOO_COMPLEX", "count": 1 }));
    }

    async fn a_refusal_over_a_socket_is_told_too(server: TestServer) {
        let query = "mutation { archiveDatasource(input: { id: \"01890000-0000-7000-8000-000000000000\" }) { datasource { id } } }";
        let mut socket = Socket::subscribe(&server.viewer(), query, json!({})).await;
        assert_eq!(socket.error_code().await, "FORBIDDEN");
        let entries = refused(&server.admin(), "archiveDatasource").await;
        assert_eq!(entries[0]["actor"], "viewer@acme");
        assert_eq!(entries[0]["newValue"]["code"], "FORBIDDEN");
    }

    /// A hundred of the same are one entry, or two where the first was written before the last came.
    async fn a_flood_of_the_same_is_counted_and_not_repeated(server: TestServer) {
        let publish = "mutation { publishDatasource(input: { id: \"01890000-0000-7000-8000-000000000000\" }) { version { version } } }";
        for _ in 0..100 {
            assert_eq!(server.operator().code(publish, json!({})).await, "FORBIDDEN");
        }
        refused(&server.admin(), "publishDatasource").await;
        // What waits for the end of its minute is written when the server ends.
        let server = TestServer::on(server.stop().await, &[]).await;
        let entries = refused(&server.admin(), "publishDatasource").await;
        let counts: Vec<_> = entries.iter().map(|e| e["newValue"]["count"].as_u64().expect("a count")).collect();
        assert_eq!(counts.iter().sum::<u64>(), 100, "{counts:?}");
        assert!(counts.len() <= 2, "{counts:?}");
    }

    async fn a_stranger_writes_to_no_log(server: TestServer) {
        let admin = server.admin();
        admin.webhook("orders", open_webhook(json!({}))).await;
        let publish = "mutation { publishDatasource(input: { id: \"x\" }) { version { version } } }";
        let forged = format!("{}x", server.admin().token);
        for token in ["not.a.token", forged.as_str()] {
            let stranger = server.with_token(token.to_owned());
            let before = server.metric("audit_refused_total{code=\"UNAUTHENTICATED\"}").await.unwrap_or(0.0);
            assert_eq!(stranger.code(publish, json!({})).await, "UNAUTHENTICATED");
            stranger.post("/datasources", json!({})).await.refused(401, "UNAUTHENTICATED");
            let after = server.metric("audit_refused_total{code=\"UNAUTHENTICATED\"}").await;
            assert_eq!(after, Some(before + 2.0), "counted");
        }
        let database = server.stop().await;
        let sql = database.sql().await;
        let strangers = "SELECT count(*) FROM audit_entries WHERE new_value LIKE '%UNAUTHENTICATED%'";
        assert_eq!(sql.number(strangers).await, 0);
        sql.close().await;
    }

    /// The chain holds with refusals of many callers in between, and another organisation has none of them.
    async fn refusals_are_chained_like_changes_in_the_callers_own_organisation(server: TestServer) {
        let id = server.admin().webhook("orders", open_webhook(json!({}))).await;
        let stop = json!({ "id": id });
        let query = "mutation($id: ID!) { stopDatasource(input: { id: $id }) { datasource { id } } }";
        // There is no such thing in theirs.
        let others = server.client(Role::Admin, "globex");
        assert_eq!(others.code(query, stop.clone()).await, "NOT_FOUND");
        assert_eq!(refused(&others, "stopDatasource").await[0]["actor"], "admin@globex");
        assert_eq!(server.viewer().code(query, stop).await, "FORBIDDEN");
        let own = refused(&server.admin(), "stopDatasource").await;
        assert_eq!(own.len(), 1);
        assert_eq!(own[0]["actor"], "viewer@acme");
        crate::audit::assert_intact(&server);
    }
}
