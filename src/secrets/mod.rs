//! Keys, and the envelope that keeps secret values unreadable at rest.
//!
//! A secret value is sealed with the data key of its organisation; a data key is
//! stored wrapped by the master key, which never enters the database. Only
//! [`Keyring`] touches the master key, so a remote key service can take its place.

mod envelope;
mod error;
mod keyfile;
mod keyring;
mod keys;
mod signing;

pub use envelope::{DataKey, SecretAddress, data_key_id};
pub use error::SecretError;
pub use keyring::{Keyring, MasterKey};
pub use keys::{Keys, is_embedded};
pub use signing::{PublicKey, Signer};
