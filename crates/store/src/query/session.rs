//! Sessions: what is read. How they are asked for and what becomes of them is in `request` and `step`.

mod erase;
pub(crate) mod join;
mod meter;
mod policy;
mod provider;
mod request;
mod reserve;
mod step;

use std::sync::Arc;

use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter,
    QueryOrder, QuerySelect, Select,
    sea_query::{BinOper, Expr},
};

use crate::{
    Cause, Error, Millis, Result, Session, SessionFilter, SessionId, SessionKind, SessionMove, SessionState,
    Shown, TenantId, UserId, What,
    database::Database,
    entity::{TenantOwned, session},
    failure::Failure,
    query::{
        code::Code,
        event::{self, NewEvent},
    },
    tx::Tx,
};

use self::join::joined;
pub(crate) use erase::{forget, of_person};
pub use request::NewSession;
pub use step::Step;

/// Requests of one person, on either side, that can wait at the same time: more is no queue any more, and all of them are in
/// the snapshot of who watches.
pub const PENDING_MAX: u64 = 100;

/// Sessions, and who can be asked for them. Cloning is cheap.
#[derive(Clone)]
pub struct Sessions {
    pub(crate) db: Arc<Database>,
}

impl Sessions {
    /// One session, with its people.
    pub async fn session(&self, tenant: TenantId, id: SessionId) -> Result<Session> {
        Ok(one(&self.db.readers, tenant, id).await?)
    }

    /// The id of the session with a number.
    pub async fn by_number(&self, tenant: TenantId, number: i64) -> Result<SessionId> {
        let row = session::Entity::of(tenant).filter(session::Column::Number.eq(number));
        let row = row.one(&self.db.readers).await?;
        row.map(|row| SessionId(row.id)).ok_or(Error::NotFound(What::Session))
    }

    /// The newest first. `before` is the number of the last row of the previous page.
    pub async fn list(
        &self,
        tenant: TenantId,
        filter: &SessionFilter,
        before: Option<i64>,
        limit: u64,
    ) -> Result<Vec<Session>> {
        use session::Column;
        let states: Vec<i16> = filter.states.iter().map(|state| state.code()).collect();
        let seen = filter.seen_by.map(|(person, staff)| {
            let own = person.map_or_else(nobodys, with_party);
            if staff { own.add(Column::Kind.eq(SessionKind::Invitation.code())) } else { own }
        });
        let wanted = Condition::all()
            .add_option((!states.is_empty()).then(|| Column::State.is_in(states)))
            .add_option(filter.party.map(with_party))
            .add_option(seen)
            .add_option(before.map(|before| Column::Number.lt(before)));
        let rows = session::Entity::of(tenant)
            .filter(wanted)
            .order_by_desc(Column::Number)
            .limit(limit)
            .all(&self.db.readers)
            .await?;
        Ok(joined(&self.db.readers, rows).await?)
    }

    /// What is pending or active of somebody, oldest first, and the position of the last event of any session of theirs that
    /// is surely in it.
    pub async fn live_of(&self, tenant: TenantId, person: UserId) -> Result<(Vec<Session>, i64)> {
        use session::Column;
        let mut position = 0;
        // Read first: what is told meanwhile is above it, and told again.
        for side in [Column::PayerId, Column::ProviderId] {
            let newest = session::Entity::of(tenant)
                .filter(side.eq(person.0))
                .order_by_desc(Column::LastPosition)
                .one(&self.db.readers)
                .await?;
            position = newest.map_or(0, |row| row.last_position).max(position);
        }
        let mut live = Vec::new();
        for side in [Column::PayerId, Column::ProviderId] {
            let rows = session::Entity::of(tenant)
                .filter(side.eq(person.0))
                .filter(is_live())
                .order_by_desc(Column::Number)
                .limit(2 * PENDING_MAX)
                .all(&self.db.readers)
                .await?;
            live.extend(rows);
        }
        live.sort_by_key(|row| row.number);
        Ok((joined(&self.db.readers, live).await?, position))
    }

    /// When the clock next has something to do, in any tenant: a request expires, or more is to be held.
    pub async fn next_due(&self) -> Result<Option<Millis>> {
        let expires = pending().order_by_asc(session::Column::ExpiresAt).one(&self.db.readers).await?;
        let metered = metered().order_by_asc(session::Column::MeterAt).one(&self.db.readers).await?;
        let times = [expires.map(|row| row.expires_at), metered.and_then(|row| row.meter_at)];
        Ok(times.into_iter().flatten().min())
    }

