//! Records that could not be mapped or delivered, kept for a second try.

use std::collections::HashMap;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::Value;

use super::entity::dead_letter::{ActiveModel, Column, Entity, Model};
use super::worker::Fenced;
use super::{Store, Tx, classify, corrupt};
use crate::auth::policy::grant::HandleDeadLetters;
use crate::auth::{Actor, Authorized};
use crate::domain::paging::{Page, PageRequest};
use crate::domain::{DeadLetter, DeadLetterFilter, DeadLetterScope, Job, JobProgress, Tenant, Timestamp, now};
use crate::error::{Error, Result};

/// Payloads longer than this are kept in part.
pub const PAYLOAD_MAX: usize = 256 * 1024;
/// PostgreSQL binds at most 65,535 values a statement.
const ROWS_MAX: usize = 1_000;

/// Why a record was set aside, and the record.
#[derive(Clone, Debug)]
pub struct NewDeadLetter {
    pub version: i32,
    pub code: String,
    /// JSON pointer of the part of the configuration that failed.
    pub path: String,
    pub message: String,
    pub scope: DeadLetterScope,
    pub payload: String,
    /// Something of the payload was left out.
    pub redacted: bool,
}

/// A dead letter as a replay read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replayed {
    pub id: Uuid,
    edited_at: Option<Timestamp>,
    attempts: i32,
}

impl From<&DeadLetter> for Replayed {
    fn from(letter: &DeadLetter) -> Self {
        Self { id: letter.id, edited_at: letter.edited_at, attempts: letter.attempts }
    }
}

/// A replay that failed again.
#[derive(Clone, Debug)]
pub struct FailedReplay {
    pub letter: Replayed,
    /// Absent where the letter was not even tried: then what it says already is why.
    pub why: Option<ReplayFailure>,
}

/// Why a replay failed again.
#[derive(Clone, Debug)]
pub struct ReplayFailure {
    pub code: String,
    pub path: String,
    pub message: String,
}

impl Store {
    /// Durable when it returns.
    pub async fn keep_dead_letters(
        &self,
        system: &Actor,
        tenant: &Tenant,
        datasource_id: Uuid,
        letters: Vec<NewDeadLetter>,
    ) -> Result<()> {
        let at = now();
        let rows = letters.into_iter().map(|letter| {
            let (payload, cut) = bounded(letter.payload);
            ActiveModel {
                id: Set(Uuid::now_v7()),
                org_id: Set(tenant.org.to_string()),
                project_id: Set(tenant.project.to_string()),
                datasource_id: Set(datasource_id),
                version: Set(letter.version),
                error_code: Set(letter.code),
                error_path: Set(letter.path),
                error_message: Set(letter.message),
                scope: Set(letter.scope.as_str().to_owned()),
                payload: Set(payload),
                truncated: Set(cut || letter.redacted),
                attempts: Set(0),
                created_at: Set(at),
                edited_at: Set(None),
                edited_by: Set(None),
            }
        });
        let tx = self.write_as_system(system).await?;
        let rows: Vec<_> = rows.collect();
        for chunk in rows.chunks(ROWS_MAX) {
            Entity::insert_many(chunk.to_vec()).exec_without_returning(&tx.db).await.map_err(classify)?;
        }
        tx.commit().await
    }

    /// Oldest first, for a replay that goes on after `after`; none that came after the job was asked for.
    pub async fn letters_to_replay(
        &self,
        job: &Job,
        filter: &DeadLetterFilter,
        after: Option<Uuid>,
        limit: u64,
    ) -> Result<Vec<DeadLetter>> {
        let tx = self.read(&crate::domain::Scope::org(job.tenant.org.clone())).await?;
        let mut query = Entity::find()
            .filter(tx.which(job.datasource_id, filter))
            .filter(Column::CreatedAt.lte(job.created_at))
            .order_by_asc(Column::Id)
            .limit(limit);
        if let Some(after) = after {
            query = query.filter(Column::Id.gt(after));
        }
        query.all(&tx.db).await.map_err(classify)?.into_iter().map(DeadLetter::try_from).collect()
    }

