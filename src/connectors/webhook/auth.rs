//! How a request proves where it comes from. Comparisons take the same time
//! wherever they fail, and an absent proof is refused in the words of a wrong one.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit, Mac};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::connectors::ConnectorError;
use crate::connectors::envelope::is_credential;
use crate::domain::{HumanDuration, Timestamp};
use crate::error::Problem;
use crate::mapping::SecretText;

pub(super) const REFUSAL: &str = "the signature or credential of the request is missing, wrong or too old";

const GITHUB_HEADER: &str = "x-hub-signature-256";

/// Authentication of inbound requests.
#[derive(Clone, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Auth {
    /// GitHub: `X-Hub-Signature-256`, an HMAC-SHA256 of the body.
    #[schemars(title = "GitHub")]
    Github {
        /// The secret that was entered in GitHub's webhook settings.
        secret: SecretText,
    },
    /// Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature`.
    #[schemars(title = "Standard Webhooks")]
    StandardWebhooks {
        /// The signing secret: `whsec_` and base64, or any other text as it is.
        secret: SecretText,
        /// How far the time of a request may be from now.
        #[serde(default = "tolerance_default")]
        tolerance: HumanDuration,
    },
    /// An HMAC-SHA256 of the body in a header of your choice.
    #[schemars(title = "HMAC-SHA256")]
    HmacSha256 {
        /// The key that both sides share.
        secret: SecretText,
        /// The header that carries the signature.
        #[schemars(example = &"X-Signature", length(min = 1, max = 128))]
        header: String,
        /// How the signature is written.
        #[serde(default)]
        encoding: Encoding,
        /// What stands before the signature in the header, such as `sha256=`.
        #[serde(default)]
        #[schemars(length(max = 64))]
        prefix: String,
    },
    /// A secret that is sent as it is in a header.
    #[schemars(title = "Shared secret")]
    SharedSecret {
        /// The header that carries the secret.
        #[serde(default = "shared_secret_header")]
        #[schemars(length(min = 1, max = 128))]
        header: String,
        /// The value that the header must have.
        secret: SecretText,
    },
    /// `Authorization: Bearer` and a token.
    #[schemars(title = "Bearer token")]
    Bearer {
        /// The token that requests must carry.
        token: SecretText,
    },
    /// `Authorization: Basic` with a name and a password.
    #[schemars(title = "Basic")]
    Basic {
        /// The user name; it has no colon.
        #[schemars(length(min = 1, max = 256))]
        username: String,
        /// The password that belongs to the user name.
        password: SecretText,
    },
    /// Anyone who knows the URL may send.
    #[schemars(title = "None")]
    None {},
}

#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Encoding {
    /// Hexadecimal digits.
    #[default]
    Hex,
    /// Base64 with padding.
    Base64,
}

const fn tolerance_default() -> HumanDuration {
    HumanDuration(std::time::Duration::from_secs(300))
}

fn shared_secret_header() -> String {
    "X-Webhook-Secret".into()
}

impl Auth {
    pub(super) fn problems(&self) -> Vec<Problem> {
        match self {
            Self::HmacSha256 { header, .. } | Self::SharedSecret { header, .. } => {
                header_name(header).err().map(|e| Problem::new("/auth/header", e)).into_iter().collect()
            }
            Self::Basic { username, .. } if username.contains(':') => {
                vec![Problem::new(
                    "/auth/username",
                    "must not contain a colon, which ends the name in Basic credentials",
                )]
            }
            _ => Vec::new(),
        }
    }

    /// Whether a header belongs to the proof of a request, so that it must not go further.
    pub(super) fn uses(&self, header: &str) -> bool {
        let own = match self {
            Self::HmacSha256 { header, .. } | Self::SharedSecret { header, .. } => Some(header.as_str()),
            _ => None,
        };
        is_credential(header) || own.is_some_and(|own| own.eq_ignore_ascii_case(header))
    }
}

pub(super) fn header_name(name: &str) -> Result<HeaderName, String> {
    HeaderName::try_from(name).map_err(|_| "must be the name of an HTTP header, like X-Signature".into())
}

