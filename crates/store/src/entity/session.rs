//! A session between two people.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "session")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub number: i64,
    pub kind: i16,
    pub state: i16,
    pub payer_id: Option<Uuid>,
    pub provider_id: Option<Uuid>,
    pub offered: bool,
    pub rate: i64,
    pub billing_version: i64,
    pub charged: i64,
    pub paid_until: Option<i64>,
    pub meter_at: Option<i64>,
    pub runs_out: bool,
    pub topic: String,
    pub intake: String,
    pub requested_at: i64,
    pub expires_at: i64,
    pub accepted_at: Option<i64>,
    pub ended_at: Option<i64>,
    pub ended_by: Option<Uuid>,
    pub end_reason: Option<i16>,
    pub note: String,
    pub conversation_id: Option<Uuid>,
    pub last_sequence: i64,
    pub last_position: i64,
}

impl ActiveModelBehavior for ActiveModel {}
