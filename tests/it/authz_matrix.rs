//! Who may call what: every root field of the schema, with every role.

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use crate::harness::server::{JWT_SECRET, open_webhook};
use crate::harness::{Client, Sql, TestServer};
use crate::on_both_databases;
use crate::sdl::{Operation, Sdl};

/// The matrix of the contract: each operation with the lowest role that may call it.
pub const MATRIX: &[(&str, &str)] = &[
    ("Query.auditLog", "admin"),
    ("Query.connectorTypes", "viewer"),
    ("Query.datasource", "viewer"),
    ("Query.datasourceEvents", "viewer"),
    ("Query.datasourceMetadata", "viewer"),
    ("Query.datasourceMetadataAudit", "admin"),
    ("Query.datasourceMetrics", "viewer"),
    ("Query.datasourceSamples", "viewer"),
    ("Query.datasourceVersion", "viewer"),
    ("Query.datasourceVersionDiff", "viewer"),
    ("Query.datasources", "viewer"),
    ("Query.encryptionKeys", "admin"),
    ("Query.registry", "operator"),
    ("Query.sinkTypes", "viewer"),
    ("Query.validateConfig", "viewer"),
    ("Query.viewer", "viewer"),
    ("Query.governanceRules", "viewer"),
    ("Query.governanceViolations", "admin"),
    ("Query.metadataHistory", "admin"),
    ("Mutation.setGovernanceRules", "admin"),
    ("Mutation.rollbackDatasourceMetadata", "admin"),
    ("Query.approvals", "operator"),
    ("Query.approvalPolicies", "operator"),
    ("Query.exports", "admin"),
    ("Query.export", "admin"),
    ("Mutation.createExport", "admin"),
    ("Mutation.requestApproval", "operator"),
    ("Mutation.approveVersion", "admin"),
    ("Mutation.rejectVersion", "admin"),
    ("Mutation.withdrawApproval", "operator"),
    ("Mutation.setApprovalPolicy", "admin"),
    ("Query.metadataItems", "viewer"),
    ("Query.metadataItem", "viewer"),
    ("Query.metadataItemVersions", "viewer"),
    ("Query.metadataItemTypes", "viewer"),
    ("Mutation.saveMetadataItem", "viewer"),
    ("Mutation.deleteMetadataItem", "viewer"),
    ("Mutation.restoreMetadataItem", "viewer"),
    ("Query.notificationEndpoints", "admin"),
    ("Query.notificationDeliveries", "admin"),
    ("Mutation.createNotificationEndpoint", "admin"),
    ("Mutation.updateNotificationEndpoint", "admin"),
    ("Mutation.deleteNotificationEndpoint", "admin"),
    ("Mutation.rotateNotificationSecret", "admin"),
    ("Mutation.sendTestNotification", "admin"),
    ("Mutation.redeliverNotification", "admin"),
    ("Mutation.recoverNotifications", "admin"),
    ("Query.accessGrants", "admin"),
    ("Mutation.grantAccess", "admin"),
    ("Mutation.revokeAccess", "admin"),
    ("Query.serviceAccounts", "admin"),
    ("Mutation.revokeToken", "admin"),
    ("Mutation.createServiceAccount", "admin"),
    ("Mutation.setServiceAccountDisabled", "admin"),
    ("Mutation.createApiKey", "admin"),
    ("Mutation.revokeApiKey", "admin"),
    ("Mutation.archiveDatasource", "admin"),
    ("Mutation.checkDatasource", "operator"),
    ("Mutation.cloneDatasource", "operator"),
    ("Mutation.createDatasource", "operator"),
    ("Mutation.createDatasourceVersion", "operator"),
    ("Mutation.deleteDatasourceSecret", "admin"),
    ("Mutation.publishDatasource", "admin"),
    ("Mutation.repinDatasourceSecrets", "admin"),
    ("Mutation.restartDatasource", "operator"),
    ("Mutation.restoreDatasource", "admin"),
    ("Mutation.retireKeys", "admin"),
    ("Mutation.rollbackDatasource", "admin"),
    ("Mutation.rotateKeys", "admin"),
    ("Mutation.backfillDatasource", "operator"),
    ("Mutation.cancelJob", "operator"),
    ("Mutation.setDatasourceLogLevel", "operator"),
    ("Subscription.datasourceRecords", "viewer"),
    ("Subscription.datasourceLogs", "viewer"),
    ("Mutation.editDeadLetter", "operator"),
    ("Mutation.replayDeadLetters", "operator"),
    ("Mutation.discardDeadLetters", "operator"),
    ("Query.datasourceJobs", "viewer"),
    ("Query.job", "viewer"),
    ("Query.deadLetters", "operator"),
    ("Subscription.datasourceJob", "viewer"),
    ("Mutation.setDatasourceSecret", "admin"),
    ("Mutation.startDatasource", "operator"),
    ("Mutation.stopDatasource", "operator"),
    ("Mutation.testDatasource", "operator"),
    ("Mutation.updateDatasource", "operator"),
    ("Mutation.updateDatasourceMetadata", "admin"),
    ("Subscription.datasourceEvents", "viewer"),
    ("Subscription.datasourceStates", "viewer"),
];

