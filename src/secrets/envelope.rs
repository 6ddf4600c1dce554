//! AES-256-GCM with a fresh nonce and associated data that names where the value belongs.

use aes_gcm::aead::AeadInOut;
use aes_gcm::aead::array::Array;
use aes_gcm::{Aes256Gcm, KeyInit};
use hmac::{Hmac, Mac};
use rand::TryRng;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret, SecretBox, SecretString};
use sha2::Sha256;
use uuid::Uuid;
use zeroize::{Zeroize, Zeroizing};

use super::SecretError;

const FORMAT: u8 = 1;
const ID: usize = 16;
const NONCE: usize = 12;
const TAG: usize = 16;
const SECRET_AAD: &str = "studio/secret/v1";
const REFERENCE_AAD: &str = "studio/secret-reference/v1";
const FINGERPRINT_KEY: &[u8] = b"studio/fingerprint-key/v1";
const SECRET_MAX_BYTES: usize = 64 * 1024;

pub(super) const KEY_BYTES: usize = 32;

/// Where a secret value belongs; it opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct SecretAddress<'a> {
    pub org: &'a str,
    pub datasource_id: Uuid,
    pub key: &'a str,
    pub version: i32,
    /// What is sealed is not the value, but says where it is.
    pub reference: bool,
}

/// No key of a datasource's secret has a slash.
const SIGNING_KEY: &str = "notification/signing";

impl<'a> SecretAddress<'a> {
    /// What signs for an endpoint of notifications.
    pub fn signing(org: &'a str, endpoint: Uuid, version: i32) -> Self {
        Self { org, datasource_id: endpoint, key: SIGNING_KEY, version, reference: false }
    }
}

impl SecretAddress<'_> {
    fn associated_data(&self, data_key: Uuid) -> Vec<u8> {
        associated_data(
            if self.reference { REFERENCE_AAD } else { SECRET_AAD },
            &[
                data_key.as_bytes(),
                self.org.as_bytes(),
                self.datasource_id.as_bytes(),
                self.key.as_bytes(),
                &self.version.to_be_bytes(),
            ],
        )
    }
}

/// The unwrapped data key of one organisation. Dropping it erases the key.
pub struct DataKey {
    id: Uuid,
    // On the heap, so that moving the handle leaves no copy of the key schedule behind.
    cipher: Box<Aes256Gcm>,
    fingerprint_key: SecretBox<[u8; KEY_BYTES]>,
}

impl DataKey {
    pub(super) fn new(id: Uuid, bytes: &[u8; KEY_BYTES]) -> Self {
        let fingerprint_key = SecretBox::new(Box::new(mac(bytes, &[FINGERPRINT_KEY])));
        Self { id, cipher: Box::new(Aes256Gcm::new(bytes.into())), fingerprint_key }
    }

    /// Tells two texts apart without telling what they are: who does not have the key can not even try a guess.
    pub fn fingerprint(&self, parts: &[&[u8]]) -> [u8; KEY_BYTES] {
        mac(self.fingerprint_key.expose_secret(), parts)
    }

    pub fn id(&self) -> Uuid {
        self.id
    }

    /// What to store: format, data key id, nonce, ciphertext and tag.
    pub fn seal(&self, address: &SecretAddress<'_>, plaintext: &SecretString) -> Result<Vec<u8>, SecretError> {
        let value = plaintext.expose_secret().as_bytes();
        if value.is_empty() || value.len() > SECRET_MAX_BYTES {
            return Err(SecretError::Length(SECRET_MAX_BYTES));
        }
        let mut out = Vec::with_capacity(1 + ID + NONCE + value.len() + TAG);
        out.push(FORMAT);
        out.extend_from_slice(self.id.as_bytes());
        seal_into(&mut out, &self.cipher, &address.associated_data(self.id), value)?;
        Ok(out)
    }

    /// The value that was sealed at this address.
    pub fn open(&self, address: &SecretAddress<'_>, stored: &[u8]) -> Result<SecretString, SecretError> {
        const WHAT: &str = "secret";
        let needs = data_key_id(stored)?;
        if needs != self.id {
            return Err(SecretError::DataKeyMissing { needs, has: self.id });
        }
        let mut plain = open(&self.cipher, &address.associated_data(self.id), &stored[1 + ID..], WHAT)?;
        // The allocation itself becomes the string: its capacity is its length, so nothing is copied.
        match String::from_utf8(std::mem::take(&mut *plain)) {
            Ok(text) => Ok(text.into()),
            Err(e) => {
                e.into_bytes().zeroize();
                Err(SecretError::Format(WHAT))
            }
        }
    }
}

