//! What a list can be narrowed by, and where its pages begin.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{Datasource, DatasourceStatus, EventType, Timestamp};

/// Narrows a list. Empty lists and `None` do not narrow.
#[derive(Clone, Debug, Default)]
pub struct DatasourceFilter {
    pub status: Vec<DatasourceStatus>,
    pub types: Vec<String>,
    pub owner: Option<String>,
    /// A datasource must carry all of them.
    pub tags: Vec<String>,
    /// Found anywhere in name, description, owner, team, category, type and tags, whatever the case.
    pub search: Option<String>,
    pub project: Option<String>,
    /// Kept by this channel, in the spelling of [`ManagedBy`](super::ManagedBy).
    pub managed_by: Option<String>,
    /// `false` (the default) hides what is archived; `true` shows only that.
    pub archived: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DatasourceOrderField {
    Name,
    CreatedAt,
    UpdatedAt,
}

#[derive(Clone, Copy, Debug)]
pub struct DatasourceOrder {
    pub field: DatasourceOrderField,
    pub descending: bool,
}

/// Names a row in any of the orders; the id settles equal values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasourceKey {
    pub name: String,
    pub at: Timestamp,
    pub id: Uuid,
}

impl DatasourceOrder {
    pub fn key(self, row: &Datasource) -> DatasourceKey {
        match self.field {
            DatasourceOrderField::Name => {
                DatasourceKey { name: row.name.clone(), at: Timestamp::UNIX_EPOCH, id: row.id }
            }
            DatasourceOrderField::CreatedAt => DatasourceKey { name: String::new(), at: row.created_at, id: row.id },
            DatasourceOrderField::UpdatedAt => DatasourceKey { name: String::new(), at: row.updated_at, id: row.id },
        }
    }
}

/// Narrows the timeline.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    pub datasource_id: Option<Uuid>,
    pub types: Vec<EventType>,
}

/// Narrows the audit log.
#[derive(Clone, Debug, Default)]
pub struct AuditFilter {
    pub datasource_id: Option<Uuid>,
    pub actor: Option<String>,
    pub action: Option<String>,
    /// Changes of one of these fields; empty for all entries.
    pub fields: Vec<&'static str>,
}
