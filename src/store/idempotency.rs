//! Idempotency keys: claimed in the transaction that makes the change, answered after it.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::{Expr, OnConflict};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter};

use super::entity::idempotency_key::{ActiveModel, Column, Entity, Model};
use super::{Store, Tx, classify};
use crate::auth::Authorized;
use crate::auth::policy::Grant;
use crate::domain::{Timestamp, now};
use crate::error::Result;

/// A request that is to be done once, and what tells it from another one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    pub key: String,
    pub method: String,
    pub path: String,
    pub fingerprint: Vec<u8>,
}

/// An answer as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub location: Option<String>,
    pub etag: Option<String>,
    /// `None` for one that was too long to keep.
    pub body: Option<String>,
}

/// What is known of a key.
#[derive(Clone, Debug)]
pub struct Claimed {
    pub claim: Claim,
    /// What the change was about; `None` where nothing had to change.
    pub datasource_id: Option<Uuid>,
    pub version: Option<i32>,
    /// `None` when the process ended between the change and its answer, or has not got there yet.
    pub answer: Option<Answer>,
    pub claimed_at: Timestamp,
}

impl Store {
    /// A transaction for one use-case that holds `claim`; `None` when the key is taken. A request that
    /// comes while another one holds the key waits here until that one has committed or given up.
    pub async fn write_once<P: Grant>(&self, proof: &Authorized<P>, claim: Claim) -> Result<Option<Tx>> {
        let mut tx = self.write(proof).await?;
        if !tx.insert(&proof.actor().subject, &claim, None).await? {
            return Ok(None);
        }
        tx.claim = Some((proof.actor().subject.clone(), claim));
        Ok(Some(tx))
    }

    /// Forgets the keys that are older than `before`, in every organisation; answers with how many.
    pub async fn forget_idempotency_keys(&self, before: Timestamp) -> Result<u64> {
        let old = Entity::delete_many().filter(Column::CreatedAt.lt(before));
        let tx = self.begin_everything().await?;
        let forgotten = old.exec(&tx.db).await.map_err(classify)?.rows_affected;
        tx.commit().await?;
        Ok(forgotten)
    }
}

impl Tx {
    pub async fn idempotency_key<P: Grant>(&self, proof: &Authorized<P>, key: &str) -> Result<Option<Claimed>> {
        let row = Entity::find_by_id(self.id(&proof.actor().subject, key)).one(&self.db).await.map_err(classify)?;
        Ok(row.map(Claimed::from))
    }

    /// Keeps the answer for a replay. Where nothing had to change there is no claim yet; then this makes it.
    pub async fn keep_answer<P: Grant>(&self, proof: &Authorized<P>, claim: &Claim, answer: &Answer) -> Result<()> {
        let principal = &proof.actor().subject;
        let update = Entity::update_many()
            .col_expr(Column::Status, Expr::value(i32::from(answer.status)))
            .col_expr(Column::Location, Expr::value(answer.location.clone()))
            .col_expr(Column::Etag, Expr::value(answer.etag.clone()))
            .col_expr(Column::Body, Expr::value(answer.body.clone()))
            .filter(Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(Column::Principal.eq(principal.as_ref()))
            .filter(Column::IdempotencyKey.eq(&claim.key))
            .filter(Column::Fingerprint.eq(claim.fingerprint.clone()))
            .filter(Column::Status.is_null());
        if update.exec(&self.db).await.map_err(classify)?.rows_affected == 0 {
            self.insert(principal, claim, Some(answer)).await?;
        }
        Ok(())
    }

    /// Gives back a key that was claimed ahead of a run, which then did nothing.
    pub async fn release<P: Grant>(&self, proof: &Authorized<P>, claim: &Claim) -> Result<()> {
        let unanswered = Entity::delete_many()
            .filter(Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(Column::Principal.eq(proof.actor().subject.as_ref()))
            .filter(Column::IdempotencyKey.eq(&claim.key))
            .filter(Column::Fingerprint.eq(claim.fingerprint.clone()))
            .filter(Column::Status.is_null());
        unanswered.exec(&self.db).await.map(drop).map_err(classify)
    }

    pub(super) async fn settle(&self, claimant: &str, claim: &Claim, about: Uuid, version: Option<i32>) -> Result<()> {
        let update = Entity::update_many()
            .col_expr(Column::DatasourceId, Expr::value(about))
            .col_expr(Column::Version, Expr::value(version))
            .filter(Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(Column::Principal.eq(claimant))
            .filter(Column::IdempotencyKey.eq(&claim.key));
        update.exec(&self.db).await.map(drop).map_err(classify)
    }

    /// Whether the key was free. PostgreSQL waits here for a transaction that holds the same key.
    async fn insert(&self, principal: &str, claim: &Claim, answer: Option<&Answer>) -> Result<bool> {
        let (org_id, principal, key) = self.id(principal, &claim.key);
        let row = ActiveModel {
            org_id: Set(org_id),
            principal: Set(principal),
            idempotency_key: Set(key),
            method: Set(claim.method.clone()),
            path: Set(claim.path.clone()),
            fingerprint: Set(claim.fingerprint.clone()),
            datasource_id: Set(None),
            version: Set(None),
            status: Set(answer.map(|a| i32::from(a.status))),
            location: Set(answer.and_then(|a| a.location.clone())),
            etag: Set(answer.and_then(|a| a.etag.clone())),
            body: Set(answer.and_then(|a| a.body.clone())),
            created_at: Set(now()),
        };
        let free =
            OnConflict::columns([Column::OrgId, Column::Principal, Column::IdempotencyKey]).do_nothing().to_owned();
        let rows = Entity::insert(row).on_conflict(free).exec_without_returning(&self.db).await.map_err(classify)?;
        Ok(rows > 0)
    }

    fn id(&self, principal: &str, key: &str) -> (String, String, String) {
        (self.scope.org_id().to_string(), principal.to_owned(), key.to_owned())
    }
}

impl From<Model> for Claimed {
    fn from(row: Model) -> Self {
        let (location, etag, body) = (row.location, row.etag, row.body);
        let status = row.status.and_then(|s| u16::try_from(s).ok());
        Self {
            claim: Claim { key: row.idempotency_key, method: row.method, path: row.path, fingerprint: row.fingerprint },
            datasource_id: row.datasource_id,
            version: row.version,
            claimed_at: row.created_at,
            answer: status.map(|status| Answer { status, location, etag, body }),
        }
    }
}
