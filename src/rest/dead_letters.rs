//! Dead letters: list, edit, replay, discard.

use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::Api;
use super::datasources::DatasourcePath;
use super::extract::{Body, Caller, Named, OptionalBody, once};
use super::idempotency::{self, lost};
use super::jobs::asked;
use super::link::Position;
use super::model::{DeadLetter, DeadLetterBatch, Discarded, EditDeadLetter, Job};
use super::reply::{Answer, Reply, TOTAL_COUNT};
use crate::app;
use crate::auth::policy::grant::HandleDeadLetters;
use crate::domain::DeadLetterFilter;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct DeadLetterPath {
    /// The id of the datasource.
    id: Uuid,
    /// The id of the dead letter.
    letter: Uuid,
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
#[into_params(parameter_in = Query, rename_all = "camelCase")]
pub(super) struct DeadLetterParameters {
    /// With this error code; may be repeated.
    #[serde(default)]
    error_code: Vec<String>,
    /// That this version failed on last.
    version: Option<i32>,
    /// That failed after this time.
    created_after: Option<DateTime<Utc>>,
    /// That failed before this time.
    created_before: Option<DateTime<Utc>>,
    /// At most so many; 50 without a number.
    #[param(minimum = 1, maximum = 200, value_type = Option<u64>)]
    limit: Option<String>,
    /// Skip so many first.
    #[param(minimum = 0, maximum = 10000, value_type = Option<u64>)]
    offset: Option<String>,
    /// Only what follows; from the `Link` of an earlier page. Not together with `offset`.
    cursor: Option<String>,
}

/// List dead letters
///
/// The records that could not be mapped or delivered, newest first.
#[utoipa::path(
    get, path = "/datasources/{id}/dead-letters", operation_id = "deadLetters", tag = "delivery",
    params(DatasourcePath, DeadLetterParameters),
    responses((status = 200, description = "The page.", body = Vec<DeadLetter>)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn list(
    State(api): State<Api>,
    caller: Caller<HandleDeadLetters, DeadLetterParameters>,
    Named(path): Named<DatasourcePath>,
) -> Answer {
    let (caller, query) = caller.split();
    let filter = DeadLetterFilter {
        ids: Vec::new(),
        error_codes: query.error_code,
        version: query.version,
        created_after: query.created_after,
        created_before: query.created_before,
    };
    let position = Position { limit: query.limit, offset: query.offset, cursor: query.cursor, total: None };
    let page = api.app.dead_letters(&caller.ctx, path.id, &filter, &position.request()?).await?;
    let total = api.app.count_dead_letters(&caller.ctx, path.id, &filter).await?;
    let reply = position.reply(&caller, page, |letter| letter.id, DeadLetter::from)?;
    Ok(reply.header(TOTAL_COUNT, total.to_string()))
}

/// Edit a dead letter
///
/// Puts another payload in the place of one that cannot be mapped.
#[utoipa::path(
    patch, path = "/datasources/{id}/dead-letters/{letter}", operation_id = "editDeadLetter", tag = "delivery",
    params(DeadLetterPath), request_body = EditDeadLetter,
    responses((status = 200, description = "The dead letter as it is now.", body = DeadLetter)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn edit(
    State(api): State<Api>,
    caller: Caller<HandleDeadLetters>,
    Named(path): Named<DeadLetterPath>,
    body: Body<EditDeadLetter>,
) -> Answer {
    let EditDeadLetter { payload, reason } = body.value;
    let of = Some(path.id);
    let letter = api.app.edit_dead_letter(&caller.ctx, path.letter, of, &payload, reason.as_deref()).await?;
    Ok(Reply::ok(&DeadLetter::from(letter))?)
}

/// Replay dead letters
///
/// Delivers them again through the published version, by a job. Those that fail again stay.
#[utoipa::path(
    post, path = "/datasources/{id}/dead-letters/replay", operation_id = "replayDeadLetters", tag = "delivery",
    params(DatasourcePath), request_body = Option<DeadLetterBatch>,
    responses((status = 201, description = "The job that does it.", body = Job)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn replay(
    State(api): State<Api>,
    caller: Caller<HandleDeadLetters>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<DeadLetterBatch>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let batch = batch(path.id, body.value);
    let effect = async { asked(&caller, api.app.replay_dead_letters(&ctx, batch).await?) };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("the replay was asked for; see …/jobs")) }).await
}

/// Discard dead letters
///
/// Forgets them for good.
#[utoipa::path(
    post, path = "/datasources/{id}/dead-letters/discard", operation_id = "discardDeadLetters", tag = "delivery",
    params(DatasourcePath), request_body = Option<DeadLetterBatch>,
    responses((status = 200, description = "How many are gone.", body = Discarded)),
    security(("bearer" = ["operator"]))
)]
pub(super) async fn discard(
    State(api): State<Api>,
    caller: Caller<HandleDeadLetters>,
    Named(path): Named<DatasourcePath>,
    OptionalBody(body): OptionalBody<DeadLetterBatch>,
) -> Answer {
    let ctx = once(&api, &caller, &body.raw).await?;
    let batch = batch(path.id, body.value);
    let effect = async { Reply::ok(&Discarded { discarded: api.app.discard_dead_letters(&ctx, batch).await? }) };
    idempotency::run(&api.app, &ctx, effect, |_| async { Err(lost("they were discarded")) }).await
}

fn batch(datasource_id: Uuid, body: DeadLetterBatch) -> app::DeadLetterBatch {
    app::DeadLetterBatch { datasource_id, filter: body.filter.into(), reason: body.reason }
}
