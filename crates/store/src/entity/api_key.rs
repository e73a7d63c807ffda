//! An API key, by the hash of its secret. It may open several tenants, so it belongs to none.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "api_key")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub display_name: String,
    pub kind: i16,
    pub all_tenants: bool,
    pub prefix: String,
    pub secret_hash: Vec<u8>,
    pub created_at: i64,
    pub revoked_at: Option<i64>,
    pub made_by: Option<Uuid>,
}

impl ActiveModelBehavior for ActiveModel {}
