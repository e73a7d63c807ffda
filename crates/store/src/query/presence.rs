//! Who is there, what they chose to show, and when they were last seen.
//!
//! A lease is a node saying that a person is there. It belongs to one life of that node, an epoch, and counts while that
//! life lasts. When a node starts, the lives that are over end at their last renewal, and their leases pass to the new
//! life as left over: the people are still shown, until they are back or the caller lets them go. So a restart shows
//! nobody leaving. Whatever changes who is shown, or how, raises the tenant's presence revision.

mod arrival;
mod epoch;
mod left;
mod let_go;

pub use arrival::Arrival;
pub(crate) use arrival::require_living;
pub use epoch::{Begun, Life, NewLife};

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, JoinType, QueryFilter, QueryOrder,
    QuerySelect, RelationDef,
    sea_query::{DynIden, Expr, ExprTrait, Query, SelectStatement},
};
use uuid::Uuid;

use crate::{
    Availability, Error, Millis, Mutation, PresenceRow, Result, TenantId, UserId, What, bulk,
    database::Database,
    entity::{TenantOwned, node_epoch, presence, presence_lease, tenant_counter, user},
    failure::Failure,
    query::code::Code,
    tx::Tx,
};

/// (node, epoch, since), as `PresenceRow` has it.
type Lease = (String, String, Millis);

/// What came of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Revised {
    /// The tenant's presence revision.
    pub revision: i64,
    /// The revision is this change's own. Otherwise all was so already, and the revision is of whoever changed something last.
    pub changed: bool,
}

/// Who is there. Cloning is cheap.
#[derive(Clone)]
pub struct Presence {
    pub(crate) db: Arc<Database>,
}

impl Presence {
    /// The last connection of a user on this node is gone.
    pub async fn leave(
        &self,
        tenant: TenantId,
        user: UserId,
        node: &str,
        epoch: &str,
        at: Millis,
    ) -> Result<Revised> {
        let lease = lease(tenant, user, node, epoch, at);
        let leaves = Mutation::new(tenant, lease, |lease, tx| Box::pin(leave(tx, lease)));
        self.db.apply(leaves.refuses_first()).await
    }

    /// What a person chose to show.
    pub async fn set_availability(
        &self,
        tenant: TenantId,
        user: UserId,
        availability: Availability,
    ) -> Result<Revised> {
        self.db
            .apply(Mutation::new(tenant, (tenant, user, availability), |(tenant, user, availability), tx| {
                Box::pin(choose(tx, *tenant, *user, *availability))
            }))
            .await
    }

    /// One person's presence; `None` if they were never here and chose nothing.
    pub async fn presence(&self, tenant: TenantId, user: UserId) -> Result<Option<PresenceRow>> {
        // One statement: everybody who comes is told of.
        let leases = presence::Entity::belongs_to(presence_lease::Entity)
            .from((presence::Column::Tenant, presence::Column::UserId))
            .to((presence_lease::Column::Tenant, presence_lease::Column::UserId))
            .on_condition(|_, lease| Condition::all().add(Expr::exists(ended_epoch_of(&lease)).not()));
        let rows = presence::Entity::of(tenant)
            .filter(presence::Column::UserId.eq(user.0))
            .join(JoinType::LeftJoin, leases.into())
            .select_also(presence_lease::Entity)
            .all(&self.db.readers)
            .await?;
        let (mut people, leases): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
        let leases: Vec<presence_lease::Model> = leases.into_iter().flatten().collect();
        people.pop().map(|row| with_models(&row, leases)).transpose()
    }

