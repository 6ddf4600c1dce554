//! Data keys wrapped by AWS KMS: a server that recomputes every signature.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use datasource_studio::secrets::{AwsKms, Keyring, SecretAddress, SecretError};
use hmac::{Hmac, KeyInit, Mac};
use object_store::StaticCredentialProvider;
use object_store::aws::AwsCredential;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::key_settings;
use crate::harness::{Database, Kind, Process};
use datasource_studio::domain::Role;

const ACCESS_KEY: &str = "AKIDEXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const SESSION: &str = "a-session-token";
const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab";
const ADDRESS: SecretAddress<'_> =
    SecretAddress { org: "acme", datasource_id: Uuid::nil(), key: "k", version: 1, reference: false };

#[derive(Default)]
struct Inner {
    /// Blob -> plaintext and encryption context.
    sealed: HashMap<String, (String, Value)>,
    asked: Vec<(String, Value)>,
    fails_with: Option<(u16, &'static str)>,
    wrong_signatures: usize,
}

#[derive(Clone)]
struct KmsServer {
    url: String,
    inner: Arc<Mutex<Inner>>,
}

impl KmsServer {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let server =
            Self { url: format!("http://{}", listener.local_addr().expect("an address")), inner: Arc::default() };
        let app = axum::Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        server
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic")
    }

    fn keyring(&self, secret_key: &str) -> Keyring {
        let settings = key_settings(&["--aws-kms-key", KEY, "--aws-kms-endpoint", &self.url]);
        let credential =
            AwsCredential { key_id: ACCESS_KEY.into(), secret_key: secret_key.into(), token: Some(SESSION.into()) };
        let kms =
            AwsKms::new(&settings, Arc::new(StaticCredentialProvider::new(credential))).expect("settings that do");
        Keyring::new(Box::new(kms), Vec::new(), Duration::ZERO)
    }
}

fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any length");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature as AWS computes it from what arrived.
fn signature(method: &str, path: &str, headers: &HashMap<String, String>, body: &[u8]) -> (String, String) {
    let authorization = &headers["authorization"];
    let part = |name: &str| {
        let (_, rest) = authorization.split_once(&format!("{name}=")).expect("a part of the authorization");
        rest.split(',').next().expect("a value").to_owned()
    };
    let (credential, signed) = (part("Credential"), part("SignedHeaders"));
    let (id, scope) = credential.split_once('/').expect("an id and a scope");
    assert_eq!(id, ACCESS_KEY);
    let day = &headers["x-amz-date"][..8];
    assert_eq!(scope, format!("{day}/eu-central-1/kms/aws4_request"));
    for needed in ["host", "x-amz-date", "x-amz-target", "content-type"] {
        assert!(signed.split(';').any(|name| name == needed), "{needed} is signed: {signed}");
    }
    let lines: String = signed.split(';').map(|name| format!("{name}:{}\n", headers[name].trim())).collect();
    let canonical = format!("{method}\n{path}\n\n{lines}\n{signed}\n{}", hex::encode(Sha256::digest(body)));
    let to_sign = format!(
        "AWS4-HMAC-SHA256\n{}\n{scope}\n{}",
        headers["x-amz-date"],
        hex::encode(Sha256::digest(canonical.as_bytes()))
    );
    let key = hmac(format!("AWS4{SECRET_KEY}").as_bytes(), day);
    let key = hmac(&hmac(&hmac(&key, "eu-central-1"), "kms"), "aws4_request");
    (hex::encode(hmac(&key, &to_sign)), part("Signature"))
}

async fn answer(State(server): State<KmsServer>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let headers: HashMap<_, _> =
        parts.headers.iter().map(|(k, v)| (k.to_string(), v.to_str().unwrap_or_default().to_owned())).collect();
    let mut inner = server.inner();
    let refuse = |status: u16, name: &str| {
        let body = json!({ "__type": name, "message": "no" });
        (StatusCode::from_u16(status).expect("a status"), axum::Json(body)).into_response()
    };
    let (computed, given) = signature(parts.method.as_str(), parts.uri.path(), &headers, &bytes);
    if computed != given {
        inner.wrong_signatures += 1;
        return refuse(400, "InvalidSignatureException");
    }
    if let Some((status, name)) = inner.fails_with {
        return refuse(status, name);
    }
    if headers["content-type"] != "application/x-amz-json-1.1" {
        return refuse(415, "UnknownOperationException");
    }
    let body: Value = serde_json::from_slice(&bytes).expect("JSON");
    let target = headers["x-amz-target"].clone();
    inner.asked.push((target.clone(), body.clone()));
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    if text("KeyId") != KEY {
        return refuse(400, "NotFoundException");
    }
    match target.as_str() {
        "TrentService.Encrypt" => {
            use base64::Engine;
            let blob = base64::engine::general_purpose::STANDARD.encode(format!("blob-{}", inner.sealed.len()));
            inner.sealed.insert(blob.clone(), (text("Plaintext"), body["EncryptionContext"].clone()));
            axum::Json(json!({ "CiphertextBlob": blob, "KeyId": KEY })).into_response()
        }
        "TrentService.Decrypt" => match inner.sealed.get(&text("CiphertextBlob")) {
            Some((plaintext, context)) if *context == body["EncryptionContext"] => {
                axum::Json(json!({ "Plaintext": plaintext, "KeyId": KEY })).into_response()
            }
            _ => refuse(400, "InvalidCiphertextException"),
        },
        _ => refuse(400, "UnknownOperationException"),
    }
}

