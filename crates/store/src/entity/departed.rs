//! An outside account of somebody who was erased, as a keyed hash.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "departed")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub mark: Vec<u8>,
    pub at: i64,
    pub keep_until: i64,
}

impl ActiveModelBehavior for ActiveModel {}
