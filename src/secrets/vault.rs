//! HashiCorp Vault: logging in, asking, and the Transit engine as a key provider.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::header::HeaderValue;
use reqwest::{Client, Method, Request};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;
use zeroize::Zeroizing;

use super::SecretError;
use super::http::{self, Reply};
use super::provider::{KeyBytes, KeyPlace, KeyProvider, Wrapping, key_bytes};
use crate::config::{KeySettings, VaultAuth};
use crate::domain::WrappedDataKey;

const SERVICE: &str = "vault";
/// How long nobody logs in again because of a refusal: most often it is the policy that refuses, and no login helps.
const RELOGIN_PAUSE: Duration = Duration::from_secs(60);

/// How a Vault is shown who asks.
enum Login {
    Token(SecretString),
    TokenFile(PathBuf),
    AppRole { mount: String, role_id: String, secret_id: SecretString },
    Kubernetes { mount: String, role: String, jwt_file: PathBuf },
}

/// A Vault, and this process as its client.
pub struct Vault {
    client: Client,
    address: Url,
    namespace: Option<HeaderValue>,
    login: Login,
    session: Mutex<Session>,
}

#[derive(Default)]
struct Session {
    /// What a login gave, and until when it serves.
    token: Option<(SecretString, Instant)>,
    /// The last login that a refusal asked for.
    renewed: Option<Instant>,
}

impl Vault {
    pub fn from_settings(settings: &KeySettings) -> Result<Self, String> {
        let address =
            settings.vault_addr.clone().ok_or("STUDIO_VAULT_ADDR is not set: name the address of the Vault")?;
        if !matches!(address.scheme(), "http" | "https") || address.cannot_be_a_base() {
            return Err("STUDIO_VAULT_ADDR must be an http or https URL".into());
        }
        let namespace = settings.vault_namespace.as_deref().map(HeaderValue::from_str).transpose();
        let namespace = namespace.map_err(|_| "STUDIO_VAULT_NAMESPACE must be printable ASCII")?;
        let client =
            http::client(settings.vault_ca_file.as_deref()).map_err(|e| format!("STUDIO_VAULT_CA_FILE: {e}"))?;
        Ok(Self { client, address, namespace, login: Login::from_settings(settings)?, session: Mutex::default() })
    }

    /// Asks as whom the login makes us. A token that was taken away is replaced, and the request sent again, once.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<T, SecretError> {
        let token = self.token(None).await?;
        let mut reply = self.send(method.clone(), path, body, Some(&token)).await?;
        if reply.status == 403 && self.login.gives_tokens() {
            let other = self.token(Some(&token)).await?;
            if !same(&other, &token) {
                reply = self.send(method, path, body, Some(&other)).await?;
            }
        }
        parse(path, &reply)
    }

    /// The token to ask with; another one than what was `refused`, as far as a login may be had now.
    async fn token(&self, refused: Option<&SecretString>) -> Result<SecretString, SecretError> {
        let (path, body) = match &self.login {
            Login::Token(token) => return Ok(token.clone()),
            Login::TokenFile(path) => return read(path).await,
            Login::AppRole { mount, role_id, secret_id } => {
                (mount, json!({ "role_id": role_id, "secret_id": secret_id.expose_secret() }))
            }
            Login::Kubernetes { mount, role, jwt_file } => {
                (mount, json!({ "role": role, "jwt": read(jwt_file).await?.expose_secret() }))
            }
        };
        let mut session = self.session.lock().await;
        if let Some((token, until)) = &session.token
            && Instant::now() < *until
        {
            // Where another request has replaced it meanwhile, the new one is tried first.
            let serves = refused.is_none_or(|refused| !same(refused, token));
            if serves || session.renewed.is_some_and(|at| at.elapsed() < RELOGIN_PAUSE) {
                return Ok(token.clone());
            }
            session.renewed = Some(Instant::now());
        }
        let path = format!("auth/{path}/login");
        let reply = self.send(Method::POST, &path, Some(&body), None).await?;
        let LoginAnswer { auth } = parse(&path, &reply)?;
        // A token that lives on is replaced when a third of its life is left; one without an end, each hour.
        let life = Duration::from_secs(if auth.lease_duration == 0 { 3_600 } else { auth.lease_duration });
        session.token = Some((auth.client_token.clone(), Instant::now() + life * 2 / 3));
        Ok(auth.client_token)
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        token: Option<&SecretString>,
    ) -> Result<Reply, SecretError> {
        let mut url = self.address.clone();
        match url.path_segments_mut() {
            Ok(mut segments) => drop(segments.pop_if_empty().push("v1").extend(path.split('/'))),
            Err(()) => return Err(refused("has an address without a path".to_owned())),
        }
        let mut request = Request::new(method, url);
        let headers = request.headers_mut();
        headers.insert("x-vault-request", HeaderValue::from_static("true"));
        if let Some(namespace) = &self.namespace {
            headers.insert("x-vault-namespace", namespace.clone());
        }
        if let Some(token) = token {
            let value = HeaderValue::from_str(token.expose_secret());
            let mut value = value.map_err(|_| refused("cannot be sent this token".to_owned()))?;
            value.set_sensitive(true);
            headers.insert("x-vault-token", value);
        }
        if let Some(body) = body {
            headers.insert("content-type", HeaderValue::from_static("application/json"));
            *request.body_mut() = Some(serde_json::to_vec(body).unwrap_or_default().into());
        }
        http::send(SERVICE, &self.client, request).await
    }
}

