//! Those who were left over and did not come back are let go, many with one change.

use std::collections::{BTreeSet, HashMap, HashSet};

use sea_orm::{ConnectionTrait as _, Value};
use uuid::Uuid;

use super::{Revised, revision, with_leases};
use crate::query::presence::Presence;
use crate::{
    Millis, Mutation, PresenceRow, Result, TenantId, UserId, bulk,
    entity::{presence, presence_lease},
    failure::Failure,
    tx::Tx,
};

pub(super) struct Leaving {
    pub tenant: TenantId,
    pub people: Vec<UserId>,
    pub node: String,
    pub epoch: String,
}

impl Presence {
    /// People of a tenant who differ from each other are no longer there, as of when they were last seen. Answers what came
    /// of it for each of them, in their order; they are some hundreds at most, so that who waits to
    /// write waits for no more.
    pub async fn let_go(
        &self,
        tenant: TenantId,
        people: Vec<UserId>,
        node: &str,
        epoch: &str,
    ) -> Result<Vec<Revised>> {
        let leaving = Leaving { tenant, people, node: node.to_owned(), epoch: epoch.to_owned() };
        let leave = Mutation::new(tenant, leaving, |leaving, tx| Box::pin(let_go(tx, leaving)));
        self.db.apply(leave).await
    }

    /// The presences of those of the people who were ever here or chose something, by id.
    pub async fn of_people(&self, tenant: TenantId, people: &[UserId]) -> Result<Vec<PresenceRow>> {
        let keys: BTreeSet<(i64, Uuid)> = people.iter().map(|user| (tenant.0, user.0)).collect();
        Ok(with_leases(&self.db.readers, keys.into_iter().collect()).await?)
    }
}

pub(super) async fn let_go(tx: &mut Tx, leaving: &Leaving) -> Result<Vec<Revised>, Failure> {
    use presence_lease::Column;
    let tenant = leaving.tenant.0;
    let node = leaving.node.as_str();
    let keys: BTreeSet<Uuid> = leaving.people.iter().map(|user| user.0).collect();
    let keys: Vec<[Value; 3]> =
        keys.into_iter().map(|user| [tenant.into(), user.into(), node.into()]).collect();
    let columns = [Column::Tenant, Column::UserId, Column::Node];
    let mut leases = bulk::select::<presence_lease::Entity, 3>(tx.db(), columns, keys).await?;
    leases.retain(|lease| lease.epoch == leaving.epoch);
    see(tx, &leases).await?;
    let there: HashSet<Uuid> = leases.iter().map(|lease| lease.user_id).collect();
    let keys: Vec<[Value; 3]> =
        leases.iter().map(|lease| [tenant.into(), lease.user_id.into(), node.into()]).collect();
    bulk::delete::<presence_lease::Entity, 3>(tx.db(), columns, keys).await?;
    leaving.people.iter().map(|user| revision(tx, leaving.tenant, there.contains(&user.0))).collect()
}

/// They were there until the life that left them over ended, if nobody has seen them later.
async fn see(tx: &mut Tx, leases: &[presence_lease::Model]) -> Result<(), Failure> {
    let left: HashMap<Uuid, Millis> =
        leases.iter().filter_map(|lease| Some((lease.user_id, lease.left_at?))).collect();
    let keys: Vec<[Value; 2]> =
        leases.iter().map(|lease| [lease.tenant.into(), lease.user_id.into()]).collect();
    let columns = [presence::Column::Tenant, presence::Column::UserId];
    let mut rows = bulk::select::<presence::Entity, 2>(tx.db(), columns, keys).await?;
    rows.retain_mut(|row| {
        let left_at = left.get(&row.user_id).copied();
        let is_later = left_at > row.last_seen;
        row.last_seen = left_at;
        is_later
    });
    tx.later(bulk::update_last_seen(tx.db().get_database_backend(), &rows));
    tx.write().await
}
