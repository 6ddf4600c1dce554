//! Governance metadata: who answers for a datasource, who sees it, and what to expect of it. The audit log has its
//! history field by field; beside it the whole of it is kept at each revision that changed it, to be brought back.

use serde_json::{Value, json};
use uuid::Uuid;

use super::change::{Journal, check, check_comment, check_not_archived, check_revision, journal, touch};
use super::{App, OpContext};
use crate::auth::Authorized;
use crate::auth::policy::grant::{ManageMetadata, ReadAudit};
use crate::auth::policy::{self, Grant};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    AuditEntry, AuditFilter, CustomRateLimit, Datasource, EventType, FieldChange, Lifecycle, Metadata,
    MetadataRevision, Sla,
};
use crate::error::{Error, Problem, Result};
use crate::store::Tx;

/// The fields that are governance metadata, as the audit log names them.
pub const METADATA_FIELDS: [&str; 8] =
    ["owner", "team", "category", "tags", "visibility", "lifecycle", "sla", "rateLimit"];

/// Absent fields stay as they are; `Some(None)` clears one.
#[derive(Clone, Debug, Default)]
pub struct UpdateMetadata {
    pub id: Uuid,
    pub expected_revision: Option<i64>,
    pub changes: MetadataChanges,
    pub reason: Option<String>,
}

/// Which metadata is to be as it was.
#[derive(Clone, Debug, Default)]
pub struct RollbackMetadata {
    pub id: Uuid,
    /// Of the datasource: as the metadata was then.
    pub revision: i64,
    pub expected_revision: Option<i64>,
    pub reason: Option<String>,
}

/// New values of the fields that are governance metadata.
#[derive(Clone, Debug, Default)]
pub struct MetadataChanges {
    pub owner: Option<String>,
    pub team: Option<Option<String>>,
    pub category: Option<Option<String>>,
    pub tags: Option<Vec<String>>,
    pub visibility: Option<VisibilityChanges>,
    pub lifecycle: Option<Lifecycle>,
    pub sla: Option<Option<SlaChanges>>,
    pub rate_limit: Option<Option<CustomRateLimit>>,
}

/// Each part by itself, as a merge patch has it.
#[derive(Clone, Debug, Default)]
pub struct VisibilityChanges {
    pub communities: Option<Vec<String>>,
    pub groups: Option<Vec<String>>,
}

/// Each part by itself; `Some(None)` clears one.
#[derive(Clone, Debug, Default)]
pub struct SlaChanges {
    pub availability_percent: Option<Option<f64>>,
    pub max_lag_seconds: Option<Option<i32>>,
    pub support_tier: Option<Option<String>>,
}

impl VisibilityChanges {
    /// Shown to whoever reaches it.
    pub fn everybody() -> Self {
        Self { communities: Some(Vec::new()), groups: Some(Vec::new()) }
    }
}

impl MetadataChanges {
    pub(super) fn check(&self, problems: &mut Vec<Problem>) {
        // What is not changed was checked when it was.
        let blank = Metadata { owner: "nobody".to_owned(), ..Metadata::default() };
        self.clone().applied(&blank).check("", problems);
    }

    /// The metadata with these changes, as they were sent.
    pub(super) fn applied(self, old: &Metadata) -> Metadata {
        let mut new = old.clone();
        new.owner = self.owner.unwrap_or(new.owner);
        new.team = self.team.unwrap_or(new.team);
        new.category = self.category.unwrap_or(new.category);
        new.tags = self.tags.unwrap_or(new.tags);
        new.lifecycle = self.lifecycle.unwrap_or(new.lifecycle);
        new.rate_limit = self.rate_limit.unwrap_or(new.rate_limit);
        if let Some(VisibilityChanges { communities, groups }) = self.visibility {
            new.visibility.communities = communities.unwrap_or(new.visibility.communities);
            new.visibility.groups = groups.unwrap_or(new.visibility.groups);
        }
        if let Some(sla) = self.sla {
            let known = new.sla.unwrap_or_default();
            new.sla = sla.map(|part| Sla {
                availability_percent: part.availability_percent.unwrap_or(known.availability_percent),
                max_lag_seconds: part.max_lag_seconds.unwrap_or(known.max_lag_seconds),
                support_tier: part.support_tier.unwrap_or(known.support_tier),
            });
        }
        new
    }

    /// Changes the row, and tells what changed.
    pub(super) fn apply(self, row: &mut Datasource) -> Vec<FieldChange> {
        let new = self.applied(&row.metadata).normalised();
        let changes = differences(&row.metadata, &new);
        row.metadata = new;
        changes
    }
}

