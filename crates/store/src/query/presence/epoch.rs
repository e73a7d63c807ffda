//! The lives of nodes: begun, renewed, ended.
//!
//! A life has a home, where one process at a time can be: another life of the same home is over. Whether a life of
//! another home goes on cannot be seen from here, so who begins one says which it has seen to be dead. All that is
//! decided in the transaction that begins the life: of two that begin at the same moment, one finds the other.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use super::left::{self, Lease};
use crate::query::presence::Presence;
use crate::{
    Error, Millis, Mutation, Result, TenantId, Unique, UserId, What, entity::node_epoch, failure::Failure,
    tx::Tx,
};

/// A life of a node, as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    pub node: String,
    pub epoch: String,
    /// Empty for one that is from before lives had homes.
    pub home: String,
    pub renewed_at: Millis,
    pub ended_at: Option<Millis>,
}

/// A life that begins.
#[derive(Clone, Debug, Default)]
pub struct NewLife {
    pub node: String,
    pub epoch: String,
    pub home: String,
    /// Lives of other homes that were seen to be dead, as they were seen.
    pub dead: Vec<Life>,
    /// Others may live beside it, under other names.
    pub beside_others: bool,
    /// What lives that are over have left stays for the next that begins.
    pub takes_nothing: bool,
}

/// What came of beginning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begun {
    /// It lives. Those whom lives that are over had left online are shown as its own, until the caller lets them go.
    Lives(Vec<(TenantId, UserId)>),
    /// Another goes on, so nothing was changed.
    Occupied(Life),
}

/// A life, and when something befalls it.
struct Moment {
    node: String,
    epoch: String,
    at: Millis,
}

impl Moment {
    fn new(node: &str, epoch: &str, at: Millis) -> Self {
        Self { node: node.to_owned(), epoch: epoch.to_owned(), at }
    }

    fn lease(&self) -> Lease<'_> {
        Lease { node: &self.node, epoch: &self.epoch }
    }
}

impl Presence {
    /// Every life that has left a trace, also those that are over.
    pub async fn lives(&self) -> Result<Vec<Life>> {
        let rows = node_epoch::Entity::find().all(&self.db.readers).await.map_err(Failure::from)?;
        Ok(rows.into_iter().map(Life::from).collect())
    }

    /// Begins a life. Those that are over are ended, at their last renewal if they have not ended well, and their leases
    /// pass to the new one as left over, under whatever name they were. `last_seen` of whom they are about is when the
    /// life ended.
    pub async fn begin_epoch(&self, life: NewLife, at: Millis) -> Result<Begun> {
        let begins = Mutation::new(TenantId::INSTALLATION, (life, at), |(life, at), tx| {
            Box::pin(begin(tx, life, *at))
        });
        self.db.apply(begins).await
    }

    /// Says that this life goes on. `NotFound` if it has ended, as when another began that took it for dead.
    pub async fn renew_epoch(&self, node: &str, epoch: &str, at: Millis) -> Result<()> {
        let life = Moment::new(node, epoch, at);
        self.db.apply(Mutation::new(TenantId::INSTALLATION, life, |life, tx| Box::pin(renew(tx, life)))).await
    }

    /// Ends this life. Its leases no longer count, but are kept: the next that begins takes them up.
    pub async fn end_epoch(&self, node: &str, epoch: &str, at: Millis) -> Result<()> {
        let life = Moment::new(node, epoch, at);
        self.db.apply(Mutation::new(TenantId::INSTALLATION, life, |life, tx| Box::pin(end(tx, life)))).await
    }
}

impl From<node_epoch::Model> for Life {
    fn from(row: node_epoch::Model) -> Self {
        Self {
            node: row.node,
            epoch: row.epoch,
            home: row.home,
            renewed_at: row.renewed_at,
            ended_at: row.ended_at,
        }
    }
}

impl Life {
    /// It is the same life, and has said nothing since.
    #[must_use]
    pub fn is_as(&self, seen: &Self) -> bool {
        (&self.node, &self.epoch, self.renewed_at) == (&seen.node, &seen.epoch, seen.renewed_at)
    }

