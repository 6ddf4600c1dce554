//! Tokens that end before their time.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use datasource_studio::domain::Role;
use serde_json::{Value, json};

use super::{accepted, refused};
use crate::harness::{Kind, Process, Socket, TestServer, eventually};
use crate::on_both_databases;

/// The claims `jti` and `exp`, as `revokeToken` takes them.
fn named(token: &str) -> Value {
    let claims = URL_SAFE_NO_PAD.decode(token.split('.').nth(1).expect("claims")).expect("base64url");
    let claims: Value = serde_json::from_slice(&claims).expect("JSON");
    let end = chrono::DateTime::from_timestamp(claims["exp"].as_i64().expect("an end"), 0).expect("a time");
    json!({ "jti": claims["jti"], "expiresAt": end, "reason": "the laptop was stolen" })
}

async fn revoke(server: &TestServer, token: &str) {
    server.admin().mutate("revokeToken", named(token), "token { jti revokedBy }").await;
}

on_both_databases! {
    async fn a_revoked_token_is_refused_at_once_and_what_it_opened_ends(server: TestServer) {
        let (stolen, other) = (server.operator(), server.operator());
        let query = "subscription { datasourceStates(ids: []) { desired } }";
        let mut socket = Socket::subscribe(&stolen, query, json!({})).await;
        let mut kept = Socket::connect(&other).await;
        let body = json!({ "query": "subscription($id: ID!) { datasourceEvents(id: $id) { id } }",
            "variables": { "id": stolen.webhook("doors", crate::harness::server::open_webhook(json!({}))).await } });
        let request = server.http.post(format!("{}/graphql", server.url)).bearer_auth(&stolen.token).json(&body);
        let mut events = request.header("accept", "text/event-stream").send().await.expect("a stream");
        assert_eq!(events.status(), 200);

        revoke(&server, &stolen.token).await;
        let (code, message) = refused(&server, &stolen.token).await;
        assert_eq!(code, "UNAUTHENTICATED");
        assert!(message.contains("revoked"), "{message}");
        stolen.get("/api/v1/viewer").await.refused(401, "UNAUTHENTICATED");
        let (code, reason) = socket.closed().await;
        assert_eq!(code, 4403);
        assert!(reason.contains("revoked"), "{reason}");
        // The stream ends; it does not only fall silent.
        while events.chunk().await.expect("an end in order").is_some() {}

        accepted(&server, &other.token).await;
        kept.send(json!({ "type": "ping" })).await;
        assert_eq!(kept.message().await["type"], "pong");
    }

    async fn a_revocation_is_of_one_organisation_and_in_its_audit_log_once(server: TestServer) {
        let token = server.operator().token;
        let other = server.client(Role::Admin, "globex");
        other.mutate("revokeToken", named(&token), "token { jti }").await;
        accepted(&server, &token).await;
        for _ in 0..2 {
            revoke(&server, &token).await;
        }
        let audit = "{ auditLog(filter: { action: \"token_revoked\" }) { nodes { actor reason newValue } } }";
        let entries = server.admin().data(audit, json!({})).await["auditLog"]["nodes"].take();
        assert_eq!(entries.as_array().map(Vec::len), Some(1), "{entries:#}");
        assert_eq!(entries[0]["reason"], "the laptop was stolen");
        assert_eq!(entries[0]["newValue"], named(&token)["jti"]);
    }

    async fn a_revocation_lasts_until_the_latest_end_that_was_told(server: TestServer) {
        let admin = server.admin();
        let revoke = |end: &'static str| {
            let input = json!({ "jti": "lost", "expiresAt": end, "reason": end });
            let admin = &admin;
            async move { admin.mutate("revokeToken", input, "token { expiresAt }").await["token"]["expiresAt"].clone() }
        };
        let at = |told: Value| told.as_str().and_then(|text| text.parse::<chrono::DateTime<chrono::Utc>>().ok()).expect("a time");
        let (early, late) = ("2098-01-01T00:00:00Z", "2099-01-01T00:00:00Z");
        for (given, stands) in [(early, early), (late, late), (early, late), (late, late)] {
            assert_eq!(at(revoke(given).await), at(json!(stands)), "{given}");
        }
        let audit = "{ auditLog(filter: { action: \"token_revoked\" }) { nodes { field reason } } }";
        let entries = admin.data(audit, json!({})).await["auditLog"]["nodes"].take();
        let expected = json!([{ "field": "revokedTokens.lost.expiresAt", "reason": late }, { "field": "revokedTokens", "reason": early }]);
        assert_eq!(entries, expected);
    }

    async fn only_what_can_be_meant_is_taken(server: TestServer) {
        let revoke = "mutation($input: RevokeTokenInput!) { revokeToken(input: $input) { token { jti } } }";
        for wrong in [
            json!({ "jti": "", "expiresAt": "2099-01-01T00:00:00Z" }),
            json!({ "jti": "a\u{0}b", "expiresAt": "2099-01-01T00:00:00Z" }),
            json!({ "jti": "x".repeat(300), "expiresAt": "2099-01-01T00:00:00Z" }),
            json!({ "jti": "one", "expiresAt": "2020-01-01T00:00:00Z" }),
        ] {
            let code = server.admin().code(revoke, json!({ "input": wrong })).await;
            assert_eq!(code, "VALIDATION_FAILED", "{wrong}");
        }
        let limited = server.limited_to(Role::Admin, &["north"]);
        let input = json!({ "jti": "one", "expiresAt": "2099-01-01T00:00:00Z" });
        assert_eq!(limited.code(revoke, json!({ "input": input })).await, "FORBIDDEN");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_revoked_on_one_node_is_refused_on_all() {
    let server = TestServer::start(Kind::Postgres).await;
    let directory = tempfile::tempdir().expect("a directory");
    let node = Process::start(&server.database, directory.path(), &["--node-name", "second"]).await;
    let stolen = crate::harness::Client { url: node.url.clone(), ..server.operator() };
    let mut socket = Socket::connect(&stolen).await;
    assert_eq!(stolen.get("/api/v1/viewer").await.status, 200);
    revoke(&server, &stolen.token).await;
    eventually("the other node refuses it", || async {
        (stolen.get("/api/v1/viewer").await.status == 401).then_some(())
    })
    .await;
    assert_eq!(socket.closed().await.0, 4403);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_lasts_as_long_as_its_token_and_over_a_restart() {
    let server = TestServer::start_with(Kind::Sqlite, &["--housekeeping-interval", "50ms", "--jwt-leeway", "0s"]).await;
    let long = server.operator().token;
    let short = server.token(Role::Viewer, "acme", Duration::from_secs(2));
    for token in [&long, &short] {
        revoke(&server, token).await;
    }
    let sql = server.database.sql().await;
    let kept = "SELECT count(*) FROM revoked_tokens";
    eventually("the entry of the token that has ended is gone", || async {
        (sql.number(kept).await == 1).then_some(())
    })
    .await;
    drop(sql);
    let server = TestServer::on(server.stop().await, &[]).await;
    assert!(refused(&server, &long).await.1.contains("revoked"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_token_stays_refused_while_its_end_is_tolerated() {
    let flags = ["--housekeeping-interval", "50ms", "--jwt-leeway", "1h"];
    let server = TestServer::start_with(Kind::Sqlite, &flags).await;
    let [early, late, kept] = [(); 3].map(|()| server.token(Role::Viewer, "acme", Duration::from_secs(1)));
    revoke(&server, &early).await;
    // More than what is kept for the sake of rounding.
    tokio::time::sleep(Duration::from_secs(4)).await;
    accepted(&server, &kept).await;
    // Whoever still lets it in must also let it be revoked, and everything is read anew for it.
    revoke(&server, &late).await;
    for token in [&early, &late] {
        assert!(refused(&server, token).await.1.contains("revoked"));
    }
}
