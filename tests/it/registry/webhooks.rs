//! Who may send to a webhook, and what: credentials, sizes, content types, formats.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::header::HeaderMap;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::harness::{Client, Kind, TestServer, eventually};
use crate::on_both_databases;

const SECRET: &str = "a secret of both sides";
const BODY: &str = r#"{"id": "r-1", "n": 1}"#;

fn signature(key: &[u8], parts: &[&str]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    for part in parts {
        mac.update(part.as_bytes());
    }
    mac.finalize().into_bytes().to_vec()
}

fn hex_signature(key: &str) -> String {
    hex::encode(signature(key.as_bytes(), &[BODY]))
}

/// A published webhook with this `auth`, whose secret has the key `key`; answers with its id.
async fn guarded(admin: &Client, name: &str, auth: Value, secret: &str) -> String {
    webhook(admin, name, json!({ "auth": auth }), Some(secret)).await
}

async fn webhook(admin: &Client, name: &str, mut connector: Value, secret: Option<&str>) -> String {
    connector["type"] = json!("webhook");
    let mapping = json!({ "outputs": [{ "kind": "event", "id": "$.id", "fields": { "n": "$.n" } }] });
    let id = admin.webhook(name, json!({ "connector": connector, "mapping": mapping })).await;
    if let Some(value) = secret {
        let set = json!({ "id": id, "key": "key", "value": value });
        admin.mutate("setDatasourceSecret", set, "secret { version }").await;
    }
    admin.publish(&id).await;
    id
}

/// Posts `body` with `headers`; answers with the status and the JSON.
async fn post(server: &TestServer, id: &str, headers: &[(&str, &str)], body: &str) -> (u16, HeaderMap, Value) {
    let mut request = server.http.post(format!("{}/hooks/{id}", server.url)).body(body.to_owned());
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("an answer");
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    (status, headers, response.json().await.unwrap_or(Value::Null))
}

/// Posts `BODY` once with the right headers, and once with each of the wrong ones.
async fn admits_only(server: &TestServer, id: &str, right: &[(&str, &str)], wrong: &[&[(&str, &str)]]) {
    for headers in wrong {
        let (status, answer, problem) = post(server, id, headers, BODY).await;
        assert_eq!((status, &problem["code"]), (401, &json!("UNAUTHENTICATED")), "{headers:?}: {problem}");
        assert_eq!(answer["content-type"], "application/problem+json");
        assert!(!problem.to_string().contains(SECRET), "{problem}");
    }
    let (status, _, receipt) = post(server, id, right, BODY).await;
    assert_eq!((status, &receipt["records"]), (202, &json!(1)), "{receipt}");
    let ids: Vec<_> = server.delivered("acme", id).iter().map(|r| r["id"].clone()).collect();
    assert_eq!(ids, ["r-1"], "the admitted record only");
}

