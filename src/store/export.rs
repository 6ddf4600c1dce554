//! Exports: asked for, taken by a node, made, downloaded.

use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait, LockBehavior, LockType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, UpdateMany,
};

use super::entity::export::{ActiveModel, Column, Entity, Model};
use super::worker::Fenced;
use super::{NewAudit, Store, Tx, classify, corrupt};
use crate::auth::policy::grant::Export as MayExport;
use crate::auth::{Actor, Authorized};
use crate::domain::{Blob, Export, ExportStatus, Timestamp, now};
use crate::error::{Error, Result};

/// How many of an organisation are shown.
const SHOWN: u64 = 100;

/// An export that this node has taken.
pub struct ExportRun {
    pub export: Export,
    epoch: i64,
    ttl: Duration,
}

impl Tx {
    /// Newest first; those of projects that the scope covers.
    pub async fn exports(&self) -> Result<Vec<Export>> {
        let rows = self.select_exports().order_by_desc(Column::Id).limit(SHOWN).all(&self.db).await;
        self.with_blobs(rows.map_err(classify)?).await.map(|all| all.into_iter().map(|(export, _)| export).collect())
    }

    /// With its bundle, while that is kept.
    pub async fn export(&self, id: Uuid) -> Result<Option<(Export, Option<Blob>)>> {
        let row = self.select_exports().filter(Column::Id.eq(id)).one(&self.db).await.map_err(classify)?;
        Ok(self.with_blobs(row.into_iter().collect()).await?.pop())
    }

    /// One that is not made yet, of the same projects.
    pub async fn open_export(&self, project: Option<&str>) -> Result<Option<Export>> {
        let same = match project {
            Some(project) => Column::ProjectId.eq(project),
            None => Column::ProjectId.is_null(),
        };
        let query = self.select_exports().filter(same).filter(Column::FinishedAt.is_null());
        let row = query.order_by_asc(Column::Id).one(&self.db).await.map_err(classify)?;
        row.map(|row| export(row, None)).transpose()
    }

    pub async fn insert_export(&self, _: &Authorized<MayExport>, export: &Export) -> Result<()> {
        let row = ActiveModel {
            id: Set(export.id),
            org_id: Set(export.org.to_string()),
            project_id: Set(export.project.clone()),
            status: Set(export.status.as_str().to_owned()),
            total: Set(0),
            done: Set(0),
            error_message: Set(None),
            reason: Set(export.reason.clone()),
            blob_id: Set(None),
            node: Set(None),
            epoch: Set(0),
            lease_until: Set(None),
            created_at: Set(export.created_at),
            created_by: Set(export.created_by.clone()),
            finished_at: Set(None),
        };
        Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// Who may see some projects sees the exports of these, and none of all.
    fn select_exports(&self) -> Select<Entity> {
        let query = Entity::find().filter(Column::OrgId.eq(self.scope.org_id().as_ref()));
        match self.scope.project_ids() {
            Some(projects) => query.filter(Column::ProjectId.is_in(projects)),
            None => query,
        }
    }

    async fn with_blobs(&self, rows: Vec<Model>) -> Result<Vec<(Export, Option<Blob>)>> {
        let mut blobs = self.blobs(rows.iter().filter_map(|row| row.blob_id).collect()).await?;
        let pair = |row: Model| {
            let blob = row.blob_id.and_then(|id| blobs.remove(&id));
            Ok((export(row, blob.as_ref())?, blob))
        };
        rows.into_iter().map(pair).collect()
    }
}

impl Store {
    /// Takes an open export whose node has not been heard of in time, or that nobody has.
    pub async fn claim_export(&self, node: &str, ttl: Duration) -> Result<Option<ExportRun>> {
        let free = self.is_free(Expr::col(Column::LeaseUntil));
        let tx = self.begin_everything().await?;
        let found = Entity::find()
            .filter(Column::FinishedAt.is_null())
            .filter(free)
            .order_by_asc(Column::Id)
            .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
            .one(&tx.db)
            .await
            .map_err(classify)?;
        let Some(row) = found else { return Ok(None) };
        let taken = Entity::update_many()
            .filter(Column::Id.eq(row.id))
            .col_expr(Column::Status, Expr::value(ExportStatus::Running.as_str()))
            .col_expr(Column::Node, Expr::value(Some(node)))
            .col_expr(Column::Epoch, Expr::col(Column::Epoch).add(1))
            .col_expr(Column::LeaseUntil, self.lease_end(ttl))
            .exec_with_returning(&tx.db)
            .await
            .map_err(classify)?;
        tx.commit().await?;
        let Some(row) = taken.into_iter().next() else { return Ok(None) };
        let epoch = row.epoch;
        Ok(Some(ExportRun { export: export(row, None)?, epoch, ttl }))
    }

