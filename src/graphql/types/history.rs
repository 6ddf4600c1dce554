//! What happened: the timeline and the audit log.

use async_graphql::{ID, Json, Object, SimpleObject};
use serde_json::Value;

use super::{AuditOutcome, EventType};
use crate::auth::Permission;
use crate::domain::{self, Timestamp};
use crate::graphql::guard::HasRole;

/// An entry of the timeline.
#[derive(SimpleObject)]
pub(in crate::graphql) struct DatasourceEvent {
    /// Its sequence number in the organisation, an integer.
    id: ID,
    /// Where a subscription goes on from: pass it as `after`.
    cursor: String,
    /// The datasource that it is about; null for a gap that is about all.
    datasource_id: Option<ID>,
    /// The version that it is about.
    version: Option<i32>,
    /// What happened.
    event_type: EventType,
    /// Who did it.
    actor: String,
    /// What more there is to know.
    payload: Json<Value>,
    /// When.
    created_at: Timestamp,
}

impl From<domain::Event> for DatasourceEvent {
    fn from(e: domain::Event) -> Self {
        Self {
            id: e.seq.into(),
            cursor: domain::paging::encode_cursor(&e.seq),
            datasource_id: (!e.datasource_id.is_nil()).then(|| e.datasource_id.into()),
            version: e.version,
            event_type: e.event_type.into(),
            actor: e.actor,
            payload: Json(e.payload),
            created_at: e.created_at,
        }
    }
}

/// An entry of the audit log.
pub(in crate::graphql) struct AuditEntry(pub(in crate::graphql) domain::AuditEntry);

/// Who did what, when, from where and why. Entries are chained by hash.
#[Object]
impl AuditEntry {
    /// Its sequence number in the organisation.
    async fn id(&self) -> ID {
        self.0.seq.into()
    }

    /// The datasource that it is about; for what was refused, the id that was given.
    async fn datasource_id(&self) -> Option<ID> {
        self.0.datasource_id.map(ID::from)
    }

    /// What was done, by the name of its event.
    async fn action(&self) -> &str {
        &self.0.action
    }

    /// Who did it.
    async fn actor(&self) -> &str {
        &self.0.actor
    }

    /// From which address.
    #[graphql(directive = HasRole::apply(Permission::ReadAudit))]
    async fn source_address(&self) -> Option<&str> {
        self.0.source_address.as_deref()
    }

    /// Under which request id.
    async fn request_id(&self) -> &str {
        &self.0.request_id
    }

    /// Why, in the words of the actor.
    async fn reason(&self) -> Option<&str> {
        self.0.reason.as_deref()
    }

    /// How it ended.
    async fn outcome(&self) -> AuditOutcome {
        self.0.outcome.into()
    }

    /// The field that changed.
    async fn field(&self) -> Option<&str> {
        self.0.field.as_deref()
    }

    /// Its value before; of a secret never more than its version.
    async fn old_value(&self) -> Json<&Value> {
        Json(&self.0.old_value)
    }

    /// Its value after; of a secret never more than its version.
    async fn new_value(&self) -> Json<&Value> {
        Json(&self.0.new_value)
    }

    /// When.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// The hash of the entry before it.
    async fn prev_hash(&self) -> &str {
        &self.0.prev_hash
    }

    /// SHA-256 over this entry and `prevHash`.
    async fn hash(&self) -> &str {
        &self.0.hash
    }
}
