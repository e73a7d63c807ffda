//! The lives of nodes: begun, renewed, ended.

use std::collections::BTreeSet;

use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};
use uuid::Uuid;

use super::see;
use crate::query::presence::Presence;
use crate::{
    Error, Millis, Mutation, PresenceRow, Result, TenantId, Unique, What,
    entity::{node_epoch, presence_lease},
    failure::Failure,
    tx::Tx,
};

struct Life {
    node: String,
    epoch: String,
    at: Millis,
}

impl Life {
    fn new(node: &str, epoch: &str, at: Millis) -> Self {
        Self { node: node.to_owned(), epoch: epoch.to_owned(), at }
    }
}

impl Presence {
    /// Begins a life of this node. Its earlier lives end, at their last renewal if they have not ended well; their leases
    /// pass to the new life as left over. Answers whom they are about, with `last_seen` at the end of the earlier life, so
    /// that the caller can end those nobody takes up again.
    pub async fn begin_epoch(&self, node: &str, epoch: &str, at: Millis) -> Result<Vec<PresenceRow>> {
        let life = Life::new(node, epoch, at);
        self.db.apply(Mutation::new(TenantId::INSTALLATION, life, |life, tx| Box::pin(begin(tx, life)))).await
    }

    /// Says that this life goes on. `NotFound` if it has ended, as when another process began one for the same node.
    pub async fn renew_epoch(&self, node: &str, epoch: &str, at: Millis) -> Result<()> {
        let life = Life::new(node, epoch, at);
        self.db.apply(Mutation::new(TenantId::INSTALLATION, life, |life, tx| Box::pin(renew(tx, life)))).await
    }

    /// Ends this life. Its leases no longer count, but are kept: a next life of the node takes them up.
    pub async fn end_epoch(&self, node: &str, epoch: &str, at: Millis) -> Result<()> {
        let life = Life::new(node, epoch, at);
        self.db.apply(Mutation::new(TenantId::INSTALLATION, life, |life, tx| Box::pin(end(tx, life)))).await
    }
}

async fn begin(tx: &mut Tx, life: &Life) -> Result<Vec<PresenceRow>, Failure> {
    tx.lives(None);
    let earlier =
        node_epoch::Entity::find().filter(node_epoch::Column::Node.eq(&life.node)).all(tx.db()).await?;
    let begun = node_epoch::Model {
        node: life.node.clone(),
        epoch: life.epoch.clone(),
        started_at: life.at,
        renewed_at: life.at,
        ended_at: None,
    };
    if earlier.iter().any(|row| row.epoch == life.epoch) {
        return Err(Error::AlreadyExists(Unique::NodeEpoch).into());
    }
    node_epoch::Entity::insert(begun.into_active_model()).exec_without_returning(tx.db()).await?;
    let mut left_over: BTreeSet<(i64, Uuid)> = BTreeSet::new();
    for row in earlier {
        let ended_at = row.ended_at.unwrap_or(row.renewed_at);
        left_over.extend(take_over(tx, life, &row.epoch, ended_at).await?);
        // All that pointed to it has moved.
        node_epoch::Entity::delete_by_id((row.node, row.epoch)).exec(tx.db()).await?;
    }
    super::with_leases(tx.db(), left_over.into_iter().collect()).await
}

/// Passes the leases of an earlier life to the new one, and answers whose they are.
async fn take_over(
    tx: &mut Tx,
    life: &Life,
    earlier: &str,
    ended_at: Millis,
) -> Result<Vec<(i64, Uuid)>, Failure> {
    use presence_lease::Column;
    let leases = leases_of(tx, &life.node, earlier).await?;
    tx.lock(leases.iter().map(|lease| TenantId(lease.tenant)).collect::<BTreeSet<_>>()).await?;
    for lease in &leases {
        see(tx, lease, ended_at).await?;
    }
    presence_lease::Entity::update_many()
        .set(presence_lease::ActiveModel {
            epoch: Set(life.epoch.clone()),
            left_over: Set(true),
            ..Default::default()
        })
        .filter(Column::Node.eq(&life.node))
        .filter(Column::Epoch.eq(earlier))
        .exec(tx.db())
        .await?;
    raise_revisions(tx, &leases)?;
    Ok(leases.iter().map(|lease| (lease.tenant, lease.user_id)).collect())
}

async fn renew(tx: &mut Tx, life: &Life) -> Result<(), Failure> {
    let renewed = node_epoch::Entity::update_many()
        .set(node_epoch::ActiveModel { renewed_at: Set(life.at), ..Default::default() })
        .filter(node_epoch::Column::Node.eq(&life.node))
        .filter(node_epoch::Column::Epoch.eq(&life.epoch))
        .filter(node_epoch::Column::EndedAt.is_null())
        .exec(tx.db())
        .await?;
    if renewed.rows_affected == 0 { Err(Error::NotFound(What::NodeEpoch).into()) } else { Ok(()) }
}

async fn end(tx: &mut Tx, life: &Life) -> Result<(), Failure> {
    tx.lives(None);
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
    let leases = leases_of(tx, &life.node, &life.epoch).await?;
    tx.lock(leases.iter().map(|lease| TenantId(lease.tenant)).collect::<BTreeSet<_>>()).await?;
    for lease in &leases {
        see(tx, lease, life.at).await?;
    }
    raise_revisions(tx, &leases)
}

async fn leases_of(tx: &Tx, node: &str, epoch: &str) -> Result<Vec<presence_lease::Model>, Failure> {
    let leases = presence_lease::Entity::find()
        .filter(presence_lease::Column::Node.eq(node))
        .filter(presence_lease::Column::Epoch.eq(epoch))
        .all(tx.db())
        .await?;
    Ok(leases)
}

fn raise_revisions(tx: &mut Tx, leases: &[presence_lease::Model]) -> Result<(), Failure> {
    for tenant in leases.iter().map(|lease| lease.tenant).collect::<BTreeSet<_>>() {
        tx.counters(TenantId(tenant))?.presence_revision += 1;
    }
    Ok(())
}
