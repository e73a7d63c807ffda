//! What was booked at once.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "ledger_transaction")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub id: Uuid,
    pub kind: i16,
    pub key: String,
    pub unit: String,
    pub amount: i64,
    pub subject_kind: Option<i16>,
    pub subject_id: Option<Uuid>,
    pub refunds: Option<Uuid>,
    pub note: String,
    pub made_by: String,
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
