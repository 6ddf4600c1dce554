//! Stored sample payloads of test runs.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::entity::test_sample::{ActiveModel, Column, Entity, Model};
use super::{Tx, classify};
use crate::auth::Authorized;
use crate::auth::policy::grant::Test;
use crate::domain::{Blob, Tenant, TestSample, now};
use crate::error::Result;

/// A sample, and where its payload is if it is too long to be in its row.
pub struct StoredSample {
    pub sample: TestSample,
    pub blob: Option<Blob>,
}

/// What is to be kept of a sample.
#[derive(Clone, Copy)]
pub enum SamplePayload<'a> {
    Inline(&'a str),
    /// It is in the store already.
    Blob(&'a Blob),
}

impl Tx {
    pub async fn test_sample(&self, datasource_id: Uuid, name: &str) -> Result<Option<StoredSample>> {
        let query = self.select_samples(datasource_id).filter(Column::Name.eq(name));
        let row = query.one(&self.db).await.map_err(classify)?;
        Ok(self.placed(row.into_iter().collect()).await?.pop())
    }

    pub async fn test_samples(&self, datasource_id: Uuid) -> Result<Vec<StoredSample>> {
        let query = self.select_samples(datasource_id).order_by_asc(Column::Name).limit(200);
        self.placed(query.all(&self.db).await.map_err(classify)?).await
    }

    /// Stores a sample under its name, in place of one that is there.
    pub async fn put_test_sample(
        &self,
        proof: &Authorized<Test>,
        tenant: &Tenant,
        datasource_id: Uuid,
        name: &str,
        payload: SamplePayload<'_>,
    ) -> Result<()> {
        let (text, size, blob) = match payload {
            SamplePayload::Inline(text) => (text, text.len() as u64, None),
            SamplePayload::Blob(blob) => {
                self.insert_blob(blob).await?;
                ("", blob.size, Some(blob.id))
            }
        };
        let row = ActiveModel {
            id: Set(Uuid::now_v7()),
            org_id: Set(tenant.org.to_string()),
            project_id: Set(tenant.project.to_string()),
            datasource_id: Set(datasource_id),
            name: Set(name.to_owned()),
            payload: Set(text.to_owned()),
            size: Set(Some(i64::try_from(size).unwrap_or(i64::MAX))),
            blob_id: Set(blob),
            created_at: Set(now()),
            created_by: Set(proof.actor().subject.to_string()),
        };
        let replace = OnConflict::columns([Column::DatasourceId, Column::Name])
            .update_columns([Column::Payload, Column::Size, Column::BlobId, Column::CreatedAt, Column::CreatedBy])
            .to_owned();
        Entity::insert(row).on_conflict(replace).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    fn select_samples(&self, datasource_id: Uuid) -> Select<Entity> {
        let own = super::grant::reached(&self.scope, Column::OrgId, Column::ProjectId, Column::DatasourceId);
        Entity::find().filter(own).filter(Column::DatasourceId.eq(datasource_id))
    }

    async fn placed(&self, rows: Vec<Model>) -> Result<Vec<StoredSample>> {
        // A build that knows no blobs writes a payload and leaves the blob as it was: then the payload counts.
        let ids = rows.iter().filter(|row| row.payload.is_empty()).filter_map(|row| row.blob_id).collect();
        let mut blobs = self.blobs(ids).await?;
        let placed = |row: Model| {
            let blob = row.blob_id.and_then(|id| blobs.remove(&id));
            StoredSample { blob, sample: row.into() }
        };
        Ok(rows.into_iter().map(placed).collect())
    }
}

impl From<Model> for TestSample {
    fn from(row: Model) -> Self {
        Self { name: row.name, payload: row.payload, created_at: row.created_at, created_by: row.created_by }
    }
}
