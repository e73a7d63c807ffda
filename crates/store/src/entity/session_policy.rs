//! What a tenant wants of its sessions, where it has said so.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "session_policy")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    pub request_lifetime_ms: i64,
    pub payers_exclusive: bool,
}

impl ActiveModelBehavior for ActiveModel {}
