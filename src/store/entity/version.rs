use sea_orm::entity::prelude::*;

use crate::domain::Timestamp;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "datasource_versions")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub org_id: String,
    pub project_id: String,
    pub datasource_id: Uuid,
    pub version: i32,
    pub state: String,
    pub config: String,
    pub connector_schema_version: i32,
    pub checksum: String,
    pub comment: Option<String>,
    pub secret_pins: Json,
    pub approval: String,
    pub approved_by: Option<String>,
    pub approved_at: Option<Timestamp>,
    pub approval_until: Option<Timestamp>,
    pub created_at: Timestamp,
    pub created_by: String,
    pub published_at: Option<Timestamp>,
    pub published_by: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
