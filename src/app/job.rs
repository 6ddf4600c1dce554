//! Backfills, and the jobs that do them: ask, watch, cancel.

use std::time::Duration;

use futures::Stream;
use serde_json::json;
use tokio::sync::broadcast::Receiver;
use uuid::Uuid;

use super::change::{Journal, check_comment, check_not_archived, journal};
use super::event::heard;
use super::{App, OpContext};
use crate::auth::policy::grant::{Operate, Read};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{
    BackfillRange, Datasource, EventType, Job, JobProgress, JobStatus, JobTask, RangeKind, Scope, now,
};
use crate::error::{Error, Result};
use crate::registry::Plan;
use crate::store::{Signal, Store, Tx};

/// Jobs of one datasource that wait or run at most.
const OPEN_MAX: u64 = 8;
/// How often a job's advance is told at most.
const ADVANCE_INTERVAL: Duration = Duration::from_millis(100);

/// A part of the source to read again.
#[derive(Clone, Debug)]
pub struct Backfill {
    pub id: Uuid,
    pub range: BackfillRange,
    pub reason: Option<String>,
}

/// A job as it advances; ends with the job.
pub type JobStream = std::pin::Pin<Box<dyn Stream<Item = Result<Job>> + Send>>;

impl App {
    pub async fn backfill(&self, ctx: &OpContext, input: Backfill) -> Result<Job> {
        let proof = ctx.authorize::<Operate>()?;
        check_comment("/reason", input.reason.as_deref())?;
        let kind = input.range.kind()?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let row = tx.datasource_for_update(input.id).await?;
        check_not_archived(&row)?;
        let job = new_job(ctx, &tx, &row, JobTask::Backfill(input.range.clone())).await?;
        self.check_range(&tx, &row, &job, kind).await?;
        tx.insert_job(&proof, &job).await?;
        let entry = journal(&row, EventType::Backfill, json!({ "jobId": job.id, "range": input.range }));
        ctx.journal(&mut tx, Journal { version: Some(job.version), reason: input.reason.as_deref(), ..entry });
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::Backfill);
        self.registry.nudge_jobs();
        Ok(job)
    }

    /// Ends a job; what it delivered so far stays delivered. Asked twice, it is done once.
    pub async fn cancel_job(&self, ctx: &OpContext, id: Uuid, reason: Option<&str>) -> Result<Job> {
        let proof = ctx.authorize::<Operate>()?;
        check_comment("/reason", reason)?;
        let mut tx = ctx.begin(&self.store, &proof).await?;
        let job = tx.job(id).await?.ok_or_else(|| Error::not_found("job"))?;
        if job.finished_at.is_some() {
            return Ok(job);
        }
        let row = tx.datasource(job.datasource_id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        let job = tx.cancel_job(&proof, &job).await?;
        let entry = journal(&row, EventType::JobCancelled, json!({ "jobId": job.id, "kind": job.task.kind() }));
        ctx.journal(&mut tx, Journal { version: Some(job.version), reason, ..entry });
        tx.commit().await?;
        self.metrics.lifecycle_event(EventType::JobCancelled);
        Ok(job)
    }

    pub async fn job(&self, ctx: &OpContext, id: Uuid) -> Result<Option<Job>> {
        let proof = ctx.authorize::<Read>()?;
        self.store.read(proof.scope()).await?.job(id).await
    }

    /// Newest first.
    pub async fn jobs(&self, ctx: &OpContext, datasource_id: Uuid, page: &PageRequest<Uuid>) -> Result<Page<Job>> {
        let proof = ctx.authorize::<Read>()?;
        let tx = self.store.read(proof.scope()).await?;
        tx.datasource(datasource_id).await?.ok_or_else(|| Error::not_found("datasource"))?;
        tx.jobs(datasource_id, page).await
    }

    /// The job as it is, then each advance, up to its end.
    pub async fn follow_job(&self, ctx: &OpContext, id: Uuid) -> Result<JobStream> {
        let proof = ctx.authorize::<Read>()?;
        let watcher = Watcher {
            signals: self.store.feed().subscribe(),
            store: self.store.clone(),
            scope: proof.scope().clone(),
            id,
            seen: None,
        };
        watcher.read().await?.ok_or_else(|| Error::not_found("job"))?;
        let validity = self.directory.validity(&ctx.actor);
        let stream = futures::stream::unfold((watcher, validity), |(mut watcher, validity)| async move {
            let item = validity.until(watcher.next()).await??;
            Some((item, (watcher, validity)))
        });
        Ok(Box::pin(stream))
    }

    async fn check_range(&self, tx: &Tx, row: &Datasource, job: &Job, kind: RangeKind) -> Result<()> {
        let version = tx.version(row.id, job.version).await?.ok_or_else(|| Error::not_found("version"))?;
        let plan = Plan::compile(self.connectors(), self.sinks(), &version.config).map_err(Error::config_invalid)?;
        let connector = self.connectors().get(&row.connector_type);
        let mut kinds = connector.map(|c| c.backfill_ranges(&plan.document.connector).to_vec()).unwrap_or_default();
        kinds.push(RangeKind::File);
        if kinds.contains(&kind) {
            return Ok(());
        }
        let known: Vec<_> = kinds.iter().map(|k| k.as_str()).collect();
        let message = format!("{} as configured takes a range by: {}", row.connector_type, known.join(", "));
        Err(Error::invalid("/range", message))
    }
}

struct Watcher {
    signals: Receiver<Signal>,
    store: Store,
    scope: Scope,
    id: Uuid,
    seen: Option<Job>,
}

impl Watcher {
    async fn read(&self) -> Result<Option<Job>> {
        self.store.read(&self.scope).await?.job(self.id).await
    }

    /// The next state of the job; `None` after its last one.
    async fn next(&mut self) -> Option<Result<Job>> {
        if self.seen.as_ref().is_some_and(|job| job.finished_at.is_some()) {
            return None;
        }
        if self.seen.is_some() {
            // A fast job advances more often than anybody looks.
            tokio::time::sleep(ADVANCE_INTERVAL).await;
        }
        loop {
            match self.read().await {
                Ok(Some(job)) if self.seen.as_ref() != Some(&job) => {
                    self.seen = Some(job.clone());
                    return Some(Ok(job));
                }
                Ok(Some(_)) => heard(&mut self.signals, self.scope.org_id()).await,
                Ok(None) => return None,
                Err(error) => return Some(Err(error)),
            }
        }
    }
}

/// A job on the published version, which must exist.
pub(super) async fn new_job(ctx: &OpContext, tx: &Tx, row: &Datasource, task: JobTask) -> Result<Job> {
    let version =
        row.current_version.ok_or_else(|| Error::conflict("no version is published yet; publish one first"))?;
    if tx.count_open_jobs(row.id).await? >= OPEN_MAX {
        return Err(Error::conflict(format!(
            "{OPEN_MAX} jobs of this datasource wait or run; let one end or cancel it"
        )));
    }
    let at = now();
    Ok(Job {
        id: Uuid::now_v7(),
        tenant: row.tenant.clone(),
        datasource_id: row.id,
        task,
        status: JobStatus::Queued,
        version,
        checkpoint: None,
        progress: JobProgress::default(),
        error: None,
        cancel_requested: false,
        node: None,
        epoch: 0,
        created_at: at,
        created_by: ctx.actor.subject.to_string(),
        started_at: None,
        finished_at: None,
        updated_at: at,
    })
}
