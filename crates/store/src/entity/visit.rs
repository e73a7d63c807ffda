//! A visit of a site.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "visit")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub tenant: i64,
    #[sea_orm(primary_key, auto_increment = false)]
    pub number: i64,
    pub id: Uuid,
    pub key: String,
    pub visitor_key: String,
    pub person_id: Option<Uuid>,
    pub state: i16,
    /// The state is not that it was left.
    pub present: bool,
    /// A connection lives, or lingers, in the life that is named next.
    pub connected: bool,
    pub epoch: String,
    /// When that life decided on the state, in its order.
    pub turn: i64,
    pub first_seen: i64,
    pub last_seen: i64,
    pub landing_page: String,
    pub referrer: String,
    pub device: String,
    pub browser: String,
    pub os: String,
    pub ip_address: String,
    pub country: String,
    pub city: String,
    pub current_page: String,
    pub page_at: i64,
    /// What of the time on the site was spent on the current page.
    pub page_spent_ms: i64,
    pub page_count: i64,
    pub action_count: i64,
    pub spent_ms: i64,
}

impl ActiveModelBehavior for ActiveModel {}
