use sea_orm::entity::prelude::*;

use crate::domain::Timestamp;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "exports")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub org_id: String,
    pub project_id: Option<String>,
    pub status: String,
    pub total: i64,
    pub done: i64,
    pub error_message: Option<String>,
    pub reason: Option<String>,
    pub blob_id: Option<Uuid>,
    pub node: Option<String>,
    pub epoch: i64,
    pub lease_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub finished_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
