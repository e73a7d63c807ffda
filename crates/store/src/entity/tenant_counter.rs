//! The numbers a tenant has given out. Whoever changes anything of a tenant holds this row to the end of the transaction.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant_counter")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    pub position: i64,
    pub message_number: i64,
    pub conversation_number: i64,
    pub user_number: i64,
    pub presence_revision: i64,
    /// Rises with whatever changes a conversation, and with nothing else.
    pub conversation_revision: i64,
    /// Rises with whatever changes somebody who was there before.
    pub people_revision: i64,
    /// From here on every position is kept.
    pub floor_position: i64,
    pub session_number: i64,
    pub visit_number: i64,
}

impl ActiveModelBehavior for ActiveModel {}