    fn lease(&self) -> Lease<'_> {
        Lease { node: &self.node, epoch: &self.epoch }
    }

    fn is_over_for(&self, new: &NewLife) -> bool {
        let at_home = !self.home.is_empty() && self.home == new.home;
        self.ended_at.is_some() || at_home || new.dead.iter().any(|seen| self.is_as(seen))
    }
}

async fn begin(tx: &mut Tx, new: &NewLife, at: Millis) -> Result<Begun, Failure> {
    tx.lives(None);
    let lives = node_epoch::Entity::find().all(tx.db()).await?;
    if lives.iter().any(|row| (&row.node, &row.epoch) == (&new.node, &new.epoch)) {
        return Err(Error::AlreadyExists(Unique::NodeEpoch).into());
    }
    let (mut over, others): (Vec<Life>, Vec<Life>) =
        lives.into_iter().map(Life::from).partition(|life| life.is_over_for(new));
    if let Some(other) = others.into_iter().find(|other| !new.beside_others || other.node == new.node) {
        return Ok(Begun::Occupied(other));
    }
    let begun = node_epoch::Model {
        node: new.node.clone(),
        epoch: new.epoch.clone(),
        started_at: at,
        renewed_at: at,
        ended_at: None,
        home: new.home.clone(),
    };
    node_epoch::Entity::insert(begun.into_active_model()).exec_without_returning(tx.db()).await?;
    if new.takes_nothing {
        return Ok(Begun::Lives(Vec::new()));
    }
    // Its own name first, where no key changes.
    over.sort_by_key(|life| life.node != new.node);
    let mut tenants = BTreeSet::new();
    for life in &over {
        tenants.extend(left::tenants(tx, life.lease()).await?);
    }
    tx.lock(tenants.iter().copied()).await?;
    for life in over {
        let left_at = life.ended_at.unwrap_or(life.renewed_at);
        left::pass_on(tx, life.lease(), Lease { node: &new.node, epoch: &new.epoch }, left_at).await?;
        forget(tx, life.lease()).await?;
    }
    raise_revisions(tx, tenants)?;
    Ok(Begun::Lives(left::people(tx, Lease { node: &new.node, epoch: &new.epoch }).await?))
}

async fn renew(tx: &mut Tx, life: &Moment) -> Result<(), Failure> {
    let renewed = node_epoch::Entity::update_many()
        .set(node_epoch::ActiveModel { renewed_at: Set(life.at), ..Default::default() })
        .filter(node_epoch::Column::Node.eq(&life.node))
        .filter(node_epoch::Column::Epoch.eq(&life.epoch))
        .filter(node_epoch::Column::EndedAt.is_null())
        .exec(tx.db())
        .await?;
    if renewed.rows_affected == 0 { Err(Error::NotFound(What::NodeEpoch).into()) } else { Ok(()) }
}

async fn end(tx: &mut Tx, life: &Moment) -> Result<(), Failure> {
    tx.lives(None);
    let tenants = left::tenants(tx, life.lease()).await?;
    if tenants.is_empty() {
        return forget(tx, life.lease()).await;
    }
    let ended = node_epoch::Entity::update_many()
        .set(node_epoch::ActiveModel { ended_at: Set(Some(life.at)), ..Default::default() })
        .filter(node_epoch::Column::Node.eq(&life.node))
        .filter(node_epoch::Column::Epoch.eq(&life.epoch))
        .filter(node_epoch::Column::EndedAt.is_null())
        .exec(tx.db())
        .await?;
    if ended.rows_affected == 0 {
        return Ok(());
    }
    tx.lock(tenants.iter().copied()).await?;
    left::see(tx, life.lease(), life.at).await?;
    raise_revisions(tx, tenants)
}

/// Removes a life, and whatever leases it still has.
async fn forget(tx: &Tx, life: Lease<'_>) -> Result<(), Failure> {
    left::forget(tx, life).await?;
    node_epoch::Entity::delete_by_id((life.node.to_owned(), life.epoch.to_owned())).exec(tx.db()).await?;
    Ok(())
}

fn raise_revisions(tx: &mut Tx, tenants: impl IntoIterator<Item = TenantId>) -> Result<(), Failure> {
    for tenant in tenants {
        tx.counters(tenant)?.presence_revision += 1;
    }
    Ok(())
}
