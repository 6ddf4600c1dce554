//! From a bearer token to an [`Actor`].
//!
//! Keys and algorithms come from the settings, or from issuers that the settings name; nothing that a
//! token says about itself chooses either. Messages tell a developer what is
//! wrong and never repeat any of the token.

mod authority;
mod claims;
mod fetch;
mod jwk;
mod key;
mod key_set;
mod mint;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::Deserialize;

use self::authority::Authority;
pub use self::mint::{Minter, TokenRequest};
use super::Actor;
use crate::config::AuthSettings;
use crate::error::{Error, ErrorCode, Result};
use crate::telemetry::Metrics;

/// Longer than any real token, short enough to refuse before any work is done.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Checks tokens against the keys of those who may make them.
pub struct Verifier {
    /// The key of the settings.
    own: Option<Authority>,
    issuers: Vec<Authority>,
}

impl Verifier {
    /// `secret` is the shared secret in effect, which may have been generated; all else comes from `settings`.
    pub fn new(settings: &AuthSettings, secret: Option<&SecretString>, metrics: &Arc<Metrics>) -> Result<Self, String> {
        let named = settings.oidc_issuers.as_ref().map_or(&[][..], |list| &list.0);
        let issuers = named.iter().map(|issuer| {
            Authority::of(settings, issuer, metrics)
                .map_err(|rule| format!("STUDIO_OIDC_ISSUERS: {:?}: {rule}", issuer.issuer))
        });
        Ok(Self { own: Authority::own(settings, secret, metrics)?, issuers: issuers.collect::<Result<_, _>>()? })
    }

    /// Fetches the keys of issuers before they end; for as long as the process lives.
    pub async fn keep_fresh(&self) {
        futures::future::join_all(self.own.iter().chain(&self.issuers).map(Authority::keep_fresh)).await;
    }

    /// The actor of a token without its `Bearer` prefix.
    pub async fn verify(&self, token: &str) -> Result<Actor> {
        match self.identify(token).await? {
            (actor, None) => Ok(actor),
            (_, Some(without_role)) => Err(without_role),
        }
    }

    /// Also of a token without a role, with what to say to it: its actor reaches nothing but what it is granted.
    pub async fn identify(&self, token: &str) -> Result<(Actor, Option<Error>)> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(refused(format!("the token is longer than {MAX_TOKEN_BYTES} bytes")));
        }
        self.authority(token)?.verify(token).await
    }

    /// Whom a token says it is of. Only that one's keys are tried, so that no issuer speaks for another.
    fn authority(&self, token: &str) -> Result<&Authority> {
        let claimed = claimed_issuer(token);
        let named = self.issuers.iter().find(|authority| authority.issuer == claimed && claimed.is_some());
        named.or(self.own.as_ref()).ok_or_else(|| match claimed {
            Some(_) => refused("the token's `iss` is not an issuer that this server accepts"),
            None => refused("the token is not a JWT with an `iss` claim, which this server requires"),
        })
    }
}

/// The token of an `Authorization` header: `Bearer`, and a token.
pub fn bearer(authorization: Option<&str>) -> Result<&str> {
    let header = authorization.ok_or_else(|| {
        refused("no token was sent; send the header Authorization: Bearer <token> (datasource-studio token makes one)")
    })?;
    let (scheme, token) = header.split_once(' ').unwrap_or((header, ""));
    if !scheme.eq_ignore_ascii_case("bearer") || token.trim().is_empty() {
        return Err(refused("the Authorization header must read: Bearer <token>"));
    }
    Ok(token.trim())
}

/// Read before anything is verified, and used for nothing but the choice of the keys.
fn claimed_issuer(token: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Claimed {
        iss: String,
    }
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Claimed>(&payload).ok().map(|claimed| claimed.iss)
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let own = self.own.as_ref().map(Authority::algorithms);
        let issuers: Vec<_> = self.issuers.iter().map(|authority| &authority.issuer).collect();
        f.debug_struct("Verifier").field("algorithms", &own).field("issuers", &issuers).finish_non_exhaustive()
    }
}

fn refused(message: impl Into<std::borrow::Cow<'static, str>>) -> Error {
    Error::new(ErrorCode::Unauthenticated, message)
}
