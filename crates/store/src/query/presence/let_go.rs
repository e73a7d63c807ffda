//! Those who were left over and did not come back are let go, many with one change.

use std::collections::{BTreeSet, HashSet};

use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use super::{revision, with_leases};
use crate::query::presence::Presence;
use crate::{
    Mutation, PresenceRow, Result, TenantId, UserId, bulk, entity::presence_lease, failure::Failure, tx::Tx,
};

pub(super) struct Leaving {
    pub tenant: TenantId,
    pub people: Vec<UserId>,
    pub node: String,
    pub epoch: String,
}

impl Presence {
    /// People of a tenant who differ from each other are no longer there, as of when they were last seen. Answers the
    /// tenant's presence revision for each of them, in their order; they are some hundreds at most, so that who waits to
    /// write waits for no more.
    pub async fn let_go(
        &self,
        tenant: TenantId,
        people: Vec<UserId>,
        node: &str,
        epoch: &str,
    ) -> Result<Vec<i64>> {
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

pub(super) async fn let_go(tx: &mut Tx, leaving: &Leaving) -> Result<Vec<i64>, Failure> {
    use presence_lease::Column;
    let ids = bulk::padded(leaving.people.iter().map(|user| user.0).collect());
    let theirs = Condition::all()
        .add(Column::Tenant.eq(leaving.tenant.0))
        .add(Column::UserId.is_in(ids))
        .add(Column::Node.eq(&leaving.node))
        .add(Column::Epoch.eq(&leaving.epoch));
    let there: Vec<Uuid> = presence_lease::Entity::find()
        .filter(theirs.clone())
        .select_only()
        .column(Column::UserId)
        .into_tuple()
        .all(tx.db())
        .await?;
    let there: HashSet<Uuid> = there.into_iter().collect();
    presence_lease::Entity::delete_many().filter(theirs).exec(tx.db()).await?;
    leaving.people.iter().map(|user| revision(tx, leaving.tenant, there.contains(&user.0))).collect()
}
