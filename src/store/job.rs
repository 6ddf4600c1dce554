//! Jobs: as users ask for and see them, and as a node takes, advances and ends them.

use std::sync::Arc;
use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query, SimpleExpr};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    Select, UpdateMany,
};
use serde_json::{Value, json};

use super::entity::datasource;
use super::entity::job::{ActiveModel, Column, Entity, Model};
use super::worker::Fenced;
use super::{NewEvent, Store, Tx, classify, corrupt};
use crate::auth::policy::Grant;
use crate::auth::{Actor, Authorized};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{Job, JobProgress, JobStatus, JobTask, Tenant, now};
use crate::error::{Error, Result};

/// How a job ended, or that it is tried again later.
#[derive(Clone, Debug)]
pub enum Ending {
    Succeeded,
    Cancelled,
    Failed {
        code: String,
        message: String,
    },
    /// Back to the queue, for the next node or the next try.
    Again {
        code: String,
        message: String,
        wait: Duration,
    },
    /// Back to the queue at once: the node goes down.
    Released,
}

impl Tx {
    pub async fn insert_job<P: Grant>(&mut self, _: &Authorized<P>, job: &Job) -> Result<()> {
        let row = ActiveModel {
            id: Set(job.id),
            org_id: Set(job.tenant.org.to_string()),
            project_id: Set(job.tenant.project.to_string()),
            datasource_id: Set(job.datasource_id),
            kind: Set(job.task.kind().as_str().to_owned()),
            task: Set(json!(job.task)),
            status: Set(job.status.as_str().to_owned()),
            version: Set(job.version),
            checkpoint: Set(None),
            progress: Set(json!(job.progress)),
            error_code: Set(None),
            error_message: Set(None),
            cancel_requested: Set(false),
            failures: Set(0),
            not_before: Set(None),
            node: Set(None),
            epoch: Set(0),
            lease_until: Set(None),
            created_at: Set(job.created_at),
            created_by: Set(job.created_by.clone()),
            started_at: Set(None),
            finished_at: Set(None),
            updated_at: Set(job.updated_at),
        };
        Entity::insert(row).exec_without_returning(&self.db).await.map_err(classify)?;
        self.touch(job.datasource_id);
        Ok(())
    }

    pub async fn job(&self, id: Uuid) -> Result<Option<Job>> {
        let row = self.select_jobs().filter(Column::Id.eq(id)).one(&self.db).await.map_err(classify)?;
        row.map(Job::try_from).transpose()
    }

