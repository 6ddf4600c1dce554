//! Who wraps data keys: this process, or a key service.

use async_trait::async_trait;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::SecretError;
use super::envelope::{KEY_BYTES, associated_data};
use crate::domain::WrappedDataKey;

/// A data key in the clear; wiped when it is dropped.
pub type KeyBytes = Zeroizing<[u8; KEY_BYTES]>;

/// Whose data key it is; a wrapped key opens nowhere else.
#[derive(Clone, Copy, Debug)]
pub struct KeyPlace<'a> {
    pub org: &'a str,
    pub data_key: Uuid,
}

impl KeyPlace<'_> {
    pub(super) fn associated_data(&self) -> Vec<u8> {
        associated_data("studio/data-key/v1", &[self.org.as_bytes(), self.data_key.as_bytes()])
    }
}

/// A wrapped key, and which version of the master key wrapped it, where that can be told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapping {
    pub wrapped: Vec<u8>,
    pub version: Option<String>,
}

/// Wraps and unwraps data keys under a master key that never leaves it.
#[async_trait]
pub trait KeyProvider: Send + Sync {
    /// What is stored beside a wrapped key, to find the provider again.
    fn name(&self) -> &'static str;

    /// The key that wraps from now on.
    fn key_id(&self) -> &str;

    /// Whether it may unwrap what this key wrapped.
    fn holds(&self, key_id: &str) -> bool {
        self.key_id() == key_id
    }

    /// Whether it can be out of reach, so that what it unwrapped is worth keeping in memory for a while.
    fn is_remote(&self) -> bool {
        true
    }

    async fn wrap(&self, place: &KeyPlace<'_>, key: &KeyBytes) -> Result<Wrapping, SecretError>;

    async fn unwrap(&self, place: &KeyPlace<'_>, stored: &WrappedDataKey) -> Result<KeyBytes, SecretError>;
}

/// The bytes of a data key as a service gave them back.
pub(super) fn key_bytes(bytes: &[u8]) -> Result<KeyBytes, SecretError> {
    let exact: &[u8; KEY_BYTES] = bytes.try_into().map_err(|_| SecretError::Format("data key"))?;
    Ok(Zeroizing::new(*exact))
}
