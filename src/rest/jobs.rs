//! Backfills and their jobs, checks of a source, and how much a worker logs.

use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Api;
use super::datasources::{DatasourcePath, shown};
use super::extract::{Body, Caller, Named, OptionalBody, once};
use super::idempotency::{self, lost};
use super::link::Position;
use super::model::{Action, Backfill, CheckSource, DatasourceDetail, Job, SetLogLevel, SourceCheck};
use super::reply::{Answer, Reply};
use crate::app::{self, CheckRequest};
use crate::auth::policy::grant::{Operate, Read, Test};
use crate::domain::{self, parse_duration};
use crate::error::{Error, Result};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct JobPath {
    /// The id of the datasource.
    id: Uuid,
    /// The id of the job.
    job: Uuid,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct JobParameters {
    /// At most so many; 50 without a number.
    #[param(minimum = 1, maximum = 200, value_type = Option<u64>)]
    limit: Option<String>,
    /// Skip so many first.
    #[param(minimum = 0, maximum = 10000, value_type = Option<u64>)]
    offset: Option<String>,
    /// Only what follows; from the `Link` of an earlier page. Not together with `offset`.
    cursor: Option<String>,
}

/// A job that was just asked for, and where to watch it.
pub(super) fn asked<P>(caller: &Caller<P>, job: domain::Job) -> Result<Reply> {
    let location = caller.locate(&format!("/datasources/{}/jobs/{}", job.datasource_id, job.id));
    Ok(Reply::ok(&Job::from(job))?.created(location))
}

/// Backfill
///
/// Reads a part of the source again, by a job beside the live worker, whose checkpoint stays where it is.
#[utoipa::path(
    post, path = "/datasources/{id}/backfill", operation_id = "backfillDatasource", tag = "delivery",
    params(DatasourcePath), request_body = Backfill,
    responses((status = 201, description = "The job that does it.", body = Job)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn backfill(
    State(api): State<Api>,
    caller: Caller<Operate>,
    Named(path): Named<DatasourcePath>,
    body: Body<Backfill>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let Backfill { range, reason } = body.value;
    let input = app::Backfill { id: path.id, range: range.into(), reason };
    let effect = async { asked(&caller, api.app.backfill(&ctx, input).await?) };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("the backfill was asked for; see …/jobs")) }).await
}

/// List jobs
///
/// Backfills and replays, newest first. They are not counted: `Link` leads on while there is more.
#[utoipa::path(
    get, path = "/datasources/{id}/jobs", operation_id = "datasourceJobs", tag = "delivery",
    params(DatasourcePath, JobParameters),
    responses((status = 200, description = "The page.", body = Vec<Job>)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller<Read, JobParameters>,
    Named(path): Named<DatasourcePath>,
) -> Answer {
    let (caller, query) = caller.split();
    let position = Position { limit: query.limit, offset: query.offset, cursor: query.cursor, total: None };
    let page = api.app.jobs(&caller.ctx, path.id, &position.request()?).await?;
    Ok(position.reply(&caller, page, |job| job.id, Job::from)?)
}

/// Read a job
///
/// With its progress.
#[utoipa::path(
    get, path = "/datasources/{id}/jobs/{job}", operation_id = "job", tag = "delivery", params(JobPath),
    responses((status = 200, description = "The job.", body = Job)),
    security(("bearer" = ["viewer"]))
)]
pub(super) async fn get(State(api): State<Api>, caller: Caller<Read>, Named(path): Named<JobPath>) -> Answer {
    let job = api.app.job(&caller.ctx, path.job).await?.filter(|job| job.datasource_id == path.id);
    Ok(Reply::ok(&Job::from(job.ok_or_else(|| Error::not_found("job"))?))?)
}

/// Cancel a job
///
/// Ends it; what it delivered so far stays delivered.
#[utoipa::path(
    post, path = "/datasources/{id}/jobs/{job}/cancel", operation_id = "cancelJob", tag = "delivery",
    params(JobPath), request_body = Option<Action>,
    responses((status = 200, description = "The job as it is now.", body = Job)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn cancel(
    State(api): State<Api>,
    caller: Caller<Operate>,
    Named(path): Named<JobPath>,
    OptionalBody(body): OptionalBody<Action>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let now = || async {
        let job = api.app.job(&caller.ctx, path.job).await?.filter(|job| job.datasource_id == path.id);
        Reply::ok(&Job::from(job.ok_or_else(|| Error::not_found("job"))?))
    };
    let effect = async {
        now().await?;
        Reply::ok(&Job::from(api.app.cancel_job(&ctx, path.job, body.value.reason.as_deref()).await?))
    };
    idempotency::run(&api.app, &ctx, effect, |_| now()).await
}

/// Check the source
///
/// Whether it can be read now, with the settings and secrets of a version. Nothing is taken from it.
#[utoipa::path(
    post, path = "/datasources/{id}/check", operation_id = "checkDatasource", tag = "versions",
    params(DatasourcePath), request_body = Option<CheckSource>,
    responses((status = 200, description = "What was tried, and how it went.", body = SourceCheck)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn check(
    State(api): State<Api>,
    caller: Caller<Test>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<CheckSource>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let request = CheckRequest { id: path.id, version: body.value.version };
    let effect = async { Reply::ok(&SourceCheck::from(api.app.check_source(&ctx, request).await?)) };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("the source was checked")) }).await
}

/// Raise the log level
///
/// Lets the worker log more, for some time; `info` takes it back.
#[utoipa::path(
    post, path = "/datasources/{id}/log-level", operation_id = "setDatasourceLogLevel", tag = "delivery",
    params(DatasourcePath), request_body = SetLogLevel,
    responses((status = 200, description = "The datasource as it is now.", body = DatasourceDetail)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn log_level(
    State(api): State<Api>,
    caller: Caller<Operate>,
    Named(path): Named<DatasourcePath>,
    body: Body<SetLogLevel>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let SetLogLevel { level, duration, reason } = body.value;
    let span = parse_duration(duration.as_deref().unwrap_or("10m")).map_err(|e| Error::invalid("/duration", e))?;
    let effect = async {
        api.app.set_log_level(&ctx, path.id, level.0, span, reason.as_deref()).await?;
        shown(&api, &ctx, path.id).await
    };
    idempotency::run(&api.app, &ctx, effect, |_| shown(&api, &caller.ctx, path.id)).await
}
