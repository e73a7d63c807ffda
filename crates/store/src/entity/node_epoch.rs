//! One life of a node, from its start to its end or its last renewal.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "node_epoch")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub node: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub epoch: String,
    pub started_at: i64,
    pub renewed_at: i64,
    pub ended_at: Option<i64>,
    /// The data directory whose lock the process holds, by its id.
    pub home: String,
}

impl ActiveModelBehavior for ActiveModel {}
