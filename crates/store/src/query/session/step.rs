//! What becomes of a session: pending, then active, then ended; or declined, cancelled or expired instead.
//!
//! Each step is one change under the tenant's lock, from the one state that it may begin in. Money is taken in the same
//! transaction (`meter`): held in `accepted`, settled in `over`.

use super::{
    come_into, keep,
    meter::{self, GoesOn},
    reserve, row,
};
use crate::{
    Cause, ConversationId, ConversationPatch, ConversationStatus, EndReason, EnsureConversation, Error,
    Millis, Mutation, SeenBy, Session, SessionId, SessionKind, SessionMove, SessionState, Side, UserId,
    entity::session,
    failure::Failure,
    query::{
        chat::change::{create, tell, update},
        code::Code,
    },
    tx::Tx,
};

/// What the conversations of sessions are for.
const CONVERSATION_KIND: &str = "session";

/// A step of a session.
#[derive(Clone, Debug)]
pub struct Step {
    /// Who does it is its author.
    pub cause: Cause,
    pub id: SessionId,
    pub what: SessionMove,
    /// May cancel and end what is others'.
    pub administers: bool,
    pub note: String,
}

impl Mutation<Session> {
    /// Moves a session on. Refused with its state if it is in another one than the move begins in.
    pub fn move_session(step: Step) -> Self {
        // Made here, so that the change can be repeated.
        let new = ConversationId::new();
        Self::new(step.cause.tenant, (new, step), |(new, step), tx| Box::pin(make(tx, *new, step)))
    }
}

async fn make(tx: &mut Tx, new: ConversationId, step: &Step) -> Result<Session, Failure> {
    let at = step.cause.at;
    let row = row(tx.db(), step.cause.tenant, step.id).await?;
    let state: SessionState = Code::of_code(row.state)?;
    let what = permitted(step, &row, state)?;
    let begins_in = match what {
        SessionMove::End | SessionMove::Meter => SessionState::Active,
        _ => SessionState::Pending,
    };
    if state != begins_in {
        return Err(Error::SessionState(state).into());
    }
    let is_due = at >= row.expires_at;
    match (begins_in, what) {
        (SessionState::Pending, SessionMove::Expire) if !is_due => {
            return Err(Error::SessionState(SessionState::Pending).into());
        }
        (SessionState::Pending, SessionMove::Expire) | (SessionState::Active, _) => {}
        // The clock has not come to it yet.
        (_, _) if is_due => return Err(Error::SessionState(SessionState::Expired).into()),
        _ => {}
    }
    let moved = match what {
        SessionMove::Accept => accepted(tx, new, row, &step.cause).await?,
        SessionMove::Decline => over(tx, row, SessionState::Declined, step).await?,
        SessionMove::Cancel => over(tx, row, SessionState::Cancelled, step).await?,
        SessionMove::End | SessionMove::Leave => over(tx, row, SessionState::Ended, step).await?,
        SessionMove::Expire => over(tx, row, SessionState::Expired, step).await?,
        SessionMove::Meter => match meter::go_on(tx, row, &step.cause).await? {
            GoesOn::Untold(row) => return keep(tx, row).await,
            GoesOn::Told(row) => row,
            GoesOn::Not(row) => over(tx, row, SessionState::Ended, step).await?,
        },
    };
    come_into(tx, moved, Some(state), &step.cause).await
}

/// What is meant, if whoever does it may.
fn permitted(step: &Step, row: &session::Model, state: SessionState) -> Result<SessionMove, Failure> {
    let requester = if row.offered { Side::Provider } else { Side::Payer };
    let side = side_of(row, step.cause.author.user_id);
    let asked_for = side == Some(requester) || side.is_none() && step.administers;
    let was_asked = side.is_some_and(|side| side != requester);
    let what = match step.what {
        SessionMove::Leave if state != SessionState::Pending => SessionMove::End,
        SessionMove::Leave if was_asked => SessionMove::Decline,
        SessionMove::Leave => SessionMove::Cancel,
        what => what,
    };
    let may = match what {
        SessionMove::Accept | SessionMove::Decline => was_asked,
        SessionMove::Cancel => asked_for,
        SessionMove::End | SessionMove::Leave => side.is_some() || step.administers,
        SessionMove::Expire | SessionMove::Meter => step.cause.author.user_id.is_none(),
    };
    if may { Ok(what) } else { Err(Error::NotParty.into()) }
}

fn side_of(row: &session::Model, person: Option<UserId>) -> Option<Side> {
    let person = Some(person?.0);
    match person {
        person if person == row.payer_id => Some(Side::Payer),
        person if person == row.provider_id => Some(Side::Provider),
        _ => None,
    }
}

/// It begins: its people are reserved, and have a conversation.
async fn accepted(
    tx: &mut Tx,
    new: ConversationId,
    row: session::Model,
    cause: &Cause,
) -> Result<session::Model, Failure> {
    reserve::reserve(tx, &row).await?;
    let is_invitation = row.kind == SessionKind::Invitation.code();
    let room = EnsureConversation {
        cause: cause.clone(),
        key: None,
        kind: CONVERSATION_KIND.to_owned(),
        waiting: false,
        owner_id: row.payer_id.map(UserId),
        members: row.provider_id.map(UserId).into_iter().collect(),
        // Staff who invite speak for all of them; what is paid for is between the two.
        seen_by: if is_invitation { SeenBy::Staff } else { SeenBy::Nobody },
    };
    let created = create(tx, new, &room, None).await?;
    tell(tx, created, &crate::ConversationChange::Created, cause).await?;
    let at = cause.at.max(row.requested_at);
    let active = session::Model {
        state: SessionState::Active.code(),
        accepted_at: Some(at),
        conversation_id: Some(new.0),
        ..row
    };
    meter::begin(tx, active, cause).await
}

/// It does not go on: who was reserved is free, what it cost is charged, and nobody writes in its conversation any more that
/// nobody else sees. What is charged ends no later than what is held.
pub(super) async fn over(
    tx: &mut Tx,
    row: session::Model,
    state: SessionState,
    step: &Step,
) -> Result<session::Model, Failure> {
    reserve::release(tx, &row).await?;
    let closes = row.kind != SessionKind::Invitation.code();
    if let Some(id) = row.conversation_id.filter(|_| closes) {
        let patch =
            ConversationPatch { status: Some(ConversationStatus::Closed), ..ConversationPatch::default() };
        update(tx, ConversationId(id), &patch, &step.cause).await?;
    }
    let by = step.cause.author.user_id;
    let reason = match (state, by) {
        (SessionState::Ended, _) if step.what == SessionMove::Meter => Some(EndReason::Funds),
        (SessionState::Ended, person) if side_of(&row, person).is_some() => Some(EndReason::Party),
        (SessionState::Ended, _) => Some(EndReason::Staff),
        _ => None,
    };
    let at: Millis = match state {
        SessionState::Expired => row.expires_at,
        _ => step.cause.at.max(row.accepted_at.unwrap_or(row.requested_at)),
    };
    let at = at.min(row.paid_until.unwrap_or(Millis::MAX));
    let row = meter::settle(tx, row, at, &step.cause).await?;
    Ok(session::Model {
        state: state.code(),
        ended_at: Some(at),
        ended_by: by.map(|UserId(by)| by),
        end_reason: reason.map(Code::code),
        note: step.note.clone(),
        ..row
    })
}
