//! An account: its balance, and how many entries led to it.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_account")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub kind: i16,
    pub owner: Option<Uuid>,
    pub wallet: Option<Uuid>,
    pub unit: String,
    pub balance: i64,
    pub last_sequence: i64,
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
