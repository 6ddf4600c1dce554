use serde_json::Value;
use uuid::Uuid;

use super::{EventType, Outcome, Tenant, Timestamp};

/// An entry of the append-only timeline, and of the change feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Gapless and in commit order within the organisation: a cursor.
    pub seq: i64,
    pub tenant: Tenant,
    pub datasource_id: Uuid,
    pub version: Option<i32>,
    pub event_type: EventType,
    pub actor: String,
    pub payload: Value,
    pub created_at: Timestamp,
}

/// One field of an audited change; secret values are `null` on both sides.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldChange {
    pub field: String,
    pub old: Value,
    pub new: Value,
}

/// Who did what, when, from where and why; chained by hash within the organisation.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    pub seq: i64,
    pub tenant: Tenant,
    pub datasource_id: Option<Uuid>,
    pub action: String,
    pub actor: String,
    pub source_address: Option<String>,
    pub request_id: String,
    pub reason: Option<String>,
    pub outcome: Outcome,
    pub field: Option<String>,
    pub old_value: Value,
    pub new_value: Value,
    pub created_at: Timestamp,
    pub prev_hash: String,
    pub hash: String,
}
