//! What is left of the sessions of somebody who is erased: when they were and what they cost, in nobody's name and without
//! what was said in them. The other one's side stays theirs.

use sea_orm::{ActiveModelTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, Select};

use super::{Step, come_into, step::over, with_party};
use crate::{
    Author, AuthorKind, Cause, EndReason, Millis, SessionId, SessionMove, SessionState, TenantId, UserId,
    entity::{TenantOwned, session},
    failure::Failure,
    query::code::Code,
    tx::Tx,
};

/// Some sessions of somebody, whatever their state.
pub(crate) fn of_person(tenant: TenantId, person: UserId, limit: u64) -> Select<session::Entity> {
    session::Entity::of(tenant).filter(with_party(person)).limit(limit)
}

/// Ends what goes on of these, and takes somebody out of them.
pub(crate) async fn forget(
    tx: &mut Tx,
    person: UserId,
    rows: &[session::Model],
    at: Millis,
) -> Result<(), Failure> {
    for row in rows {
        let tenant = TenantId(row.tenant);
        let state: SessionState = Code::of_code(row.state)?;
        if state.is_live() {
            let author = Author { kind: AuthorKind::System, user_id: None, name: String::new(), user: None };
            let cause = Cause { tenant, author, at, origin: String::new() };
            let (id, what, note) = (SessionId(row.id), SessionMove::Leave, String::new());
            let step = Step { cause, id, what, administers: true, note };
            let becomes =
                if state == SessionState::Active { SessionState::Ended } else { SessionState::Cancelled };
            let ended = over(tx, row.clone(), becomes, &step).await?;
            let reason = ended.end_reason.map(|_| EndReason::Erased.code());
            let ended = session::Model { end_reason: reason, ..ended };
            come_into(tx, ended, Some(state), &step.cause).await?;
        }
        let mut row = super::row(tx.db(), tenant, SessionId(row.id)).await?;
        for place in [&mut row.payer_id, &mut row.provider_id, &mut row.ended_by] {
            place.take_if(|id| *id == person.0);
        }
        (row.topic, row.intake, row.note) = (String::new(), String::new(), String::new());
        session::Entity::update(row.into_active_model().reset_all()).exec(tx.db()).await?;
    }
    Ok(())
}
