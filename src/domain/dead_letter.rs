use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{DeadLetterScope, Tenant, Timestamp};

/// A record that could not be mapped or delivered, kept for a second try.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    pub id: Uuid,
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    /// The version that failed on it last.
    pub version: i32,
    pub error_code: String,
    /// JSON pointer of the part of the configuration that failed.
    pub error_path: String,
    pub error_message: String,
    pub scope: DeadLetterScope,
    /// The record or document as JSON text.
    pub payload: String,
    /// False where the payload was cut or redacted: it must be edited before it can be replayed.
    pub complete: bool,
    /// Replays that failed again.
    pub attempts: i32,
    pub created_at: Timestamp,
    /// When its payload was edited.
    pub edited_at: Option<Timestamp>,
    pub edited_by: Option<String>,
}

/// Narrows the dead letters of one datasource. What is absent does not narrow.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeadLetterFilter {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<Uuid>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error_codes: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_after: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_before: Option<Timestamp>,
}
