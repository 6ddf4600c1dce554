//! Master keys that this process holds itself.

use aes_gcm::{Aes256Gcm, KeyInit};
use async_trait::async_trait;
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::SecretError;
use super::envelope::{KEY_BYTES, open, random, seal_into};
use super::provider::{KeyBytes, KeyPlace, KeyProvider, Wrapping, key_bytes};
use crate::domain::WrappedDataKey;

const FORMAT: u8 = 1;
const MASTER_KEY_ID: &[u8] = b"studio/master-key-id/v1";
const WHAT: &str = "data key";
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// 32 bytes that wrap the data keys. Erased when dropped; never shown.
pub struct MasterKey {
    bytes: SecretBox<[u8; KEY_BYTES]>,
    id: String,
}

impl MasterKey {
    /// Reads base64 of exactly 32 bytes, with or without padding.
    pub fn from_base64(text: &str) -> Result<Self, String> {
        let help =
            |found: String| format!("must be base64 of 32 bytes, {found}; make one with `openssl rand -base64 32`");
        let decoded = BASE64.decode(text.trim()).map(Zeroizing::new);
        let decoded = decoded.map_err(|_| help("but it is not base64".into()))?;
        let exact: &[u8; KEY_BYTES] =
            decoded.as_slice().try_into().map_err(|_| help(format!("but it holds {}", decoded.len())))?;
        if exact.iter().all(|b| *b == exact[0]) {
            return Err(help("but it is one byte repeated, which is no key".into()));
        }
        let mut bytes = SecretBox::<[u8; KEY_BYTES]>::default();
        bytes.expose_secret_mut().copy_from_slice(exact);
        let id = key_id(&bytes);
        Ok(Self { bytes, id })
    }

    /// A key that nobody else has, for a process that reads and sets no secret.
    pub fn throwaway() -> Result<Self, SecretError> {
        let mut bytes = SecretBox::<[u8; KEY_BYTES]>::default();
        random(bytes.expose_secret_mut())?;
        let id = key_id(&bytes);
        Ok(Self { bytes, id })
    }

    /// Tells keys apart in logs and errors, and says nothing of the key.
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl std::fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MasterKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Wraps with one master key, and unwraps with that one and those before it.
pub struct LocalKeys {
    current: Held,
    old: Vec<Held>,
}

struct Held {
    id: String,
    // On the heap, so that moving the handle leaves no copy of the key schedule behind.
    cipher: Box<Aes256Gcm>,
}

impl From<MasterKey> for Held {
    fn from(key: MasterKey) -> Self {
        Self { cipher: Box::new(Aes256Gcm::new(key.bytes.expose_secret().into())), id: key.id }
    }
}

impl LocalKeys {
    pub fn new(current: MasterKey, old: Vec<MasterKey>) -> Self {
        Self { current: current.into(), old: old.into_iter().map(Into::into).collect() }
    }

    fn all(&self) -> impl Iterator<Item = &Held> {
        std::iter::once(&self.current).chain(&self.old)
    }
}

#[async_trait]
impl KeyProvider for LocalKeys {
    fn name(&self) -> &'static str {
        "local"
    }

    fn key_id(&self) -> &str {
        &self.current.id
    }

    fn holds(&self, key_id: &str) -> bool {
        self.all().any(|key| key.id == key_id)
    }

    fn is_remote(&self) -> bool {
        false
    }

    async fn wrap(&self, place: &KeyPlace<'_>, key: &KeyBytes) -> Result<Wrapping, SecretError> {
        let mut wrapped = Vec::with_capacity(128);
        wrapped.push(FORMAT);
        seal_into(&mut wrapped, &self.current.cipher, &place.associated_data(), key.as_slice())?;
        Ok(Wrapping { wrapped, version: None })
    }

    async fn unwrap(&self, place: &KeyPlace<'_>, stored: &WrappedDataKey) -> Result<KeyBytes, SecretError> {
        let held = self.all().find(|key| key.id == stored.master_key_id);
        let held = held.ok_or_else(|| SecretError::MasterKeyMissing {
            data_key: stored.id,
            needs: stored.master_key_id.clone(),
            has: self.all().map(|key| key.id.as_str()).collect::<Vec<_>>().join(", "),
        })?;
        let [FORMAT, sealed @ ..] = stored.wrapped.as_slice() else {
            return Err(SecretError::Format(WHAT));
        };
        key_bytes(&open(&held.cipher, &place.associated_data(), sealed, WHAT)?)
    }
}

/// Hashed with a label of its own, so that the id matches no other use of the key.
fn key_id(bytes: &SecretBox<[u8; KEY_BYTES]>) -> String {
    let digest = Sha256::new().chain_update(MASTER_KEY_ID).chain_update(bytes.expose_secret()).finalize();
    hex::encode(&digest[..4])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_master_key_is_32_bytes_of_base64() {
        let master = |first: u8| {
            let mut bytes = [7; KEY_BYTES];
            bytes[0] = first;
            MasterKey::from_base64(&BASE64.encode(bytes)).expect("32 bytes")
        };
        let key = master(1);
        assert_eq!(key.id().len(), 8);
        assert_ne!(key.id(), master(2).id());
        assert_eq!(format!("{key:?}"), format!("MasterKey {{ id: {:?}, .. }}", key.id()));
        let half = BASE64.encode([1; 16]);
        for (wrong, says) in [("", "holds 0"), ("c2hvcnQ=", "holds 5"), (&half, "holds 16"), ("%%", "not base64")] {
            let error = MasterKey::from_base64(wrong).expect_err("must be refused");
            assert!(error.contains(says) && error.contains("openssl rand"), "{error}");
        }
        assert!(MasterKey::from_base64(&BASE64.encode([0; KEY_BYTES])).expect_err("refused").contains("repeated"));
    }
}
