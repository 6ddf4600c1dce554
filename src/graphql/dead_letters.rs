//! Dead letters: records that failed, to be looked at, mended, replayed or discarded.

use async_graphql::connection::Connection;
use async_graphql::{Context, ID, InputObject, Json, Object, Result, SimpleObject};
use serde_json::Value;

use super::connection::edges;
use super::error::Shape;
use super::guard::HasRole;
use super::inputs::uuid;
use super::jobs::JobPayload;
use super::types::DeadLetterScope;
use crate::app::{App, DeadLetterBatch, OpContext};
use crate::auth::Permission;
use crate::domain::paging::PageRequest;
use crate::domain::{self, DeadLetterFilter, Timestamp};

pub(super) type DeadLetterConnection = Connection<String, DeadLetter, DeadLetterCount>;

/// A record that could not be mapped or delivered.
pub(super) struct DeadLetter(domain::DeadLetter);

/// A record that failed, kept for a second try.
#[Object]
impl DeadLetter {
    /// Its id.
    async fn id(&self) -> ID {
        self.0.id.into()
    }

    /// The datasource that it belongs to.
    async fn datasource_id(&self) -> ID {
        self.0.datasource_id.into()
    }

    /// The version that failed on it last.
    async fn version(&self) -> i32 {
        self.0.version
    }

    /// A stable code of what went wrong.
    async fn error_code(&self) -> &str {
        &self.0.error_code
    }

    /// JSON pointer of the part of the configuration that failed.
    async fn error_path(&self) -> &str {
        &self.0.error_path
    }

    /// What went wrong.
    async fn error_message(&self) -> &str {
        &self.0.error_message
    }

    /// What the payload is.
    async fn scope(&self) -> DeadLetterScope {
        self.0.scope.into()
    }

    /// The record or document as JSON text.
    async fn payload(&self) -> &str {
        &self.0.payload
    }

    /// False where the payload was cut or redacted: it must be edited before it can be replayed.
    async fn complete(&self) -> bool {
        self.0.complete
    }

    /// Replays that failed again.
    async fn attempts(&self) -> i32 {
        self.0.attempts
    }

    /// When it failed first.
    async fn created_at(&self) -> Timestamp {
        self.0.created_at
    }

    /// When its payload was edited; null when it never was.
    async fn edited_at(&self) -> Option<Timestamp> {
        self.0.edited_at
    }

    /// Who edited its payload.
    async fn edited_by(&self) -> Option<&str> {
        self.0.edited_by.as_deref()
    }
}

/// How many dead letters match, whatever the page.
pub(super) struct DeadLetterCount {
    datasource_id: uuid::Uuid,
    filter: DeadLetterFilter,
}

#[Object]
impl DeadLetterCount {
    /// How many dead letters the filter matches in all. Counted only when asked for.
    async fn total_count(&self, ctx: &Context<'_>) -> Result<u64> {
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.count_dead_letters(op, self.datasource_id, &self.filter)).await.shaped(ctx)
    }
}

/// Narrows dead letters. What is absent does not narrow.
#[derive(InputObject, Default)]
pub(super) struct DeadLetterFilterInput {
    /// Only these, at most 1,000.
    ids: Option<Vec<ID>>,
    /// With one of these error codes.
    error_codes: Option<Vec<String>>,
    /// That this version failed on last.
    version: Option<i32>,
    /// That failed after this time.
    created_after: Option<Timestamp>,
    /// That failed before this time.
    created_before: Option<Timestamp>,
}

impl DeadLetterFilterInput {
    fn checked(input: Option<Self>) -> crate::error::Result<DeadLetterFilter> {
        let input = input.unwrap_or_default();
        Ok(DeadLetterFilter {
            ids: input.ids.iter().flatten().map(|id| uuid("/filter/ids", id)).collect::<Result<_, _>>()?,
            error_codes: input.error_codes.unwrap_or_default(),
            version: input.version,
            created_after: input.created_after,
            created_before: input.created_before,
        })
    }
}