    /// After the sink acknowledged a page of a replay: what was delivered is gone, what
    /// failed says why, and the job is that far; all or nothing. A letter that somebody edited
    /// meanwhile is another one than was delivered: it stays as it is. Answers with how many did.
    pub async fn settle_replay(
        &self,
        job: &Job,
        progress: &JobProgress,
        checkpoint: &Value,
        delivered: &[Replayed],
        failed: &[FailedReplay],
    ) -> Result<Result<usize, Fenced>> {
        let mut tx = self.write_as_system(&Actor::system("registry", job.tenant.org.clone())).await?;
        if let Err(fenced) = tx.advance_job(job, progress, Some(checkpoint)).await? {
            return Ok(Err(fenced));
        }
        let all: Vec<_> = delivered.iter().chain(failed.iter().map(|f| &f.letter)).map(|letter| letter.id).collect();
        let of_job = || {
            Condition::all()
                .add(Column::OrgId.eq(job.tenant.org.as_ref()))
                .add(Column::DatasourceId.eq(job.datasource_id))
        };
        // Locked until the commit, and in one order, so that neither an edit nor another replay comes in between.
        let found = Entity::find().filter(of_job()).filter(Column::Id.is_in(all)).order_by_asc(Column::Id);
        let found = found.lock_exclusive().all(&tx.db).await.map_err(classify)?;
        let found: HashMap<_, _> = found.into_iter().map(|row| (row.id, (row.edited_at, row.attempts))).collect();
        let unchanged = |letter: &Replayed| found.get(&letter.id) == Some(&(letter.edited_at, letter.attempts));
        let kept = delivered.iter().filter(|l| found.contains_key(&l.id) && !unchanged(l)).count();
        let gone = delivered.iter().filter(|l| unchanged(l)).map(|l| l.id);
        let delete = Entity::delete_many().filter(of_job()).filter(Column::Id.is_in(gone));
        delete.exec(&tx.db).await.map_err(classify)?;
        for FailedReplay { letter, why } in failed.iter().filter(|f| unchanged(&f.letter)) {
            let mut update = Entity::update_many()
                .filter(of_job())
                .filter(Column::Id.eq(letter.id))
                .col_expr(Column::Attempts, Expr::col(Column::Attempts).add(1));
            if let Some(ReplayFailure { code, path, message }) = why {
                update = update
                    .col_expr(Column::Version, Expr::value(job.version))
                    .col_expr(Column::ErrorCode, Expr::value(code.as_str()))
                    .col_expr(Column::ErrorPath, Expr::value(path.as_str()))
                    .col_expr(Column::ErrorMessage, Expr::value(message.as_str()));
            }
            update.exec(&tx.db).await.map_err(classify)?;
        }
        tx.commit().await?;
        Ok(Ok(kept))
    }
}

impl Tx {
    /// Newest first.
    pub async fn dead_letters(
        &self,
        datasource_id: Uuid,
        filter: &DeadLetterFilter,
        page: &PageRequest<Uuid>,
    ) -> Result<Page<DeadLetter>> {
        let mut query = Entity::find().filter(self.which(datasource_id, filter));
        if let Some(after) = page.after {
            query = query.filter(Column::Id.lt(after));
        }
        if let Some(before) = page.before {
            query = query.filter(Column::Id.gt(before));
        }
        let query = if page.backward { query.order_by_asc(Column::Id) } else { query.order_by_desc(Column::Id) };
        let rows =
            query.offset(page.offset).limit(page.limit.saturating_add(1)).all(&self.db).await.map_err(classify)?;
        let letters = rows.into_iter().map(DeadLetter::try_from).collect::<Result<Vec<_>>>()?;
        Ok(Page::from_rows(letters, page))
    }

