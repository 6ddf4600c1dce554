use sea_orm::entity::prelude::*;

use crate::domain::Timestamp;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "audit_entries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub org_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub seq: i64,
    pub project_id: String,
    pub datasource_id: Option<Uuid>,
    pub action: String,
    pub actor: String,
    pub source_address: Option<String>,
    pub request_id: String,
    pub reason: Option<String>,
    pub outcome: String,
    pub field: Option<String>,
    pub old_value: String,
    pub new_value: String,
    pub created_at: Timestamp,
    pub prev_hash: String,
    pub hash: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
