//! What is held of a wallet for a subject.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_hold")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_kind: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: Uuid,
    pub account: Uuid,
    pub unit: String,
    pub remaining: i64,
    pub charged: i64,
    pub released: i64,
    pub created_at: i64,
    pub begun_by: String,
    pub ended_by: Option<String>,
    pub ended_at: Option<i64>,
}

impl ActiveModelBehavior for ActiveModel {}
