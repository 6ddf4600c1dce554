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
    #[error("the data key {0}, wrapped anew, did not open to itself; the one before it stays")]
    Unproven(Uuid),
    #[error("{reference} has no value for a secret: {why}")]
    Reference { reference: String, why: String },
    /// It does not answer, is sealed, or is asked too much; waiting helps.
    #[error("the key service {service} {what}")]
    Outage { service: &'static str, what: String },
    /// It answers, and says no; somebody has to change its policy or our settings.
    #[error("the key service {service} {what}")]
    Refused { service: &'static str, what: String },
}

impl SecretError {
    /// Whether it may pass by itself.
    pub fn is_outage(&self) -> bool {
        matches!(self, Self::Outage { .. })
    }
}

impl From<SecretError> for Error {
    fn from(error: SecretError) -> Self {
        match error {
            SecretError::Length(_) => Self::invalid("/value", error.to_string()),
            SecretError::MasterKeyMissing { .. } => {
                Self::unavailable("a key that secrets need is missing from this server", error)
            }
            SecretError::Outage { .. } | SecretError::Refused { .. } => {
                Self::unavailable("the key service does not open or make keys right now; try again", error)
            }
            SecretError::Reference { .. } => {
                Self::unavailable("a secret that is kept elsewhere cannot be fetched", error)
            }
            SecretError::Unproven(_) => Self::internal(error),
            SecretError::Random(_) => Self::new(ErrorCode::Unavailable, "no key can be made now").with_detail(error),
            SecretError::Format(_) | SecretError::DataKeyMissing { .. } | SecretError::Tampered(_) => {
                Self::internal(error)
            }
        }
    }
}
