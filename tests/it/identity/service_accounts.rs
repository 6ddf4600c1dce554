//! Programs with keys of their own.

use datasource_studio::domain::Role;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{accepted, refused, viewer};
use crate::harness::server::{mutation, open_webhook};
use crate::harness::{Client, Kind, Process, Socket, TestServer, eventually};
use crate::on_both_databases;

async fn account(admin: &Client, name: &str, role: &str, projects: Option<&[&str]>) -> String {
    let input = json!({ "name": name, "role": role, "projects": projects });
    let made = admin.mutate("createServiceAccount", input, "serviceAccount { id }").await;
    made["serviceAccount"]["id"].as_str().expect("an id").to_owned()
}

/// The public part of a new key, and the key.
async fn key(admin: &Client, account: &str, more: Value) -> (String, String) {
    let mut input = json!({ "serviceAccountId": account, "name": "first" });
    for (name, value) in more.as_object().expect("an object") {
        input[name] = value.clone();
    }
    let made = admin.mutate("createApiKey", input, "key apiKey { id }").await;
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    (text(&made["apiKey"]["id"]), text(&made["key"]))
}

async fn problem(client: &Client, name: &str, input: Value) -> String {
    let answer = client.send(&mutation(name, "__typename"), json!({ "input": input })).await;
    let extensions = &answer["errors"][0]["extensions"];
    assert_eq!(extensions["code"], "VALIDATION_FAILED", "{answer:#}");
    extensions["problems"][0]["pointer"].as_str().expect("a pointer").to_owned()
}

