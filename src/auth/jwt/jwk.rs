//! From a published key set (RFC 7517) to keys that verify. A key that is for something else, or too
//! weak, is left out; the algorithms come from the key and not from a token.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::{
    AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm, KeyOperations, PublicKeyUse, RSAKeyParameters,
};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde::Deserialize;
use serde_json::Value;

use super::key::RSA;

/// More than any issuer publishes.
const KEYS_MAX: usize = 100;

pub(super) struct PublicKey {
    pub(super) kid: Option<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) decoding: DecodingKey,
}

#[derive(Deserialize)]
struct Published {
    keys: Vec<Value>,
}

/// The usable keys of a set. A set without any is an error: it would refuse every token.
pub(super) fn parse(body: &[u8], accepted: &[Algorithm]) -> Result<Vec<PublicKey>, String> {
    let set: Published = serde_json::from_slice(body).map_err(|_| "the answer is no JSON key set".to_owned())?;
    let count = set.keys.len();
    let usable: Vec<_> = set.keys.into_iter().take(KEYS_MAX).filter_map(|key| usable(key, accepted)).collect();
    if usable.is_empty() {
        return Err(format!(
            "none of its {count} keys can be used: they must be public signing keys, RSA of 2048 to 8192 bits, EC P-256 or \
             P-384, or Ed25519"
        ));
    }
    Ok(usable)
}

fn usable(key: Value, accepted: &[Algorithm]) -> Option<PublicKey> {
    if key.get("d").is_some() {
        tracing::warn!(kid = ?key.get("kid"), "an issuer publishes a private key; it is not used");
        return None;
    }
    let jwk: Jwk = serde_json::from_value(key).ok()?;
    let common = &jwk.common;
    let signs = common.public_key_use.as_ref().is_none_or(|purpose| *purpose == PublicKeyUse::Signature)
        && common.key_operations.as_ref().is_none_or(|all| all.contains(&KeyOperations::Verify));
    if !signs {
        return None;
    }
    let algorithms: Vec<_> = capable(&jwk.algorithm)?
        .iter()
        .copied()
        .filter(|a| common.key_algorithm.is_none_or(|named| named == KeyAlgorithm::from(*a)))
        .filter(|a| accepted.is_empty() || accepted.contains(a))
        .collect();
    let decoding = DecodingKey::from_jwk(&jwk).ok()?;
    let kid = jwk.common.key_id;
    (!algorithms.is_empty()).then_some(PublicKey { kid, algorithms, decoding })
}

/// What a key of this kind can do; a shared secret in a public set can do nothing.
fn capable(parameters: &AlgorithmParameters) -> Option<&'static [Algorithm]> {
    let size = |text: &str| URL_SAFE_NO_PAD.decode(text).map_or(0, |bytes| bytes.len());
    match parameters {
        AlgorithmParameters::RSA(key) => rsa(key).then_some(RSA),
        AlgorithmParameters::EllipticCurve(key) => match key.curve {
            EllipticCurve::P256 if (size(&key.x), size(&key.y)) == (32, 32) => Some(&[Algorithm::ES256]),
            EllipticCurve::P384 if (size(&key.x), size(&key.y)) == (48, 48) => Some(&[Algorithm::ES384]),
            _ => None,
        },
        AlgorithmParameters::OctetKeyPair(key) => {
            (key.curve == EllipticCurve::Ed25519 && size(&key.x) == 32).then_some(&[Algorithm::EdDSA])
        }
        _ => None,
    }
}

fn rsa(key: &RSAKeyParameters) -> bool {
    let Ok(modulus) = URL_SAFE_NO_PAD.decode(&key.n) else { return false };
    let length = modulus.iter().skip_while(|byte| **byte == 0).count();
    (256..=1024).contains(&length)
}