    /// Who was last seen, or last known to be there by a node that has ended, after a time: the latest, with that time.
    pub async fn recently_seen(&self, after: Millis, limit: u64) -> Result<Vec<(TenantId, UserId, Millis)>> {
        let rows = presence::Entity::find()
            .filter(presence::Column::LastSeen.gt(after))
            .order_by_desc(presence::Column::LastSeen)
            .limit(limit)
            .all(&self.db.readers)
            .await
            .map_err(Failure::from)?;
        let left = presence_lease::Entity::find()
            .filter(presence_lease::Column::LeftAt.gt(after))
            .order_by_desc(presence_lease::Column::LeftAt)
            .limit(limit)
            .all(&self.db.readers)
            .await?;
        let rows = rows.into_iter().map(|row| (row.tenant, row.user_id, row.last_seen));
        let left = left.into_iter().map(|lease| (lease.tenant, lease.user_id, lease.left_at));
        let mut latest: BTreeMap<(i64, Uuid), Option<Millis>> = BTreeMap::new();
        for (tenant, user, at) in rows.chain(left) {
            let known = latest.entry((tenant, user)).or_default();
            *known = std::cmp::max(at, *known);
        }
        let mut seen: Vec<_> = latest
            .into_iter()
            .filter_map(|((tenant, user), at)| at.map(|at| (TenantId(tenant), UserId(user), at)))
            .collect();
        seen.sort_unstable_by_key(|&(_, _, at)| std::cmp::Reverse(at));
        seen.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
        Ok(seen)
    }

    /// Everybody whom a living node says to be there, and a revision that this is at least as new as.
    pub async fn presences(&self, tenant: TenantId) -> Result<(Vec<PresenceRow>, i64)> {
        let counters = tenant_counter::Entity::of(tenant).one(&self.db.readers).await?;
        let revision = counters.map_or(0, |row| row.presence_revision);
        let leases = presence_lease::Entity::of(tenant).all(&self.db.readers).await?;
        let people: BTreeSet<(i64, Uuid)> = leases.iter().map(|row| (row.tenant, row.user_id)).collect();
        let mut rows = with_leases(&self.db.readers, people.into_iter().collect()).await?;
        rows.retain(|row| !row.leases.is_empty());
        Ok((rows, revision))
    }
}

/// A node's word that somebody is there since a time.
fn lease(tenant: TenantId, user: UserId, node: &str, epoch: &str, since: Millis) -> presence_lease::Model {
    presence_lease::Model {
        tenant: tenant.0,
        user_id: user.0,
        node: node.to_owned(),
        epoch: epoch.to_owned(),
        since,
        left_over: false,
        left_at: None,
    }
}

async fn leave(tx: &mut Tx, lease: &presence_lease::Model) -> Result<Revised, Failure> {
    let tenant = TenantId(lease.tenant);
    let gone = presence_lease::Entity::delete_many()
        .filter(presence_lease::Column::Tenant.eq(lease.tenant))
        .filter(presence_lease::Column::UserId.eq(lease.user_id))
        .filter(presence_lease::Column::Node.eq(&lease.node))
        .filter(presence_lease::Column::Epoch.eq(&lease.epoch))
        .exec(tx.db())
        .await?;
    if gone.rows_affected == 0 {
        return revision(tx, tenant, false);
    }
    see(tx, lease, lease.since).await?;
    revision(tx, tenant, true)
}

/// Somebody was there until a time.
async fn see(tx: &Tx, lease: &presence_lease::Model, at: Millis) -> Result<(), Failure> {
    presence::Entity::update_many()
        .set(presence::ActiveModel { last_seen: Set(Some(at)), ..Default::default() })
        .filter(presence::Column::Tenant.eq(lease.tenant))
        .filter(presence::Column::UserId.eq(lease.user_id))
        .exec(tx.db())
        .await?;
    Ok(())
}

async fn choose(
    tx: &mut Tx,
    tenant: TenantId,
    user: UserId,
    availability: Availability,
) -> Result<Revised, Failure> {
    let row = ensure_row(tx, tenant, user.0).await?;
    if row.availability == availability.code() {
        return revision(tx, tenant, false);
    }
    presence::Entity::update_many()
        .set(presence::ActiveModel { availability: Set(availability.code()), ..Default::default() })
        .filter(presence::Column::Tenant.eq(tenant.0))
        .filter(presence::Column::UserId.eq(user.0))
        .exec(tx.db())
        .await?;
    revision(tx, tenant, true)
}

/// The tenant's presence revision, raised if something changed.
fn revision(tx: &mut Tx, tenant: TenantId, changed: bool) -> Result<Revised, Failure> {
    let counters = tx.counters(tenant)?;
    counters.presence_revision += i64::from(changed);
    Ok(Revised { revision: counters.presence_revision, changed })
}

