//! Development tokens: what `datasource-studio token` prints.

use std::time::Duration;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};

use super::MAX_TOKEN_BYTES;
use super::claims::{ROLE_PREFIX, check_org, check_subject};
use super::key::{VerificationKey, check_secret};
use crate::config::AuthSettings;
use crate::domain::{Role, now};
use crate::error::{Error, Problem, Result};

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(365 * 86_400);

/// What a token is to grant.
#[derive(Clone, Debug)]
pub struct TokenRequest {
    pub subject: String,
    pub role: Role,
    pub org: String,
    /// Empty means every project.
    pub projects: Vec<String>,
    pub ttl: Duration,
}

/// Signs tokens that a [`Verifier`](super::Verifier) of the same settings accepts.
pub struct Minter {
    key: EncodingKey,
    algorithm: Algorithm,
    settings: AuthSettings,
}

impl Minter {
    /// Fails where the tokens are signed by an issuer with a private key of its own.
    pub fn new(settings: &AuthSettings, secret: Option<&SecretString>) -> Result<Self, String> {
        let public = settings.jwt_public_key.is_some() || settings.jwks_url.is_some();
        let Some(secret) = secret.filter(|_| !public) else {
            return Err("tokens are verified with public keys (STUDIO_JWT_PUBLIC_KEY, STUDIO_JWKS_URL or \
                        STUDIO_OIDC_ISSUERS), so only their issuer can make them; to make development tokens, set \
                        STUDIO_JWT_SECRET instead"
                .into());
        };
        check_secret(secret)?;
        let accepted = VerificationKey::resolve(settings, Some(secret))?.accept(&settings.jwt_algorithms)?;
        Ok(Self {
            key: EncodingKey::from_secret(secret.expose_secret().as_bytes()),
            algorithm: accepted.first().copied().unwrap_or(Algorithm::HS256),
            settings: settings.clone(),
        })
    }

    /// A signed token. Each grant goes where the verifier looks first.
    pub fn mint(&self, request: &TokenRequest) -> Result<String> {
        check(request)?;
        let issued = now().timestamp();
        let mut claims = Map::new();
        claims.insert("sub".into(), request.subject.as_str().into());
        // A name of its own, by which this one token can be revoked.
        claims.insert("jti".into(), uuid::Uuid::now_v7().to_string().into());
        claims.insert("iat".into(), issued.into());
        claims.insert("exp".into(), (issued + request.ttl.as_secs() as i64).into());
        if let Some(issuer) = &self.settings.jwt_issuer {
            claims.insert("iss".into(), issuer.as_str().into());
        }
        if let Some(audience) = &self.settings.jwt_audience {
            claims.insert("aud".into(), audience.as_str().into());
        }
        put(&mut claims, &self.settings.jwt_role_claims, json!([format!("{ROLE_PREFIX}{}", request.role)]));
        put(&mut claims, &self.settings.jwt_org_claims, request.org.as_str().into());
        if !request.projects.is_empty() {
            put(&mut claims, &self.settings.jwt_project_claims, json!(request.projects));
        }
        let token = encode(&Header::new(self.algorithm), &claims, &self.key).map_err(Error::internal)?;
        if token.len() > MAX_TOKEN_BYTES {
            let rule = format!("make the token longer than {MAX_TOKEN_BYTES} bytes; name fewer, or none for all");
            return Err(Error::invalid("/projects", rule));
        }
        Ok(token)
    }
}

impl std::fmt::Debug for Minter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minter").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

/// A dotted path is written as one literal name, which the verifier tries first.
fn put(claims: &mut Map<String, Value>, paths: &[String], value: Value) {
    if let Some(path) = paths.iter().map(|p| p.trim()).find(|p| !p.is_empty()) {
        claims.insert(path.to_owned(), value);
    }
}

fn check(request: &TokenRequest) -> Result<()> {
    let mut problems = Vec::new();
    let mut rule = |pointer: String, outcome: Result<(), String>| {
        if let Err(message) = outcome {
            problems.push(Problem::new(pointer, message));
        }
    };
    rule("/subject".into(), check_subject(&request.subject));
    rule("/org".into(), check_org(&request.org));
    for (i, project) in request.projects.iter().enumerate() {
        rule(format!("/projects/{i}"), check_org(project));
    }
    if !(SHORTEST..=LONGEST).contains(&request.ttl) {
        rule("/ttl".into(), Err("must be between 1s and 365d".into()));
    }
    if problems.is_empty() { Ok(()) } else { Err(Error::validation(problems)) }
}
