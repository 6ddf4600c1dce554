//! The key that verifies tokens, and which algorithms it may be used with.

use std::io::Read;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER;
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use secrecy::{ExposeSecret, SecretString};

use crate::config::AuthSettings;

pub(super) const HMAC: &[Algorithm] = &[Algorithm::HS256, Algorithm::HS384, Algorithm::HS512];
pub(super) const RSA: &[Algorithm] =
    &[Algorithm::RS256, Algorithm::RS384, Algorithm::RS512, Algorithm::PS256, Algorithm::PS384, Algorithm::PS512];

const SECRET_MIN_BYTES: usize = 32;
const PEM_MAX_BYTES: u64 = 64 * 1024;

/// SubjectPublicKeyInfo up to the key itself: fixed bytes, as these keys have one size and no parameters to vary.
const SPKI_P256: &[u8] =
    b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00\x04";
const SPKI_P384: &[u8] =
    b"\x30\x76\x30\x10\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\x06\x05\x2b\x81\x04\x00\x22\x03\x62\x00\x04";
const SPKI_ED25519: &[u8] = b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

pub(super) struct VerificationKey {
    pub(super) decoding: DecodingKey,
    capable: &'static [Algorithm],
    default: &'static [Algorithm],
}

impl VerificationKey {
    pub(super) fn resolve(settings: &AuthSettings, secret: Option<&SecretString>) -> Result<Self, String> {
        match (secret, settings.jwt_public_key.as_deref()) {
            (Some(_), Some(_)) => {
                Err("STUDIO_JWT_SECRET and STUDIO_JWT_PUBLIC_KEY are both set: keep the one that signs your tokens"
                    .into())
            }
            (Some(secret), None) => Self::shared(secret),
            (None, Some(text)) => public_key_text(text)
                .and_then(|pem| Self::public(&pem))
                .map_err(|e| format!("STUDIO_JWT_PUBLIC_KEY {e}")),
            (None, None) => Err("there is no key to verify tokens: set STUDIO_JWT_SECRET (make one with \
                                 `openssl rand -base64 32`), STUDIO_JWT_PUBLIC_KEY, STUDIO_JWKS_URL or STUDIO_OIDC_ISSUERS"
                .into()),
        }
    }

    fn shared(secret: &SecretString) -> Result<Self, String> {
        check_secret(secret)?;
        let decoding = DecodingKey::from_secret(secret.expose_secret().as_bytes());
        Ok(Self { decoding, capable: HMAC, default: &[Algorithm::HS256] })
    }

    fn public(pem: &str) -> Result<Self, String> {
        const HELP: &str = "must be RSA of 2048 to 8192 bits, EC P-256 or P-384 (uncompressed), or Ed25519";
        let (label, der) = parse_pem(pem)?;
        let unsupported = || format!("{HELP}; this key is none of them");
        let (decoding, capable) = match label {
            "PUBLIC KEY" if der.starts_with(SPKI_P256) => {
                (DecodingKey::from_ec_pem(pem.as_bytes()), &[Algorithm::ES256][..])
            }
            "PUBLIC KEY" if der.starts_with(SPKI_P384) => {
                (DecodingKey::from_ec_pem(pem.as_bytes()), &[Algorithm::ES384][..])
            }
            "PUBLIC KEY" if der.starts_with(SPKI_ED25519) => {
                (DecodingKey::from_ed_pem(pem.as_bytes()), &[Algorithm::EdDSA][..])
            }
            "PUBLIC KEY" | "RSA PUBLIC KEY" => (rsa(pem).ok_or_else(unsupported).map(Ok)?, RSA),
            _ if label.ends_with("PRIVATE KEY") => {
                return Err("is a private key, which must stay with the issuer; give the public one: \
                            `openssl pkey -in KEY.pem -pubout`"
                    .into());
            }
            "CERTIFICATE" => {
                return Err("is a certificate; give its public key: `openssl x509 -in CERT.pem -pubkey -noout`".into());
            }
            _ => return Err("is PEM text, but not of a public key".into()),
        };
        Ok(Self { decoding: decoding.map_err(|_| unsupported())?, capable, default: capable })
    }

