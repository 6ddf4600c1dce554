//! Roles on single projects and datasources.

use std::collections::BTreeSet;

use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::{refused, viewer};
use crate::harness::server::{JWT_SECRET, mutation, open_webhook};
use crate::harness::{Client, Socket, TestServer};
use crate::on_both_databases;

/// A token of `acme` with these roles, groups and projects.
fn person(server: &TestServer, subject: &str, more: Value) -> Client {
    let mut claims = json!({ "sub": subject, "org": "acme", "roles": [], "exp": 4_102_444_800_u64 });
    for (name, value) in more.as_object().expect("an object") {
        claims[name] = value.clone();
    }
    let key = jsonwebtoken::EncodingKey::from_secret(JWT_SECRET.as_bytes());
    server.with_token(jsonwebtoken::encode(&jsonwebtoken::Header::default(), &claims, &key).expect("a token"))
}

async fn datasource(admin: &Client, name: &str, project: &str) -> String {
    let input = json!({ "name": name, "type": "webhook", "project": project, "config": open_webhook(json!({})) });
    let made = admin.mutate("createDatasource", input, "datasource { id }").await;
    made["datasource"]["id"].as_str().expect("an id").to_owned()
}

async fn grant(admin: &Client, kind: &str, principal: &str, role: &str, on: Value) -> String {
    let mut input = json!({ "principalKind": kind, "principal": principal, "role": role });
    for (name, value) in on.as_object().expect("an object") {
        input[name] = value.clone();
    }
    let made = admin.mutate("grantAccess", input, "grant { id }").await;
    made["grant"]["id"].as_str().expect("an id").to_owned()
}

/// The names of all that a caller sees in the list.
async fn seen(client: &Client) -> BTreeSet<String> {
    let data = client.data("{ datasources { totalCount nodes { name } } }", json!({})).await;
    let nodes = data["datasources"]["nodes"].as_array().expect("nodes");
    assert_eq!(data["datasources"]["totalCount"], nodes.len(), "what is not seen is not counted");
    nodes.iter().map(|node| node["name"].as_str().expect("a name").to_owned()).collect()
}

fn names(all: &[&str]) -> BTreeSet<String> {
    all.iter().map(|name| (*name).to_owned()).collect()
}

/// How an edit ends: `""`, or the code of its refusal.
async fn edit(client: &Client, id: &str) -> String {
    let input = json!({ "id": id, "description": uuid::Uuid::now_v7() });
    let answer = client.send(&mutation("updateDatasource", "datasource { id }"), json!({ "input": input })).await;
    answer["errors"][0]["extensions"]["code"].as_str().unwrap_or_default().to_owned()
}

