//! The way in: from a claim to somebody who hears what is theirs.
//!
//! ```text
//! attach with the proof ─► is it who they claim to be? ─► hear ─► what earlier sockets missed ─► joined
//! ```
//!
//! A customer hears the conversation that is open for them, or will be, and their closed ones, which an admin may open
//! again. An admin hears the tenant's feed.

use parlor_api::v1::{self, topic::Name};

use super::{
    asker::Done,
    read::{Claim, KIND, Role},
    requests::latest,
    shape,
};
use crate::dialect::{
    Credential, Effect, Recovery,
    ask::Core,
    refusal::{Kind, Refusal},
    who::{CUSTOMER, STAFF, is_staff},
};

/// Closed conversations of a customer that are heard, the latest first. The old server never closed one.
pub(super) const CLOSED_MAX: i32 = 16;

/// Messages that are given out again (contract, ruling 3).
const MISSED_MAX: i32 = 500;

/// Lets somebody in. What is rendered for an admin waits from here on.
pub(super) async fn join(core: Core, claim: Claim, credential: Credential) -> Done {
    let is_claimed = matches!(credential, Credential::Claim { role: v1::Role::Customer, .. });
    let unknown = is_claimed.then_some(claim.user_id);
    let attached = match core.attach(credential, Recovery { redelivers: true, ..Recovery::default() }).await {
        Ok(attached) => attached,
        Err(refusal) if refusal.is_outage() => return Done::Unreachable,
        Err(Refusal { kind: Kind::NotFound, reason: v1::Reason::UserNotFound, .. }) => {
            return Done::Refused { unknown };
        }
        Err(_) => return Done::Refused { unknown: None },
    };
    if attached.person.as_ref().is_none_or(|person| shape::person_id(person) != claim.user_id) {
        return Done::Refused { unknown };
    }
    // The core takes from a customer what staff may do; one that does not must not write as staff.
    if is_staff(&attached) != (claim.role == Role::Admin) {
        return Done::Refused { unknown: None };
    }
    let missed = async {
        hear(&core, claim.role).await?;
        catch_up(&core, attached.missed.as_ref()).await
    };
    missed.await.map_or(Done::Unreachable, |missed| Done::Joined(Box::new(missed)))
}

async fn hear(core: &Core, role: Role) -> Result<(), Refusal> {
    match role {
        Role::Admin => {
            core.tell(Effect::Hold);
            core.subscribe(Name::Feed(v1::TopicFeed::default()), STAFF, None).await?;
            Ok(())
        }
        Role::Customer => hear_own(core).await,
    }
}

async fn hear_own(core: &Core) -> Result<(), Refusal> {
    core.subscribe(own(), CUSTOMER, None).await?;
    let request = v1::ListConversationsRequest {
        statuses: vec![v1::ConversationStatus::Closed.into()],
        ..latest(CLOSED_MAX)
    };
    for closed in core.ask(request, &Credential::Connection).await?.conversations {
        core.subscribe(Name::ConversationId(closed.id), CUSTOMER, None).await?;
    }
    Ok(())
}

/// What was missed since an earlier socket was cut off.
async fn catch_up(
    core: &Core,
    missed: Option<&v1::LinkMissed>,
) -> Result<v1::ListMissedEventsResponse, Refusal> {
    let Some(missed) = missed else { return Ok(v1::ListMissedEventsResponse::default()) };
    let request = v1::ListMissedEventsRequest {
        after_position: missed.position,
        limit: MISSED_MAX,
        messages_only: true,
        ..v1::ListMissedEventsRequest::default()
    };
    core.ask(request, &Credential::Connection).await
}

/// Goes on hearing a customer whose conversation was closed: there, and in the next one. Where that fails, the next rejoin
/// gives out what is missed now.
pub(super) async fn hear_on(core: Core, closed: String) -> Done {
    for name in [Name::ConversationId(closed), own()] {
        let _ = core.subscribe(name, CUSTOMER, None).await;
    }
    Done::Answered
}

/// The conversation that is open for a customer, or the one that will be.
fn own() -> Name {
    Name::Own(v1::OwnConversation { kind: KIND.to_owned() })
}
