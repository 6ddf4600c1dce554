//! Requests with an `Idempotency-Key`: done once, and answered alike however often they are sent.

use axum::http::StatusCode;
use uuid::Uuid;

use super::problem::Failure;
use super::reply::{Answer, REPLAYED, Reply};
use crate::app::{App, OpContext, Replay};
use crate::error::{Error, Result};

/// In how many seconds to ask for an answer that is not there yet.
const RETRY_AFTER: u64 = 5;

/// What a change was about, where its own answer is not known any more.
#[derive(Clone, Copy)]
pub(super) struct About {
    pub(super) datasource_id: Option<Uuid>,
    pub(super) version: Option<i32>,
}

/// Runs `effect`, unless it was done before: then its answer is repeated, or made anew by `now`, from how things are.
pub(super) async fn run<N: Future<Output = Result<Reply>>>(
    app: &App,
    ctx: &OpContext,
    effect: impl Future<Output = Result<Reply>>,
    now: impl FnOnce(About) -> N,
) -> Answer {
    let Some(once) = &ctx.once else { return Ok(effect.await?) };
    if let Some(replay) = app.replay(ctx).await? {
        return again(replay, now).await;
    }
    match effect.await {
        Ok(reply) => {
            let (location, etag) = (reply.location.as_deref(), reply.etag.as_deref());
            if let Err(error) = app.keep_answer(ctx, reply.status.as_u16(), location, etag, &reply.body).await {
                tracing::warn!(%error, detail = error.detail(), "an answer is not kept for its replay");
            }
            Ok(reply)
        }
        Err(error) if once.is_taken() => match app.replay(ctx).await? {
            Some(replay) => again(replay, now).await,
            None => Err(error.into()),
        },
        Err(error) => Err(error.into()),
    }
}

async fn again<N: Future<Output = Result<Reply>>>(replay: Replay, now: impl FnOnce(About) -> N) -> Answer {
    let reply = match replay {
        Replay::Answered { status, location, etag, body } => {
            let status = StatusCode::from_u16(status).map_err(Error::internal)?;
            Reply::stored(status, location, etag, body)
        }
        Replay::UnderWay => {
            let message =
                "a request with this Idempotency-Key is in progress; send it again in a few seconds for its answer";
            return Err(Failure::later(StatusCode::CONFLICT, Error::conflict(message), RETRY_AFTER));
        }
        Replay::Done { datasource_id, version } => now(About { datasource_id, version }).await?,
        Replay::AnotherRequest => {
            let message = "this Idempotency-Key belongs to another request: its method, path, body or the projects of its \
                           token differ; use a new key";
            return Err(Failure::invalid(StatusCode::UNPROCESSABLE_ENTITY, message));
        }
    };
    Ok(reply.header(REPLAYED, "true"))
}

/// For a change whose answer cannot be made anew.
pub(super) fn lost(what: &str) -> Error {
    Error::conflict(format!("{what}, but its answer was not kept; send it again under a new Idempotency-Key"))
}
