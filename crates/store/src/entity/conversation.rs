//! A conversation, with what its list shows.

use sea_orm::entity::prelude::*;

use crate::entity::Strings;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "conversation")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub number: i64,
    pub key: Option<String>,
    pub kind: String,
    pub status: i16,
    pub owner_id: Option<Uuid>,
    pub assignee_id: Option<Uuid>,
    #[sea_orm(column_type = "JsonBinary")]
    pub tags: Strings,
    pub waiting: bool,
    pub unanswered: bool,
    pub unread_count: i64,
    pub staff_read_sequence: i64,
    pub staff_read_at: Option<i64>,
    pub last_sequence: i64,
    pub last_message_sequence: i64,
    pub floor_sequence: i64,
    pub cleared_sequence: i64,
    pub created_at: i64,
    pub updated_at: i64,
    pub customer_active_at: i64,
    pub current_owner: Option<Uuid>,
    pub seen_by: i16,
}

impl ActiveModelBehavior for ActiveModel {}
