//! A node says that a person is there.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "presence_lease")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub node: String,
    pub epoch: String,
    pub since: i64,
    pub left_over: bool,
    /// Until when they were known to be there, if the lease is left over.
    pub left_at: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