    /// The algorithms to accept. What the key cannot do is refused here: with an
    /// HMAC algorithm and a public key, everybody could sign.
    pub(super) fn accept(&self, names: &[String]) -> Result<Vec<Algorithm>, String> {
        let capable = || format!("this key can do {}", list(self.capable));
        let mut accepted = Vec::new();
        for name in names.iter().map(|n| n.trim()).filter(|n| !n.is_empty()) {
            if name.eq_ignore_ascii_case("none") {
                return Err("STUDIO_JWT_ALGORITHMS: \"none\" is never accepted; a token must be signed".into());
            }
            let algorithm: Algorithm = name
                .parse()
                .map_err(|_| format!("STUDIO_JWT_ALGORITHMS: {name:?} is not a known algorithm; {}", capable()))?;
            if !self.capable.contains(&algorithm) {
                return Err(format!("STUDIO_JWT_ALGORITHMS: {name} does not fit the configured key; {}", capable()));
            }
            if !accepted.contains(&algorithm) {
                accepted.push(algorithm);
            }
        }
        Ok(if accepted.is_empty() { self.default.to_vec() } else { accepted })
    }
}

/// What a shared secret must be, to sign as well as to verify.
pub(super) fn check_secret(secret: &SecretString) -> Result<(), String> {
    let text = secret.expose_secret();
    if text.contains("-----BEGIN") {
        return Err("STUDIO_JWT_SECRET holds a PEM key: a public key is not a secret; use STUDIO_JWT_PUBLIC_KEY".into());
    }
    if text.len() < SECRET_MIN_BYTES {
        return Err(format!(
            "STUDIO_JWT_SECRET must have at least {SECRET_MIN_BYTES} bytes; make one with `openssl rand -base64 32`"
        ));
    }
    Ok(())
}

fn rsa(pem: &str) -> Option<DecodingKey> {
    let key = DecodingKey::from_rsa_pem(pem.as_bytes()).ok()?;
    let DecodingKeyKind::SecretOrDer(der) = key.kind() else { return None };
    // Read once now: a key that the verifier cannot use would otherwise refuse every token.
    let (modulus, _) = (DEFAULT_PROVIDER.key_utils.rsa_pub_components_from_public_key)(der).ok()?;
    (256..=1024).contains(&modulus.len()).then_some(key)
}

/// PEM text as it is, or the content of the file that is named.
fn public_key_text(value: &str) -> Result<String, String> {
    if value.contains("-----BEGIN") {
        // Environment files often cannot hold line breaks.
        return Ok(value.replace("\\n", "\n"));
    }
    let path = value.trim();
    if path.is_empty() {
        return Err("is empty: give PEM text or the path of a PEM file, or unset it".into());
    }
    let failed = |e: std::io::Error| format!("is neither PEM text nor a readable file: {path}: {e}");
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(failed)?;
    file.take(PEM_MAX_BYTES + 1).read_to_string(&mut text).map_err(failed)?;
    if text.len() as u64 > PEM_MAX_BYTES {
        return Err(format!("names {path}, which is longer than {PEM_MAX_BYTES} bytes and so not one key"));
    }
    Ok(text)
}

fn parse_pem(pem: &str) -> Result<(&str, Vec<u8>), String> {
    let wrong = || "is not a PEM key: it must begin with -----BEGIN PUBLIC KEY-----".to_owned();
    let (_, rest) = pem.split_once("-----BEGIN ").ok_or_else(wrong)?;
    let (label, rest) = rest.split_once("-----").ok_or_else(wrong)?;
    let (body, rest) = rest.split_once("-----END ").ok_or_else(wrong)?;
    if rest.contains("-----BEGIN ") {
        return Err("holds several PEM blocks: give one public key".into());
    }
    let body: String = body.split_ascii_whitespace().collect();
    Ok((label, STANDARD.decode(body).map_err(|_| wrong())?))
}

/// The algorithms to accept of keys that an issuer publishes; empty is all that are for public keys.
pub(super) fn public_algorithms(setting: &str, names: &[String]) -> Result<Vec<Algorithm>, String> {
    let mut accepted = Vec::new();
    for name in names.iter().map(|n| n.trim()).filter(|n| !n.is_empty()) {
        match name.parse::<Algorithm>() {
            Ok(algorithm) if !HMAC.contains(&algorithm) => accepted.push(algorithm),
            _ => {
                return Err(format!(
                    "{setting}: {name} is not an algorithm of public keys; there are {}, ES256, ES384 and EdDSA",
                    list(RSA)
                ));
            }
        }
    }
    Ok(accepted)
}

pub(super) fn list(algorithms: &[Algorithm]) -> String {
    algorithms.iter().map(|a| format!("{a:?}")).collect::<Vec<_>>().join(", ")
}
