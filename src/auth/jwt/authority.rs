//! One issuer that is believed: its keys, and what its tokens must say.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, decode_header};
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::claims::ClaimPaths;
use super::fetch::{Fetcher, Source};
use super::key::{self, VerificationKey, list};
use super::key_set::{KeySet, Times};
use super::refused;
use crate::auth::Actor;
use crate::config::{AuthSettings, IssuerSettings};
use crate::error::{Error, Result};
use crate::telemetry::Metrics;

pub(super) struct Authority {
    pub(super) issuer: Option<String>,
    audience: Vec<String>,
    /// Whether the application that a token was made for may stand in `azp`, as Keycloak has it.
    takes_azp: bool,
    leeway: u64,
    keys: Keys,
    claims: ClaimPaths,
}

enum Keys {
    Fixed { key: DecodingKey, algorithms: Vec<Algorithm> },
    Published(Box<KeySet>),
}

impl Authority {
    /// Who signs with the secret, the public key or the key set of the settings.
    pub(super) fn own(
        settings: &AuthSettings,
        secret: Option<&SecretString>,
        metrics: &Arc<Metrics>,
    ) -> Result<Option<Self>, String> {
        let keys = match &settings.jwks_url {
            Some(_) if secret.is_some() || settings.jwt_public_key.is_some() => {
                return Err("STUDIO_JWKS_URL is set beside STUDIO_JWT_SECRET or STUDIO_JWT_PUBLIC_KEY: keep the one \
                            that signs your tokens"
                    .into());
            }
            Some(url) => {
                let algorithms = key::public_algorithms("STUDIO_JWT_ALGORITHMS", &settings.jwt_algorithms)?;
                let source = Source::Keys(url.clone());
                let fetcher = Fetcher::new(source, algorithms, settings.jwks_timeout.0)
                    .map_err(|rule| format!("STUDIO_JWKS_URL {rule}"))?;
                let times = Times::from_settings(settings)?;
                Keys::Published(Box::new(KeySet::new(url.to_string(), fetcher, times, Arc::clone(metrics))))
            }
            None if secret.is_none() && settings.jwt_public_key.is_none() && settings.oidc_issuers.is_some() => {
                return Ok(None);
            }
            None => {
                let key = VerificationKey::resolve(settings, secret)?;
                let algorithms = key.accept(&settings.jwt_algorithms)?;
                Keys::Fixed { key: key.decoding, algorithms }
            }
        };
        Ok(Some(Self {
            issuer: set("STUDIO_JWT_ISSUER", settings.jwt_issuer.as_deref())?.map(str::to_owned),
            audience: set("STUDIO_JWT_AUDIENCE", settings.jwt_audience.as_deref())?
                .map(str::to_owned)
                .into_iter()
                .collect(),
            takes_azp: false,
            leeway: settings.jwt_leeway.0.as_secs(),
            keys,
            claims: ClaimPaths::from_settings(settings)?,
        }))
    }

    pub(super) fn of(settings: &AuthSettings, issuer: &IssuerSettings, metrics: &Arc<Metrics>) -> Result<Self, String> {
        let name = set("issuer", Some(&issuer.issuer))?.unwrap_or_default().to_owned();
        let mut audience = issuer.audience.clone();
        if audience.is_empty() {
            audience.extend(set("STUDIO_JWT_AUDIENCE", settings.jwt_audience.as_deref())?.map(str::to_owned));
        }
        if audience.is_empty() || audience.iter().any(|a| a.trim().is_empty()) {
            return Err("needs an audience (there, or as STUDIO_JWT_AUDIENCE): without one, a token that the issuer \
                        made for another application would be accepted"
                .into());
        }
        let names = if issuer.algorithms.is_empty() { &settings.jwt_algorithms } else { &issuer.algorithms };
        let algorithms = key::public_algorithms("algorithms", names)?;
        let source = match &issuer.jwks_url {
            Some(url) => Source::Keys(url.clone()),
            None => Source::Discovery(name.clone()),
        };
        let fetcher = Fetcher::new(source, algorithms, settings.jwks_timeout.0)?;
        let keys = KeySet::new(name.clone(), fetcher, Times::from_settings(settings)?, Arc::clone(metrics));
        let claims = ClaimPaths::of_issuer(settings, issuer, &audience)?;
        Ok(Self {
            issuer: Some(name),
            audience,
            takes_azp: true,
            leeway: settings.jwt_leeway.0.as_secs(),
            keys: Keys::Published(Box::new(keys)),
            claims,
        })
    }

    /// Fixed algorithms, for a start-up line; those of published keys are the issuer's to choose.
    pub(super) fn algorithms(&self) -> &[Algorithm] {
        match &self.keys {
            Keys::Fixed { algorithms, .. } => algorithms,
            Keys::Published(_) => &[],
        }
    }

