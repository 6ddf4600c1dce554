//! What a list can be narrowed by, and where its pages begin.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::paging::PageRequest;
use super::{ApprovalAction, ApprovalStatus, Datasource, DatasourceStatus, EventType, Outcome, Timestamp};
use crate::error::{Error, Result};

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

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DatasourceOrderField {
    Name,
    CreatedAt,
    UpdatedAt,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatasourceOrder {
    pub field: DatasourceOrderField,
    pub descending: bool,
}

/// Names a row in one of the orders; the id settles equal values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasourceKey {
    pub order: DatasourceOrder,
    pub name: String,
    pub at: Timestamp,
    pub id: Uuid,
}

impl DatasourceOrder {
    pub fn key(self, row: &Datasource) -> DatasourceKey {
        let (name, at) = match self.field {
            DatasourceOrderField::Name => (row.name.clone(), Timestamp::UNIX_EPOCH),
            DatasourceOrderField::CreatedAt => (String::new(), row.created_at),
            DatasourceOrderField::UpdatedAt => (String::new(), row.updated_at),
        };
        DatasourceKey { order: self, name, at, id: row.id }
    }

    /// Refuses a cursor of another order, which would skip and repeat rows.
    pub fn check_cursors(self, page: &PageRequest<DatasourceKey>) -> Result<()> {
        for (pointer, key) in [("/after", &page.after), ("/before", &page.before)] {
            if key.as_ref().is_some_and(|key| key.order != self) {
                let message = "is a cursor of another order; keep the order, or begin at the first page";
                return Err(Error::invalid(pointer, message));
            }
        }
        Ok(())
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
    pub outcome: Option<Outcome>,
    /// Changes of one of these fields; empty for all entries.
    pub fields: Vec<&'static str>,
}

/// Narrows requests for approval. Empty lists and `None` do not narrow.
#[derive(Clone, Debug, Default)]
pub struct ApprovalFilter {
    pub statuses: Vec<ApprovalStatus>,
    pub action: Option<ApprovalAction>,
    pub datasource_id: Option<Uuid>,
}
