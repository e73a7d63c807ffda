//! A version of a tenant's rules of billing. It never changes.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "billing_policy")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub version: i64,
    pub unit: String,
    pub rounding: i16,
    pub minimum_amount: i64,
    pub free_seconds: i64,
    pub warn_seconds: i64,
    pub hold_seconds: i64,
    pub commission: i64,
    pub welcome_bonus: i64,
    pub note: String,
    pub made_by: String,
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