/// Field by field, in the order of [`METADATA_FIELDS`].
pub(super) fn differences(old: &Metadata, new: &Metadata) -> Vec<FieldChange> {
    let (mut old, mut new) = (json!(old), json!(new));
    let fields = METADATA_FIELDS.iter().map(|field| FieldChange {
        field: (*field).to_owned(),
        old: old[*field].take(),
        new: new[*field].take(),
    });
    fields.filter(|change| change.old != change.new).collect()
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
        let old = tx.datasource_for_update(input.id).await?;
        check_revision(&old, input.expected_revision)?;
        check_not_archived(&old)?;
        let mut row = old.clone();
        let changes = input.changes.apply(&mut row);
        if changes.is_empty() {
            return Ok(old);
        }
        check_rules(ctx, &tx, Some(&old), &row).await?;
        let row = tx.save_datasource(&proof, touch(ctx, row)).await?;
        note_metadata(ctx, &proof, &mut tx, &old, &row, input.reason.as_deref(), None).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::MetadataUpdated);
        Ok(row)
    }

    /// Makes the metadata what it was at a revision, as far as the rules of today allow it. This is a change like any
    /// other, and can be taken back likewise.
    pub async fn rollback_metadata(&self, ctx: &OpContext, input: RollbackMetadata) -> Result<Datasource> {
        let proof = ctx.authorize::<ManageMetadata>()?;
        check_comment("/reason", input.reason.as_deref())?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let old = tx.datasource_for_update(input.id).await?;
        check_revision(&old, input.expected_revision)?;
        check_not_archived(&old)?;
        if !(1..=old.revision).contains(&input.revision) {
            return Err(Error::invalid("/revision", format!("must be between 1 and {}, that of today", old.revision)));
        }
        let Some(then) = tx.metadata_at(old.id, input.revision).await? else {
            let message = "is older than the history of the metadata; metadataHistory lists what can be brought back";
            return Err(Error::invalid("/revision", message));
        };
        let row = Datasource { metadata: then.metadata, ..old.clone() };
        if differences(&old.metadata, &row.metadata).is_empty() {
            return Ok(old);
        }
        check_rules(ctx, &tx, Some(&old), &row).await?;
        let row = tx.save_datasource(&proof, touch(ctx, row)).await?;
        let to = Some(then.revision);
        note_metadata(ctx, &proof, &mut tx, &old, &row, input.reason.as_deref(), to).await?;
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::MetadataUpdated);
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

    /// The whole of the metadata at each revision that changed it, newest first.
    pub async fn metadata_history(
        &self,
        ctx: &OpContext,
        id: Uuid,
        page: &PageRequest<i64>,
    ) -> Result<Page<MetadataRevision>> {
        let proof = ctx.authorize::<ReadAudit>()?;
        let tx = self.store.read(proof.scope()).await?;
        tx.datasource(id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        tx.metadata_history(id, page).await
    }
}

/// What every way in has in common: the rules of the organisation, and that nobody hides a datasource from themselves.
/// `old` is `None` for what is created.
pub(super) async fn check_rules(ctx: &OpContext, tx: &Tx, old: Option<&Datasource>, new: &Datasource) -> Result<()> {
    let rules = tx.governance_rules().await?.rules;
    let mut problems = rules.refusals("", old.map(|row| &row.metadata), &new.metadata);
    if !policy::sees(&ctx.actor, new) {
        let message = "would hide it from you: stay its owner, or name one of your own communities or groups too";
        problems.push(Problem::new("/visibility", message));
    }
    check(problems)
}

/// Leaves behind what a change of metadata does: the snapshot, the event and the audit entries. `to` is the revision
/// that was brought back.
pub(super) async fn note_metadata<P: Grant>(
    ctx: &OpContext,
    proof: &Authorized<P>,
    tx: &mut Tx,
    old: &Datasource,
    row: &Datasource,
    reason: Option<&str>,
    to: Option<i64>,
) -> Result<()> {
    if !tx.has_metadata_history(row.id).await? {
        // It is older than its history, which begins with what it was.
        tx.keep_metadata(proof, old, None).await?;
    }
    tx.keep_metadata(proof, row, reason).await?;
    let changes = differences(&old.metadata, &row.metadata);
    let told = changes.iter().map(|c| json!({ "field": c.field, "old": c.old, "new": c.new }));
    let mut payload = json!({ "changes": told.collect::<Vec<Value>>(), "reason": reason });
    if let Some(revision) = to {
        payload["rolledBackTo"] = json!(revision);
    }
    ctx.journal(tx, Journal { changes, reason, ..journal(row, EventType::MetadataUpdated, payload) });
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_are_those_of_the_metadata() {
        let whole = json!(Metadata::default());
        let fields: std::collections::BTreeSet<_> = whole.as_object().expect("an object").keys().collect();
        assert_eq!(fields.len(), METADATA_FIELDS.len());
        assert!(METADATA_FIELDS.iter().all(|field| whole.get(field).is_some()), "{fields:?}");
    }

    #[test]
    fn parts_are_merged_and_null_clears() {
        let tier = |tier: &str| Some(Some(tier.to_owned()));
        let some = SlaChanges { support_tier: tier("gold"), max_lag_seconds: Some(Some(5)), ..SlaChanges::default() };
        let changes = MetadataChanges { sla: Some(Some(some)), ..MetadataChanges::default() };
        let first = changes.applied(&Metadata::default()).normalised();
        let less = SlaChanges { max_lag_seconds: Some(None), ..SlaChanges::default() };
        let second = MetadataChanges { sla: Some(Some(less)), ..MetadataChanges::default() }.applied(&first);
        assert_eq!(second.sla, Some(Sla { support_tier: Some("gold".into()), ..Sla::default() }));
        let gone = MetadataChanges { sla: Some(None), ..MetadataChanges::default() }.applied(&second);
        assert_eq!(gone.sla, None);
        assert_eq!(MetadataChanges::default().applied(&first), first);
    }
}
