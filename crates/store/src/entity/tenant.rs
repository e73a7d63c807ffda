//! A tenant; every other key begins with its id.

use sea_orm::entity::prelude::*;

use crate::entity::Strings;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "tenant")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i64,
    pub slug: String,
    pub number: Option<i64>,
    pub display_name: String,
    #[sea_orm(column_type = "JsonBinary")]
    pub origins: Strings,
    pub created_at: i64,
}

impl ActiveModelBehavior for ActiveModel {}