on_both_databases! {
    async fn a_key_works_until_it_is_revoked_and_is_shown_once(server: TestServer) {
        let admin = server.admin();
        let id = account(&admin, "deployer", "OPERATOR", None).await;
        let (public, text) = key(&admin, &id, json!({})).await;
        assert!(text.starts_with(&format!("dss_{public}_")), "{text}");
        let program = server.with_token(text.clone());
        let viewer = accepted(&server, &text).await;
        assert_eq!((&viewer["subject"], &viewer["role"]), (&json!("service:deployer"), &json!("OPERATOR")));
        let datasource = program.webhook("doors", open_webhook(json!({}))).await;
        let events = "query($id: ID!) { datasourceEvents(id: $id) { nodes { actor } } }";
        let events = admin.data(events, json!({ "id": datasource })).await;
        assert_eq!(events["datasourceEvents"]["nodes"][0]["actor"], "service:deployer");

        // Nothing that is stored or told has the key; what was kept cannot be turned back into it.
        let accounts = "{ serviceAccounts { name createdBy apiKeys { id name createdBy expiresAt lastUsedAt revokedAt } } }";
        let used = eventually("its use is noted", || async {
            let all = admin.data(accounts, json!({})).await;
            (!all["serviceAccounts"][0]["apiKeys"][0]["lastUsedAt"].is_null()).then_some(all)
        })
        .await;
        assert_eq!(used["serviceAccounts"][0]["createdBy"], "admin@acme");
        let secret = &text["dss_0123456789abcdef_".len()..];
        let audit = admin.data("{ auditLog { nodes { action oldValue newValue } } }", json!({})).await;
        assert!(!used.to_string().contains(secret) && !audit.to_string().contains(secret));
        assert!(audit.to_string().contains("service_account_created") && audit.to_string().contains("api_key_created"));

        let mut socket = Socket::connect(&program).await;
        admin.mutate("revokeApiKey", json!({ "id": public, "reason": "parity" }), "apiKey { revokedBy }").await;
        assert_eq!(refused(&server, &text).await.0, "UNAUTHENTICATED");
        assert_eq!(socket.closed().await.0, 4403);
    }

    async fn a_disabled_account_is_refused_until_it_is_enabled(server: TestServer) {
        let admin = server.admin();
        let id = account(&admin, "reader", "VIEWER", None).await;
        let (_, text) = key(&admin, &id, json!({})).await;
        accepted(&server, &text).await;
        let path = format!("/api/v1/service-accounts/{id}");
        let set = |disabled: bool| admin.call(reqwest::Method::PATCH, &path).json(&json!({ "disabled": disabled })).send();
        assert_eq!(set(true).await.ok(200)["disabledBy"], "admin@acme");
        assert_eq!(refused(&server, &text).await.0, "UNAUTHENTICATED");
        assert_eq!(set(false).await.ok(200)["disabledBy"], Value::Null);
        accepted(&server, &text).await;
    }

    async fn nobody_gives_more_than_they_have(server: TestServer) {
        let admin = server.admin();
        let north = server.limited_to(Role::Admin, &["north", "south"]);
        let wide = account(&admin, "everywhere", "OPERATOR", None).await;
        let own = account(&north, "northern", "ADMIN", None).await;

        // A limited admin gives its projects on, sees what is within them, and nothing else.
        let new = json!({ "name": "x", "role": "VIEWER", "projects": ["west"] });
        assert_eq!(problem(&north, "createServiceAccount", new).await, "/projects");
        let new = json!({ "name": "x", "role": "VIEWER", "projects": [] });
        assert_eq!(problem(&north, "createServiceAccount", new).await, "/projects");
        let seen = north.data("{ serviceAccounts { name projects } }", json!({})).await;
        assert_eq!(seen["serviceAccounts"], json!([{ "name": "northern", "projects": ["north", "south"] }]));
        let create = mutation("createApiKey", "key");
        let of_wide = json!({ "input": { "serviceAccountId": wide, "name": "x" } });
        assert_eq!(north.code(&create, of_wide.clone()).await, "NOT_FOUND");
        assert_eq!(server.client(Role::Admin, "globex").code(&create, of_wide).await, "NOT_FOUND");

        // A key is at most what its account is.
        let more = |input: Value| {
            let mut all = json!({ "serviceAccountId": wide, "name": "x" });
            all[input["field"].as_str().expect("a field")] = input["value"].clone();
            all
        };
        let wrong = more(json!({ "field": "role", "value": "ADMIN" }));
        assert_eq!(problem(&admin, "createApiKey", wrong).await, "/role");
        let wrong = more(json!({ "field": "expiresAt", "value": "2020-01-01T00:00:00Z" }));
        assert_eq!(problem(&admin, "createApiKey", wrong).await, "/expiresAt");
        let wrong = json!({ "serviceAccountId": own, "name": "x", "projects": ["west"] });
        assert_eq!(problem(&admin, "createApiKey", wrong).await, "/projects");

        let (_, text) = key(&north, &own, json!({ "role": "VIEWER", "projects": ["south"] })).await;
        let viewer = accepted(&server, &text).await;
        assert_eq!((&viewer["role"], &viewer["projects"]), (&json!("VIEWER"), &json!(["south"])));
        let datasource = admin.webhook("doors", open_webhook(json!({}))).await;
        let found = "query($id: ID!) { datasource(id: $id) { id } }";
        let found = server.with_token(text).data(found, json!({ "id": datasource })).await;
        assert_eq!(found["datasource"], Value::Null, "it is in another project");

        assert_eq!(admin.code(&mutation("createServiceAccount", "__typename"),
            json!({ "input": { "name": "everywhere", "role": "VIEWER" } })).await, "CONFLICT");
    }

    async fn a_key_makes_no_key_that_outlives_it(server: TestServer) {
        let admin = server.admin();
        let id = account(&admin, "root", "ADMIN", None).await;
        let (_, text) = key(&admin, &id, json!({ "expiresAt": "2098-01-01T00:00:00Z" })).await;
        let program = server.with_token(text);
        let later = json!({ "serviceAccountId": id, "name": "x", "expiresAt": "2099-01-01T00:00:00Z" });
        assert_eq!(problem(&program, "createApiKey", later.clone()).await, "/expiresAt");
        let other = account(&program, "other", "ADMIN", None).await;
        let later_of_other = json!({ "serviceAccountId": other, "name": "x", "expiresAt": "2099-01-01T00:00:00Z" });
        assert_eq!(problem(&program, "createApiKey", later_of_other).await, "/expiresAt");
        let end = async |maker: &Client, input: Value| {
            let made = maker.mutate("createApiKey", input, "apiKey { expiresAt }").await;
            made["apiKey"]["expiresAt"].as_str().map(|end| end[..10].to_owned())
        };
        let plain = json!({ "serviceAccountId": id, "name": "x" });
        assert_eq!(end(&program, plain.clone()).await.as_deref(), Some("2098-01-01"), "that of its maker");
        let sooner = json!({ "serviceAccountId": id, "name": "x", "expiresAt": "2097-01-01T00:00:00Z" });
        assert_eq!(end(&program, sooner).await.as_deref(), Some("2097-01-01"));
        // A person's token is short, and the key that it makes is not.
        assert_eq!(end(&admin, later).await.as_deref(), Some("2099-01-01"));
        assert_eq!(end(&admin, plain).await, None);
    }

    async fn what_is_no_key_is_refused_alike(server: TestServer) {
        let admin = server.admin();
        let id = account(&admin, "ci", "VIEWER", None).await;
        let (public, text) = key(&admin, &id, json!({})).await;
        let forged = |id: &str| {
            let body = format!("dss_{id}_{}", "ab".repeat(32));
            let sum = hex::encode(&Sha256::digest(&body)[..4]);
            format!("{body}{sum}")
        };
        let mut mistyped = text.clone();
        mistyped.replace_range(30..31, if &text[30..31] == "0" { "1" } else { "0" });
        let mut messages = Vec::new();
        for wrong in [forged(&public), forged("0123456789abcdef"), mistyped, "dss_".to_owned(), text.to_uppercase().replace("DSS", "dss")] {
            let (code, message) = refused(&server, &wrong).await;
            assert_eq!(code, "UNAUTHENTICATED");
            messages.push(message);
        }
        messages.dedup();
        assert_eq!(messages.len(), 1, "which part is wrong is not told: {messages:?}");
        // A key ends by itself.
        let soon = chrono::Utc::now() + chrono::Duration::milliseconds(1_500);
        let (_, short) = key(&admin, &id, json!({ "expiresAt": soon })).await;
        eventually("the key ends", || async { (viewer(&server, &short).await.0 == 401).then_some(()) }).await;
        // It is shown once, so that it cannot be repeated either.
        let call = admin.call(reqwest::Method::POST, &format!("/api/v1/service-accounts/{id}/api-keys"));
        let call = call.header("idempotency-key", "one").json(&json!({ "name": "second" }));
        call.send().await.refused(400, "VALIDATION_FAILED");
        let made = admin.post(&format!("/api/v1/service-accounts/{id}/api-keys"), json!({ "name": "third" })).await;
        assert_eq!(made.header("cache-control"), "no-store");
        let place = made.header("location").to_owned();
        assert!(place.starts_with("/api/v1/api-keys/"), "{place}");
        assert!(made.ok(201)["key"].is_string());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_works_and_ends_on_every_node() {
    let server = TestServer::start(Kind::Postgres).await;
    let directory = tempfile::tempdir().expect("a directory");
    let node = Process::start(&server.database, directory.path(), &["--node-name", "second"]).await;
    let admin = server.admin();
    let id = account(&admin, "ci", "VIEWER", None).await;
    let (_, text) = key(&admin, &id, json!({})).await;
    let there = Client { url: node.url.clone(), ..server.with_token(text) };
    let status = || async { there.get("/api/v1/viewer").await.status };
    eventually("the other node knows it", || async { (status().await == 200).then_some(()) }).await;
    admin.mutate("setServiceAccountDisabled", json!({ "id": id, "disabled": true }), "serviceAccount { id }").await;
    eventually("the other node refuses it", || async { (status().await == 401).then_some(()) }).await;
}