/// Subscriptions that do not begin with how things are.
const LIVE: [&str; 2] = ["Subscription.datasourceRecords", "Subscription.datasourceLogs"];
/// A refusal comes at once; who is not refused by then is let through.
const SILENCE: std::time::Duration = std::time::Duration::from_secs(1);

const ROLES: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

/// The cursor before the first event of all.
const BEGINNING: &str = "MA";

/// A new operation fails here until the matrix says who may call it.
#[test]
fn the_schema_grants_what_the_matrix_says() {
    let mut declared: Vec<_> = operations("").into_iter().map(|o| (o.name, o.role)).collect();
    let mut agreed: Vec<_> = MATRIX.iter().map(|(name, role)| ((*name).to_owned(), (*role).to_owned())).collect();
    declared.sort();
    agreed.sort();
    assert_eq!(declared, agreed, "left: the schema's @hasRole; right: MATRIX in this file");
}

on_both_databases! {
    /// Refused before anything of it runs, so that a refusal writes nothing.
    async fn a_role_that_is_too_low_is_forbidden_and_writes_nothing(server: TestServer) {
        let id = subject(&server, "subject").await;
        let sql = server.database.sql().await;
        let before = journal(&sql).await;
        for operation in operations(&id) {
            for role in ROLES.into_iter().filter(|role| !reaches(*role, &operation)) {
                let answer = call(&server.client(role, "acme"), &operation).await;
                assert_eq!(answer.outcome(), (403, "FORBIDDEN"), "{} as {role}: {answer:?}", operation.name);
                assert!(answer.body.get("data").is_none(), "{} as {role}: {answer:?}", operation.name);
                let message = answer.body["errors"][0]["message"].as_str().expect("a message");
                assert!(message.contains(&operation.role), "the message names the role that is needed: {message}");
            }
            // A valid token without any role of ours gets nowhere at all.
            let answer = call(&server.with_token(without_role()), &operation).await;
            assert_eq!(answer.outcome(), (403, "FORBIDDEN"), "{} without a role: {answer:?}", operation.name);
        }
        assert_eq!(journal(&sql).await, before, "a refused operation was written down");
    }

    /// The operation may still fail for a reason of its own, such as having nothing to roll back to.
    async fn a_role_that_is_high_enough_is_let_through(server: TestServer) {
        for role in ROLES {
            let allowed = operations("").into_iter().enumerate().filter(|(_, operation)| reaches(role, operation));
            for (number, _) in allowed {
                let id = subject(&server, &format!("{role}-{number}")).await;
                let operation = operations(&id).swap_remove(number);
                let answer = call(&server.client(role, "acme"), &operation).await;
                assert_eq!(answer.status, 200, "{} as {role}: {answer:?}", operation.name);
                let (_, code) = answer.outcome();
                assert!(
                    !["FORBIDDEN", "UNAUTHENTICATED", "INTERNAL", "VALIDATION_FAILED"].contains(&code),
                    "{} as {role}: {answer:?}",
                    operation.name
                );
            }
        }
    }

    async fn without_a_token_nothing_is_answered(server: TestServer) {
        let id = subject(&server, "subject").await;
        let sql = server.database.sql().await;
        let before = journal(&sql).await;
        for operation in operations(&id) {
            for token in ["", "not.a.token"] {
                let answer = call(&server.with_token(token.to_owned()), &operation).await;
                assert_eq!(answer.outcome(), (401, "UNAUTHENTICATED"), "{}: {answer:?}", operation.name);
                assert!(answer.body.get("data").is_none(), "{}: {answer:?}", operation.name);
            }
        }
        assert_eq!(journal(&sql).await, before, "an unauthenticated operation was written down");
    }

    /// A guarded field below a root field is found however it is reached.
    async fn a_guarded_field_is_refused_through_fragments_and_aliases(server: TestServer) {
        for query in [
            "{ a: auditLog { nodes { id } } }",
            "{ ... { auditLog { nodes { id } } } }",
            "{ ...F } fragment F on Query { ... on Query { auditLog { nodes { id } } } }",
            "query($no: Boolean = false) { auditLog @include(if: $no) { nodes { id } } }",
        ] {
            assert_eq!(server.operator().code(query, json!({})).await, "FORBIDDEN", "{query}");
        }
    }
}

