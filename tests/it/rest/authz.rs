//! Who may call what over REST: every operation of the document, with every role.

use std::collections::BTreeMap;

use datasource_studio::domain::Role;

use super::operations::{Operation, all, subject};
use crate::authz_matrix::MATRIX;
use crate::harness::Sql;
use crate::on_both_databases;

/// What REST names and GraphQL has as a field of something else, or as another verb.
const OWN: [(&str, &str); 5] = [
    ("exportContent", "admin"),
    ("patchDatasource", "operator"),
    ("datasourceSecrets", "viewer"),
    ("datasourceState", "viewer"),
    ("datasourceVersions", "viewer"),
];

const ROLES: [Role; 3] = [Role::Viewer, Role::Operator, Role::Admin];

fn reaches(role: Role, operation: &Operation) -> bool {
    role >= operation.role().parse::<Role>().expect("a role")
}

async fn journal(sql: &Sql) -> (i64, i64) {
    let events = sql.number("SELECT event_seq FROM orgs WHERE org_id = 'acme'").await;
    (events, sql.number("SELECT count(*) FROM audit_entries WHERE outcome <> 'refused'").await)
}

/// A new route fails here until the matrix of GraphQL has its operation, or this file.
#[test]
fn the_document_names_the_roles_of_the_matrix() {
    let mut agreed: BTreeMap<&str, &str> = OWN.into_iter().collect();
    agreed.extend(MATRIX.iter().filter_map(|(name, role)| match name.split_once('.')? {
        ("Subscription", _) => None,
        (_, name) => Some((name, *role)),
    }));
    let operations = all();
    let declared: BTreeMap<_, _> = operations.iter().map(|o| (o.id.as_str(), o.role())).collect();
    assert_eq!(declared, agreed, "left: the document; right: the matrices");
    assert_eq!(declared.len(), operations.len(), "an operationId is used twice");
}

on_both_databases! {
    async fn a_role_that_is_too_low_is_forbidden_and_writes_nothing(server: TestServer) {
        let id = subject(&server, "subject").await;
        let sql = server.database.sql().await;
        let before = journal(&sql).await;
        for (number, operation) in all().into_iter().enumerate() {
            for role in ROLES.into_iter().filter(|role| !reaches(*role, &operation)) {
                let refusal = operation.call(&server.client(role, "acme"), &id).send().await.refused(403, "FORBIDDEN");
                let detail = refusal["detail"].as_str().expect("a text");
                assert!(detail.contains(operation.role()), "{}: {detail}", operation.id);
            }
            // One of the two each time: an address that is refused too often is told to wait.
            let token = ["", "not.a.token"][number % 2];
            let refusal = operation.call(&server.with_token(token.to_owned()), &id).send().await;
            assert_eq!(refusal.header("www-authenticate"), "Bearer");
            refusal.refused(401, "UNAUTHENTICATED");
            // Another organisation cannot tell that it is there; nor can a token of other projects.
            if operation.is_about_one() {
                for stranger in [server.client(Role::Admin, "other"), server.limited_to(Role::Admin, &["elsewhere"])] {
                    operation.call(&stranger, &id).send().await.refused(404, "NOT_FOUND");
                }
            }
        }
        assert_eq!(journal(&sql).await, before, "a refused operation was written down");
    }

    /// The operation may still fail for a reason of its own, such as having nothing to roll back to.
    async fn a_role_that_is_high_enough_is_let_through(server: TestServer) {
        for role in ROLES {
            for operation in all().into_iter().filter(|operation| reaches(role, operation)) {
                let id = subject(&server, &format!("{role} {}", operation.id)).await;
                let answer = operation.call(&server.client(role, "acme"), &id).send().await;
                // There is no such job or dead letter yet; who asks for it is let through.
                let absent = answer.status == 404 && operation.names_a_part();
                assert!(absent || [200, 201, 409].contains(&answer.status), "{} as {role}: {answer:?}", operation.id);
            }
        }
    }
}