/// Which dead letters of a datasource to deliver again, and why.
#[derive(InputObject)]
pub(super) struct ReplayDeadLettersInput {
    /// The datasource.
    id: ID,
    /// Which of its dead letters. Absent: all.
    filter: Option<DeadLetterFilterInput>,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// Which dead letters of a datasource to forget, and why.
#[derive(InputObject)]
pub(super) struct DiscardDeadLettersInput {
    /// The datasource.
    id: ID,
    /// Which of its dead letters. Absent: all.
    filter: Option<DeadLetterFilterInput>,
    /// Why; for the audit log.
    reason: Option<String>,
}

fn batch(
    id: &ID,
    filter: Option<DeadLetterFilterInput>,
    reason: Option<String>,
) -> crate::error::Result<DeadLetterBatch> {
    let filter = DeadLetterFilterInput::checked(filter)?;
    Ok(DeadLetterBatch { datasource_id: uuid("/id", id)?, filter, reason })
}

/// Another payload for a dead letter.
#[derive(InputObject)]
pub(super) struct EditDeadLetterInput {
    /// The dead letter.
    id: ID,
    /// The record or document from now on.
    payload: Json<Value>,
    /// Why; for the audit log.
    reason: Option<String>,
}

/// The dead letter as it is now.
#[derive(SimpleObject)]
pub(super) struct DeadLetterPayload {
    /// As it is now.
    dead_letter: DeadLetter,
}

/// What was discarded.
#[derive(SimpleObject)]
pub(super) struct DiscardDeadLettersPayload {
    /// How many dead letters are gone.
    discarded: u64,
}

#[derive(Default)]
pub struct DeadLetterQuery;

#[Object]
impl DeadLetterQuery {
    /// The dead letters of a datasource, newest first.
    #[graphql(directive = HasRole::apply(Permission::HandleDeadLetters))]
    #[allow(clippy::too_many_arguments, reason = "Relay's four and two of ours")]
    async fn dead_letters(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The datasource.")] id: ID,
        #[graphql(desc = "Which ones.")] filter: Option<DeadLetterFilterInput>,
        #[graphql(desc = "How many to take from the start, at most 200. Absent: 50.")] first: Option<i64>,
        #[graphql(desc = "Only what follows this cursor.")] after: Option<String>,
        #[graphql(desc = "How many to take from the end, at most 200.")] last: Option<i64>,
        #[graphql(desc = "Only what precedes this cursor.")] before: Option<String>,
    ) -> Result<DeadLetterConnection> {
        let datasource_id = uuid("/id", &id).shaped(ctx)?;
        let filter = DeadLetterFilterInput::checked(filter).shaped(ctx)?;
        let page = PageRequest::relay(first, after.as_deref(), last, before.as_deref()).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let rows = Box::pin(app.dead_letters(op, datasource_id, &filter, &page)).await.shaped(ctx)?;
        Ok(edges(rows, DeadLetterCount { datasource_id, filter }, |letter| letter.id, DeadLetter))
    }
}

#[derive(Default)]
pub struct DeadLetterMutation;

#[Object]
impl DeadLetterMutation {
    /// Puts another payload in the place of one that cannot be mapped.
    #[graphql(directive = HasRole::apply(Permission::HandleDeadLetters))]
    async fn edit_dead_letter(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which one, and its payload.")] input: EditDeadLetterInput,
    ) -> Result<DeadLetterPayload> {
        let id = uuid("/id", &input.id).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let letter = Box::pin(app.edit_dead_letter(op, id, None, &input.payload.0, input.reason.as_deref()))
            .await
            .shaped(ctx)?;
        Ok(DeadLetterPayload { dead_letter: DeadLetter(letter) })
    }

    /// Delivers dead letters again, through the published version. Those that fail again stay.
    #[graphql(directive = HasRole::apply(Permission::HandleDeadLetters))]
    async fn replay_dead_letters(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones, and why.")] input: ReplayDeadLettersInput,
    ) -> Result<JobPayload> {
        let batch = batch(&input.id, input.filter, input.reason).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        Box::pin(app.replay_dead_letters(op, batch)).await.shaped(ctx).map(JobPayload::from)
    }

    /// Forgets dead letters for good.
    #[graphql(directive = HasRole::apply(Permission::HandleDeadLetters))]
    async fn discard_dead_letters(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "Which ones, and why.")] input: DiscardDeadLettersInput,
    ) -> Result<DiscardDeadLettersPayload> {
        let batch = batch(&input.id, input.filter, input.reason).shaped(ctx)?;
        let (app, op) = (ctx.data::<App>()?, ctx.data::<OpContext>()?);
        let discarded = Box::pin(app.discard_dead_letters(op, batch)).await.shaped(ctx)?;
        Ok(DiscardDeadLettersPayload { discarded })
    }
}