async fn ensure_row(tx: &Tx, tenant: TenantId, user_id: Uuid) -> Result<presence::Model, Failure> {
    let known = user::Entity::of(tenant)
        .filter(user::Column::Id.eq(user_id))
        .join(JoinType::LeftJoin, of_users())
        .select_also(presence::Entity)
        .one(tx.db())
        .await?;
    if let (_, Some(stored)) = known.ok_or(Error::NotFound(What::User))? {
        return Ok(stored);
    }
    begin_row(tx, tenant, user_id).await
}

/// The presences of users.
fn of_users() -> RelationDef {
    user::Entity::belongs_to(presence::Entity)
        .from((user::Column::Tenant, user::Column::Id))
        .to((presence::Column::Tenant, presence::Column::UserId))
        .into()
}

/// The row of somebody who comes, or chooses, for the first time.
async fn begin_row(tx: &Tx, tenant: TenantId, user_id: Uuid) -> Result<presence::Model, Failure> {
    let row = presence::Model {
        tenant: tenant.0,
        user_id,
        availability: Availability::default().code(),
        last_seen: None,
    };
    presence::Entity::insert(row.clone().into_active_model()).exec_without_returning(tx.db()).await?;
    Ok(row)
}

/// Presences by (tenant, user), in that order, with the leases of living epochs. The keys differ from each other.
async fn with_leases(
    db: &impl ConnectionTrait,
    people: Vec<(i64, Uuid)>,
) -> Result<Vec<PresenceRow>, Failure> {
    let keys: Vec<_> = people.into_iter().map(|(tenant, user)| [tenant.into(), user.into()]).collect();
    let of_rows = [presence::Column::Tenant, presence::Column::UserId];
    let rows = bulk::select::<presence::Entity, 2>(db, of_rows, keys.clone()).await?;
    let of_leases = [presence_lease::Column::Tenant, presence_lease::Column::UserId];
    let leases = bulk::select::<presence_lease::Entity, 2>(db, of_leases, keys).await?;
    let ended = node_epoch::Entity::find().filter(node_epoch::Column::EndedAt.is_not_null()).all(db).await?;
    let ended: BTreeSet<(String, String)> = ended.into_iter().map(|row| (row.node, row.epoch)).collect();
    let mut by_person: BTreeMap<(i64, Uuid), Vec<presence_lease::Model>> = BTreeMap::new();
    for lease in leases {
        if !ended.contains(&(lease.node.clone(), lease.epoch.clone())) {
            by_person.entry((lease.tenant, lease.user_id)).or_default().push(lease);
        }
    }
    let mut joined = Vec::with_capacity(rows.len());
    for row in rows {
        let leases = by_person.remove(&(row.tenant, row.user_id)).unwrap_or_default();
        joined.push(with_models(&row, leases)?);
    }
    joined.sort_unstable_by_key(|row| (row.tenant, row.user_id));
    Ok(joined)
}

/// As they are with the leases that count.
fn with_models(row: &presence::Model, leases: Vec<presence_lease::Model>) -> Result<PresenceRow> {
    let left_at = leases.iter().filter_map(|lease| lease.left_at).max();
    let leases = leases.into_iter().map(|lease| (lease.node, lease.epoch, lease.since));
    let with = with(row, leases.collect())?;
    Ok(PresenceRow { last_seen: std::cmp::max(with.last_seen, left_at), ..with })
}

fn with(row: &presence::Model, mut leases: Vec<Lease>) -> Result<PresenceRow> {
    leases.sort_unstable();
    Ok(PresenceRow {
        tenant: TenantId(row.tenant),
        user_id: UserId(row.user_id),
        availability: Code::of_code(row.availability)?,
        last_seen: row.last_seen,
        leases,
    })
}

/// The life that a lease belongs to, if it has ended.
fn ended_epoch_of(lease: &DynIden) -> SelectStatement {
    let of_lease = |column: presence_lease::Column| Expr::col((lease.clone(), column));
    let mut ended = Query::select();
    ended
        .expr(Expr::val(1))
        .from(node_epoch::Entity)
        .and_where(
            Expr::col((node_epoch::Entity, node_epoch::Column::Node))
                .eq(of_lease(presence_lease::Column::Node)),
        )
        .and_where(
            Expr::col((node_epoch::Entity, node_epoch::Column::Epoch))
                .eq(of_lease(presence_lease::Column::Epoch)),
        )
        .and_where(node_epoch::Column::EndedAt.is_not_null());
    ended
}