/// The operations on one datasource.
fn operations(id: &str) -> Vec<Operation> {
    let config = open_webhook(json!({ "total": "$.amount" }));
    Sdl::of_this_build().operations(&|operation, pointer| match (operation, pointer) {
        (_, "/id" | "/input/id" | "/ids/0") => Some(json!(id)),
        // Templates are an admin's; a view of one's own is everybody's.
        (name, "/type" | "/input/type") if name.contains("etadataItem") => Some(json!("SAVED_VIEW")),
        ("Mutation.saveMetadataItem", "/input/data") => Some(json!({ "list": "datasources" })),
        (_, "/type" | "/input/type") => Some(json!("webhook")),
        (_, "/config" | "/input/config") => Some(config.clone()),
        // Names are unique in a project.
        (_, "/input/name") => Some(json!(format!("{operation} {}", uuid::Uuid::now_v7()))),
        ("Mutation.testDatasource", "/input/payload") => Some(json!({ "id": 1, "amount": 2 })),
        ("Mutation.grantAccess", "/input/project") => Some(json!("default")),
        ("Mutation.createNotificationEndpoint", "/input/url") => Some(json!("http://127.0.0.1:9/")),
        // It is told nothing: nobody listens there.
        ("Mutation.createNotificationEndpoint", "/input/active") => Some(json!(false)),
        ("Mutation.revokeToken", "/input/expiresAt") => Some(json!("2099-01-01T00:00:00Z")),
        ("Mutation.deleteDatasourceSecret", "/input/key") => Some(json!("spare")),
        // Either this or a reference, so that the schema asks for neither.
        ("Mutation.setDatasourceSecret", "/input/value") => Some(json!("of no use")),
        ("Mutation.backfillDatasource", "/input/range/file") => Some(json!("none.jsonl")),
        ("Subscription.datasourceEvents", "/after") => Some(json!(BEGINNING)),
        _ => None,
    })
}

fn reaches(role: Role, operation: &Operation) -> bool {
    role >= operation.role.parse::<Role>().expect("a role")
}

/// A datasource with a draft and a secret, on which each operation has something to do.
async fn subject(server: &TestServer, name: &str) -> String {
    let admin = server.admin();
    let id = admin.webhook(name, open_webhook(json!({ "total": "$.amount" }))).await;
    let secret = json!({ "id": id, "key": "spare", "value": "of no use" });
    admin.mutate("setDatasourceSecret", secret, "secret { key }").await;
    id
}

/// How much was written down: the event head and the audit entries.
async fn journal(sql: &Sql) -> (i64, i64) {
    let events = sql.number("SELECT event_seq FROM orgs WHERE org_id = 'acme'").await;
    (events, sql.number("SELECT count(*) FROM audit_entries WHERE outcome <> 'refused'").await)
}

#[derive(Debug)]
struct Answer {
    status: u16,
    body: Value,
}

impl Answer {
    /// The status and the code of the first error, or "" where there is none.
    fn outcome(&self) -> (u16, &str) {
        (self.status, self.body["errors"][0]["extensions"]["code"].as_str().unwrap_or_default())
    }
}

/// Queries and mutations as a POST; a subscription as server-sent events, up to its first one.
async fn call(client: &Client, operation: &Operation) -> Answer {
    let stream = operation.name.starts_with("Subscription");
    let accept = if stream { "text/event-stream" } else { "application/graphql-response+json" };
    let body = json!({ "query": operation.query, "variables": operation.variables });
    let mut request = client.http.post(format!("{}/graphql", client.url)).header("accept", accept).json(&body);
    if !client.token.is_empty() {
        request = request.bearer_auth(&client.token);
    }
    let mut response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    if !stream || status != 200 {
        return Answer { status, body: response.json().await.expect("JSON") };
    }
    let mut text = String::new();
    while !text.contains("\n\n") {
        let chunk = response.chunk();
        let chunk = match tokio::time::timeout(SILENCE, chunk).await {
            Ok(chunk) => chunk.expect("more of the stream").expect("an event before the end"),
            // A live view says nothing before something happens: that it stays open is its answer.
            Err(_) if LIVE.contains(&operation.name.as_str()) => return Answer { status, body: json!({ "data": {} }) },
            Err(_) => continue,
        };
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    let data = text.lines().find_map(|line| line.strip_prefix("data:")).expect("an event with data");
    Answer { status, body: serde_json::from_str(data.trim()).expect("JSON") }
}

/// Well signed, for the organisation, and with a role of some other product.
fn without_role() -> String {
    let claims = json!({ "sub": "guest", "org": "acme", "roles": ["billing:admin"], "exp": 4_102_444_800_u64 });
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token")
}
