//! From a bearer token to an [`Actor`].
//!
//! The key and the algorithms are fixed when the process starts; nothing that a
//! token says about itself chooses either. Messages tell a developer what is
//! wrong and never repeat any of the token.

mod claims;
mod key;
mod mint;
#[cfg(test)]
mod tests;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use secrecy::SecretString;
use serde_json::{Map, Value};

use self::claims::ClaimPaths;
pub use self::mint::{Minter, TokenRequest};
use super::Actor;
use crate::config::AuthSettings;
use crate::error::{Error, ErrorCode, Result};

/// Longer than any real token, short enough to refuse before any work is done.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Checks tokens against one key. Cheap to share; holds no state that changes.
pub struct Verifier {
    key: DecodingKey,
    validation: Validation,
    claims: ClaimPaths,
}

impl Verifier {
    /// `secret` is the shared secret in effect, which may have been generated; a public key comes from `settings`.
    pub fn new(settings: &AuthSettings, secret: Option<&SecretString>) -> Result<Self, String> {
        let key = key::VerificationKey::resolve(settings, secret)?;
        let algorithms = key.accept(&settings.jwt_algorithms)?;
        Ok(Self {
            validation: validation(settings, algorithms)?,
            key: key.decoding,
            claims: ClaimPaths::from_settings(settings)?,
        })
    }

    /// The algorithms that are accepted, for a start-up line.
    pub fn algorithms(&self) -> impl Iterator<Item = String> + '_ {
        self.validation.algorithms.iter().map(|a| format!("{a:?}"))
    }

    /// The actor of an `Authorization` header: `Bearer`, and a token.
    pub fn authenticate(&self, authorization: Option<&str>) -> Result<Actor> {
        let header = authorization.ok_or_else(|| {
            refused(
                "no token was sent; send the header Authorization: Bearer <token> (datasource-studio token makes one)",
            )
        })?;
        let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
        if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
            return Err(refused("the Authorization header must read: Bearer <token>"));
        }
        self.verify(token.trim())
    }

    /// The actor of a token without its `Bearer` prefix.
    pub fn verify(&self, token: &str) -> Result<Actor> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused(format!("the token is longer than {MAX_TOKEN_BYTES} bytes")));
        }
        let data = decode::<Map<String, Value>>(token, &self.key, &self.validation)
            .map_err(|e| self.explain(token, e.kind()).with_detail(e))?;
        // RFC 7515, 4.1.11: an extension that is marked critical and not understood voids the token.
        if data.header.crit.is_some() {
            return Err(refused("the token's header has `crit`, which is not supported; issue it without"));
        }
        self.claims.actor(&data.claims)
    }

    fn explain(&self, token: &str, kind: &ErrorKind) -> Error {
        let accepted = || self.algorithms().collect::<Vec<_>>().join(", ");
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
            ErrorKind::InvalidAudience => refused("the token's `aud` does not name this server"),
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

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verifier").field("algorithms", &self.validation.algorithms).finish_non_exhaustive()
    }
}

fn validation(settings: &AuthSettings, algorithms: Vec<Algorithm>) -> Result<Validation, String> {
    let mut validation = Validation::default();
    let mut required = vec!["exp", "sub"];
    validation.algorithms = algorithms;
    validation.leeway = settings.jwt_leeway.0.as_secs();
    validation.validate_nbf = true;
    // A token for several services is fine as long as no audience was asked for.
    validation.validate_aud = false;
    if let Some(issuer) = set("STUDIO_JWT_ISSUER", settings.jwt_issuer.as_deref())? {
        validation.set_issuer(&[issuer]);
        required.push("iss");
    }
    if let Some(audience) = set("STUDIO_JWT_AUDIENCE", settings.jwt_audience.as_deref())? {
        validation.validate_aud = true;
        validation.set_audience(&[audience]);
        required.push("aud");
    }
    validation.set_required_spec_claims(&required);
    Ok(validation)
}

/// An empty value would read as "not checked" while the operator meant to check.
fn set<'a>(name: &str, value: Option<&'a str>) -> Result<Option<&'a str>, String> {
    match value {
        Some(text) if text.trim().is_empty() => Err(format!("{name} is empty: give it a value or unset it")),
        other => Ok(other),
    }
}

fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::Unauthenticated, message)
}
