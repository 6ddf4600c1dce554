use sea_orm::entity::prelude::*;

use crate::domain::Timestamp;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "worker_slots")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub datasource_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub slot: i32,
    pub org_id: String,
    pub project_id: String,
    pub observed: String,
    pub running_version: Option<i32>,
    pub node: Option<String>,
    pub lease_epoch: i64,
    pub lease_until: Option<Timestamp>,
    pub last_heartbeat_at: Option<Timestamp>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub restart_count: i32,
    pub checkpoint: Option<Json>,
    pub updated_at: Timestamp,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