    /// What the clock has to do, in any tenant.
    pub async fn due(&self, at: Millis, limit: u64) -> Result<Vec<(TenantId, SessionId, SessionMove)>> {
        use session::Column;
        let expired = pending().filter(Column::ExpiresAt.lte(at)).order_by_asc(Column::ExpiresAt);
        let metered = metered().filter(Column::MeterAt.lte(at)).order_by_asc(Column::MeterAt);
        let mut due = Vec::new();
        for (rows, what) in [(expired, SessionMove::Expire), (metered, SessionMove::Meter)] {
            let rows = rows.limit(limit).all(&self.db.readers).await?;
            due.extend(rows.into_iter().map(|row| (TenantId(row.tenant), SessionId(row.id), what)));
        }
        Ok(due)
    }
}

/// Of all tenants: there is one clock.
fn pending() -> Select<session::Entity> {
    session::Entity::find().filter(is_in(BinOper::Equal, SessionState::Pending))
}

/// Active and charged, of all tenants.
fn metered() -> Select<session::Entity> {
    session::Entity::find()
        .filter(is_in(BinOper::Equal, SessionState::Active))
        .filter(session::Column::MeterAt.is_not_null())
}

/// Pending or active.
fn is_live() -> Expr {
    is_in(BinOper::SmallerThanOrEqual, SessionState::Active)
}

/// The number is written into the statement, not bound to it: only so does a planner see that an index of those alone will do.
fn is_in(operator: BinOper, state: SessionState) -> Expr {
    use sea_orm::sea_query::ExprTrait as _;

    let column = Expr::col((session::Entity, session::Column::State));
    column.binary(operator, Expr::Constant(state.code().into()))
}

/// Those in which somebody takes part.
fn with_party(person: UserId) -> Condition {
    Condition::any().add(session::Column::PayerId.eq(person.0)).add(session::Column::ProviderId.eq(person.0))
}

fn nobodys() -> Condition {
    Condition::any().add(Expr::val(false))
}

async fn row(db: &impl ConnectionTrait, tenant: TenantId, id: SessionId) -> Result<session::Model, Failure> {
    let row = session::Entity::of(tenant).filter(session::Column::Id.eq(id.0)).one(db).await?;
    Ok(row.ok_or(Error::NotFound(What::Session))?)
}

async fn one(db: &impl ConnectionTrait, tenant: TenantId, id: SessionId) -> Result<Session, Failure> {
    let row = row(db, tenant, id).await?;
    let joined = joined(db, vec![row]).await?;
    Ok(joined.into_iter().next().ok_or(Error::NotFound(What::Session))?)
}

/// Keeps what is known of a session that goes on, without a word to anybody.
async fn keep(tx: &Tx, row: session::Model) -> Result<Session, Failure> {
    let (tenant, id) = (TenantId(row.tenant), SessionId(row.id));
    session::Entity::update(row.into_active_model().reset_all()).exec(tx.db()).await?;
    one(tx.db(), tenant, id).await
}

/// Stores a session that has come into a state, and tells of it. `from` is the state that it is in, which nobody else may
/// have left; `None` for one that is new.
async fn come_into(
    tx: &mut Tx,
    mut row: session::Model,
    from: Option<SessionState>,
    cause: &Cause,
) -> Result<Session, Failure> {
    use session::Column;
    let (tenant, id) = (TenantId(row.tenant), SessionId(row.id));
    row.last_sequence += 1;
    row.last_position = tx.counters(tenant)?.position + 1;
    let new = NewEvent {
        cause: cause.clone(),
        subject: id.into(),
        sequence: row.last_sequence,
        kind: row.state,
        body: Vec::new(),
        shown: Shown::Participants,
    };
    match from {
        None => {
            session::Entity::insert(row.into_active_model()).exec_without_returning(tx.db()).await?;
        }
        Some(from) => {
            let moved = session::Entity::update_many()
                .set(row.into_active_model().reset_all())
                .filter(Column::Tenant.eq(tenant.0))
                .filter(Column::Id.eq(id.0))
                .filter(Column::State.eq(from.code()))
                .exec(tx.db())
                .await?;
            if moved.rows_affected != 1 {
                return Err(Error::SessionState(one(tx.db(), tenant, id).await?.state).into());
            }
        }
    }
    let told = event::tell(tx, new).await?;
    let session = told.session.as_deref().cloned();
    session.ok_or_else(|| Error::Defect("an event without a session".to_owned()).into())
}
