//! The key that signs checkpoints of the audit log, and what tells whether a signature is by a key that is known.

use aws_lc_rs::hkdf::{HKDF_SHA256, Salt};
use aws_lc_rs::signature::{self, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::envelope::KEY_BYTES;
use crate::config::Settings;
use crate::domain::{Break, BreakKind, Checkpoint, ED25519, Timestamp};

const SALT: &[u8] = b"datasource-studio";
const INFO: &[u8] = b"studio/audit-checkpoint/v1";

/// Signs the heads of chains.
pub struct Signer {
    pair: Ed25519KeyPair,
    public: PublicKey,
}

/// Tells who signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey(Vec<u8>);

impl Signer {
    /// From the key of its own, else from the master key, where this process has one of them as bytes.
    pub fn from_settings(settings: &Settings) -> Result<Option<Self>, String> {
        let own = settings.audit.audit_signing_key.as_ref();
        let given = own.map(|key| ("STUDIO_AUDIT_SIGNING_KEY", key));
        let given = given.or(settings.auth.master_key.as_ref().map(|key| ("STUDIO_MASTER_KEY", key)));
        if let Some((setting, text)) = given {
            return Self::from_base64(text.expose_secret()).map(Some).map_err(|e| format!("{setting} {e}"));
        }
        let path = settings.node.data_dir.join("keys/master.key");
        match std::fs::read_to_string(&path).map(Zeroizing::new) {
            Ok(text) => Self::from_base64(&text).map(Some).map_err(|e| format!("the key file {} {e}", path.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(format!("the key file {} cannot be read: {error}", path.display())),
        }
    }

    fn from_base64(text: &str) -> Result<Self, String> {
        let wrong = || "must be base64 of 32 bytes; make one with `openssl rand -base64 32`".to_owned();
        let bytes = STANDARD_NO_PAD.decode(text.trim().trim_end_matches('=')).map(Zeroizing::new);
        let bytes = bytes.ok().filter(|b| b.len() == KEY_BYTES).ok_or_else(wrong)?;
        let mut seed = Zeroizing::new([0; KEY_BYTES]);
        let derived = Salt::new(HKDF_SHA256, SALT).extract(&bytes);
        let derived = derived.expand(&[INFO], HKDF_SHA256).and_then(|okm| okm.fill(seed.as_mut_slice()));
        derived.map_err(|_| "yields no key".to_owned())?;
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_slice()).map_err(|_| "yields no key".to_owned())?;
        let public = PublicKey(pair.public_key().as_ref().to_vec());
        Ok(Self { pair, public })
    }

    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    pub fn sign(&self, org: &str, seq: i64, hash: &str, previous: i64, at: Timestamp) -> Checkpoint {
        let mut checkpoint = Checkpoint {
            org: org.to_owned(),
            seq,
            hash: hash.to_owned(),
            previous,
            created_at: at,
            algorithm: ED25519.to_owned(),
            key_id: self.public.id(),
            public_key: self.public.to_string(),
            signature: String::new(),
        };
        checkpoint.signature = STANDARD.encode(self.pair.sign(checkpoint.message().as_bytes()));
        checkpoint
    }
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("key_id", &self.public.id()).finish_non_exhaustive()
    }
}

impl PublicKey {
    /// Short, to tell keys apart.
    pub fn id(&self) -> String {
        hex::encode(&Sha256::digest(&self.0)[..8])
    }

    /// Whether one of the known keys signed this checkpoint.
    pub fn verify(known: &[Self], checkpoint: &Checkpoint) -> Result<(), Break> {
        let seq = checkpoint.seq;
        if checkpoint.algorithm != ED25519 {
            let message =
                format!("the checkpoint of entry {seq} is signed by {:?}, which is not known", checkpoint.algorithm);
            return Err(Break::new(BreakKind::Checkpoint, seq, message));
        }
        let Some(key) = known.iter().find(|key| key.id() == checkpoint.key_id) else {
            let message = format!(
                "the checkpoint of entry {seq} is signed by the key {}, which is not known here; if it is one of \
                 yours, name it: --trusted-key {}",
                checkpoint.key_id, checkpoint.public_key
            );
            return Err(Break::new(BreakKind::UnknownKey, seq, message));
        };
        let signature = STANDARD.decode(&checkpoint.signature).unwrap_or_default();
        let verifier = UnparsedPublicKey::new(&signature::ED25519, &key.0);
        verifier.verify(checkpoint.message().as_bytes(), &signature).map_err(|_| {
            let message = format!("the checkpoint of entry {seq} is forged: the key {} did not sign it", key.id());
            Break::new(BreakKind::Checkpoint, seq, message)
        })
    }
}

impl std::fmt::Display for PublicKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&STANDARD.encode(&self.0))
    }
}

impl std::str::FromStr for PublicKey {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bytes = STANDARD.decode(text.trim()).ok().filter(|bytes| bytes.len() == KEY_BYTES);
        bytes.map(Self).ok_or_else(|| {
            "must be base64 of 32 bytes, as `datasource-studio audit verify --public-key` prints it".to_owned()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(byte: u8) -> Signer {
        Signer::from_base64(&STANDARD.encode([byte; KEY_BYTES])).expect("32 bytes")
    }

    fn signed(signer: &Signer) -> Checkpoint {
        signer.sign("acme", 7, "hash", 3, Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn a_signature_holds_for_what_was_signed_only() {
        let signer = signer(1);
        let known = [signer.public_key().clone()];
        assert_eq!(PublicKey::verify(&known, &signed(&signer)), Ok(()));
        let forgeries: [fn(&mut Checkpoint); 5] = [
            |c| c.seq = 8,
            |c| c.hash = "other".into(),
            |c| c.previous = 0,
            |c| c.org = "globex".into(),
            |c| c.signature.clear(),
        ];
        for forge in forgeries {
            let mut forged = signed(&signer);
            forge(&mut forged);
            let refused = PublicKey::verify(&known, &forged).expect_err("forged");
            assert_eq!(refused.kind, BreakKind::Checkpoint, "{forged:?}");
        }
    }

    #[test]
    fn a_key_that_comes_with_the_checkpoint_is_not_known_for_that() {
        let known = [signer(1).public_key().clone()];
        let refused = PublicKey::verify(&known, &signed(&signer(2))).expect_err("unknown");
        assert_eq!(refused.kind, BreakKind::UnknownKey);
        assert!(refused.message.contains(&signer(2).public_key().to_string()));
        let named = [known[0].clone(), signer(2).public_key().to_string().parse().expect("a key")];
        assert_eq!(PublicKey::verify(&named, &signed(&signer(2))), Ok(()));
    }

    #[test]
    fn the_key_is_derived_and_never_the_master_key() {
        let (one, again) = (signer(1), signer(1));
        assert_eq!(one.public_key(), again.public_key());
        let plain = Ed25519KeyPair::from_seed_unchecked(&[1; KEY_BYTES]).expect("a key");
        assert_ne!(one.public_key().0, plain.public_key().as_ref());
        assert!("short".parse::<PublicKey>().is_err());
    }
}
