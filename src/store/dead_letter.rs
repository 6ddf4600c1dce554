//! Records that could not be mapped or delivered, kept for a second try.

use sea_orm::prelude::Uuid;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter};

use super::entity::dead_letter::{ActiveModel, Column, Entity};
use super::{Store, Tx, classify};
use crate::auth::Actor;
use crate::domain::{Tenant, now};
use crate::error::Result;

/// Payloads longer than this are kept in part.
pub const PAYLOAD_MAX: usize = 256 * 1024;

/// Why a record was set aside, and the record.
#[derive(Clone, Debug)]
pub struct NewDeadLetter {
    pub version: i32,
    pub code: String,
    /// JSON pointer of the part of the configuration that failed.
    pub path: String,
    pub message: String,
    pub payload: String,
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
            let (payload, truncated) = bounded(letter.payload);
            ActiveModel {
                id: Set(Uuid::now_v7()),
                org_id: Set(tenant.org.to_string()),
                project_id: Set(tenant.project.to_string()),
                datasource_id: Set(datasource_id),
                version: Set(letter.version),
                error_code: Set(letter.code),
                error_path: Set(letter.path),
                error_message: Set(letter.message),
                payload: Set(payload),
                truncated: Set(truncated),
                created_at: Set(at),
            }
        });
        let tx = self.write_as_system(system).await?;
        // PostgreSQL binds at most 65,535 values a statement.
        let rows: Vec<_> = rows.collect();
        for chunk in rows.chunks(1_000) {
            Entity::insert_many(chunk.to_vec()).exec_without_returning(&tx.db).await.map_err(classify)?;
        }
        tx.commit().await
    }
}

impl Tx {
    pub async fn count_dead_letters(&self, datasource_id: Uuid) -> Result<u64> {
        let query = Entity::find()
            .filter(Column::OrgId.eq(self.scope.org_id().as_ref()))
            .filter(Column::DatasourceId.eq(datasource_id));
        query.count(&self.db).await.map_err(classify)
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