    /// Newest first.
    pub async fn jobs(&self, datasource_id: Uuid, page: &PageRequest<Uuid>) -> Result<Page<Job>> {
        let mut query = self.select_jobs().filter(Column::DatasourceId.eq(datasource_id));
        if let Some(after) = page.after {
            query = query.filter(Column::Id.lt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(Column::Id.gt(before));
        }
        let query = if page.backward { query.order_by_asc(Column::Id) } else { query.order_by_desc(Column::Id) };
        let rows =
            query.offset(page.offset).limit(page.limit.saturating_add(1)).all(&self.db).await.map_err(classify)?;
        let jobs = rows.into_iter().map(Job::try_from).collect::<Result<Vec<_>>>()?;
        Ok(Page::from_rows(jobs, page))
    }

    pub async fn count_open_jobs(&self, datasource_id: Uuid) -> Result<u64> {
        let open =
            self.select_jobs().filter(Column::DatasourceId.eq(datasource_id)).filter(Column::FinishedAt.is_null());
        open.count(&self.db).await.map_err(classify)
    }

    /// Ends a job that waits, and asks one that runs to end. Answers with it as it is then.
    pub async fn cancel_job<P: Grant>(&mut self, _: &Authorized<P>, job: &Job) -> Result<Job> {
        let at = now();
        let update = || Entity::update_many().filter(Column::Id.eq(job.id)).filter(Column::FinishedAt.is_null());
        update()
            .filter(Column::Status.eq(JobStatus::Queued.as_str()))
            .col_expr(Column::Status, Expr::value(JobStatus::Cancelled.as_str()))
            .col_expr(Column::FinishedAt, Expr::value(at))
            .col_expr(Column::UpdatedAt, Expr::value(at))
            .exec(&self.db)
            .await
            .map_err(classify)?;
        update().col_expr(Column::CancelRequested, Expr::value(true)).exec(&self.db).await.map_err(classify)?;
        self.touch(job.datasource_id);
        self.job(job.id).await?.ok_or_else(|| Error::not_found("job"))
    }

    /// Ends all jobs of a datasource that wait, and asks those that run to end. Answers with which there were.
    pub async fn cancel_open_jobs<P: Grant>(
        &mut self,
        proof: &Authorized<P>,
        datasource_id: Uuid,
    ) -> Result<Vec<Uuid>> {
        let open =
            self.select_jobs().filter(Column::DatasourceId.eq(datasource_id)).filter(Column::FinishedAt.is_null());
        let rows = open.order_by_asc(Column::Id).all(&self.db).await.map_err(classify)?;
        let mut cancelled = Vec::with_capacity(rows.len());
        for row in rows {
            cancelled.push(self.cancel_job(proof, &Job::try_from(row)?).await?.id);
        }
        Ok(cancelled)
    }

    fn select_jobs(&self) -> Select<Entity> {
        Entity::find().filter(super::grant::reached(
            &self.scope,
            Column::OrgId,
            Column::ProjectId,
            Column::DatasourceId,
        ))
    }
}

impl Store {
    /// Takes the oldest job that waits or whose node has not been heard of in time. One that somebody cancelled
    /// meanwhile, or whose datasource was archived, is taken too, so that somebody ends it.
    pub async fn claim_job(&self, node: &Arc<str>, ttl: Duration) -> Result<Option<Job>> {
        let unheld =
            Condition::any().add(Column::LeaseUntil.is_null()).add(self.is_past(Expr::col(Column::LeaseUntil)));
        let due = Condition::any().add(Column::NotBefore.is_null()).add(self.is_past(Expr::col(Column::NotBefore)));
        let tx = self.begin_everything().await?;
        let found = Entity::find()
            .filter(Column::FinishedAt.is_null())
            .filter(unheld)
            .filter(due)
            .order_by_asc(Column::Id)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .one(&tx.db)
            .await
            .map_err(classify)?;
        let Some(row) = found else { return Ok(None) };
        let mut progress: JobProgress =
            serde_json::from_value(row.progress).map_err(|e| corrupt("jobs", row.id, e.to_string()))?;
        progress.since = Some((now(), progress.read));
        let taken = Entity::update_many()
            .filter(Column::Id.eq(row.id))
            .col_expr(Column::Status, Expr::value(JobStatus::Running.as_str()))
            .col_expr(Column::Node, Expr::value(Some(node.as_ref())))
            .col_expr(Column::Epoch, Expr::col(Column::Epoch).add(1))
            .col_expr(Column::LeaseUntil, self.lease_end(ttl))
            .col_expr(Column::StartedAt, Expr::value(Some(row.started_at.unwrap_or_else(now))))
            .col_expr(Column::Progress, Expr::value(json!(progress)))
            .col_expr(Column::CancelRequested, cancelled(row.datasource_id))
            .col_expr(Column::UpdatedAt, Expr::value(now()))
            .exec_with_returning(&tx.db)
            .await
            .map_err(classify)?;
        let mut tx = tx;
        tx.touch(row.datasource_id);
        tx.commit().await?;
        taken.into_iter().next().map(Job::try_from).transpose()
    }

    /// Says that the job goes on; answers whether it should.
    pub async fn renew_job(&self, job: &Job, ttl: Duration) -> Result<Result<bool, Fenced>> {
        let tx = self.write_as_system(&system(&job.tenant)).await?;
        let update = held(job)
            .col_expr(Column::LeaseUntil, self.lease_end(ttl))
            .col_expr(Column::CancelRequested, cancelled(job.datasource_id));
        let rows = update.exec_with_returning(&tx.db).await.map_err(classify)?;
        tx.commit().await?;
        Ok(rows.first().map(|row| !row.cancel_requested).ok_or(Fenced))
    }

    /// Stores how far a job is, after the sink acknowledged what lies before it.
    pub async fn advance_job(
        &self,
        job: &Job,
        progress: &JobProgress,
        checkpoint: Option<&Value>,
    ) -> Result<Result<(), Fenced>> {
        let mut tx = self.write_as_system(&system(&job.tenant)).await?;
        let saved = tx.advance_job(job, progress, checkpoint).await?;
        tx.commit().await?;
        Ok(saved)
    }