    pub(super) async fn keep_fresh(&self) {
        if let Keys::Published(keys) = &self.keys {
            keys.keep_fresh().await;
        }
    }

    pub(super) async fn verify(&self, token: &str) -> Result<(Actor, Option<Error>)> {
        let data = match &self.keys {
            Keys::Fixed { key, algorithms } => self.decode(token, key, algorithms)?,
            Keys::Published(keys) => {
                let header = decode_header(token).map_err(|e| self.explain(token, e.kind(), &[]).with_detail(e))?;
                if key::HMAC.contains(&header.alg) {
                    return Err(refused(
                        "the token is signed with a shared secret (HMAC), and its issuer's keys are public ones",
                    ));
                }
                let found = keys.key_for(&header).await?;
                self.decode(token, &found.key().decoding, &found.key().algorithms)?
            }
        };
        // RFC 7515, 4.1.11: an extension that is marked critical and not understood voids the token.
        if data.header.crit.is_some() {
            return Err(refused("the token's header has `crit`, which is not supported; issue it without"));
        }
        // The issuer signs these with the same keys, for other readers than us.
        let kind = data.claims.get("typ").and_then(Value::as_str).filter(|_| self.takes_azp);
        if kind.is_some_and(|kind| ["ID", "Refresh", "Offline", "Logout"].contains(&kind)) {
            return Err(refused("the token is no access token; send the access token of the same answer"));
        }
        self.check_audience(&data.claims)?;
        self.claims.actor(&data.claims)
    }

    fn decode(
        &self,
        token: &str,
        key: &DecodingKey,
        algorithms: &[Algorithm],
    ) -> Result<TokenData<Map<String, Value>>> {
        let mut validation = Validation::default();
        let mut required = vec!["exp", "sub"];
        validation.algorithms = algorithms.to_vec();
        validation.leeway = self.leeway;
        validation.validate_nbf = true;
        // Checked below: this library knows no `azp`.
        validation.validate_aud = false;
        if let Some(issuer) = &self.issuer {
            validation.set_issuer(&[issuer]);
            required.push("iss");
        }
        validation.set_required_spec_claims(&required);
        decode(token, key, &validation).map_err(|e| self.explain(token, e.kind(), algorithms).with_detail(e))
    }

    /// A token for several services is fine as long as no audience was asked for.
    fn check_audience(&self, claims: &Map<String, Value>) -> Result<()> {
        if self.audience.is_empty() {
            return Ok(());
        }
        let ours = |value: &Value| value.as_str().is_some_and(|text| self.audience.iter().any(|ours| ours == text));
        let named = match claims.get("aud") {
            Some(Value::Array(all)) => all.iter().any(ours),
            Some(one) => ours(one),
            None if !self.takes_azp => {
                return Err(refused("the token has no `aud` claim of the right type, which this server requires"));
            }
            None => false,
        };
        if named || self.takes_azp && claims.get("azp").is_some_and(ours) {
            return Ok(());
        }
        Err(refused(if self.takes_azp {
            "neither the token's `aud` nor its `azp` names this server"
        } else {
            "the token's `aud` does not name this server"
        }))
    }

    fn explain(&self, token: &str, kind: &ErrorKind, accepted: &[Algorithm]) -> Error {
        let accepted = || match accepted {
            [] => "what its issuer's keys are for".to_owned(),
            some => list(some),
        };
        match kind {
            ErrorKind::InvalidToken => refused("the token is not a JWT: it must be three parts with dots between them"),
            ErrorKind::InvalidSignature => {
                refused("the token's signature is not valid: it was changed, or signed with another key")
            }
            ErrorKind::ExpiredSignature => refused("the token has expired; request a new one"),
            ErrorKind::ImmatureSignature => {
                refused("the token is not valid yet: its `nbf` is in the future; check the clock of the issuer")
            }
            ErrorKind::InvalidIssuer => refused("the token's `iss` is not the issuer that this server accepts"),
            ErrorKind::MissingRequiredClaim(name) | ErrorKind::InvalidClaimFormat(name) => {
                refused(format!("the token has no `{name}` claim of the right type, which this server requires"))
            }
            ErrorKind::InvalidAlgorithm => refused(format!(
                "the token is signed with an algorithm that this server does not accept; it accepts {}",
                accepted()
            )),
            _ if decode_header(token).is_err() => refused(format!(
                "the token's header cannot be read, or names no known signature algorithm; this server accepts {}",
                accepted()
            )),
            _ => refused("the token cannot be read: its claims must be a JSON object, in base64url without padding"),
        }
    }
}

/// An empty value would read as "not checked" while the operator meant to check.
fn set<'a>(name: &str, value: Option<&'a str>) -> Result<Option<&'a str>, String> {
    match value {
        Some(text) if text.trim().is_empty() => Err(format!("{name} is empty: give it a value or unset it")),
        other => Ok(other),
    }
}
