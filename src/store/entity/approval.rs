use sea_orm::entity::prelude::*;

use crate::domain::Timestamp;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "approvals")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub org_id: String,
    pub project_id: String,
    pub datasource_id: Uuid,
    pub action: String,
    pub version: Option<i32>,
    pub checksum: Option<String>,
    pub author: Option<String>,
    pub secret_key: Option<String>,
    pub secret_version: Option<i32>,
    pub secret_reference: Option<String>,
    pub repin: bool,
    pub secret_pins: Json,
    pub test_event: Option<i64>,
    pub test_digest: Option<String>,
    pub test_success: Option<bool>,
    pub status: String,
    pub reason: Option<String>,
    pub comment: Option<String>,
    pub required: i32,
    pub decisions: Json,
    pub requested_at: Timestamp,
    pub requested_by: String,
    pub expires_at: Timestamp,
    pub closed_at: Option<Timestamp>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