    /// Writes how the job ended, with the event that tells of it, and in that what the job counted.
    pub async fn end_job(&self, job: &Job, ending: Ending, event: Option<NewEvent>) -> Result<Result<(), Fenced>> {
        let mut tx = self.write_as_system(&system(&job.tenant)).await?;
        let at = now();
        let mut update = held(job)
            .col_expr(Column::Node, Expr::value(Option::<String>::None))
            .col_expr(Column::LeaseUntil, Expr::value(Option::<crate::domain::Timestamp>::None))
            .col_expr(Column::UpdatedAt, Expr::value(at));
        let (status, error) = match ending {
            Ending::Succeeded => (JobStatus::Succeeded, None),
            Ending::Cancelled => (JobStatus::Cancelled, None),
            Ending::Released => (JobStatus::Queued, None),
            Ending::Failed { code, message } => (JobStatus::Failed, Some((code, message))),
            Ending::Again { code, message, wait } => {
                update = update
                    .col_expr(Column::NotBefore, self.lease_end(wait))
                    .col_expr(Column::Failures, Expr::col(Column::Failures).add(1));
                (JobStatus::Queued, Some((code, message)))
            }
        };
        if status != JobStatus::Queued {
            update = update.col_expr(Column::FinishedAt, Expr::value(Some(at)));
        }
        let (code, message) = error.unzip();
        update = update
            .col_expr(Column::Status, Expr::value(status.as_str()))
            .col_expr(Column::ErrorCode, Expr::value(code))
            .col_expr(Column::ErrorMessage, Expr::value(message));
        let Some(row) = update.exec_with_returning(&tx.db).await.map_err(classify)?.pop() else {
            return Ok(Err(Fenced));
        };
        if let Some(mut event) = event {
            let JobProgress { total, delivered, failed, skipped, .. } = Job::try_from(row)?.progress;
            event.payload["counts"] =
                json!({ "total": total, "delivered": delivered, "failed": failed, "skipped": skipped });
            tx.record_event(event);
        }
        tx.touch(job.datasource_id);
        tx.commit().await.map(Ok)
    }

    /// Tries that failed so far, for the wait before the next one.
    pub async fn job_failures(&self, job: &Job) -> Result<u32> {
        let tx = self.write_as_system(&system(&job.tenant)).await?;
        let row = Entity::find_by_id(job.id).one(&tx.db).await.map_err(classify)?;
        Ok(row.and_then(|r| u32::try_from(r.failures).ok()).unwrap_or(0))
    }
}

impl Tx {
    /// The same within a transaction that also does what the progress tells of.
    pub(super) async fn advance_job(
        &mut self,
        job: &Job,
        progress: &JobProgress,
        checkpoint: Option<&Value>,
    ) -> Result<Result<(), Fenced>> {
        let mut update = held(job)
            .col_expr(Column::Progress, Expr::value(json!(progress)))
            .col_expr(Column::Failures, Expr::value(0))
            .col_expr(Column::UpdatedAt, Expr::value(now()));
        if let Some(checkpoint) = checkpoint {
            update = update.col_expr(Column::Checkpoint, Expr::value(Some(checkpoint.clone())));
        }
        let saved = update.exec(&self.db).await.map_err(classify)?.rows_affected == 1;
        self.touch(job.datasource_id);
        Ok(if saved { Ok(()) } else { Err(Fenced) })
    }
}

fn system(tenant: &Tenant) -> Actor {
    Actor::system("registry", tenant.org.clone())
}

/// Whether a job is not to go on: nobody wants what an archived datasource delivers.
fn cancelled(datasource_id: Uuid) -> SimpleExpr {
    let archived = Query::select()
        .expr(Expr::val(1))
        .from(datasource::Entity)
        .and_where(datasource::Column::Id.eq(datasource_id))
        .and_where(datasource::Column::ArchivedAt.is_not_null())
        .take();
    Expr::col(Column::CancelRequested).or(Expr::exists(archived))
}

fn held(job: &Job) -> UpdateMany<Entity> {
    Entity::update_many()
        .filter(Column::Id.eq(job.id))
        .filter(Column::Epoch.eq(job.epoch))
        .filter(Column::FinishedAt.is_null())
}

impl TryFrom<Model> for Job {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let at = |what: String| corrupt("jobs", row.id, what);
        let task: JobTask = serde_json::from_value(row.task).map_err(|e| at(e.to_string()))?;
        Ok(Self {
            task,
            status: row.status.parse().map_err(at)?,
            progress: serde_json::from_value(row.progress).map_err(|e| at(e.to_string()))?,
            id: row.id,
            tenant: Tenant { org: row.org_id.into(), project: row.project_id.into() },
            datasource_id: row.datasource_id,
            version: row.version,
            checkpoint: row.checkpoint,
            error: row.error_code.zip(row.error_message),
            cancel_requested: row.cancel_requested,
            node: row.node,
            epoch: row.epoch,
            created_at: row.created_at,
            created_by: row.created_by,
            started_at: row.started_at,
            finished_at: row.finished_at,
            updated_at: row.updated_at,
        })
    }
}