on_both_databases! {
    async fn a_grant_adds_a_role_on_one_datasource_until_it_is_revoked(server: TestServer) {
        let admin = server.admin();
        let (doors, lifts) = (datasource(&admin, "doors", "north").await, datasource(&admin, "lifts", "north").await);
        let ada = person(&server, "ada", json!({ "roles": ["datasource:viewer"] }));
        assert_eq!(edit(&ada, &doors).await, "FORBIDDEN");
        let given = grant(&admin, "USER", "ada", "OPERATOR", json!({ "datasourceId": doors })).await;
        assert_eq!(edit(&ada, &doors).await, "");
        assert_eq!(edit(&ada, &lifts).await, "FORBIDDEN", "it is seen, and no more");
        ada.call(reqwest::Method::PATCH, &format!("/datasources/{lifts}")).json(&json!({ "description": "x" })).send().await
            .refused(403, "FORBIDDEN");
        let publish = mutation("publishDatasource", "datasource { id }");
        assert_eq!(ada.code(&publish, json!({ "input": { "id": doors } })).await, "FORBIDDEN");

        // What a client is to offer is told by the same rule.
        let can = "query($id: ID!) { viewer { here: can(permission: \"datasource:edit\", datasource: $id)
            any: can(permission: \"datasource:edit\") more: can(permission: \"datasource:publish\", datasource: $id) } }";
        for (id, here) in [(&doors, true), (&lifts, false)] {
            let told = ada.data(can, json!({ "id": id })).await;
            assert_eq!(told["viewer"], json!({ "here": here, "any": true, "more": false }));
        }

        // A new role takes the place of the old one; the list of a datasource has it.
        grant(&admin, "USER", "ada", "ADMIN", json!({ "datasourceId": doors })).await;
        let access = "query($id: ID!) { datasource(id: $id) { access { principal role createdBy } } }";
        let listed = admin.data(access, json!({ "id": doors })).await;
        let expected = json!([{ "principal": "ada", "role": "ADMIN", "createdBy": "admin@acme" }]);
        assert_eq!(listed["datasource"]["access"], expected);
        let revoke = mutation("revokeAccess", "grant { id }");
        assert_eq!(admin.code(&revoke, json!({ "input": { "id": given } })).await, "NOT_FOUND", "it was replaced");
        let all = admin.data("{ accessGrants { id } }", json!({})).await;
        admin.mutate("revokeAccess", json!({ "id": all["accessGrants"][0]["id"], "reason": "done" }), "grant { id }").await;
        assert_eq!(edit(&ada, &doors).await, "FORBIDDEN");
        let audit = "query($id: ID) { auditLog(filter: { datasourceId: $id }) { nodes { action reason } } }";
        let audit = admin.data(audit, json!({ "id": doors })).await.to_string();
        assert!(audit.contains("access_granted") && audit.contains("access_revoked"), "{audit}");
    }

    async fn without_a_role_one_sees_what_is_granted_and_nothing_else(server: TestServer) {
        let admin = server.admin();
        let doors = datasource(&admin, "doors", "north").await;
        let lifts = datasource(&admin, "lifts", "south").await;
        datasource(&admin, "gates", "west").await;
        let theirs = datasource(&server.client(Role::Admin, "globex"), "doors", "north").await;
        let ada = person(&server, "ada", json!({ "groups": ["feeds", 7] }));
        assert_eq!(refused(&server, &ada.token).await.0, "FORBIDDEN");

        grant(&admin, "USER", "ada", "VIEWER", json!({ "datasourceId": doors })).await;
        assert_eq!(seen(&ada).await, names(&["doors"]));
        grant(&admin, "GROUP", "feeds", "OPERATOR", json!({ "project": "south" })).await;
        assert_eq!(seen(&ada).await, names(&["doors", "lifts"]));
        assert_eq!((edit(&ada, &doors).await.as_str(), edit(&ada, &lifts).await.as_str()), ("FORBIDDEN", ""));
        assert_eq!(edit(&ada, &theirs).await, "NOT_FOUND");
        let found = "query($id: ID!) { datasource(id: $id) { id } datasourceEvents(id: $id) { nodes { id } } }";
        let answer = ada.send(found, json!({ "id": theirs })).await;
        assert!(!answer.to_string().contains(&theirs), "{answer:#}");
        let new = json!({ "name": "own", "type": "webhook", "project": "south" });
        ada.mutate("createDatasource", new, "datasource { id }").await;
        let new = json!({ "name": "own", "type": "webhook", "project": "north" });
        assert_eq!(ada.code(&mutation("createDatasource", "datasource { id }"), json!({ "input": new })).await, "FORBIDDEN");

        // Somebody of the same name in another organisation is somebody else.
        let namesake = person(&server, "ada", json!({ "org": "globex", "groups": ["feeds"] }));
        assert_eq!(refused(&server, &namesake.token).await.0, "FORBIDDEN");
    }

    async fn who_is_admin_of_one_datasource_is_not_admin_of_more(server: TestServer) {
        let admin = server.admin();
        let (own, other) = (datasource(&admin, "own", "north").await, datasource(&admin, "other", "north").await);
        admin.mutate("publishDatasource", json!({ "id": other }), "version { version }").await;
        let ada = person(&server, "ada", json!({ "roles": ["datasource:operator"] }));
        grant(&admin, "USER", "ada", "ADMIN", json!({ "datasourceId": own })).await;
        ada.mutate("publishDatasource", json!({ "id": own }), "version { version }").await;
        for (name, input) in [
            ("publishDatasource", json!({ "id": other })),
            ("archiveDatasource", json!({ "id": other })),
            ("setDatasourceSecret", json!({ "id": other, "key": "k", "value": "v" })),
            // Of what is live, this needs an admin, though an operator may edit the rest.
            ("updateDatasource", json!({ "id": other, "owner": "ada" })),
            ("grantAccess", json!({ "principalKind": "USER", "principal": "bob", "role": "ADMIN", "datasourceId": own })),
            ("createServiceAccount", json!({ "name": "x", "role": "VIEWER" })),
            ("revokeToken", json!({ "jti": "x", "expiresAt": "2099-01-01T00:00:00Z" })),
        ] {
            let code = ada.code(&mutation(name, "__typename"), json!({ "input": input })).await;
            assert_eq!(code, "FORBIDDEN", "{name}");
        }
        let audit = ada.data("{ auditLog { nodes { datasourceId } } }", json!({})).await;
        let entries = audit["auditLog"]["nodes"].as_array().expect("nodes");
        assert!(!entries.is_empty() && entries.iter().all(|entry| entry["datasourceId"] == own), "{entries:?}");
        assert_eq!(ada.code("{ accessGrants { id } }", json!({})).await, "FORBIDDEN");
    }

    async fn what_a_client_is_told_it_may_do_is_what_it_may(server: TestServer) {
        let admin = server.admin();
        let own = datasource(&admin, "own", "north").await;
        grant(&admin, "USER", "ada", "ADMIN", json!({ "datasourceId": own })).await;
        let ada = person(&server, "ada", json!({ "roles": ["datasource:viewer"] }));
        let north = server.limited_to(Role::Admin, &["north"]);
        for (permission, query, path, by_grant, limited) in [
            ("access:manage", "{ accessGrants { id } }", "/api/v1/access-grants", false, true),
            ("registry:read", "{ registry { nodes { name } } }", "/api/v1/registry", false, true),
            ("key:manage", "{ encryptionKeys { provider } }", "/api/v1/keys", false, false),
            ("audit:read", "{ auditLog { nodes { id } } }", "/api/v1/audit-log", true, true),
        ] {
            let can = "query($p: String!, $id: ID) { viewer { can(permission: $p, datasource: $id) } }";
            for (who, client, may) in [("ada", &ada, by_grant), ("north", &north, limited), ("all", &admin, true)] {
                for on in [None, Some(&own)] {
                    let told = client.data(can, json!({ "p": permission, "id": on })).await;
                    assert_eq!(told["viewer"]["can"], may, "{who} {permission} {on:?}");
                }
                let done = client.send(query, json!({})).await;
                let code = done["errors"][0]["extensions"]["code"].as_str().unwrap_or_default();
                assert_eq!(code, if may { "" } else { "FORBIDDEN" }, "{who} {permission}");
                let status = client.get(path).await.status;
                assert_eq!(status, if may { 200 } else { 403 }, "{who} {permission}");
            }
        }
        let listed = north.data("{ viewer { permissions } }", json!({})).await.to_string();
        assert!(listed.contains("access:manage") && !listed.contains("key:manage"), "{listed}");
    }

    async fn a_stream_ends_with_the_grant_that_opened_it(server: TestServer) {
        let admin = server.admin();
        let doors = datasource(&admin, "doors", "north").await;
        let ada = person(&server, "ada", json!({}));
        let given = grant(&admin, "USER", "ada", "VIEWER", json!({ "datasourceId": doors })).await;
        let mut socket = Socket::connect(&ada).await;
        admin.mutate("revokeAccess", json!({ "id": given }), "grant { id }").await;
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 4403);
        assert!(reason.contains("has changed"), "{reason}");
        assert_eq!(viewer(&server, &ada.token).await.0, 403);
    }

    async fn a_service_account_is_granted_by_its_name_and_a_narrowed_key_is_not(server: TestServer) {
        let admin = server.admin();
        let doors = datasource(&admin, "doors", "north").await;
        let input = json!({ "name": "ci", "role": "VIEWER", "projects": ["south"] });
        let account = admin.mutate("createServiceAccount", input, "serviceAccount { id }").await;
        let key = |more: Value| {
            let mut input = json!({ "serviceAccountId": account["serviceAccount"]["id"], "name": "x" });
            if let Some(projects) = more.get("projects") {
                input["projects"] = projects.clone();
            }
            input
        };
        let plain = admin.mutate("createApiKey", key(json!({})), "key").await;
        let input = json!({ "name": "narrow", "role": "OPERATOR", "projects": ["south"] });
        let wide = admin.mutate("createServiceAccount", input, "serviceAccount { id }").await;
        let narrow = json!({ "serviceAccountId": wide["serviceAccount"]["id"], "name": "x", "role": "VIEWER" });
        let narrow = admin.mutate("createApiKey", narrow, "key").await;
        for name in ["ci", "narrow"] {
            grant(&admin, "SERVICE_ACCOUNT", name, "OPERATOR", json!({ "datasourceId": doors })).await;
            // Nobody becomes a service account by a name in a token.
            assert_eq!(refused(&server, &person(&server, &format!("service:{name}"), json!({})).token).await.0, "UNAUTHENTICATED");
        }
        let text = |made: &Value| made["key"].as_str().expect("a key").to_owned();
        assert_eq!(edit(&server.with_token(text(&plain)), &doors).await, "");
        assert!(seen(&server.with_token(text(&narrow))).await.is_empty());
    }

    async fn a_key_gets_no_grant_beyond_the_projects_of_who_made_it(server: TestServer) {
        let admin = server.admin();
        let billing = server.limited_to(Role::Admin, &["billing"]);
        let salaries = datasource(&admin, "salaries", "hr").await;
        let invoices = datasource(&admin, "invoices", "billing").await;
        let input = json!({ "name": "deployer", "role": "ADMIN", "projects": ["billing"] });
        let account = admin.mutate("createServiceAccount", input, "serviceAccount { id }").await;
        let key = async |maker: &Client| {
            let input = json!({ "serviceAccountId": account["serviceAccount"]["id"], "name": "x" });
            let made = maker.mutate("createApiKey", input, "key").await;
            server.with_token(made["key"].as_str().expect("a key").to_owned())
        };
        let before = key(&billing).await;
        grant(&admin, "SERVICE_ACCOUNT", "deployer", "ADMIN", json!({ "project": "hr" })).await;
        let after = key(&billing).await;
        // Nor by a key that such a key makes.
        let child = key(&after).await;
        let secret = json!({ "input": { "id": salaries, "key": "k", "value": "v" } });
        for narrow in [&before, &after, &child] {
            assert_eq!(seen(narrow).await, names(&["invoices"]));
            assert_eq!(narrow.code(&mutation("setDatasourceSecret", "__typename"), secret.clone()).await, "NOT_FOUND");
        }
        let whole = key(&admin).await;
        assert_eq!(seen(&whole).await, names(&["invoices", "salaries"]));
        // What is within these projects counts for all.
        let input = json!({ "name": "reader", "role": "VIEWER", "projects": ["billing"] });
        let reader = billing.mutate("createServiceAccount", input, "serviceAccount { id }").await;
        let input = json!({ "serviceAccountId": reader["serviceAccount"]["id"], "name": "x" });
        let made = billing.mutate("createApiKey", input, "key").await;
        grant(&admin, "SERVICE_ACCOUNT", "reader", "OPERATOR", json!({ "datasourceId": invoices })).await;
        assert_eq!(edit(&server.with_token(made["key"].as_str().expect("a key").to_owned()), &invoices).await, "");
    }

    async fn nobody_takes_the_name_that_a_grant_waits_for(server: TestServer) {
        let admin = server.admin();
        let give = mutation("grantAccess", "grant { id }");
        let to = |kind: &str| json!({ "principalKind": kind, "principal": "ghost", "role": "ADMIN", "project": "hr" });
        assert_eq!(admin.code(&give, json!({ "input": to("SERVICE_ACCOUNT") })).await, "VALIDATION_FAILED");
        // One that was made while a grant could be to any name.
        let given = admin.mutate("grantAccess", to("USER"), "grant { id }").await;
        let sql = server.database.sql().await;
        assert_eq!(sql.run("UPDATE access_grants SET principal_kind = 'service_account'").await, 1);
        sql.close().await;
        let create = mutation("createServiceAccount", "serviceAccount { id }");
        let ghost = json!({ "input": { "name": "ghost", "role": "ADMIN" } });
        let billing = server.limited_to(Role::Admin, &["billing"]);
        assert_eq!(admin.code(&create, ghost.clone()).await, "CONFLICT");
        admin.mutate("revokeAccess", json!({ "id": given["grant"]["id"] }), "grant { id }").await;
        billing.data(&create, ghost).await;
    }

    async fn what_cannot_be_meant_is_refused(server: TestServer) {
        let admin = server.admin();
        let doors = datasource(&admin, "doors", "north").await;
        let give = mutation("grantAccess", "grant { id }");
        let north = server.limited_to(Role::Admin, &["north"]);
        let base = json!({ "principalKind": "USER", "principal": "ada", "role": "VIEWER" });
        let with = |more: Value| {
            let mut input = base.clone();
            for (name, value) in more.as_object().expect("an object") {
                input[name] = value.clone();
            }
            json!({ "input": input })
        };
        assert_eq!(admin.code(&give, with(json!({}))).await, "VALIDATION_FAILED");
        assert_eq!(admin.code(&give, with(json!({ "project": "a", "datasourceId": doors }))).await, "VALIDATION_FAILED");
        assert_eq!(admin.code(&give, with(json!({ "project": "a", "principal": " " }))).await, "VALIDATION_FAILED");
        assert_eq!(north.code(&give, with(json!({ "project": "south" }))).await, "FORBIDDEN");
        let stranger = server.client(Role::Admin, "globex");
        assert_eq!(stranger.code(&give, with(json!({ "datasourceId": doors }))).await, "NOT_FOUND");
        // A limited admin manages what is on its own projects.
        let given = grant(&admin, "USER", "ada", "VIEWER", json!({ "project": "south" })).await;
        assert_eq!(north.data("{ accessGrants { id } }", json!({})).await["accessGrants"], json!([]));
        let revoke = mutation("revokeAccess", "grant { id }");
        assert_eq!(north.code(&revoke, json!({ "input": { "id": given } })).await, "NOT_FOUND");
    }
}
