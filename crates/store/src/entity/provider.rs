//! Somebody who can be asked for sessions.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "provider")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub user_id: Uuid,
    pub catalogue_id: Option<String>,
    pub headline: String,
    pub catalogue: String,
    pub rate_chat: Option<i64>,
    pub rate_audio: Option<i64>,
    pub rate_video: Option<i64>,
    pub accepts_requests: bool,
    pub created_at: i64,
    pub updated_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
