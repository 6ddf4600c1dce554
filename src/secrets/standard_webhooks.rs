//! Signatures of outgoing messages, as Standard Webhooks has them.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

use super::SecretError;
use super::envelope::random;

const PREFIX: &str = "whsec_";
const BYTES: usize = 32;

/// A new secret, in the words that a receiver is given: `whsec_` and base64.
pub fn generate_signing_secret() -> Result<SecretString, SecretError> {
    let mut key = Zeroizing::new([0; BYTES]);
    random(&mut key)?;
    let encoded = Zeroizing::new(BASE64.encode(key.as_slice()));
    Ok(format!("{PREFIX}{}", *encoded).into())
}

/// What signs for an endpoint.
pub struct SigningKey(hmac::Key);

impl SigningKey {
    /// `None` for a text that is no such secret.
    pub fn parse(secret: &SecretString) -> Option<Self> {
        let encoded = secret.expose_secret().strip_prefix(PREFIX)?;
        let bytes = Zeroizing::new(BASE64.decode(encoded).ok()?);
        Some(Self(hmac::Key::new(hmac::HMAC_SHA256, &bytes)))
    }

    /// One entry of the header `webhook-signature`. `timestamp` is in seconds.
    pub fn sign(&self, id: &str, timestamp: i64, body: &str) -> String {
        let mut context = hmac::Context::with_key(&self.0);
        for part in [id, ".", &timestamp.to_string(), ".", body] {
            context.update(part.as_bytes());
        }
        format!("v1,{}", BASE64.encode(context.sign()))
    }
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SigningKey")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_specification() {
        let key = SigningKey::parse(&"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".into()).expect("a secret");
        let signature = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, "{\"test\": 2432232314}");
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn a_new_secret_is_read_back_and_is_another_one_each_time() {
        let secrets = [generate_signing_secret().expect("random"), generate_signing_secret().expect("random")];
        let signed = secrets.each_ref().map(|secret| {
            assert_eq!(secret.expose_secret().len(), PREFIX.len() + 44);
            SigningKey::parse(secret).expect("a secret").sign("id", 1, "body")
        });
        assert_ne!(signed[0], signed[1]);
        for wrong in ["", "whsec_*", "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"] {
            assert!(SigningKey::parse(&wrong.into()).is_none(), "{wrong}");
        }
    }
}