    pub async fn count_dead_letters(&self, datasource_id: Uuid, filter: &DeadLetterFilter) -> Result<u64> {
        Entity::find().filter(self.which(datasource_id, filter)).count(&self.db).await.map_err(classify)
    }

    /// Locked until the commit.
    pub async fn dead_letter_for_update(&self, id: Uuid) -> Result<DeadLetter> {
        let query = Entity::find().filter(self.own()).filter(Column::Id.eq(id)).lock_exclusive();
        let row = query.one(&self.db).await.map_err(classify)?;
        row.map(DeadLetter::try_from).transpose()?.ok_or_else(|| Error::not_found("dead letter"))
    }

    /// Puts another payload in its place.
    pub async fn edit_dead_letter(
        &self,
        proof: &Authorized<HandleDeadLetters>,
        id: Uuid,
        payload: &str,
    ) -> Result<DeadLetter> {
        let rows = Entity::update_many()
            .filter(self.own())
            .filter(Column::Id.eq(id))
            .col_expr(Column::Payload, Expr::value(payload))
            .col_expr(Column::Truncated, Expr::value(false))
            .col_expr(Column::EditedAt, Expr::value(Some(now())))
            .col_expr(Column::EditedBy, Expr::value(Some(proof.actor().subject.as_ref())))
            .exec_with_returning(&self.db)
            .await
            .map_err(classify)?;
        rows.into_iter().next().map(DeadLetter::try_from).transpose()?.ok_or_else(|| Error::not_found("dead letter"))
    }

    pub async fn discard_dead_letters(
        &mut self,
        _: &Authorized<HandleDeadLetters>,
        datasource_id: Uuid,
        filter: &DeadLetterFilter,
    ) -> Result<u64> {
        let delete = Entity::delete_many().filter(self.which(datasource_id, filter));
        let gone = delete.exec(&self.db).await.map_err(classify)?.rows_affected;
        self.touch(datasource_id);
        Ok(gone)
    }

    fn own(&self) -> Condition {
        super::grant::reached(&self.scope, Column::OrgId, Column::ProjectId, Column::DatasourceId)
    }

    fn which(&self, datasource_id: Uuid, filter: &DeadLetterFilter) -> Condition {
        let ids = (!filter.ids.is_empty()).then(|| Column::Id.is_in(filter.ids.iter().copied()));
        let codes = (!filter.error_codes.is_empty()).then(|| Column::ErrorCode.is_in(&filter.error_codes));
        self.own()
            .add(Column::DatasourceId.eq(datasource_id))
            .add_option(ids)
            .add_option(codes)
            .add_option(filter.version.map(|version| Column::Version.eq(version)))
            .add_option(filter.created_after.map(|at| Column::CreatedAt.gt(at)))
            .add_option(filter.created_before.map(|at| Column::CreatedAt.lt(at)))
    }
}

/// PostgreSQL's text holds no NUL; a cut falls between characters.
fn bounded(payload: String) -> (String, bool) {
    let mut payload = if payload.contains('\0') { payload.replace('\0', "\u{fffd}") } else { payload };
    if payload.len() <= PAYLOAD_MAX {
        return (payload, false);
    }
    let cut = (0..=PAYLOAD_MAX).rev().find(|i| payload.is_char_boundary(*i)).unwrap_or(0);
    payload.truncate(cut);
    (payload, true)
}

impl TryFrom<Model> for DeadLetter {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        Ok(Self {
            scope: row.scope.parse().map_err(|e: String| corrupt("dead_letters", row.id, e))?,
            id: row.id,
            tenant: Tenant { org: row.org_id.into(), project: row.project_id.into() },
            datasource_id: row.datasource_id,
            version: row.version,
            error_code: row.error_code,
            error_path: row.error_path,
            error_message: row.error_message,
            payload: row.payload,
            complete: !row.truncated,
            attempts: row.attempts,
            created_at: row.created_at,
            edited_at: row.edited_at,
            edited_by: row.edited_by,
        })
    }
}
