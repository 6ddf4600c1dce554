use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::Timestamp;

/// One delivered record: what a sink writes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Record {
    pub id: String,
    pub kind: Arc<str>,
    pub data: Map<String, Value>,
    pub datasource_id: Uuid,
    pub version: i32,
    pub ingested_at: Timestamp,
}

/// The id of a record whose mapping finds none: the same input gives the same id.
pub struct StableId;

impl StableId {
    pub fn of(input: &Value) -> String {
        hex::encode(&Sha256::digest(super::canonical::canonical_bytes(input))[..16])
    }
}
