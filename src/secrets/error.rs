use uuid::Uuid;

use crate::error::{Error, ErrorCode};

/// Why a key or a secret could not be used. Names keys by their ids, never by their bytes.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretError {
    #[error("the stored {0} is not in a format that this version reads; it is damaged or was written by a newer one")]
    Format(&'static str),
    #[error(
        "the data key {data_key} is wrapped by the master key {needs}, but this process has {has}; \
         start it with the master key {needs}"
    )]
    MasterKeyMissing { data_key: Uuid, needs: String, has: String },
    #[error("the secret is sealed with the data key {needs}, not with {has}")]
    DataKeyMissing { needs: Uuid, has: Uuid },
    #[error("the stored {0} does not open: it was changed, or moved from another place")]
    Tampered(&'static str),
    #[error("must be 1 to {0} bytes long")]
    Length(usize),
    #[error("the operating system gave no random bytes: {0}")]
    Random(String),
}

impl From<SecretError> for Error {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Length(_) => Self::invalid("/value", error.to_string()),
            SecretError::MasterKeyMissing { .. } => {
                Self::unavailable("a key that secrets need is missing from this server", error)
            }
            SecretError::Random(_) => Self::new(ErrorCode::Unavailable, "no key can be made now").with_detail(error),
            SecretError::Format(_) | SecretError::DataKeyMissing { .. } | SecretError::Tampered(_) => {
                Self::internal(error)
            }
        }
    }
}
