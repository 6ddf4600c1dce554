//! The audit log: append-only, and hash-chained within an organisation.

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use super::entity::audit;
use super::{NewAudit, Store, Tx, classify, corrupt};
use crate::auth::policy::grant::ReadAudit;
use crate::auth::{Actor, Authorized};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{AuditEntry, AuditFilter, ChainEntry, FieldChange, Tenant, Timestamp, canonical_json};
use crate::error::Result;

/// Numbers and chains new entries after `head`; answers with the rows and the new head.
pub(super) fn chain(
    org_id: &str,
    first: i64,
    head: &str,
    entries: Vec<NewAudit>,
    at: Timestamp,
) -> (Vec<audit::ActiveModel>, String) {
    let mut prev = head.to_owned();
    let mut seq = first;
    let mut rows = Vec::new();
    for entry in entries {
        let changes: Vec<Option<FieldChange>> = match entry.changes.len() {
            0 => vec![None],
            _ => entry.changes.into_iter().map(Some).collect(),
        };
        for change in changes {
            let (field, old, new) = match change {
                Some(c) => (Some(c.field), c.old, c.new),
                None => (None, Value::Null, Value::Null),
            };
            let mut row = ChainEntry {
                org: org_id.to_owned(),
                seq,
                project: entry.tenant.project.to_string(),
                datasource_id: entry.datasource_id,
                action: entry.action.clone(),
                actor: entry.actor.clone(),
                source_address: entry.source_address.clone(),
                request_id: entry.request_id.clone(),
                reason: entry.reason.clone(),
                outcome: entry.outcome.as_str().to_owned(),
                field,
                old_value: canonical_json(&old),
                new_value: canonical_json(&new),
                created_at: at,
                prev_hash: prev,
                hash: String::new(),
            };
            row.hash = row.digest();
            prev = row.hash.clone();
            seq += 1;
            rows.push(active(row));
        }
    }
    (rows, prev)
}

fn active(entry: ChainEntry) -> audit::ActiveModel {
    audit::ActiveModel {
        org_id: Set(entry.org),
        seq: Set(entry.seq),
        project_id: Set(entry.project),
        datasource_id: Set(entry.datasource_id),
        action: Set(entry.action),
        actor: Set(entry.actor),
        source_address: Set(entry.source_address),
        request_id: Set(entry.request_id),
        reason: Set(entry.reason),
        outcome: Set(entry.outcome),
        field: Set(entry.field),
        old_value: Set(entry.old_value),
        new_value: Set(entry.new_value),
        created_at: Set(entry.created_at),
        prev_hash: Set(entry.prev_hash),
        hash: Set(entry.hash),
    }
}

impl Store {
    /// Chains entries of the system itself, which come with no change.
    pub async fn append_to_audit(&self, org: &str, entries: Vec<NewAudit>) -> Result<()> {
        let mut tx = self.write_as_system(&Actor::system("audit", org)).await?;
        entries.into_iter().for_each(|entry| tx.record_audit(entry));
        tx.commit().await
    }
}

impl Tx {
    /// Newest first.
    pub async fn audit_entries(
        &self,
        _: &Authorized<ReadAudit>,
        filter: &AuditFilter,
        page: &PageRequest<i64>,
    ) -> Result<Page<AuditEntry>> {
        let own = super::grant::reached(
            &self.scope,
            audit::Column::OrgId,
            audit::Column::ProjectId,
            audit::Column::DatasourceId,
        );
        let mut query = audit::Entity::find().filter(own).offset(page.offset).limit(page.limit.saturating_add(1));
        if let Some(id) = filter.datasource_id {
            query = query.filter(audit::Column::DatasourceId.eq(id));
        }
        if let Some(actor) = &filter.actor {
            query = query.filter(audit::Column::Actor.eq(actor));
        }
        if let Some(action) = &filter.action {
            query = query.filter(audit::Column::Action.eq(action));
        }
        if let Some(outcome) = filter.outcome {
            query = query.filter(audit::Column::Outcome.eq(outcome.as_str()));
        }
        if !filter.fields.is_empty() {
            query = query.filter(audit::Column::Field.is_in(filter.fields.iter().copied()));
        }
        if let Some(after) = page.after {
            query = query.filter(audit::Column::Seq.lt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(audit::Column::Seq.gt(before));
        }
        let query = if page.backward {
            query.order_by_asc(audit::Column::Seq)
        } else {
            query.order_by_desc(audit::Column::Seq)
        };
        let rows = query.all(&self.db).await.map_err(classify)?;
        let entries = rows.into_iter().map(AuditEntry::try_from).collect::<Result<Vec<_>>>()?;
        Ok(Page::from_rows(entries, page))
    }
}

impl TryFrom<audit::Model> for AuditEntry {
    type Error = crate::error::Error;

    fn try_from(row: audit::Model) -> Result<Self> {
        let at = |what: String| corrupt("audit_entries", format!("{}/{}", row.org_id, row.seq), what);
        let value = |text: &str| serde_json::from_str(text).map_err(|e| at(e.to_string()));
        Ok(Self {
            outcome: row.outcome.parse().map_err(at)?,
            old_value: value(&row.old_value)?,
            new_value: value(&row.new_value)?,
            seq: row.seq,
            tenant: Tenant { org: row.org_id.as_str().into(), project: row.project_id.into() },
            datasource_id: row.datasource_id,
            action: row.action,
            actor: row.actor,
            source_address: row.source_address,
            request_id: row.request_id,
            reason: row.reason,
            field: row.field,
            created_at: row.created_at,
            prev_hash: row.prev_hash,
            hash: row.hash,
        })
    }
}