/// [`Auth`] with its secrets resolved and its keys set up.
pub(super) enum Verifier {
    Github(Hmac<Sha256>),
    Standard {
        key: Hmac<Sha256>,
        tolerance: HumanDuration,
    },
    Hmac {
        key: Hmac<Sha256>,
        header: HeaderName,
        encoding: Encoding,
        prefix: String,
    },
    /// The SHA-256 of what the header must hold, after an optional scheme.
    Header {
        header: HeaderName,
        scheme: Option<&'static str>,
        digest: [u8; 32],
    },
    Open,
}

impl Verifier {
    pub(super) fn new(auth: &Auth) -> Result<Self, ConnectorError> {
        let invalid = |message: String| ConnectorError::permanent("config_invalid", message);
        let header = |name: &str| header_name(name).map_err(|e| invalid(format!("auth.header {e}")));
        Ok(match auth {
            Auth::Github { secret } => Self::Github(hmac(filled(secret)?)?),
            Auth::StandardWebhooks { secret, tolerance } => {
                Self::Standard { key: standard_key(filled(secret)?)?, tolerance: *tolerance }
            }
            Auth::HmacSha256 { secret, header: name, encoding, prefix } => Self::Hmac {
                key: hmac(filled(secret)?)?,
                header: header(name)?,
                encoding: *encoding,
                prefix: prefix.clone(),
            },
            Auth::SharedSecret { header: name, secret } => {
                Self::Header { header: header(name)?, scheme: None, digest: digest(filled(secret)?.as_bytes()) }
            }
            Auth::Bearer { token } => Self::Header {
                header: header::AUTHORIZATION,
                scheme: Some("bearer"),
                digest: digest(filled(token)?.as_bytes()),
            },
            Auth::Basic { username, password } => {
                let pair = Zeroizing::new(format!("{username}:{}", filled(password)?));
                Self::Header { header: header::AUTHORIZATION, scheme: Some("basic"), digest: digest(pair.as_bytes()) }
            }
            Auth::None {} => Self::Open,
        })
    }

    /// The headers of a request that this verifier admits, to try it.
    pub(super) fn sign(auth: &Auth, body: &[u8], now: Timestamp) -> Result<HeaderMap, ConnectorError> {
        let mac = |key: Hmac<Sha256>, parts: &[&[u8]]| {
            let mut mac = key;
            parts.iter().for_each(|part| mac.update(part));
            mac.finalize().into_bytes()
        };
        let mut pairs: Vec<(&str, String)> = Vec::new();
        match (auth, Self::new(auth)?) {
            (_, Self::Github(key)) => pairs.push((GITHUB_HEADER, format!("sha256={}", hex::encode(mac(key, &[body]))))),
            (_, Self::Standard { key, .. }) => {
                let (id, time) = ("msg_check", now.timestamp().to_string());
                let signature = mac(key, &[id.as_bytes(), b".", time.as_bytes(), b".", body]);
                pairs.push(("webhook-signature", format!("v1,{}", BASE64.encode(signature))));
                pairs.extend([("webhook-id", id.to_owned()), ("webhook-timestamp", time)]);
            }
            (Auth::HmacSha256 { header, prefix, .. }, Self::Hmac { key, encoding, .. }) => {
                let signature = mac(key, &[body]);
                let signature = match encoding {
                    Encoding::Hex => hex::encode(signature),
                    Encoding::Base64 => BASE64.encode(signature),
                };
                pairs.push((header, format!("{prefix}{signature}")));
            }
            (Auth::SharedSecret { header, secret }, _) => pairs.push((header, secret.expose().to_owned())),
            (Auth::Bearer { token }, _) => pairs.push(("authorization", format!("Bearer {}", token.expose()))),
            (Auth::Basic { username, password }, _) => {
                let pair = BASE64.encode(format!("{username}:{}", password.expose()));
                pairs.push(("authorization", format!("Basic {pair}")));
            }
            _ => {}
        }
        let unfit = || {
            let message = "the secret of the webhook's auth holds characters that no header can carry; set another one";
            ConnectorError::permanent("config_invalid", message)
        };
        let header = |(name, value): (&str, String)| {
            let name = HeaderName::try_from(name).map_err(|_| unfit())?;
            // A line of text without blanks around it: what arrives is what was sent.
            let fits = value.trim() == value && value.bytes().all(|byte| byte >= b' ' && byte != 0x7f);
            let value = HeaderValue::from_bytes(value.as_bytes()).ok().filter(|_| fits).ok_or_else(unfit)?;
            Ok((name, value))
        };
        pairs.into_iter().map(header).collect()
    }

