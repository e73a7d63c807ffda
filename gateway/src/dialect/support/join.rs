//! The way in: from a claim to somebody who hears what is theirs.
//!
//! ```text
//! attach with the proof ─► is it who they claim to be? ─► hear ─► what earlier sockets missed ─► joined
//! ```
//!
//! A customer hears the conversation that is open for them, or will be, and their closed ones, which an admin may open
//! again. An admin hears the tenant's feed.

use std::collections::VecDeque;

use parlor_api::{v1, v1::topic::Name};

use super::{
    KIND,
    identity::Proof,
    read::{Claim, Role},
    shape,
};
use crate::dialect::{
    Answer, Audience, Call, Credential, Memory,
    answers::is_staff,
    refusal::{self, Kind},
};

/// So many of a customer's closed conversations are heard, the latest first. Nothing of old ever closed one.
pub(super) const CLOSED_MAX: i32 = 16;

/// So many messages are given out again (contract, ruling 3).
const MISSED_MAX: i32 = 500;

/// A join under way.
#[derive(Debug)]
pub(super) struct Join {
    pub(super) claim: Claim,
    pub(super) ack: Option<u64>,
    by_claim: bool,
    stage: Stage,
    /// Where an earlier socket was cut off.
    missed: Option<u64>,
}

#[derive(Debug)]
enum Stage {
    Attach,
    Hear,
    ListClosed,
    HearClosed(VecDeque<Name>),
    CatchUp,
}

/// What a join wants next.
#[derive(Debug)]
pub(super) enum Next {
    Attach(Credential, Memory),
    Hear(Name, Audience),
    Ask(Box<Call>),
    /// They are in, and these are the events that they missed, oldest first, up to a position of the tenant.
    Joined(Vec<v1::Event>, u64),
    Refused(Refusal),
    /// Nobody could say: nothing follows for the claim.
    Unreachable,
}

/// Why somebody is not in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// There is nobody with the id that was claimed.
    Unknown,
    /// The proof says otherwise, or there is none.
    Unproven,
}

impl Join {
    pub(super) fn begin(claim: Claim, ack: Option<u64>, proof: Proof) -> (Self, Next) {
        let (by_claim, credential) = match proof {
            Proof::Claim(credential) => (true, credential),
            Proof::Token(credential) => (false, credential),
        };
        let memory = Memory { redelivers: true, ..Memory::default() };
        (Self { claim, ack, by_claim, stage: Stage::Attach, missed: None }, Next::Attach(credential, memory))
    }

    pub(super) fn answered(&mut self, answer: Result<Answer, refusal::Refusal>) -> Next {
        match (&mut self.stage, answer) {
            (Stage::Attach, Ok(Answer::Attached(attached))) => self.attached(&attached),
            (Stage::Attach, Err(refusal)) => self.refused(&refusal),
            (Stage::Hear, Ok(Answer::Subscribed { .. })) => match self.claim.role {
                Role::Admin => self.catch_up(),
                Role::Customer => {
                    self.stage = Stage::ListClosed;
                    Next::Ask(Box::new(Call::ListConversations(v1::ListConversationsRequest {
                        page_size: CLOSED_MAX,
                        kind: KIND.to_owned(),
                        statuses: vec![v1::ConversationStatus::Closed.into()],
                        order_by_update: true,
                        ..v1::ListConversationsRequest::default()
                    })))
                }
            },
            (Stage::ListClosed, Ok(Answer::ListConversations(page))) => {
                let closed = page.conversations.into_iter().map(|row| Name::ConversationId(row.id));
                self.stage = Stage::HearClosed(closed.collect());
                self.hear_closed()
            }
            (Stage::HearClosed(_), Ok(Answer::Subscribed { .. })) => self.hear_closed(),
            (Stage::CatchUp, Ok(Answer::ListMissedEvents(missed))) => {
                Next::Joined(missed.events, missed.reached_position)
            }
            (_, _) => Next::Unreachable,
        }
    }

    /// The proof holds; now it must be the proof of what is claimed.
    fn attached(&mut self, attached: &v1::LinkAttached) -> Next {
        let is_claimed =
            attached.person.as_ref().is_some_and(|person| shape::person_id(person) == self.claim.user_id);
        let has_role = match self.claim.role {
            Role::Admin => is_staff(attached),
            // The core takes from a customer what staff may do; one that does not must not write as staff.
            Role::Customer => !is_staff(attached),
        };
        if !is_claimed {
            return Next::Refused(if self.by_claim { Refusal::Unknown } else { Refusal::Unproven });
        }
        if !has_role {
            return Next::Refused(Refusal::Unproven);
        }
        self.missed = attached.missed.as_ref().map(|missed| missed.position);
        self.stage = Stage::Hear;
        match self.claim.role {
            Role::Admin => Next::Hear(Name::Feed(v1::TopicFeed::default()), Audience::Staff),
            Role::Customer => Next::Hear(own(), Audience::Customer),
        }
    }

    fn refused(&self, refusal: &refusal::Refusal) -> Next {
        let unknown = refusal.kind == Kind::NotFound && refusal.reason == v1::Reason::UserNotFound;
        match refusal {
            _ if refusal.is_outage() => Next::Unreachable,
            _ if unknown && self.by_claim => Next::Refused(Refusal::Unknown),
            _ => Next::Refused(Refusal::Unproven),
        }
    }

    fn hear_closed(&mut self) -> Next {
        let Stage::HearClosed(closed) = &mut self.stage else { return Next::Unreachable };
        match closed.pop_front() {
            Some(name) => Next::Hear(name, Audience::Customer),
            None => self.catch_up(),
        }
    }

    fn catch_up(&mut self) -> Next {
        self.stage = Stage::CatchUp;
        match self.missed {
            None => Next::Joined(Vec::new(), 0),
            Some(after_position) => {
                Next::Ask(Box::new(Call::ListMissedEvents(v1::ListMissedEventsRequest {
                    after_position,
                    limit: MISSED_MAX,
                    messages_only: true,
                    ..v1::ListMissedEventsRequest::default()
                })))
            }
        }
    }
}

/// The conversation that is open for a customer, or the one that will be.
pub(super) fn own() -> Name {
    Name::Own(v1::OwnConversation { kind: KIND.to_owned() })
}
