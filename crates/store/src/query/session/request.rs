//! Asking for a session. Who is asked, at which rate and by which rules of billing is decided under the tenant's lock, and
//! frozen in the row.

use sea_orm::{ColumnTrait, PaginatorTrait, QueryFilter};

use super::{PENDING_MAX, come_into, is_live, meter, policy, provider, with_party};
use crate::{
    Cause, Error, Mutation, Session, SessionId, SessionKind, SessionState, UserId,
    entity::{TenantOwned, session},
    failure::Failure,
    query::{chat::change::require_user, code::Code},
    tx::Tx,
};

/// A session to be asked for.
#[derive(Clone, Debug)]
pub struct NewSession {
    pub cause: Cause,
    pub kind: SessionKind,
    pub payer: UserId,
    pub provider: UserId,
    /// The provider asks.
    pub offered: bool,
    pub topic: String,
    pub intake: String,
}

impl Mutation<Session> {
    /// Asks for a session: it is pending, until it is answered or its time is over.
    pub fn request_session(new: NewSession) -> Self {
        Self::new(new.cause.tenant, (SessionId::new(), new), |(id, new), tx| Box::pin(request(tx, *id, new)))
    }
}

async fn request(tx: &mut Tx, id: SessionId, new: &NewSession) -> Result<Session, Failure> {
    let (tenant, at) = (new.cause.tenant, new.cause.at);
    for person in [new.payer, new.provider] {
        require_user(tx, tenant, person).await?;
    }
    let rate = match new.kind {
        SessionKind::Invitation => 0,
        kind => {
            let of_provider = provider::row(tx.db(), tenant, new.provider).await?;
            if !of_provider.accepts_requests && !new.offered {
                return Err(Error::TakesNoRequests.into());
            }
            provider::rates(&of_provider).of(kind).ok_or(Error::NotOffered)?
        }
    };
    refuse_second(tx, new).await?;
    for person in [new.payer, new.provider] {
        let waiting = session::Entity::of(tenant)
            .filter(is_live())
            .filter(session::Column::State.eq(SessionState::Pending.code()))
            .filter(with_party(person));
        if waiting.count(tx.db()).await? >= PENDING_MAX {
            let limit = "pending sessions of a person";
            return Err(Error::LimitReached { limit, maximum: PENDING_MAX }.into());
        }
    }
    let billing_version = meter::rules_for(tx, tenant, (!new.offered).then_some(new.payer), rate).await?;
    let lifetime = policy::of(tx.db(), tenant).await?.request_lifetime_ms;
    let counters = tx.counters(tenant)?;
    counters.session_number += 1;
    let row = session::Model {
        tenant: tenant.0,
        id: id.0,
        number: counters.session_number,
        kind: new.kind.code(),
        state: SessionState::Pending.code(),
        payer_id: Some(new.payer.0),
        provider_id: Some(new.provider.0),
        offered: new.offered,
        rate,
        billing_version,
        charged: 0,
        paid_until: None,
        meter_at: None,
        runs_out: false,
        topic: new.topic.clone(),
        intake: new.intake.clone(),
        requested_at: at,
        expires_at: at.saturating_add(lifetime),
        accepted_at: None,
        ended_at: None,
        ended_by: None,
        end_reason: None,
        note: String::new(),
        conversation_id: None,
        last_sequence: 0,
        last_position: 0,
    };
    come_into(tx, row, None, &new.cause).await
}

/// Two people have one live session. The schema holds that; here it is said which.
async fn refuse_second(tx: &Tx, new: &NewSession) -> Result<(), Failure> {
    use session::Column;
    let other = session::Entity::of(new.cause.tenant)
        .filter(Column::PayerId.eq(new.payer.0))
        .filter(Column::ProviderId.eq(new.provider.0))
        .filter(is_live())
        .one(tx.db())
        .await?;
    other.map_or(Ok(()), |other| Err(Error::SessionExists(SessionId(other.id)).into()))
}
