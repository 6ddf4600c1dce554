//! The master key, and the data keys that it wraps.

use aes_gcm::{Aes256Gcm, KeyInit};
use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, Mac};
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::domain::WrappedDataKey;
use zeroize::Zeroizing;

use super::SecretError;
use super::envelope::{DataKey, KEY_BYTES, associated_data, open, random, seal_into};

const FORMAT: u8 = 1;
const DATA_KEY_AAD: &str = "studio/data-key/v1";
const MASTER_KEY_ID: &[u8] = b"studio/master-key-id/v1";
const FINGERPRINT_KEY: &[u8] = b"studio/fingerprint-key/v1";
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

/// Makes and unwraps data keys; the only user of the master key.
pub struct Keyring {
    master_key_id: String,
    cipher: Box<Aes256Gcm>,
    fingerprint_key: SecretBox<[u8; KEY_BYTES]>,
}

impl Keyring {
    pub fn new(master: MasterKey) -> Self {
        let fingerprint_key = mac(master.bytes.expose_secret(), &[FINGERPRINT_KEY]);
        Self {
            cipher: Box::new(Aes256Gcm::new(master.bytes.expose_secret().into())),
            master_key_id: master.id,
            fingerprint_key: SecretBox::new(Box::new(fingerprint_key)),
        }
    }

    /// Tells two texts apart without telling what they are: who does not have the key can not even try a guess.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> [u8; KEY_BYTES] {
        mac(self.fingerprint_key.expose_secret(), parts)
    }

    pub fn master_key_id(&self) -> &str {
        &self.master_key_id
    }

    /// A new data key for an organisation, ready to be stored.
    pub fn generate_data_key(&self, org: &str) -> Result<WrappedDataKey, SecretError> {
        let id = Uuid::now_v7();
        let mut key = Zeroizing::new([0; KEY_BYTES]);
        random(&mut key)?;
        let mut wrapped = Vec::with_capacity(128);
        wrapped.push(FORMAT);
        seal_into(&mut wrapped, &self.cipher, &wrapping_data(org, id), key.as_slice())?;
        Ok(WrappedDataKey { id, wrapped, master_key_id: self.master_key_id.clone() })
    }

    /// The data key, if it was made for this organisation under this master key. Costs
    /// microseconds; a caller that opens many secrets of an organisation keeps the result.
    pub fn unwrap_data_key(&self, org: &str, stored: &WrappedDataKey) -> Result<DataKey, SecretError> {
        if stored.master_key_id != self.master_key_id {
            return Err(SecretError::MasterKeyMissing {
                data_key: stored.id,
                needs: stored.master_key_id.clone(),
                has: self.master_key_id.clone(),
            });
        }
        let [FORMAT, sealed @ ..] = stored.wrapped.as_slice() else {
            return Err(SecretError::Format(WHAT));
        };
        let bytes = open(&self.cipher, &wrapping_data(org, stored.id), sealed, WHAT)?;
        let bytes = bytes.as_slice().try_into().map_err(|_| SecretError::Format(WHAT))?;
        Ok(DataKey::new(stored.id, bytes))
    }
}

impl std::fmt::Debug for Keyring {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keyring").field("master_key_id", &self.master_key_id).finish_non_exhaustive()
    }
}

fn wrapping_data(org: &str, id: Uuid) -> Vec<u8> {
    associated_data(DATA_KEY_AAD, &[org.as_bytes(), id.as_bytes()])
}

/// HMAC-SHA256 over the parts, each after its length, so that no two lists of parts read alike.
fn mac(key: &[u8; KEY_BYTES], parts: &[&[u8]]) -> [u8; KEY_BYTES] {
    // A key of one block needs no length check; HMAC pads a shorter one with zeros just so.
    let mut block = Zeroizing::new([0; 64]);
    block[..KEY_BYTES].copy_from_slice(key);
    let mut mac = Hmac::<Sha256>::new((&*block).into());
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Hashed with a label of its own, so that the id matches no other use of the key.
fn key_id(bytes: &SecretBox<[u8; KEY_BYTES]>) -> String {
    let digest = Sha256::new().chain_update(MASTER_KEY_ID).chain_update(bytes.expose_secret()).finalize();
    hex::encode(&digest[..4])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secrets::SecretAddress;

    fn master(first: u8) -> MasterKey {
        let mut bytes = [7; KEY_BYTES];
        bytes[0] = first;
        MasterKey::from_base64(&BASE64.encode(bytes)).expect("32 bytes")
    }

    #[test]
    fn a_master_key_is_32_bytes_of_base64() {
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

    #[test]
    fn a_wrapped_key_opens_for_its_organisation_only() {
        let keyring = Keyring::new(master(1));
        let stored = keyring.generate_data_key("acme").expect("makes");
        let address = SecretAddress { org: "acme", datasource_id: Uuid::nil(), key: "k", version: 1 };
        let sealed = keyring.unwrap_data_key("acme", &stored).and_then(|k| k.seal(&address, &"hunter2".into()));
        let reopened = keyring.unwrap_data_key("acme", &stored).and_then(|k| k.open(&address, &sealed.expect("seals")));
        assert_eq!(reopened.expect("opens").expose_secret(), "hunter2");

        let moved = keyring.unwrap_data_key("evil", &stored).expect_err("must fail");
        assert_eq!(moved, SecretError::Tampered("data key"));
        let renamed = WrappedDataKey { id: Uuid::nil(), ..stored };
        assert!(keyring.unwrap_data_key("acme", &renamed).is_err());
    }

    #[test]
    fn a_flipped_bit_anywhere_in_a_wrapped_key_fails() {
        let keyring = Keyring::new(master(1));
        let stored = keyring.generate_data_key("acme").expect("makes");
        for position in 0..stored.wrapped.len() {
            let mut changed = stored.clone();
            changed.wrapped[position] ^= 1;
            assert!(keyring.unwrap_data_key("acme", &changed).is_err(), "byte {position}");
            changed.wrapped.truncate(position);
            assert!(keyring.unwrap_data_key("acme", &changed).is_err(), "{position} bytes");
        }
    }

    #[test]
    fn a_fingerprint_depends_on_the_key_and_on_where_a_part_ends() {
        let keyring = Keyring::new(master(1));
        let print = keyring.fingerprint(&[b"ab", b"c"]);
        assert_eq!(print, Keyring::new(master(1)).fingerprint(&[b"ab", b"c"]));
        assert_ne!(print, keyring.fingerprint(&[b"a", b"bc"]));
        assert_ne!(print, Keyring::new(master(2)).fingerprint(&[b"ab", b"c"]));
    }

    #[test]
    fn another_master_key_is_named() {
        let stored = Keyring::new(master(1)).generate_data_key("acme").expect("makes");
        let error = Keyring::new(master(2)).unwrap_data_key("acme", &stored).expect_err("must fail");
        let text = error.to_string();
        assert!(text.contains(master(1).id()) && text.contains(master(2).id()), "{text}");
    }
}
