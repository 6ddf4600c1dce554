//! API keys: `dss_<id>_<secret><checksum>`, in hexadecimal. The id finds the stored hash; the checksum
//! tells a mistyped key, and a find in a file, from any other text.

use rand::Rng as _;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

pub const PREFIX: &str = "dss_";
const ID_BYTES: usize = 8;
const SECRET_BYTES: usize = 32;
const CHECKSUM_BYTES: usize = 4;

/// A key as it was sent, or as it was made.
pub struct PresentedKey {
    id: String,
    hash: [u8; 32],
}

impl PresentedKey {
    /// A new key, and the text that its holder gets once.
    pub fn generate() -> (Self, SecretString) {
        let mut random = zeroize::Zeroizing::new([0; ID_BYTES + SECRET_BYTES]);
        rand::rng().fill_bytes(random.as_mut_slice());
        let (id, secret) = random.split_at(ID_BYTES);
        let body = zeroize::Zeroizing::new(format!("{PREFIX}{}_{}", hex::encode(id), hex::encode(secret)));
        let text = format!("{}{}", *body, hex::encode(checksum(&body)));
        (Self { id: hex::encode(id), hash: hash(secret) }, text.into())
    }

    /// `None` when the text is no key at all; nothing is looked up for it.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, rest) = text.strip_prefix(PREFIX)?.split_once('_')?;
        let (body, sum) = text.split_at_checked(text.len().checked_sub(2 * CHECKSUM_BYTES)?)?;
        let secret = rest.get(..rest.len().checked_sub(2 * CHECKSUM_BYTES)?)?;
        if id.len() != 2 * ID_BYTES || secret.len() != 2 * SECRET_BYTES || sum != hex::encode(checksum(body)) {
            return None;
        }
        let secret = zeroize::Zeroizing::new(hex::decode(secret).ok()?);
        Some(Self { id: id.to_owned(), hash: hash(&secret) })
    }

    pub fn id(&self) -> &str {
        &self.id
    }

    /// What is stored. A fast hash is enough: nobody can guess 32 random bytes, however many guesses a second.
    pub fn hash(&self) -> &[u8] {
        &self.hash
    }

    /// Takes the same time wherever the two differ.
    pub fn matches(&self, stored: &[u8]) -> bool {
        self.hash.ct_eq(stored).into()
    }
}

fn hash(secret: &[u8]) -> [u8; 32] {
    Sha256::digest(secret).into()
}

fn checksum(body: &str) -> [u8; CHECKSUM_BYTES] {
    let digest = Sha256::digest(body);
    [digest[0], digest[1], digest[2], digest[3]]
}

impl std::fmt::Debug for PresentedKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PresentedKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The text of a new key, for the one answer that shows it.
pub fn reveal(key: &SecretString) -> String {
    key.expose_secret().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_what_it_was_made_as_and_nothing_else_is() {
        let (made, text) = PresentedKey::generate();
        let text = reveal(&text);
        assert_eq!(text.len(), PREFIX.len() + 16 + 1 + 64 + 8);
        let read = PresentedKey::parse(&text).expect("a key");
        assert_eq!(read.id(), made.id());
        assert!(read.matches(made.hash()));
        assert!(!PresentedKey::generate().0.matches(made.hash()));
        assert!(!read.matches(&[]));

        for at in 0..text.len() {
            let other = if text.as_bytes()[at] == b'0' { "1" } else { "0" };
            let changed = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(PresentedKey::parse(&changed).is_none(), "changed at {at}");
            assert!(PresentedKey::parse(&text[..at]).is_none(), "cut at {at}");
        }
        for nothing in ["", "dss_", "dss__", "dss_é_é", "dss_0123456789abcdef_", &text.to_uppercase()] {
            assert!(PresentedKey::parse(nothing).is_none(), "{nothing}");
        }
    }
}