#[tokio::test]
async fn a_data_key_is_wrapped_and_unwrapped_as_the_api_says() {
    let server = KmsServer::start().await;
    let keys = server.keyring(SECRET_KEY);
    let stored = keys.generate_data_key("acme").await.expect("wraps");
    assert_eq!((stored.provider.as_str(), stored.master_key_id.as_str()), ("aws-kms", KEY));
    let key = keys.unwrap_data_key("acme", &stored).await.expect("unwraps");
    let sealed = key.seal(&ADDRESS, &"hunter2".into()).expect("seals");
    let again = keys.unwrap_data_key("acme", &stored).await.expect("unwraps");
    assert_eq!(again.open(&ADDRESS, &sealed).expect("opens").expose_secret(), "hunter2");

    let asked = server.inner().asked.clone();
    let targets: Vec<_> = asked.iter().map(|(target, _)| target.as_str()).collect();
    assert_eq!(targets, ["TrentService.Encrypt", "TrentService.Decrypt", "TrentService.Decrypt"]);
    let context = json!({ "studio:org": "acme", "studio:data_key": stored.id });
    assert!(asked.iter().all(|(_, body)| body["EncryptionContext"] == context), "{asked:?}");

    let moved = keys.unwrap_data_key("evil", &stored).await.expect_err("another organisation's");
    assert_eq!(moved, SecretError::Tampered("data key"));
}

#[tokio::test]
async fn a_wrong_secret_key_makes_a_signature_that_is_refused() {
    let server = KmsServer::start().await;
    let error = server.keyring("guessed").generate_data_key("acme").await.expect_err("refused").to_string();
    assert!(error.contains("InvalidSignatureException") && !error.contains("guessed"), "{error}");
    assert_eq!(server.inner().wrong_signatures, 1);
}

#[tokio::test]
async fn what_kms_says_no_with_is_told_apart() {
    let server = KmsServer::start().await;
    let keys = server.keyring(SECRET_KEY);
    let cases = [
        (400, "ThrottlingException", true),
        (500, "KMSInternalException", true),
        (503, "DependencyTimeoutException", true),
        (400, "com.amazonaws.kms#AccessDeniedException", false),
        (400, "DisabledException", false),
    ];
    for (status, name, passes) in cases {
        server.inner().fails_with = Some((status, name));
        let error = keys.generate_data_key("acme").await.expect_err("must fail");
        assert_eq!(error.is_outage(), passes, "{name}: {error}");
        assert!(!error.to_string().contains(SECRET_KEY) && !error.to_string().contains(SESSION), "{error}");
    }
}

/// A process with the credentials of its environment, and no master key in use.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_keeps_its_secrets_by_kms() {
    let kms = KmsServer::start().await;
    let database = Database::create(Kind::Sqlite).await;
    let flags = ["--key-provider", "aws-kms", "--aws-kms-key", KEY, "--aws-kms-endpoint", &kms.url];
    let environment = [("AWS_ACCESS_KEY_ID", ACCESS_KEY), ("AWS_SECRET_ACCESS_KEY", SECRET_KEY)];
    let start =
        || Process::spawn_with(std::process::Stdio::null(), &database, database.data_dir.path(), &flags, &environment);
    let process = start();
    process.ready().await;
    let admin = process.client(Role::Admin);
    let config = json!({
        "connector": { "type": "webhook", "auth": { "type": "bearer", "token": { "$secret": "token" } } },
        "mapping": { "outputs": [{ "kind": "event", "id": "$.id", "fields": { "a": "$.a" } }] },
    });
    let id = admin.webhook("guarded", config).await;
    admin.mutate("setDatasourceSecret", json!({ "id": id, "key": "token", "value": "one" }), "secret { key }").await;
    let version = admin.publish(&id).await;
    admin.running(&id, version).await;
    process.kill();

    let process = start();
    process.ready().await;
    process.client(Role::Admin).running(&id, version).await;
    let hook = reqwest::Client::new().post(format!("{}/hooks/{id}", process.url)).bearer_auth("one");
    assert_eq!(hook.json(&json!({ "id": 1 })).send().await.expect("an answer").status(), 202);
    let sql = database.sql().await;
    assert_eq!(sql.column::<String>("SELECT DISTINCT provider FROM data_keys").await, ["aws-kms"]);
    sql.close().await;
}