impl std::fmt::Debug for DataKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("DataKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The data key that a stored secret needs.
pub fn data_key_id(stored: &[u8]) -> Result<Uuid, SecretError> {
    let wrong = SecretError::Format("secret");
    match stored {
        [FORMAT, rest @ ..] if rest.len() > ID + NONCE + TAG => Uuid::from_slice(&rest[..ID]).map_err(|_| wrong),
        _ => Err(wrong),
    }
}

/// A label and fields, each preceded by its length: no two lists of fields give the same bytes.
pub(super) fn associated_data(label: &str, fields: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for field in std::iter::once(label.as_bytes()).chain(fields.iter().copied()) {
        out.extend_from_slice(&(field.len() as u64).to_be_bytes());
        out.extend_from_slice(field);
    }
    out
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

pub(super) fn random<const N: usize>(out: &mut [u8; N]) -> Result<(), SecretError> {
    SysRng.try_fill_bytes(out).map_err(|e| SecretError::Random(e.to_string()))
}

/// Appends nonce, ciphertext and tag. `out` must have room for them, or growing it would leave plaintext behind.
pub(super) fn seal_into(out: &mut Vec<u8>, cipher: &Aes256Gcm, aad: &[u8], plain: &[u8]) -> Result<(), SecretError> {
    let mut nonce = [0; NONCE];
    random(&mut nonce)?;
    out.extend_from_slice(&nonce);
    let start = out.len();
    out.extend_from_slice(plain);
    let tag = cipher
        .encrypt_inout_detached(&Array(nonce), aad, (&mut out[start..]).into())
        .map_err(|_| SecretError::Length(SECRET_MAX_BYTES))?;
    out.extend_from_slice(&tag);
    Ok(())
}

/// Opens what [`seal_into`] appended.
pub(super) fn open(
    cipher: &Aes256Gcm,
    aad: &[u8],
    sealed: &[u8],
    what: &'static str,
) -> Result<Zeroizing<Vec<u8>>, SecretError> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE>().ok_or(SecretError::Format(what))?;
    let (body, tag) = rest.split_last_chunk::<TAG>().ok_or(SecretError::Format(what))?;
    let mut plain = Zeroizing::new(body.to_vec());
    cipher
        .decrypt_inout_detached(&Array(*nonce), aad, plain.as_mut_slice().into(), &Array(*tag))
        .map_err(|_| SecretError::Tampered(what))?;
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DATASOURCE: Uuid = Uuid::from_u128(7);
    const ADDRESS: SecretAddress<'_> =
        SecretAddress { org: "acme", datasource_id: DATASOURCE, key: "api_token", version: 3, reference: false };

    fn data_key() -> DataKey {
        DataKey::new(Uuid::from_u128(1), &[42; KEY_BYTES])
    }

    fn sealed(value: &str) -> Vec<u8> {
        data_key().seal(&ADDRESS, &value.into()).expect("seals")
    }

    #[test]
    fn opens_what_it_sealed_and_shows_nothing_of_it() {
        for value in ["s", "hunter2", "ключ 🔑", &"x".repeat(SECRET_MAX_BYTES)] {
            let stored = sealed(value);
            assert_eq!(stored.len(), 1 + ID + NONCE + value.len() + TAG);
            assert_eq!(data_key().open(&ADDRESS, &stored).expect("opens").expose_secret(), value);
            assert!(value.len() < 4 || !stored.windows(4).any(|w| w == &value.as_bytes()[..4]));
        }
        assert_eq!(data_key_id(&sealed("x")), Ok(Uuid::from_u128(1)));
        assert!(!format!("{:?}", data_key()).contains("42"));
    }

    #[test]
    fn the_same_value_never_looks_the_same() {
        let nonces: std::collections::HashSet<_> =
            (0..200).map(|_| sealed("hunter2")[1 + ID..][..NONCE].to_vec()).collect();
        assert_eq!(nonces.len(), 200);
    }

    #[test]
    fn a_flipped_bit_anywhere_fails() {
        let stored = sealed("hunter2");
        for position in 0..stored.len() {
            for bit in 0..8 {
                let mut changed = stored.clone();
                changed[position] ^= 1 << bit;
                assert!(data_key().open(&ADDRESS, &changed).is_err(), "byte {position}, bit {bit}");
            }
        }
    }

    #[test]
    fn a_cut_or_extended_ciphertext_fails() {
        let stored = sealed("hunter2");
        for length in 0..stored.len() {
            assert!(data_key().open(&ADDRESS, &stored[..length]).is_err(), "{length} bytes");
        }
        let longer = [stored.as_slice(), &[0]].concat();
        assert_eq!(data_key().open(&ADDRESS, &longer).expect_err("fails"), SecretError::Tampered("secret"));
    }

    #[test]
    fn a_moved_ciphertext_fails() {
        let stored = sealed("hunter2");
        for elsewhere in [
            SecretAddress { org: "evil", ..ADDRESS },
            SecretAddress { datasource_id: Uuid::from_u128(8), ..ADDRESS },
            SecretAddress { key: "api_tokem", ..ADDRESS },
            SecretAddress { version: 4, ..ADDRESS },
            SecretAddress { reference: true, ..ADDRESS },
        ] {
            let error = data_key().open(&elsewhere, &stored).expect_err("must fail");
            assert_eq!(error, SecretError::Tampered("secret"), "{elsewhere:?}");
        }
        let other = DataKey::new(Uuid::from_u128(2), &[42; KEY_BYTES]);
        let error = other.open(&ADDRESS, &stored).expect_err("must fail");
        assert_eq!(error, SecretError::DataKeyMissing { needs: Uuid::from_u128(1), has: Uuid::from_u128(2) });
        let same_id = DataKey::new(Uuid::from_u128(1), &[43; KEY_BYTES]);
        assert_eq!(same_id.open(&ADDRESS, &stored).expect_err("must fail"), SecretError::Tampered("secret"));
    }

    #[test]
    fn fields_cannot_slide_into_each_other() {
        assert_ne!(associated_data("l", &[b"ab", b"c"]), associated_data("l", &[b"a", b"bc"]));
        assert_ne!(associated_data("l", &[b"ab"]), associated_data("la", &[b"b"]));
        assert_ne!(associated_data("l", &[b"a", b""]), associated_data("l", &[b"a"]));
    }

    #[test]
    fn refuses_empty_and_huge_values() {
        for value in [String::new(), "x".repeat(SECRET_MAX_BYTES + 1)] {
            let error = data_key().seal(&ADDRESS, &value.into()).expect_err("must be refused");
            assert_eq!(crate::error::Error::from(error).problems()[0].message, "must be 1 to 65536 bytes long");
        }
    }
}
