//! The audit log as a chain: read from end to end, and signed at its head.

use std::time::Duration;

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};

use super::entity::{audit, checkpoint, org};
use super::{Store, Tx, classify};
use crate::auth::policy::grant::ReadAudit;
use crate::auth::{Actor, Authorized};
use crate::domain::{ChainEntry, Checkpoint, Timestamp, now};
use crate::error::Result;

/// Organisations whose chain grew since its last checkpoint.
const UNSIGNED: &str = "SELECT o.org_id FROM orgs o WHERE o.audit_seq > \
    COALESCE((SELECT max(c.seq) FROM audit_checkpoints c WHERE c.org_id = o.org_id), 0) ORDER BY o.org_id";

/// The number and the hash of the last entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChainHead {
    pub seq: i64,
    pub hash: String,
}

impl Store {
    pub async fn orgs_with_unsigned_entries(&self) -> Result<Vec<String>> {
        let tx = self.read_everything().await?;
        let rows = tx.db.query_all_raw(Statement::from_string(self.backend(), UNSIGNED)).await.map_err(classify)?;
        rows.iter().map(|row| row.try_get_by_index(0).map_err(classify)).collect()
    }

    /// Signs the head of a chain, unless another node did within `pause`; answers with whether it did.
    pub async fn add_checkpoint(
        &self,
        org: &str,
        pause: Duration,
        sign: impl FnOnce(&ChainHead, i64, Timestamp) -> Checkpoint,
    ) -> Result<bool> {
        let tx = self.write_as_system(&Actor::system("audit", org)).await?;
        // The lock of the organisation's row makes one node wait for the other, and both for who appends.
        let head = org::Entity::find_by_id(org).lock_exclusive().one(&tx.db).await.map_err(classify)?;
        let Some(head) = head.map(|row| ChainHead { seq: row.audit_seq, hash: row.audit_head }) else {
            return Ok(false);
        };
        let last = checkpoint::Entity::find()
            .filter(checkpoint::Column::OrgId.eq(org))
            .order_by_desc(checkpoint::Column::Seq)
            .one(&tx.db)
            .await
            .map_err(classify)?;
        let (previous, signed_at) = last.map_or((0, None), |row| (row.seq, Some(row.created_at)));
        let at = now();
        if previous >= head.seq || signed_at.is_some_and(|signed| at < signed + pause) {
            return Ok(false);
        }
        let new = sign(&head, previous, at);
        let row = checkpoint::ActiveModel {
            org_id: Set(new.org),
            seq: Set(new.seq),
            hash: Set(new.hash),
            previous: Set(new.previous),
            created_at: Set(new.created_at),
            algorithm: Set(new.algorithm),
            key_id: Set(new.key_id),
            public_key: Set(new.public_key),
            signature: Set(new.signature),
        };
        checkpoint::Entity::insert(row).exec_without_returning(&tx.db).await.map_err(classify)?;
        tx.commit().await?;
        Ok(true)
    }
}

impl Tx {
    /// `None` where nothing was ever written.
    pub async fn chain_head(&self, _: &Authorized<ReadAudit>) -> Result<Option<ChainHead>> {
        let row = org::Entity::find_by_id(self.scope.org_id().as_ref()).one(&self.db).await.map_err(classify)?;
        Ok(row.map(|row| ChainHead { seq: row.audit_seq, hash: row.audit_head }))
    }

    /// Entries after `after`, in the order of the chain.
    pub async fn chain_entries(
        &self,
        _: &Authorized<ReadAudit>,
        after: i64,
        to: Option<i64>,
        limit: u64,
    ) -> Result<Vec<ChainEntry>> {
        let mut query = audit::Entity::find()
            .filter(audit::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(audit::Column::Seq.gt(after));
        if let Some(to) = to {
            query = query.filter(audit::Column::Seq.lte(to));
        }
        let rows = query.order_by_asc(audit::Column::Seq).limit(limit).all(&self.db).await.map_err(classify)?;
        Ok(rows.into_iter().map(ChainEntry::from).collect())
    }

    /// All checkpoints of entries after `after`, in the order of the chain.
    pub async fn checkpoints(&self, _: &Authorized<ReadAudit>, after: i64) -> Result<Vec<Checkpoint>> {
        let query = checkpoint::Entity::find()
            .filter(checkpoint::Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(checkpoint::Column::Seq.gt(after))
            .order_by_asc(checkpoint::Column::Seq);
        Ok(query.all(&self.db).await.map_err(classify)?.into_iter().map(Checkpoint::from).collect())
    }
}

impl From<audit::Model> for ChainEntry {
    fn from(row: audit::Model) -> Self {
        Self {
            org: row.org_id,
            seq: row.seq,
            project: row.project_id,
            datasource_id: row.datasource_id,
            action: row.action,
            actor: row.actor,
            source_address: row.source_address,
            request_id: row.request_id,
            reason: row.reason,
            outcome: row.outcome,
            field: row.field,
            old_value: row.old_value,
            new_value: row.new_value,
            created_at: row.created_at,
            prev_hash: row.prev_hash,
            hash: row.hash,
        }
    }
}

impl From<checkpoint::Model> for Checkpoint {
    fn from(row: checkpoint::Model) -> Self {
        Self {
            org: row.org_id,
            seq: row.seq,
            hash: row.hash,
            previous: row.previous,
            created_at: row.created_at,
            algorithm: row.algorithm,
            key_id: row.key_id,
            public_key: row.public_key,
            signature: row.signature,
        }
    }
}