    pub(super) fn is_github(&self) -> bool {
        matches!(self, Self::Github(_))
    }

    pub(super) fn admits(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
        match self {
            Self::Github(key) => text(headers, GITHUB_HEADER)
                .and_then(|value| value.strip_prefix("sha256="))
                .and_then(|value| hex::decode(value).ok())
                .is_some_and(|signature| signed(key, &[body], &signature)),
            Self::Standard { key, tolerance } => standard(key, *tolerance, headers, body, now),
            Self::Hmac { key, header, encoding, prefix } => text(headers, header)
                .and_then(|value| value.strip_prefix(prefix.as_str()))
                .and_then(|value| match encoding {
                    Encoding::Hex => hex::decode(value).ok(),
                    Encoding::Base64 => BASE64.decode(value).ok(),
                })
                .is_some_and(|signature| signed(key, &[body], &signature)),
            Self::Header { header, scheme, digest: expected } => {
                let shown = headers.get(header).and_then(|value| match scheme {
                    None => Some(value.as_bytes().to_vec()),
                    Some(scheme) => credentials(value.to_str().ok()?, scheme),
                });
                shown.is_some_and(|shown| digest(&shown).ct_eq(expected).into())
            }
            Self::Open => true,
        }
    }
}

/// An empty key would let anyone sign.
fn filled(secret: &SecretText) -> Result<&str, ConnectorError> {
    Some(secret.expose()).filter(|text| !text.is_empty()).ok_or_else(|| {
        ConnectorError::permanent("config_invalid", "the secret of the webhook's auth is empty; set it to a value")
    })
}

fn hmac(key: impl AsRef<[u8]>) -> Result<Hmac<Sha256>, ConnectorError> {
    Hmac::new_from_slice(key.as_ref())
        .map_err(|_| ConnectorError::permanent("config_invalid", "the secret cannot be an HMAC key"))
}

fn standard_key(secret: &str) -> Result<Hmac<Sha256>, ConnectorError> {
    let Some(encoded) = secret.strip_prefix("whsec_") else { return hmac(secret) };
    let key = BASE64.decode(encoded).ok().filter(|key| !key.is_empty()).map(Zeroizing::new).ok_or_else(|| {
        ConnectorError::permanent("config_invalid", "the secret begins with whsec_ but does not go on in base64")
    })?;
    hmac(key.as_slice())
}

fn standard(key: &Hmac<Sha256>, tolerance: HumanDuration, headers: &HeaderMap, body: &[u8], now: Timestamp) -> bool {
    let (Some(id), Some(time), Some(list)) =
        (text(headers, "webhook-id"), text(headers, "webhook-timestamp"), text(headers, "webhook-signature"))
    else {
        return false;
    };
    let Ok(seconds) = time.parse::<i64>() else { return false };
    // Several signatures come while the sender's key is being replaced.
    let genuine = list
        .split(' ')
        .filter_map(|entry| entry.strip_prefix("v1,"))
        .filter_map(|encoded| BASE64.decode(encoded).ok())
        .any(|signature| signed(key, &[id.as_bytes(), b".", time.as_bytes(), b".", body], &signature));
    genuine && now.timestamp().abs_diff(seconds) <= tolerance.0.as_secs()
}

fn signed(key: &Hmac<Sha256>, parts: &[&[u8]], signature: &[u8]) -> bool {
    let mut mac = key.clone();
    for part in parts {
        mac.update(part);
    }
    mac.verify_slice(signature).is_ok()
}

/// What an `Authorization` header holds after its scheme; Basic credentials come decoded.
fn credentials(value: &str, scheme: &str) -> Option<Vec<u8>> {
    let (name, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    if !name.eq_ignore_ascii_case(scheme) {
        return None;
    }
    if scheme == "basic" { BASE64.decode(rest).ok() } else { Some(rest.as_bytes().to_vec()) }
}

fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

fn text(headers: &HeaderMap, name: impl header::AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}
