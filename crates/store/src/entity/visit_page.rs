//! A page that was seen in a visit.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "visit_page")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub visit_number: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub page: String,
    pub at: i64,
    pub spent_ms: i64,
}

impl ActiveModelBehavior for ActiveModel {}
