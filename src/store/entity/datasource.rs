use sea_orm::entity::prelude::*;

use crate::domain::Timestamp;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "datasources")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub org_id: String,
    pub project_id: String,
    pub name: String,
    pub connector_type: String,
    pub description: String,
    pub owner: String,
    pub team: Option<String>,
    pub category: Option<String>,
    pub tags: Json,
    pub search_text: String,
    pub status: String,
    pub revision: i64,
    pub current_version: Option<i32>,
    pub latest_version: i32,
    pub created_at: Timestamp,
    pub created_by: String,
    pub updated_at: Timestamp,
    pub updated_by: String,
    pub archived_at: Option<Timestamp>,
    pub managed_by: String,
    pub lifecycle: String,
    pub visibility: Json,
    pub restricted: bool,
    pub sla: Option<Json>,
    pub records_per_second: Option<i32>,
    pub template: Option<Json>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
