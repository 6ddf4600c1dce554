//! A server that keeps to the contract of a Vault: Transit, KV, and logins by AppRole and Kubernetes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

pub const TOKEN: &str = "hvs.a-token-for-tests";
pub const ROLE_ID: &str = "role-1";
pub const SECRET_ID: &str = "secret-id-1";

/// How it feels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    Sealed,
    Busy,
    Denying,
    /// Whoever logs in gets a token that may do nothing.
    Forbidding,
    Broken,
    Babbling,
}

#[derive(Clone, Debug)]
pub struct Asked {
    pub method: String,
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
}

struct Inner {
    mood: Mood,
    version: u32,
    /// Ciphertext -> plaintext and associated data.
    sealed: HashMap<String, (String, String)>,
    /// Path -> answer of the KV engine.
    kv: HashMap<String, Value>,
    tokens: Vec<String>,
    asked: Vec<Asked>,
}

#[derive(Clone)]
pub struct VaultServer {
    pub url: String,
    inner: Arc<Mutex<Inner>>,
}

impl VaultServer {
    pub async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let inner = Arc::new(Mutex::new(Inner {
            mood: Mood::Well,
            version: 1,
            sealed: HashMap::new(),
            kv: HashMap::new(),
            tokens: vec![TOKEN.to_owned()],
            asked: Vec::new(),
        }));
        let server = Self { url, inner };
        let app = axum::Router::new().fallback(answer).with_state(server.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        server
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, Inner> {
        self.inner.lock().expect("no panic")
    }

    pub fn feel(&self, mood: Mood) {
        self.inner().mood = mood;
    }

    /// As `vault write -f transit/keys/…/rotate`.
    pub fn rotate(&self) {
        self.inner().version += 1;
    }

    /// What `path` of a KV engine answers under `data`.
    pub fn put(&self, path: &str, data: Value) {
        self.inner().kv.insert(path.to_owned(), data);
    }

    /// From now on this token is good too.
    pub fn accept(&self, token: &str) {
        self.inner().tokens.push(token.to_owned());
    }

    /// Takes away what logins gave.
    pub fn revoke(&self) {
        self.inner().tokens.clear();
    }

    pub fn asked(&self) -> Vec<Asked> {
        self.inner().asked.clone()
    }
}

async fn answer(State(server): State<VaultServer>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let body: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
    let headers = parts.headers.iter().map(|(k, v)| (k.to_string(), v.to_str().unwrap_or_default().to_owned()));
    let headers: HashMap<_, _> = headers.collect();
    let path = parts.uri.path().to_owned();
    let mut inner = server.inner();
    let token = headers.get("x-vault-token").cloned().unwrap_or_default();
    inner.asked.push(Asked { method: parts.method.to_string(), path: path.clone(), headers, body: body.clone() });
    let refuse = |status: StatusCode, why: &str| (status, axum::Json(json!({ "errors": [why] }))).into_response();
    match inner.mood {
        Mood::Well | Mood::Forbidding => {}
        Mood::Sealed => return refuse(StatusCode::SERVICE_UNAVAILABLE, "Vault is sealed"),
        Mood::Busy => return refuse(StatusCode::TOO_MANY_REQUESTS, "request path: rate limit quota exceeded"),
        Mood::Denying => return refuse(StatusCode::FORBIDDEN, "permission denied"),
        Mood::Broken => return refuse(StatusCode::INTERNAL_SERVER_ERROR, "internal error"),
        Mood::Babbling => return (StatusCode::OK, "<html>a proxy</html>").into_response(),
    }
    let segments: Vec<_> = path.trim_start_matches("/v1/").split('/').collect();
    let ok = |data: Value| axum::Json(json!({ "request_id": "r", "data": data })).into_response();
    if let ["auth", method, "login"] = segments.as_slice() {
        let known = match *method {
            "approle" => body == json!({ "role_id": ROLE_ID, "secret_id": SECRET_ID }),
            "kubernetes" => body == json!({ "role": "studio", "jwt": "service.account.jwt" }),
            _ => false,
        };
        if !known {
            return refuse(StatusCode::BAD_REQUEST, "invalid role or secret ID");
        }
        let token = format!("hvs.login-{}", inner.asked.len());
        inner.tokens.push(token.clone());
        return axum::Json(json!({ "auth": { "client_token": token, "lease_duration": 3600, "renewable": true } }))
            .into_response();
    }
    if inner.mood == Mood::Forbidding || !inner.tokens.contains(&token) {
        return refuse(StatusCode::FORBIDDEN, "permission denied");
    }
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    match (parts.method.as_str(), segments.as_slice()) {
        ("POST", ["transit", "encrypt", "studio"]) => {
            let ciphertext = format!("vault:v{}:{:04}", inner.version, inner.sealed.len());
            inner.sealed.insert(ciphertext.clone(), (text("plaintext"), text("associated_data")));
            ok(json!({ "ciphertext": ciphertext, "key_version": inner.version }))
        }
        ("POST", ["transit", "decrypt", "studio"]) => match inner.sealed.get(&text("ciphertext")) {
            Some((plaintext, data)) if *data == text("associated_data") => ok(json!({ "plaintext": plaintext })),
            _ => refuse(StatusCode::BAD_REQUEST, "cipher: message authentication failed"),
        },
        ("GET", _) => match inner.kv.get(path.trim_start_matches("/v1/")) {
            Some(data) => ok(data.clone()),
            None => refuse(StatusCode::NOT_FOUND, ""),
        },
        _ => refuse(StatusCode::NOT_FOUND, "no handler for route"),
    }
}
