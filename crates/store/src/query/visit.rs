//! Visits of sites: who looks at which page, what they did there, and whether they still do.
//!
//! Whether a visit is there is decided by the life of a core that counts its connections. Each decision has its turn, so
//! that of two that are stored in another order the later one stays; and what a life that is over has left connected is
//! let go by the next. Only the last [`VISIT_KEPT`] pages and actions of a visit are kept; their numbers go on.

mod let_go;
mod of_person;
mod record;

use std::sync::Arc;

use sea_orm::{
    ColumnTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait as _},
};

pub(crate) use self::of_person::{forget, visits_of};
pub use self::record::{Arose, Recorded, Recording};
use crate::{
    Error, Millis, Result, TenantId, UserId, Visit, VisitAction, VisitId, VisitPage, VisitProfile,
    VisitState, What,
    database::Database,
    entity::{TenantOwned, visit, visit_action, visit_page},
    query::code::Code,
};

/// Pages, and actions, that are kept of a visit: what somebody who looks at it wants to read.
pub const VISIT_KEPT: i64 = 200;

/// Visits. Cloning is cheap.
#[derive(Clone)]
pub struct Visits {
    pub(crate) db: Arc<Database>,
}

/// Which visits are listed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Listed {
    /// Whoever has not left, if not named.
    pub state: Option<VisitState>,
    /// Seen since, or connected.
    pub seen_since: Option<Millis>,
}

impl Visits {
    /// A page of visits, the latest seen first, behind a place: when it was seen last, and its number.
    pub async fn list(
        &self,
        tenant: TenantId,
        listed: Listed,
        before: Option<(Millis, i64)>,
        limit: u64,
    ) -> Result<Vec<Visit>> {
        use visit::Column;
        let present = listed.state != Some(VisitState::Left);
        let mut rows = visit::Entity::of(tenant).filter(Column::Present.eq(present));
        if let Some(state) = listed.state.filter(|_| present) {
            rows = rows.filter(Column::State.eq(state.code()));
        }
        if let Some(since) = listed.seen_since {
            let earlier = Column::LastSeen.lt(since);
            // However long ago its last event is, who is connected is there.
            let silent = if present { Column::Connected.eq(false).and(earlier) } else { earlier };
            rows = rows.filter(silent.not());
        }
        if let Some((seen, number)) = before {
            let place = [Column::LastSeen, Column::Number].map(Expr::col);
            let reached = [seen, number].map(Expr::val);
            rows = rows.filter(Expr::tuple(place).lt(Expr::tuple(reached)));
        }
        let rows = rows.order_by_desc(Column::LastSeen).order_by_desc(Column::Number).limit(limit);
        shown(rows.all(&self.db.readers).await?)
    }

    /// One, by its id.
    pub async fn by_id(&self, tenant: TenantId, id: VisitId) -> Result<Visit> {
        self.one(visit::Entity::of(tenant).filter(visit::Column::Id.eq(id.0))).await
    }

    /// One, by its key.
    pub async fn by_key(&self, tenant: TenantId, key: &str) -> Result<Visit> {
        self.one(visit::Entity::of(tenant).filter(visit::Column::Key.eq(key))).await
    }

    /// Those with these numbers, at most some hundreds.
    pub async fn by_number(&self, tenant: TenantId, numbers: &[i64]) -> Result<Vec<Visit>> {
        let numbers = crate::bulk::padded(numbers.to_vec());
        let rows = visit::Entity::of(tenant).filter(visit::Column::Number.is_in(numbers));
        shown(rows.all(&self.db.readers).await?)
    }

    /// What is kept of its pages, in order.
    pub async fn pages(&self, tenant: TenantId, number: i64) -> Result<Vec<VisitPage>> {
        let rows = visit_page::Entity::of(tenant)
            .filter(visit_page::Column::VisitNumber.eq(number))
            .order_by_asc(visit_page::Column::Number)
            .limit(VISIT_KEPT.unsigned_abs());
        let rows = rows.all(&self.db.readers).await?.into_iter();
        Ok(rows
            .map(|row| VisitPage { number: row.number, page: row.page, at: row.at, spent_ms: row.spent_ms })
            .collect())
    }

    /// What is kept of its actions, in order.
    pub async fn actions(&self, tenant: TenantId, number: i64) -> Result<Vec<VisitAction>> {
        let rows = visit_action::Entity::of(tenant)
            .filter(visit_action::Column::VisitNumber.eq(number))
            .order_by_asc(visit_action::Column::Number)
            .limit(VISIT_KEPT.unsigned_abs());
        let rows = rows.all(&self.db.readers).await?.into_iter();
        Ok(rows
            .map(|row| VisitAction {
                number: row.number,
                action: row.action,
                element: row.element,
                at: row.at,
            })
            .collect())
    }

    async fn one(&self, of: Select<visit::Entity>) -> Result<Visit> {
        let row = of.one(&self.db.readers).await?.ok_or(Error::NotFound(What::Visit))?;
        Visit::of(row)
    }
}

fn shown(rows: Vec<visit::Model>) -> Result<Vec<Visit>> {
    rows.into_iter().map(Visit::of).collect()
}

impl Visit {
    pub(crate) fn of(row: visit::Model) -> Result<Self> {
        Ok(Self {
            tenant: TenantId(row.tenant),
            id: VisitId(row.id),
            number: row.number,
            key: row.key,
            visitor_key: row.visitor_key,
            person: row.person_id.map(UserId),
            state: VisitState::of_code(row.state)?,
            connected: row.connected,
            first_seen: row.first_seen,
            last_seen: row.last_seen,
            profile: VisitProfile {
                landing_page: row.landing_page,
                referrer: row.referrer,
                device: row.device,
                browser: row.browser,
                os: row.os,
                ip_address: row.ip_address,
                country: row.country,
                city: row.city,
            },
            current_page: row.current_page,
            page_count: row.page_count,
            action_count: row.action_count,
            spent_ms: row.spent_ms,
        })
    }
}