impl Login {
    fn from_settings(settings: &KeySettings) -> Result<Self, String> {
        let mount = |default: &str| settings.vault_auth_mount.clone().unwrap_or_else(|| default.to_owned());
        let role = || settings.vault_role.clone().ok_or("STUDIO_VAULT_ROLE is not set");
        Ok(match settings.vault_auth {
            VaultAuth::Token => match (&settings.vault_token, &settings.vault_token_file) {
                (Some(token), _) => Self::Token(token.clone()),
                (None, Some(path)) => Self::TokenFile(path.clone()),
                (None, None) => return Err("STUDIO_VAULT_TOKEN or STUDIO_VAULT_TOKEN_FILE is not set".into()),
            },
            VaultAuth::Approle => {
                let secret_id = settings.vault_secret_id.clone().ok_or("STUDIO_VAULT_SECRET_ID is not set")?;
                Self::AppRole { mount: mount("approle"), role_id: role()?, secret_id }
            }
            VaultAuth::Kubernetes => Self::Kubernetes {
                mount: mount("kubernetes"),
                role: role()?,
                jwt_file: settings.vault_jwt_file.clone(),
            },
        })
    }

    fn gives_tokens(&self) -> bool {
        matches!(self, Self::AppRole { .. } | Self::Kubernetes { .. })
    }
}

#[derive(Deserialize)]
struct LoginAnswer {
    auth: LoginAuth,
}

#[derive(Deserialize)]
struct LoginAuth {
    client_token: SecretString,
    #[serde(default)]
    lease_duration: u64,
}

async fn read(path: &Path) -> Result<SecretString, SecretError> {
    let text = tokio::fs::read_to_string(path).await.map(Zeroizing::new);
    let text = text.map_err(|e| refused(format!("needs {}, which cannot be read: {e}", path.display())))?;
    Ok(text.trim().into())
}

fn same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret() == other.expose_secret()
}

fn refused(what: String) -> SecretError {
    SecretError::Refused { service: SERVICE, what }
}

/// The answer, or what its status means. Words of the Vault go to the log alone: they may repeat what was asked.
fn parse<T: DeserializeOwned>(path: &str, reply: &Reply) -> Result<T, SecretError> {
    let outage = |what: &str| Err(SecretError::Outage { service: SERVICE, what: what.to_owned() });
    let status = reply.status.as_u16();
    if !reply.status.is_success() {
        tracing::warn!(status, path, "the vault does not do what it is asked");
    }
    match status {
        200..=299 => {
            let parsed = serde_json::from_slice(&reply.body);
            parsed.or_else(|_| outage("gave an answer that is not what its API says; is it a Vault?"))
        }
        429 => outage("is asked too often (429)"),
        503 => outage("is sealed or in maintenance (503)"),
        500.. => outage(&format!("fails ({status})")),
        400 => {
            Err(refused(format!("cannot do it (400); is {path} a key of an AEAD type, and what it wrapped untouched?")))
        }
        403 => Err(refused(format!("denies access to {path} (403); check the token and its policy"))),
        404 => Err(refused(format!("has nothing at {path} (404); check mount, name and namespace"))),
        _ => Err(refused(format!("answered {status} for {path}"))),
    }
}

/// Data keys wrapped by a key of the Transit engine.
pub struct VaultTransit {
    vault: std::sync::Arc<Vault>,
    mount: String,
    key: String,
    id: String,
}

impl VaultTransit {
    pub fn new(vault: std::sync::Arc<Vault>, settings: &KeySettings) -> Result<Self, String> {
        let (mount, key) = (settings.vault_transit_mount.trim_matches('/'), settings.vault_transit_key.as_str());
        for (name, text) in [("STUDIO_VAULT_TRANSIT_MOUNT", mount), ("STUDIO_VAULT_TRANSIT_KEY", key)] {
            if text.is_empty() || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b)) {
                return Err(format!("{name} must be letters, digits, and - _ . /"));
            }
        }
        Ok(Self { vault, mount: mount.to_owned(), key: key.to_owned(), id: format!("{mount}/{key}") })
    }
}

#[derive(Deserialize)]
struct Answer<T> {
    data: T,
}

#[derive(Deserialize)]
struct Encrypted {
    ciphertext: String,
}

#[derive(Deserialize)]
struct Decrypted {
    plaintext: SecretString,
}

#[async_trait]
impl KeyProvider for VaultTransit {
    fn name(&self) -> &'static str {
        "vault"
    }

    fn key_id(&self) -> &str {
        &self.id
    }

    async fn wrap(&self, place: &KeyPlace<'_>, key: &KeyBytes) -> Result<Wrapping, SecretError> {
        let plaintext = Zeroizing::new(STANDARD.encode(key.as_slice()));
        let body = json!({ "plaintext": *plaintext, "associated_data": STANDARD.encode(place.associated_data()) });
        let path = format!("{}/encrypt/{}", self.mount, self.key);
        let answer: Answer<Encrypted> = self.vault.ask(Method::POST, &path, Some(&body)).await?;
        let ciphertext = answer.data.ciphertext;
        // vault:v3:…
        let version = ciphertext.split(':').nth(1).map(str::to_owned);
        Ok(Wrapping { wrapped: ciphertext.into_bytes(), version })
    }

    async fn unwrap(&self, place: &KeyPlace<'_>, stored: &WrappedDataKey) -> Result<KeyBytes, SecretError> {
        let ciphertext = std::str::from_utf8(&stored.wrapped).map_err(|_| SecretError::Format("data key"))?;
        let body = json!({ "ciphertext": ciphertext, "associated_data": STANDARD.encode(place.associated_data()) });
        let path = format!("{}/decrypt/{}", self.mount, self.key);
        let answer: Answer<Decrypted> = self.vault.ask(Method::POST, &path, Some(&body)).await?;
        let bytes = STANDARD.decode(answer.data.plaintext.expose_secret().as_bytes()).map(Zeroizing::new);
        key_bytes(&bytes.map_err(|_| SecretError::Format("data key"))?)
    }
}