    /// Says how far it is, and keeps it.
    pub async fn advance_export(&self, run: &ExportRun, done: u64, total: u64) -> Result<Result<(), Fenced>> {
        let tx = self.begin_everything().await?;
        let update = held(run)
            .col_expr(Column::Done, Expr::value(count(done)))
            .col_expr(Column::Total, Expr::value(count(total)))
            .col_expr(Column::LeaseUntil, self.lease_end(run.ttl));
        let saved = update.exec(&tx.db).await.map_err(classify)?.rows_affected == 1;
        tx.commit().await?;
        Ok(if saved { Ok(()) } else { Err(Fenced) })
    }

    /// Keeps it while the work goes on.
    pub async fn keep_export(&self, run: &ExportRun) -> Result<Result<(), Fenced>> {
        let tx = self.begin_everything().await?;
        let update = held(run).col_expr(Column::LeaseUntil, self.lease_end(run.ttl));
        let kept = update.exec(&tx.db).await.map_err(classify)?.rows_affected == 1;
        tx.commit().await?;
        Ok(if kept { Ok(()) } else { Err(Fenced) })
    }

    /// Gives it back to be made later, and says why.
    pub async fn postpone_export(&self, run: &ExportRun, why: &str) -> Result<()> {
        let tx = self.begin_everything().await?;
        held(run)
            .col_expr(Column::Status, Expr::value(ExportStatus::Queued.as_str()))
            .col_expr(Column::ErrorMessage, Expr::value(Some(why)))
            .col_expr(Column::LeaseUntil, self.lease_end(run.ttl))
            .exec(&tx.db)
            .await
            .map_err(classify)?;
        tx.commit().await
    }

    /// The bundle, or why there is none, with the audit entry that tells of it.
    pub async fn end_export(
        &self,
        run: &ExportRun,
        made: Result<&Blob, &str>,
        entry: NewAudit,
    ) -> Result<Result<(), Fenced>> {
        let mut tx = self.write_as_system(&Actor::system("export", run.export.org.clone())).await?;
        let (status, error, blob) = match made {
            Ok(blob) => {
                tx.insert_blob(blob).await?;
                (ExportStatus::Succeeded, None, Some(blob.id))
            }
            Err(why) => (ExportStatus::Failed, Some(why), None),
        };
        let update = held(run)
            .col_expr(Column::Status, Expr::value(status.as_str()))
            .col_expr(Column::ErrorMessage, Expr::value(error))
            .col_expr(Column::BlobId, Expr::value(blob))
            .col_expr(Column::FinishedAt, Expr::value(Some(now())))
            .col_expr(Column::LeaseUntil, Expr::value(Option::<Timestamp>::None))
            .col_expr(Column::Node, Expr::value(Option::<String>::None));
        if update.exec(&tx.db).await.map_err(classify)?.rows_affected == 0 {
            // The blob has no row then, and is swept.
            return Ok(Err(Fenced));
        }
        tx.record_audit(entry);
        tx.commit().await.map(Ok)
    }
}

fn held(run: &ExportRun) -> UpdateMany<Entity> {
    let own = Condition::all().add(Column::Id.eq(run.export.id)).add(Column::Epoch.eq(run.epoch));
    Entity::update_many().filter(own).filter(Column::FinishedAt.is_null())
}

fn export(row: Model, blob: Option<&Blob>) -> Result<Export, Error> {
    let status = row.status.parse().map_err(|what: String| corrupt("exports", row.id, what))?;
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    Ok(Export {
        id: row.id,
        org: row.org_id.into(),
        project: row.project_id,
        status,
        total: count(row.total),
        done: count(row.done),
        error: row.error_message,
        reason: row.reason,
        size: blob.map(|blob| blob.size),
        sha256: blob.map(|blob| blob.sha256.clone()),
        keep_until: blob.and_then(|blob| blob.keep_until),
        created_at: row.created_at,
        created_by: row.created_by,
        finished_at: row.finished_at,
    })
}

fn count(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}
