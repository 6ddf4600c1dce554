//! Records that failed: look at them, mend them, and deliver or discard them.

use serde_json::{Value, json};
use uuid::Uuid;

use super::change::{Journal, check_comment, check_not_archived, journal};
use super::job::new_job;
use super::{App, OpContext};
use crate::auth::policy::grant::HandleDeadLetters;
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{DeadLetter, DeadLetterFilter, EventType, FieldChange, Job, JobTask, canonical_json};
use crate::error::{Error, Result};
use crate::store::dead_letter::PAYLOAD_MAX;

/// Ids that one request names at most.
const IDS_MAX: usize = 1_000;

/// Some of the dead letters of a datasource.
#[derive(Clone, Debug)]
pub struct DeadLetterBatch {
    pub datasource_id: Uuid,
    /// Empty: all.
    pub filter: DeadLetterFilter,
    pub reason: Option<String>,
}

impl App {
    /// Newest first.
    pub async fn dead_letters(
        &self,
        ctx: &OpContext,
        datasource_id: Uuid,
        filter: &DeadLetterFilter,
        page: &PageRequest<Uuid>,
    ) -> Result<Page<DeadLetter>> {
        let proof = ctx.authorize::<HandleDeadLetters>()?;
        check_filter(filter)?;
        let tx = self.store.read(proof.scope()).await?;
        tx.datasource(datasource_id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        tx.dead_letters(datasource_id, filter, page).await
    }

    pub async fn count_dead_letters(
        &self,
        ctx: &OpContext,
        datasource_id: Uuid,
        filter: &DeadLetterFilter,
    ) -> Result<u64> {
        let proof = ctx.authorize::<HandleDeadLetters>()?;
        self.store.read(proof.scope()).await?.count_dead_letters(datasource_id, filter).await
    }

    /// Puts another payload in the place of one that cannot be mapped. What it was is in the audit log
    /// only as its length. With `datasource_id`, it must be one of that datasource.
    pub async fn edit_dead_letter(
        &self,
        ctx: &OpContext,
        id: Uuid,
        datasource_id: Option<Uuid>,
        payload: &Value,
        reason: Option<&str>,
    ) -> Result<DeadLetter> {
        let proof = ctx.authorize::<HandleDeadLetters>()?;
        check_comment("/reason", reason)?;
        let text = canonical_json(payload);
        if text.len() > PAYLOAD_MAX {
            return Err(Error::invalid("/payload", format!("must have at most {PAYLOAD_MAX} bytes as JSON")));
        }
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let old = tx.dead_letter_for_update(id).await?;
        if datasource_id.is_some_and(|id| id != old.datasource_id) {
            return Err(Error::not_found("dead letter"));
        }
        let row = tx.datasource_for_update(old.datasource_id).await?;
        let letter = tx.edit_dead_letter(&proof, id, &text).await?;
        let bytes = |text: &str| json!(format!("{} bytes", text.len()));
        let change = FieldChange { field: format!("deadLetter:{id}"), old: bytes(&old.payload), new: bytes(&text) };
        let entry = journal(&row, EventType::DeadLetterEdited, json!({ "deadLetterId": id }));
        ctx.journal(&mut tx, Journal { version: Some(letter.version), changes: vec![change], reason, ..entry });
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::DeadLetterEdited);
        Ok(letter)
    }

    /// Asks for a job that delivers them again through the published version.
    pub async fn replay_dead_letters(&self, ctx: &OpContext, batch: DeadLetterBatch) -> Result<Job> {
        let proof = ctx.authorize::<HandleDeadLetters>()?;
        check_comment("/reason", batch.reason.as_deref())?;
        check_filter(&batch.filter)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(batch.datasource_id).await?;
        check_not_archived(&row)?;
        let count = tx.count_dead_letters(row.id, &batch.filter).await?;
        if count == 0 {
            return Err(Error::conflict("there are no such dead letters; nothing is to be replayed"));
        }
        let job = new_job(ctx, &tx, &row, JobTask::Replay(batch.filter)).await?;
        tx.insert_job(&proof, &job).await?;
        let entry = journal(&row, EventType::DeadLettersReplayed, json!({ "jobId": job.id, "count": count }));
        ctx.journal(&mut tx, Journal { version: Some(job.version), reason: batch.reason.as_deref(), ..entry });
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::DeadLettersReplayed);
        self.registry.nudge_jobs();
        Ok(job)
    }

    /// Forgets them for good; answers with how many.
    pub async fn discard_dead_letters(&self, ctx: &OpContext, batch: DeadLetterBatch) -> Result<u64> {
        let proof = ctx.authorize::<HandleDeadLetters>()?;
        check_comment("/reason", batch.reason.as_deref())?;
        check_filter(&batch.filter)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(batch.datasource_id).await?;
        let count = tx.discard_dead_letters(&proof, row.id, &batch.filter).await?;
        if count > 0 {
            let payload = json!({ "count": count, "filter": batch.filter });
            let entry = journal(&row, EventType::DeadLettersDiscarded, payload);
            ctx.journal(&mut tx, Journal { reason: batch.reason.as_deref(), ..entry });
        }
        tx.commit().await?;
        if count > 0 {
            self.metrics.lifecycle_event(EventType::DeadLettersDiscarded);
        }
        Ok(count)
    }
}

fn check_filter(filter: &DeadLetterFilter) -> Result<()> {
    if filter.ids.len() > IDS_MAX {
        return Err(Error::invalid("/filter/ids", format!("must have at most {IDS_MAX} ids; use the other filters")));
    }
    if filter.error_codes.len() > 50 {
        return Err(Error::invalid("/filter/errorCodes", "must have at most 50 codes"));
    }
    Ok(())
}
