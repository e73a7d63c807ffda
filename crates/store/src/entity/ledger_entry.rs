//! A line of a transaction: what it did to one account. It never changes.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_entry")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub line: i16,
    pub account: Uuid,
    pub account_kind: i16,
    pub wallet: Option<Uuid>,
    pub sequence: i64,
    pub amount: i64,
    pub balance: i64,
    pub kind: i16,
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
