//! A numbered event that is not a message, whatever it happened to.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "event")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_kind: i16,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub sequence: i64,
    pub position: i64,
    pub author_kind: i16,
    pub author_id: Option<Uuid>,
    pub author_name: String,
    pub created_at: i64,
    pub kind: i16,
    pub shown: i16,
    pub body: Vec<u8>,
}

impl ActiveModelBehavior for ActiveModel {}
