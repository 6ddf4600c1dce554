use sea_orm::entity::prelude::*;

use crate::domain::Timestamp;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "test_samples")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub org_id: String,
    pub project_id: String,
    pub datasource_id: Uuid,
    pub name: String,
    pub payload: String,
    /// In bytes; absent until `DM001_sample_sizes` has seen the row.
    pub size: Option<i64>,
    /// Where a long payload is; counts while `payload` is empty.
    pub blob_id: Option<Uuid>,
    pub created_at: Timestamp,
    pub created_by: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
