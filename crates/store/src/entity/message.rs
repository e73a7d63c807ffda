//! A message: a numbered event that carries text.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "message")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub conversation_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    pub position: i64,
    pub author_kind: i16,
    pub author_id: Option<Uuid>,
    pub author_name: String,
    pub created_at: i64,
    pub id: Uuid,
    pub number: i64,
    pub author_key: String,
    pub request_id: Option<String>,
    pub text: String,
    /// Of the request; messages from before it was kept have none.
    pub payload_hash: Option<Vec<u8>>,
}

impl ActiveModelBehavior for ActiveModel {}