on_both_databases! {
    async fn github_signatures(server: TestServer) {
        let auth = json!({ "type": "github", "secret": { "$secret": "key" } });
        let id = guarded(&server.admin(), "github", auth, SECRET).await;
        let right = format!("sha256={}", hex_signature(SECRET));
        let other_key = format!("sha256={}", hex_signature("another secret"));
        let wrong: [&[(&str, &str)]; 5] = [
            &[],
            &[("x-hub-signature-256", &other_key)],
            &[("x-hub-signature-256", &right["sha256=".len()..])],
            &[("x-hub-signature-256", "sha256=")],
            &[("x-hub-signature", &right)],
        ];
        admits_only(&server, &id, &[("x-hub-signature-256", &right)], &wrong).await;
        let (status, _, _) = post(&server, &id, &[("x-hub-signature-256", &right)], r#"{"id": "r-2"}"#).await;
        assert_eq!(status, 401, "a signature is of one body");
    }

    async fn standard_webhooks_signatures(server: TestServer) {
        let key = b"0123456789abcdef01234567";
        let secret = format!("whsec_{}", BASE64.encode(key));
        let auth = json!({ "type": "standard_webhooks", "secret": { "$secret": "key" } });
        let id = guarded(&server.admin(), "standard", auth, &secret).await;
        let sign = |time: i64, key: &[u8]| {
            let time = time.to_string();
            let signature = signature(key, &["msg_1", ".", &time, ".", BODY]);
            (time, format!("v1,{}", BASE64.encode(signature)))
        };
        let now = chrono::Utc::now().timestamp();
        let (time, right) = sign(now, key);
        let (_, other_key) = sign(now, b"another key");
        let (old, of_old) = sign(now - 3_600, key);
        let (future, of_future) = sign(now + 3_600, key);
        let id_header = ("webhook-id", "msg_1");
        // While a sender's key is replaced it sends two signatures.
        let both = format!("{other_key} {right}");
        let wrong: [&[(&str, &str)]; 6] = [
            &[],
            &[id_header, ("webhook-timestamp", &time), ("webhook-signature", &other_key)],
            &[id_header, ("webhook-timestamp", &old), ("webhook-signature", &of_old)],
            &[id_header, ("webhook-timestamp", &future), ("webhook-signature", &of_future)],
            &[id_header, ("webhook-timestamp", &old), ("webhook-signature", &right)],
            &[("webhook-id", "msg_2"), ("webhook-timestamp", &time), ("webhook-signature", &right)],
        ];
        let right = [id_header, ("webhook-timestamp", time.as_str()), ("webhook-signature", both.as_str())];
        admits_only(&server, &id, &right, &wrong).await;
    }

    async fn hmac_signatures_in_a_header_of_choice(server: TestServer) {
        let admin = server.admin();
        let auth = json!({
            "type": "hmac_sha256", "secret": { "$secret": "key" }, "header": "X-Signature", "prefix": "v0=",
        });
        let id = guarded(&admin, "hex", auth, SECRET).await;
        let right = format!("v0={}", hex_signature(SECRET));
        let (no_prefix, other_key) = (hex_signature(SECRET), format!("v0={}", hex_signature("another secret")));
        let wrong: [&[(&str, &str)]; 4] =
            [&[], &[("x-signature", &no_prefix)], &[("x-signature", &other_key)], &[("x-other", &right)]];
        admits_only(&server, &id, &[("x-signature", &right)], &wrong).await;

        let auth = json!({
            "type": "hmac_sha256", "secret": { "$secret": "key" }, "header": "X-Signature", "encoding": "base64",
        });
        let id = guarded(&admin, "base64", auth, SECRET).await;
        let right = BASE64.encode(signature(SECRET.as_bytes(), &[BODY]));
        let in_hex = hex_signature(SECRET);
        admits_only(&server, &id, &[("x-signature", &right)], &[&[("x-signature", &in_hex)]]).await;
    }

    async fn shared_secrets_bearer_tokens_and_basic_credentials(server: TestServer) {
        let admin = server.admin();
        let secret = json!({ "$secret": "key" });

        let id = guarded(&admin, "shared", json!({ "type": "shared_secret", "secret": secret }), SECRET).await;
        let wrong: [&[(&str, &str)]; 3] =
            [&[], &[("x-webhook-secret", "guess")], &[("authorization", "a secret of both sides")]];
        admits_only(&server, &id, &[("x-webhook-secret", SECRET)], &wrong).await;

        let id = guarded(&admin, "bearer", json!({ "type": "bearer", "token": secret }), SECRET).await;
        let right = format!("Bearer {SECRET}");
        let (basic, studio) = (format!("Basic {SECRET}"), format!("Bearer {}", admin.token));
        let wrong: [&[(&str, &str)]; 5] = [
            &[],
            &[("authorization", "Bearer guess")],
            &[("authorization", SECRET)],
            &[("authorization", &basic)],
            // An admin of the studio is not a sender.
            &[("authorization", &studio)],
        ];
        admits_only(&server, &id, &[("authorization", &right)], &wrong).await;

        let auth = json!({ "type": "basic", "username": "sender", "password": secret });
        let id = guarded(&admin, "basic", auth, SECRET).await;
        let credentials = |pair: &str| format!("Basic {}", BASE64.encode(pair));
        let right = credentials(&format!("sender:{SECRET}"));
        let (other_name, other_word) = (credentials(&format!("other:{SECRET}")), credentials("sender:guess"));
        let wrong: [&[(&str, &str)]; 4] = [
            &[],
            &[("authorization", &other_name)],
            &[("authorization", &other_word)],
            &[("authorization", "Basic not base64!")],
        ];
        admits_only(&server, &id, &[("authorization", &right)], &wrong).await;
    }

    async fn a_body_has_a_limit(server: TestServer) {
        let admin = server.admin();
        let id = webhook(&admin, "small", json!({ "auth": { "type": "none" }, "max_body": 64 }), None).await;
        let body = |length: usize| format!("\"{}\"", "x".repeat(length - 2));
        assert_eq!(post(&server, &id, &[], &body(64)).await.0, 202);
        let (status, headers, problem) = post(&server, &id, &[], &body(65)).await;
        assert_eq!(status, 413, "{problem}");
        assert!(problem["detail"].as_str().is_some_and(|d| d.contains("64 bytes")), "{problem}");
        assert_eq!(headers["content-type"], "application/problem+json");
        assert_eq!(server.delivered("acme", &id).len(), 1);
    }

    async fn content_types_and_malformed_bodies(server: TestServer) {
        let admin = server.admin();
        let open = json!({ "type": "none" });
        let json_id = webhook(&admin, "json", json!({ "auth": open }), None).await;
        let lines_id = webhook(&admin, "lines", json!({ "auth": open, "format": "json_lines" }), None).await;
        let text_id = webhook(&admin, "text", json!({ "auth": open, "format": "text" }), None).await;
        let lines = "{\"id\": 1}\n\n{\"id\": 2}\n";
        for (id, content_type, body, expected) in [
            (&json_id, "application/json", BODY, 202),
            (&json_id, "application/json; charset=utf-8", BODY, 202),
            (&json_id, "application/cloudevents+json", BODY, 202),
            (&json_id, "", BODY, 202),
            (&json_id, "text/plain", BODY, 415),
            (&json_id, "application/x-www-form-urlencoded", BODY, 415),
            (&json_id, "application/json", "", 400),
            (&json_id, "application/json", "{\"id\": ", 400),
            (&json_id, "application/json", "{} {}", 400),
            (&json_id, "application/json", "not json", 400),
            (&lines_id, "application/x-ndjson", lines, 202),
            (&lines_id, "application/x-ndjson", "{\"id\": 1}\nnot json\n", 400),
            (&lines_id, "image/png", lines, 415),
            (&text_id, "text/plain", "a line of text", 202),
            (&text_id, "application/json", "{}", 415),
        ] {
            let headers = [("content-type", content_type)];
            let headers = if content_type.is_empty() { &[][..] } else { &headers[..] };
            let (status, answer, problem) = post(&server, id, headers, body).await;
            assert_eq!(status, expected, "{content_type}, {body:?}: {problem}");
            if status != 202 {
                assert_eq!(problem["code"], "VALIDATION_FAILED", "{problem}");
                assert_eq!(problem["requestId"], answer["x-request-id"].to_str().expect("text"), "{problem}");
            }
        }
        assert_eq!(server.delivered("acme", &json_id).len(), 4);
        assert_eq!(server.delivered("acme", &lines_id).len(), 2, "all lines of a body, or none");
        assert_eq!(server.delivered("acme", &text_id).len(), 1);
    }

    /// GitHub can also send a form, whose field `payload` holds the JSON; the signature is of the form.
    async fn githubs_form(server: TestServer) {
        let auth = json!({ "type": "github", "secret": { "$secret": "key" } });
        let id = guarded(&server.admin(), "github", auth, SECRET).await;
        let form = url::form_urlencoded::Serializer::new(String::new()).append_pair("payload", BODY).finish();
        let signed = format!("sha256={}", hex::encode(signature(SECRET.as_bytes(), &[&form])));
        let kind = ("content-type", "application/x-www-form-urlencoded");
        let (status, _, receipt) = post(&server, &id, &[kind, ("x-hub-signature-256", &signed)], &form).await;
        assert_eq!(status, 202, "{receipt}");
        assert_eq!(server.delivered("acme", &id)[0]["data"], json!({ "n": 1 }));
    }

    /// A sender that is told the address the moment it runs may have to come again, and never gives up.
    async fn what_was_just_told_to_run_is_never_unknown(server: TestServer) {
        let admin = server.admin();
        for n in 0..10 {
            let config = json!({ "connector": { "type": "webhook", "auth": { "type": "none" } } });
            let id = admin.webhook(&format!("hook-{n}"), config).await;
            admin.publish(&id).await;
            may_come_again(&server, &id).await;
            admin.mutate("restartDatasource", json!({ "id": id }), "datasource { id }").await;
            may_come_again(&server, &id).await;
            admin.mutate("stopDatasource", json!({ "id": id }), "datasource { id }").await;
            eventually("it is gone", || async { (post(&server, &id, &[], BODY).await.0 == 404).then_some(()) }).await;
            admin.mutate("startDatasource", json!({ "id": id }), "datasource { id }").await;
            may_come_again(&server, &id).await;
        }
    }

    async fn what_is_no_webhook_is_not_found(server: TestServer) {
        let admin = server.admin();
        let draft = admin.webhook("draft", json!({ "connector": { "type": "webhook", "auth": { "type": "none" } } })).await;
        let running = webhook(&admin, "running", json!({ "auth": { "type": "none" } }), None).await;
        let unknown = uuid::Uuid::now_v7().to_string();
        for id in [draft.as_str(), unknown.as_str(), "not-an-id", "..%2f..%2fhealth"] {
            let (status, headers, problem) = post(&server, id, &[], BODY).await;
            assert_eq!((status, &problem["code"]), (404, &json!("NOT_FOUND")), "{id}: {problem}");
            assert_eq!(headers["content-type"], "application/problem+json", "{id}");
        }
        let get = server.http.get(format!("{}/hooks/{running}", server.url)).send().await.expect("an answer");
        assert_eq!(get.status(), 405);
        assert_eq!(get.headers()["allow"], "POST");
    }
}

/// Posts at once and until it is taken; meanwhile it is told to come again.
async fn may_come_again(server: &TestServer, id: &str) {
    eventually("a post is taken", || async {
        let (status, headers, problem) = post(server, id, &[], BODY).await;
        if status == 202 {
            return Some(());
        }
        assert_eq!((status, &problem["code"]), (503, &json!("UNAVAILABLE")), "{problem}");
        assert!(headers.contains_key("retry-after"), "{headers:?}");
        None
    })
    .await;
}

/// The server's own limit holds also where a datasource allows more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_limits_every_body() {
    let server = TestServer::start_with(Kind::Sqlite, &["--hook-max-body", "100"]).await;
    let id =
        webhook(&server.admin(), "large", json!({ "auth": { "type": "none" }, "max_body": 1_000_000 }), None).await;
    let (status, _, problem) = post(&server, &id, &[], &format!("\"{}\"", "x".repeat(200))).await;
    assert_eq!(status, 413, "{problem}");
    assert!(problem["detail"].as_str().is_some_and(|d| d.contains("100 bytes")), "{problem}");
}
