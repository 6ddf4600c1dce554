//! An identity provider: a small HTTP server with discovery, a key set, and every way to misbehave.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

macro_rules! pem {
    ($name:literal) => {
        include_bytes!(concat!("../../fixtures/keys/", $name, ".pem"))
    };
}

/// A private key of the issuer, by the name that its public half has in the set.
#[derive(Clone)]
pub struct Key {
    pub kid: &'static str,
    pub algorithm: Algorithm,
    pub private: EncodingKey,
}

impl Key {
    pub fn rsa(kid: &'static str, algorithm: Algorithm) -> Self {
        Self { kid, algorithm, private: EncodingKey::from_rsa_pem(pem!("rsa")).expect("a key") }
    }

    pub fn p256(kid: &'static str) -> Self {
        let private = EncodingKey::from_ec_pem(pem!("p256")).expect("a key");
        Self { kid, algorithm: Algorithm::ES256, private }
    }

    pub fn p384(kid: &'static str) -> Self {
        let private = EncodingKey::from_ec_pem(pem!("p384")).expect("a key");
        Self { kid, algorithm: Algorithm::ES384, private }
    }

    pub fn ed25519(kid: &'static str) -> Self {
        let private = EncodingKey::from_ed_pem(pem!("ed25519")).expect("a key");
        Self { kid, algorithm: Algorithm::EdDSA, private }
    }

    /// The public half, as a set has it.
    pub fn public(&self) -> Value {
        let jwk = Jwk::from_encoding_key(&self.private, self.algorithm).expect("a public half");
        let mut jwk = serde_json::to_value(jwk).expect("JSON");
        (jwk["kid"], jwk["use"]) = (json!(self.kid), json!("sig"));
        jwk
    }

    pub fn header(&self) -> Header {
        Header { kid: Some(self.kid.to_owned()), ..Header::new(self.algorithm) }
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_with(&self.header(), claims)
    }

    pub fn sign_with(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.private).expect("it signs")
    }
}

#[derive(Clone)]
pub enum Answer {
    Well,
    Down,
    Garbage,
    /// More than anybody should read.
    Endless,
    Elsewhere,
    /// The document of another issuer.
    Impostor,
}

struct Site {
    url: String,
    keys: Mutex<Vec<Value>>,
    answer: Mutex<Answer>,
    cache: Mutex<&'static str>,
    fetches: AtomicUsize,
    under_way: AtomicUsize,
    most_at_once: AtomicUsize,
    gate: tokio::sync::Semaphore,
}

pub struct Issuer {
    site: Arc<Site>,
    task: tokio::task::JoinHandle<()>,
}

impl Issuer {
    pub async fn start(keys: &[Key]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}/realms/acme", listener.local_addr().expect("an address"));
        let site = Arc::new(Site {
            url,
            keys: Mutex::new(keys.iter().map(Key::public).collect()),
            answer: Mutex::new(Answer::Well),
            cache: Mutex::new("no-cache"),
            fetches: AtomicUsize::new(0),
            under_way: AtomicUsize::new(0),
            most_at_once: AtomicUsize::new(0),
            gate: tokio::sync::Semaphore::new(1_000),
        });
        let routes = Router::new()
            .route("/realms/acme/.well-known/openid-configuration", get(discovery))
            .route("/realms/acme/protocol/openid-connect/certs", get(certs))
            .with_state(Arc::clone(&site));
        let task = tokio::spawn(async move { axum::serve(listener, routes).await.expect("it serves") });
        Self { site, task }
    }

    /// What `iss` is in its tokens.
    pub fn url(&self) -> &str {
        &self.site.url
    }

    pub fn keys_url(&self) -> String {
        format!("{}/protocol/openid-connect/certs", self.site.url)
    }

    pub fn publish(&self, keys: Vec<Value>) {
        *self.site.keys.lock().expect("a lock") = keys;
    }

    pub fn answer(&self, answer: Answer) {
        *self.site.answer.lock().expect("a lock") = answer;
    }

    pub fn cache(&self, control: &'static str) {
        *self.site.cache.lock().expect("a lock") = control;
    }

    /// Nobody gets the keys until the returned value is dropped.
    pub async fn hold(&self) -> tokio::sync::SemaphorePermit<'_> {
        self.site.gate.acquire_many(1_000).await.expect("a gate")
    }

    /// How often the keys were asked for, and how many asked at once at most.
    pub fn fetches(&self) -> (usize, usize) {
        (self.site.fetches.load(Ordering::SeqCst), self.site.most_at_once.load(Ordering::SeqCst))
    }

    /// What Keycloak puts into an access token, with `changes`; a null removes a claim.
    pub fn claims(&self, changes: Value) -> Value {
        let now = chrono::Utc::now().timestamp();
        let mut claims = json!({
            "exp": now + 300, "iat": now, "auth_time": now - 5, "jti": "onrtac:3f5e1b1c-8f0a-4d1e-9c57-0c4b7f0b1d11",
            "iss": self.url(), "aud": "account", "sub": "1eeb1f0e-5b0e-4a43-9a39-7ee2e0c0f7a5", "typ": "Bearer",
            "azp": "studio", "sid": "8d2a9c1c-6d5c-4b7c-a0f2-0f4a8b8f0b77", "acr": "1",
            "allowed-origins": ["https://studio.acme.example"],
            "realm_access": { "roles": ["offline_access", "uma_authorization", "default-roles-acme", "datasource:viewer"] },
            "resource_access": {
                "studio": { "roles": ["datasource:operator"] },
                "account": { "roles": ["manage-account", "view-profile"] },
            },
            "scope": "openid profile email", "email_verified": true, "name": "Ada Lovelace",
            "groups": ["/feeds/north", "feed-editors"],
            "preferred_username": "ada", "given_name": "Ada", "family_name": "Lovelace", "email": "ada@acme.example",
        });
        for (name, value) in changes.as_object().expect("an object") {
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            } else {
                claims[name] = value.clone();
            }
        }
        claims
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn discovery(State(site): State<Arc<Site>>) -> Response {
    let answer = site.answer.lock().expect("a lock").clone();
    let issuer = if matches!(answer, Answer::Impostor) { "https://id.example" } else { &site.url };
    let jwks_uri = format!("{}/protocol/openid-connect/certs", site.url);
    match answer {
        Answer::Down => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Answer::Elsewhere => (StatusCode::FOUND, [("location", "https://id.example/")]).into_response(),
        _ => axum::Json(json!({ "issuer": issuer, "jwks_uri": jwks_uri, "token_endpoint": "x" })).into_response(),
    }
}

async fn certs(State(site): State<Arc<Site>>) -> Response {
    site.fetches.fetch_add(1, Ordering::SeqCst);
    let now = site.under_way.fetch_add(1, Ordering::SeqCst) + 1;
    site.most_at_once.fetch_max(now, Ordering::SeqCst);
    drop(site.gate.acquire().await);
    site.under_way.fetch_sub(1, Ordering::SeqCst);
    let answer = site.answer.lock().expect("a lock").clone();
    let cache = *site.cache.lock().expect("a lock");
    match answer {
        Answer::Down => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Answer::Garbage => "<html>sign in</html>".into_response(),
        Answer::Endless => {
            let chunk = axum::body::Bytes::from(vec![b' '; 64 * 1024]);
            let stream = futures::stream::repeat_with(move || Ok::<_, std::io::Error>(chunk.clone()));
            axum::body::Body::from_stream(stream).into_response()
        }
        _ => {
            let keys = site.keys.lock().expect("a lock").clone();
            ([("cache-control", cache)], axum::Json(json!({ "keys": keys }))).into_response()
        }
    }
}
