//! Keys, and the envelope that keeps secret values unreadable at rest.
//!
//! A secret value is sealed with the data key of its organisation; a data key is
//! stored wrapped by a master key, which never enters the database. Only a
//! [`KeyProvider`] touches a master key: this process, or a key service.

#[cfg(feature = "aws_kms")]
mod aws_kms;
mod envelope;
mod error;
mod external;
mod http;
mod keyfile;
mod keyring;
mod keys;
mod local;
mod provider;
mod signing;
mod standard_webhooks;
mod vault;

#[cfg(feature = "aws_kms")]
pub use aws_kms::AwsKms;
pub use envelope::{DataKey, SecretAddress, data_key_id};
pub use error::SecretError;
pub use external::External;
pub use keyring::{KeyTrouble, Keyring};
pub use keys::{Keys, is_embedded};
pub use local::{LocalKeys, MasterKey};
pub use provider::{KeyBytes, KeyPlace, KeyProvider, Wrapping};
pub use signing::{PublicKey, Signer};
pub use standard_webhooks::{SigningKey, generate_signing_secret};
pub use vault::{Vault, VaultTransit};

/// The organisation of the key that is nobody's; no token can name it.
pub const INSTALLATION: &str = "\u{1}installation";
