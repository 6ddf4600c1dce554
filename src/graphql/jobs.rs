//! Jobs: backfills and replays, with their progress.

use async_graphql::{Context, ID, InputObject, Json, Object, Result, SimpleObject, Subscription};
use futures::{Stream, StreamExt};
use serde_json::Value;

use super::connection::{Plain, edges};
use super::error::{Shape, shape};
use super::guard::HasRole;
use super::inputs::uuid;
use super::types::{JobKind, JobStatus};
use crate::app::{App, Backfill, OpContext};
use crate::auth::Permission;
use crate::domain::paging::PageRequest;
use crate::domain::{self, BackfillRange, JobTask, Timestamp};

/// Bounded work on one datasource.
pub(super) struct Job(domain::Job);

/// Bounded work on one datasource, beside its live worker and with a checkpoint of its own.
#[Object]
impl Job {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The datasource.
    async fn datasource_id(&self) -> ID {
        self.0.datasource_id.into()
    }

    /// What it does.
    async fn kind(&self) -> JobKind {
        self.0.task.kind().into()
    }

    /// On what: the range of a backfill, the filter of a replay.
    async fn input(&self) -> Json<Value> {
        Json(match &self.0.task {
            JobTask::Backfill(range) => serde_json::json!(range),
            JobTask::Replay(filter) => serde_json::json!(filter),
        })
    }

    /// Where it is in its life.
    async fn status(&self) -> JobStatus {
        self.0.status.into()
    }

    /// The version that it runs with.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// How far it is.
    async fn progress(&self) -> JobProgress {
        let progress = self.0.progress;
        JobProgress {
            read: progress.read,
            total: progress.total,
            delivered: progress.delivered,
            failed: progress.failed,
            skipped: progress.skipped,
            rate: self.0.rate(),
            eta_seconds: self.0.eta(),
        }
    }

    /// Whether somebody asked it to end.
    async fn cancel_requested(&self) -> bool {
        self.0.cancel_requested
    }

    /// A stable code of what failed last; it may be tried again.
    async fn error_code(&self) -> Option<&str> {
        self.0.error.as_ref().map(|(code, _)| code.as_str())
    }

    /// What failed last.
    async fn error_message(&self) -> Option<&str> {
        self.0.error.as_ref().map(|(_, message)| message.as_str())
    }

    /// The node that works on it.
    async fn node(&self) -> Option<&str> {
        self.0.node.as_deref()
    }

    /// When it was asked for.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// Who asked for it.
    async fn created_by(&self) -> &str {
        &self.0.created_by
    }

    /// When a node took it first.
    async fn started_at(&self) -> Option<Timestamp> {
        self.0.started_at
    }

    /// When it ended.
    async fn finished_at(&self) -> Option<Timestamp> {
        self.0.finished_at
    }
}

/// How far a job is.
#[derive(SimpleObject)]
struct JobProgress {
    /// Documents or dead letters that were read.
    read: u64,
    /// How many there are in all; null where the source cannot tell.
    total: Option<u64>,
    /// Records that the sink acknowledged.
    delivered: u64,
    /// Records that failed; they are dead letters.
    failed: u64,
    /// Records that were passed over.
    skipped: u64,
    /// Documents per second since a node took it last.
    rate: Option<f64>,
    /// Seconds to the end at this rate; null where the total is not known.
    eta_seconds: Option<f64>,
}

/// The part of a source to read again: of time, cursor, prefix and file exactly one.
#[derive(InputObject)]
pub(super) struct BackfillRangeInput {
    /// From this time on.
    from: Option<Timestamp>,
    /// Up to this time, without it.
    to: Option<Timestamp>,
    /// From this position on.
    from_cursor: Option<String>,
    /// Up to this position, with it.
    to_cursor: Option<String>,
    /// What begins so.
    prefix: Option<String>,
    /// A file of JSON Lines, one payload a line, in the organisation's directory under the input directory of the server.
    file: Option<String>,
}

/// What to read again, and why.
#[derive(InputObject)]
pub(super) struct BackfillDatasourceInput {
    /// The datasource.
    id: ID,
    /// The part of its source.
    range: BackfillRangeInput,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// Names a job.
#[derive(InputObject)]
pub(super) struct CancelJobInput {
    /// Which one.
    id: ID,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// The job as it is now.
#[derive(SimpleObject)]
pub(super) struct JobPayload {
    /// As it is now; watch it with the subscription `datasourceJob`.
    job: Job,
}

impl From<domain::Job> for JobPayload {
    fn from(job: domain::Job) -> Self {
        Self { job: Job(job) }
    }
}

#[derive(Default)]
pub struct JobQuery;

#[Object]
impl JobQuery {
    /// One job; null when there is none of this id in your organisation.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn job(&self, ctx: &Context<'_>, #[graphql(desc = "Its id.")] id: ID) -> Result<Option<Job>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Ok(Box::pin(app.job(op, id)).await.shaped(ctx)?.map(Job))
    }

    /// The jobs of a datasource, newest first.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource_jobs(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "How many to take from the end, at most 200.")] last: Option<i64>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<Plain<Job>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let page = PageRequest::relay(first, after.as_deref(), last, before.as_deref()).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let rows = Box::pin(app.jobs(op, id, &page)).await.shaped(ctx)?;
        Ok(edges(rows, async_graphql::connection::EmptyFields, |job| job.id, Job))
    }
}

#[derive(Default)]
pub struct JobMutation;

#[Object]
impl JobMutation {
    /// Reads a part of the source again, beside the live worker, whose checkpoint stays where it is.
    #[graphql(directive = HasRole::apply(Permission::Operate))]
    async fn backfill_datasource(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "What to read again.")] input: BackfillDatasourceInput,
    ) -> Result<JobPayload> {
        let BackfillRangeInput { from, to, from_cursor, to_cursor, prefix, file } = input.range;
        let backfill = Backfill {
            id: uuid("/id", &input.id).shaped(ctx)?,
            range: BackfillRange { from, to, from_cursor, to_cursor, prefix, file },
            reason: input.reason,
        };
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.backfill(op, backfill)).await.shaped(ctx).map(JobPayload::from)
    }

    /// Ends a job; what it delivered so far stays delivered.
    #[graphql(directive = HasRole::apply(Permission::Operate))]
    async fn cancel_job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one.")] input: CancelJobInput,
    ) -> Result<JobPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.cancel_job(op, id, input.reason.as_deref())).await.shaped(ctx).map(JobPayload::from)
    }
}

#[derive(Default)]
pub struct JobSubscription;

#[Subscription]
impl JobSubscription {
    /// A job as it is, then each advance, up to its end.
    #[graphql(directive = HasRole::apply(Permission::Read))]
    async fn datasource_job(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The job.")] id: ID,
    ) -> Result<impl Stream<Item = Result<Job>> + use<>> {
        let id = uuid("/id", &id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let jobs = Box::pin(app.follow_job(op, id)).await.shaped(ctx)?;
        let request_id = op.request_id.clone();
        Ok(jobs.map(move |job| job.map(Job).map_err(|e| shape(&e, &request_id))))
    }
}
