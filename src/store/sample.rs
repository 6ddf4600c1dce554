//! Stored sample payloads of test runs.

use sea_orm::prelude::Uuid;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select};

use super::entity::test_sample::{ActiveModel, Column, Entity, Model};
use super::{Tx, classify};
use crate::auth::Authorized;
use crate::auth::policy::grant::Test;
use crate::domain::{Tenant, TestSample, now};
use crate::error::Result;

impl Tx {
    pub async fn test_sample(&self, datasource_id: Uuid, name: &str) -> Result<Option<TestSample>> {
        let query = self.select_samples(datasource_id).filter(Column::Name.eq(name));
        Ok(query.one(&self.db).await.map_err(classify)?.map(TestSample::from))
    }

    pub async fn test_samples(&self, datasource_id: Uuid) -> Result<Vec<TestSample>> {
        let query = self.select_samples(datasource_id).order_by_asc(Column::Name).limit(200);
        Ok(query.all(&self.db).await.map_err(classify)?.into_iter().map(TestSample::from).collect())
    }

    /// Stores a sample under its name, in place of one that is there.
    pub async fn put_test_sample(
        &self,
        proof: &Authorized<Test>,
        tenant: &Tenant,
        datasource_id: Uuid,
        name: &str,
        payload: &str,
    ) -> Result<()> {
        let row = ActiveModel {
            id: Set(Uuid::now_v7()),
            org_id: Set(tenant.org.to_string()),
            project_id: Set(tenant.project.to_string()),
            datasource_id: Set(datasource_id),
            name: Set(name.to_owned()),
            payload: Set(payload.to_owned()),
            created_at: Set(now()),
            created_by: Set(proof.actor().subject.to_string()),
        };
        let replace = OnConflict::columns([Column::DatasourceId, Column::Name])
            .update_columns([Column::Payload, Column::CreatedAt, Column::CreatedBy])
            .to_owned();
        Entity::insert(row).on_conflict(replace).exec_without_returning(&self.db).await.map(drop).map_err(classify)
    }

    fn select_samples(&self, datasource_id: Uuid) -> Select<Entity> {
        let own = super::grant::reached(&self.scope, Column::OrgId, Column::ProjectId, Column::DatasourceId);
        Entity::find().filter(own).filter(Column::DatasourceId.eq(datasource_id))
    }
}

impl From<Model> for TestSample {
    fn from(row: Model) -> Self {
        Self { name: row.name, payload: row.payload, created_at: row.created_at, created_by: row.created_by }
    }
}
