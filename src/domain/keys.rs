use uuid::Uuid;

/// A data key as it is stored: encrypted by the master key that its id names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrappedDataKey {
    pub id: Uuid,
    pub wrapped: Vec<u8>,
    pub master_key_id: String,
}
