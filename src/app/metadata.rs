//! Governance metadata: who answers for a datasource, and where it belongs. Its history is the audit log's.

use serde_json::json;
use uuid::Uuid;

use super::change::{Journal, change, check, check_comment, check_not_archived, check_revision, journal, touch};
use super::{App, OpContext};
use crate::auth::policy::grant::{ManageMetadata, ReadAudit};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    AuditEntry, AuditFilter, Datasource, EventType, FieldChange, check_label, check_name, check_tags, normalise_tags,
};
use crate::error::{Error, Problem, Result};

/// The fields that are governance metadata, as the audit log names them.
pub const METADATA_FIELDS: [&str; 4] = ["owner", "team", "category", "tags"];

/// Absent fields stay as they are; `Some(None)` clears one.
#[derive(Clone, Debug, Default)]
pub struct UpdateMetadata {
    pub id: Uuid,
    pub expected_revision: Option<i64>,
    pub changes: MetadataChanges,
    pub reason: Option<String>,
}

/// New values of the fields that are governance metadata.
#[derive(Clone, Debug, Default)]
pub struct MetadataChanges {
    pub owner: Option<String>,
    pub team: Option<Option<String>>,
    pub category: Option<Option<String>>,
    pub tags: Option<Vec<String>>,
}

impl MetadataChanges {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        let some = |text: &Option<Option<String>>| text.clone().flatten().unwrap_or_default();
        if let Some(owner) = &self.owner {
            check_name("/owner", owner, problems);
        }
        check_label("/team", &some(&self.team), problems);
        check_label("/category", &some(&self.category), problems);
        check_tags("/tags", self.tags.as_deref().unwrap_or_default(), problems);
    }

    /// Changes the row, and tells what changed.
    pub(super) fn apply(self, row: &mut Datasource) -> Vec<FieldChange> {
        let old = row.clone();
        row.owner = self.owner.unwrap_or_else(|| old.owner.clone());
        row.team = self.team.unwrap_or_else(|| old.team.clone()).filter(|t| !t.is_empty());
        row.category = self.category.unwrap_or_else(|| old.category.clone()).filter(|c| !c.is_empty());
        row.tags = self.tags.map_or_else(|| old.tags.clone(), normalise_tags);
        let changes = [
            change("owner", old.owner, row.owner.as_str()),
            change("team", json!(old.team), json!(row.team)),
            change("category", json!(old.category), json!(row.category)),
            change("tags", json!(old.tags), json!(row.tags)),
        ];
        changes.into_iter().flatten().collect()
    }
}

impl App {
    /// Changes governance metadata, also of what is live. One audit entry a changed field.
    pub async fn update_metadata(&self, ctx: &OpContext, input: UpdateMetadata) -> Result<Datasource> {
        let proof = ctx.authorize::<ManageMetadata>()?;
        let mut problems = Vec::new();
        input.changes.check(&mut problems);
        check(problems)?;
        check_comment("/reason", input.reason.as_deref())?;

        let mut tx = ctx.begin(&self.store, &proof).await?;
        let mut row = tx.datasource_for_update(input.id).await?;
        check_revision(&row, input.expected_revision)?;
        check_not_archived(&row)?;
        let changes = input.changes.apply(&mut row);
        if changes.is_empty() {
            return Ok(row);
        }
        let row = tx.save_datasource(&proof, touch(ctx, row)).await?;
        let fields: Vec<_> = changes.iter().map(|c| c.field.clone()).collect();
        let entry = journal(&row, EventType::Updated, json!({ "fields": fields }));
        ctx.journal(&mut tx, Journal { changes, reason: input.reason.as_deref(), ..entry });
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::Updated);
        Ok(row)
    }

    /// The history of governance metadata, newest first: one entry a changed field.
    pub async fn metadata_audit(&self, ctx: &OpContext, id: Uuid, page: &PageRequest<i64>) -> Result<Page<AuditEntry>> {
        let proof = ctx.authorize::<ReadAudit>()?;
        let tx = self.store.read(proof.scope()).await?;
        tx.datasource(id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        let filter =
            AuditFilter { datasource_id: Some(id), fields: METADATA_FIELDS.to_vec(), ..AuditFilter::default() };
        tx.audit_entries(&proof, &filter, page).await
    }
}
