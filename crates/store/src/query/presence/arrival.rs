//! Somebody comes: the first connection of a user on a node.
//!
//! Everybody who connects comes through here, often many at once. So it answers with all that others are told of them, and
//! needs two statements, and a third for who was never here before.

use sea_orm::{
    ColumnTrait, EntityTrait, FromQueryResult, IntoActiveModel, JoinType, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use super::{Lease, Revised, begin_row, ended_epoch_of, lease, of_users, revision, with};
use crate::query::presence::Presence;
use crate::{
    Error, Millis, Mutation, PresenceRow, Result, TenantId, UserId, What,
    entity::{TenantOwned, node_epoch, presence, presence_lease, user},
    failure::Failure,
    tx::Tx,
};

/// A person who came, as they are since.
#[derive(Clone, Debug, PartialEq)]
pub struct Arrival {
    pub revised: Revised,
    pub presence: PresenceRow,
    /// When what is stored of the user was changed last.
    pub user_updated_at: Millis,
}

/// What is known of somebody, once for each lease.
#[derive(FromQueryResult)]
struct Known {
    updated_at: Millis,
    disabled: bool,
    availability: Option<i16>,
    last_seen: Option<Millis>,
    node: Option<String>,
    epoch: Option<String>,
    since: Option<Millis>,
    ended: bool,
}

impl Presence {
    /// The first connection of a user on this node. `Withdrawn` for one who is disabled, `NotFound` for one who is not there, and for an epoch that was never
    /// begun or has ended.
    pub async fn arrive(
        &self,
        tenant: TenantId,
        user: UserId,
        node: &str,
        epoch: &str,
        at: Millis,
    ) -> Result<Arrival> {
        let lease = lease(tenant, user, node, epoch, at);
        let arrives = Mutation::new(tenant, lease, |lease, tx| Box::pin(arrive(tx, lease)));
        self.db.apply(arrives.refuses_first()).await
    }
}

async fn arrive(tx: &mut Tx, lease: &presence_lease::Model) -> Result<Arrival, Failure> {
    use presence_lease::Column;
    let tenant = TenantId(lease.tenant);
    require_living(tx, &lease.node, &lease.epoch).await?;
    let known = known(tx, lease).await?;
    let user = known.first().ok_or(Error::NotFound(What::User))?;
    if user.disabled {
        return Err(Error::Withdrawn.into());
    }
    let user_updated_at = user.updated_at;
    let row = match known[0].availability {
        Some(availability) => presence::Model {
            tenant: lease.tenant,
            user_id: lease.user_id,
            availability,
            last_seen: known[0].last_seen,
        },
        None => begin_row(tx, tenant, lease.user_id).await?,
    };
    // A person taken up again has been there all the time, so `since` stays; one who is there already is no news.
    let stored = |column| Expr::col((presence_lease::Entity, column));
    let is_news = stored(Column::Epoch).ne(&lease.epoch).or(stored(Column::LeftOver).eq(true));
    let take_up = OnConflict::columns([Column::Tenant, Column::UserId, Column::Node])
        .update_columns([Column::Epoch, Column::LeftOver, Column::LeftAt])
        .action_and_where(is_news)
        .to_owned();
    let written = presence_lease::Entity::insert(lease.clone().into_active_model())
        .on_conflict(take_up)
        .exec_without_returning(tx.db())
        .await?;
    Ok(Arrival {
        revised: revision(tx, tenant, written > 0)?,
        presence: with(&row, leases(known, lease))?,
        user_updated_at,
    })
}

async fn known(tx: &Tx, lease: &presence_lease::Model) -> Result<Vec<Known>, Failure> {
    let leases = user::Entity::belongs_to(presence_lease::Entity)
        .from((user::Column::Tenant, user::Column::Id))
        .to((presence_lease::Column::Tenant, presence_lease::Column::UserId));
    let known = user::Entity::of(TenantId(lease.tenant))
        .filter(user::Column::Id.eq(lease.user_id))
        .join(JoinType::LeftJoin, of_users())
        .join(JoinType::LeftJoin, leases.into())
        .select_only()
        .columns([user::Column::UpdatedAt, user::Column::Disabled])
        .columns([presence::Column::Availability, presence::Column::LastSeen])
        .columns([presence_lease::Column::Node, presence_lease::Column::Epoch, presence_lease::Column::Since])
        .column_as(Expr::exists(ended_epoch_of(&presence_lease::Entity.into())), "ended")
        .into_model()
        .all(tx.db())
        .await?;
    Ok(known)
}

/// The leases that count once this one is written.
fn leases(known: Vec<Known>, lease: &presence_lease::Model) -> Vec<Lease> {
    let mut since = lease.since;
    let mut leases = Vec::new();
    for known in known {
        let (Some(node), Some(epoch), Some(began)) = (known.node, known.epoch, known.since) else { continue };
        if node == lease.node {
            since = began;
        } else if !known.ended {
            leases.push((node, epoch, began));
        }
    }
    leases.push((lease.node.clone(), lease.epoch.clone(), since));
    leases
}

/// `NotFound` for a life that was never begun, or has ended.
pub(crate) async fn require_living(tx: &mut Tx, node: &str, epoch: &str) -> Result<(), Failure> {
    let life = (node.to_owned(), epoch.to_owned());
    if tx.is_known_to_live(&life) {
        return Ok(());
    }
    match node_epoch::Entity::find_by_id(life.clone()).one(tx.db()).await? {
        Some(epoch) if epoch.ended_at.is_none() => {
            tx.lives(Some(life));
            Ok(())
        }
        _ => Err(Error::NotFound(What::NodeEpoch).into()),
    }
}
