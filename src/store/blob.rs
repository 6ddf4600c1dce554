//! Where large things lie, and when they are over.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, ExprTrait as _, Query};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::entity::blob::{ActiveModel, Column, Entity, Model};
use super::entity::{export, test_sample};
use super::{Store, Tx, classify, corrupt};
use crate::auth::Actor;
use crate::domain::{Blob, BlobKind, ExportStatus, now};
use crate::error::{Error, Result};

/// How long a blob of a sample has nothing that refers to it before it counts as left behind.
const UNREFERRED: Duration = Duration::from_secs(3_600);
/// Ids of one question.
const CHUNK: usize = 500;

impl Tx {
    pub(super) async fn insert_blob(&self, blob: &Blob) -> Result<()> {
        let row = ActiveModel {
            id: Set(blob.id),
            org_id: Set(blob.org.to_string()),
            kind: Set(blob.kind.as_str().to_owned()),
            location: Set(blob.location.clone()),
            size: Set(i64::try_from(blob.size).unwrap_or(i64::MAX)),
            sha256: Set(blob.sha256.clone()),
            created_at: Set(blob.created_at),
            created_by: Set(blob.created_by.clone()),
            keep_until: Set(blob.keep_until),
            legal_hold: Set(false),
        };
        Entity::insert(row).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    /// By id; of the organisation.
    pub(super) async fn blobs(&self, ids: Vec<Uuid>) -> Result<HashMap<Uuid, Blob>> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let query = Entity::find().filter(Column::OrgId.eq(self.scope.org_id().as_ref())).filter(Column::Id.is_in(ids));
        let rows = query.all(&self.db).await.map_err(classify)?;
        rows.into_iter().map(|row| Blob::try_from(row).map(|blob| (blob.id, blob))).collect()
    }
}

impl Store {
    /// Those whose time is over, and samples that were replaced; never what is under legal hold. Bounded.
    pub async fn overdue_blobs(&self, most: u64) -> Result<Vec<Blob>> {
        let referred = Query::select()
            .column(test_sample::Column::BlobId)
            .from(test_sample::Entity)
            .and_where(Expr::col(test_sample::Column::BlobId).is_not_null())
            .to_owned();
        let replaced = Condition::all()
            .add(Column::Kind.eq(BlobKind::TestSample.as_str()))
            .add(Column::CreatedAt.lt(now() - UNREFERRED))
            .add(Column::Id.not_in_subquery(referred));
        let over = Condition::any().add(Column::KeepUntil.lt(now())).add(replaced);
        let tx = self.read_everything().await?;
        let query = Entity::find().filter(Column::LegalHold.eq(false)).filter(over);
        let rows = query.order_by_asc(Column::Id).limit(most).all(&tx.db).await.map_err(classify)?;
        rows.into_iter().map(Blob::try_from).collect()
    }

    /// Forgets the row, unless somebody holds it meanwhile; the blob itself is the caller's to delete, after that.
    pub async fn forget_blob(&self, blob: &Blob) -> Result<bool> {
        let tx = self.write_as_system(&Actor::system("housekeeping", blob.org.clone())).await?;
        export::Entity::update_many()
            .col_expr(export::Column::BlobId, Expr::value(Option::<Uuid>::None))
            .col_expr(export::Column::Status, Expr::value(ExportStatus::Expired.as_str()))
            .filter(export::Column::OrgId.eq(blob.org.as_ref()))
            .filter(export::Column::BlobId.eq(blob.id))
            .exec(&tx.db)
            .await
            .map_err(classify)?;
        let referred = test_sample::Entity::find()
            .filter(test_sample::Column::OrgId.eq(blob.org.as_ref()))
            .filter(test_sample::Column::BlobId.eq(blob.id));
        if referred.one(&tx.db).await.map_err(classify)?.is_some() {
            return Ok(false);
        }
        let delete = Entity::delete_many()
            .filter(Column::OrgId.eq(blob.org.as_ref()))
            .filter(Column::Id.eq(blob.id))
            .filter(Column::LegalHold.eq(false));
        if delete.exec(&tx.db).await.map_err(classify)?.rows_affected == 0 {
            return Ok(false);
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Which of these have a row, in any organisation.
    pub async fn known_blobs(&self, ids: &[Uuid]) -> Result<HashSet<Uuid>> {
        let mut known = HashSet::new();
        for chunk in ids.chunks(CHUNK) {
            let tx = self.read_everything().await?;
            let query = Entity::find().select_only().column(Column::Id).filter(Column::Id.is_in(chunk.to_vec()));
            let found: Vec<Uuid> = query.into_tuple().all(&tx.db).await.map_err(classify)?;
            known.extend(found);
        }
        Ok(known)
    }
}

impl TryFrom<Model> for Blob {
    type Error = Error;

    fn try_from(row: Model) -> Result<Self> {
        let kind = row.kind.parse().map_err(|what: String| corrupt("blobs", row.id, what))?;
        Ok(Self {
            id: row.id,
            org: row.org_id.into(),
            kind,
            location: row.location,
            size: u64::try_from(row.size).unwrap_or(0),
            sha256: row.sha256,
            created_at: row.created_at,
            created_by: row.created_by,
            keep_until: row.keep_until,
        })
    }
}
