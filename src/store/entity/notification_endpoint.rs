use sea_orm::entity::prelude::*;

use crate::domain::Timestamp;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "notification_endpoints")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub org_id: String,
    pub url: String,
    pub description: String,
    pub filter: Json,
    pub active: bool,
    pub disabled_reason: Option<String>,
    pub failing_since: Option<Timestamp>,
    pub event_cursor: i64,
    pub node: Option<String>,
    pub epoch: i64,
    pub lease_until: Option<Timestamp>,
    pub served_at: Timestamp,
    pub created_at: Timestamp,
    pub created_by: String,
    pub updated_at: Timestamp,
    pub updated_by: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
