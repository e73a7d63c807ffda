//! A user.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "user")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub number: i64,
    pub display_name: String,
    pub username: Option<String>,
    pub email: String,
    pub avatar_url: String,
    pub roles: i32,
    pub password_hash: Option<String>,
    pub created_at: i64,
    pub updated_at: i64,
    pub disabled: bool,
}

impl ActiveModelBehavior for ActiveModel {}
