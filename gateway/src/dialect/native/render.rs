//! Events as their audiences see them. The core names the widest audience; what customers may not see is taken away here.

use parlor_api::v1::{self, event::Payload};

use super::{contract, wire};
use crate::dialect::{
    Audience, Frame,
    who::{CUSTOMER, STAFF},
};

/// An event for everybody of an audience; `None` if it is not shown.
pub(super) fn event(event: &v1::Event, audience: Audience) -> Option<Frame> {
    let mut event = event.clone();
    event.origin_connection.clear();
    if audience == CUSTOMER {
        veil(&mut event)?;
    }
    shown(&event)
}

/// One of before the place that its client has heard everything up to: it must not take that place back.
pub(super) fn older(event: &v1::Event) -> Option<Frame> {
    Some(wire::event(&contract::event(event)?, None))
}

/// An event as the core has shown it to this very client already.
pub(super) fn shown(event: &v1::Event) -> Option<Frame> {
    let offset = Some(event.offset.as_str()).filter(|offset| !offset.is_empty() && event.sequence > 0);
    Some(wire::event(&contract::event(event)?, offset))
}

/// Who is online, as a person with these eyes sees it; `None` if it concerns nobody they may see.
pub(super) fn presence(event: &v1::Event, eyes: &Eyes) -> Option<Frame> {
    let mut event = event.clone();
    event.origin_connection.clear();
    match event.payload.as_mut()? {
        Payload::PresenceSnapshot(snapshot) => {
            snapshot.presences.retain(|presence| eyes.wants(presence) && eyes.sees(presence));
            snapshot.presences.iter_mut().for_each(|presence| eyes.veil(presence.person.as_mut()));
        }
        Payload::PresenceChanged(changed) => {
            let presence = changed.presence.as_mut().filter(|presence| eyes.wants(presence))?;
            if !eyes.sees(presence) {
                // Somebody who chose to be off leaves, for those who saw them.
                presence.set_availability(v1::Availability::Available);
                if !eyes.sees(presence) {
                    return None;
                }
                (presence.reachable, presence.connections, presence.online_since) = (false, 0, None);
            }
            eyes.veil(presence.person.as_mut());
            changed.person.clone_from(&presence.person);
        }
        _ => return None,
    }
    shown(&event)
}

/// Who looks, and for whom.
#[derive(Clone, Debug)]
pub(super) struct Eyes {
    pub audience: Audience,
    /// The user's id; empty for a guest.
    pub user_id: String,
    /// Only people with this role.
    pub role: Option<v1::Role>,
}

impl Eyes {
    fn wants(&self, presence: &v1::Presence) -> bool {
        self.role.is_none_or(|role| presence.roles().any(|held| held == role))
    }

    fn sees(&self, presence: &v1::Presence) -> bool {
        let is_own = presence.person.as_ref().is_some_and(|person| person.user_id == self.user_id);
        let serves = presence
            .roles()
            .any(|role| matches!(role, v1::Role::Staff | v1::Role::Admin | v1::Role::Provider));
        self.audience == STAFF || is_own || serves && presence.availability() != v1::Availability::Off
    }

    fn veil(&self, person: Option<&mut v1::Person>) {
        if let Some(person) = person
            && self.audience == CUSTOMER
            && person.user_id != self.user_id
        {
            person.email.clear();
        }
    }
}

/// Takes away what customers do not see: others' addresses, and what was cleared.
fn veil(event: &mut v1::Event) -> Option<()> {
    if event.audience() == v1::Audience::Staff {
        return None;
    }
    let mut cleared = 0;
    if let Some(conversation) = &mut event.conversation {
        cleared = conversation.cleared_sequence;
        nameless(conversation.owner.as_mut());
        nameless(conversation.assignee.as_mut());
        conversation.last_message.take_if(|message| message.sequence <= cleared);
        veil_author(conversation.last_message.as_mut().and_then(|message| message.author.as_mut()));
    }
    match event.payload.as_mut()? {
        Payload::MessageSent(sent) => {
            let message = sent.message.as_mut().filter(|message| message.sequence > cleared)?;
            veil_author(message.author.as_mut());
        }
        Payload::ConversationChanged(changed) => veil_author(changed.author.as_mut()),
        Payload::MessagesRead(read) => veil_author(read.reader.as_mut()),
        Payload::ReactionChanged(changed) => {
            if changed.message_sequence <= cleared {
                return None;
            }
            veil_author(changed.author.as_mut());
        }
        Payload::TypingState(typing) => {
            typing.authors.iter_mut().for_each(|author| veil_author(Some(author)));
        }
        Payload::PresenceSnapshot(_) | Payload::PresenceChanged(_) => return None,
    }
    Some(())
}

fn veil_author(author: Option<&mut v1::Author>) {
    nameless(author.and_then(|author| author.person.as_mut()));
}

fn nameless(person: Option<&mut v1::Person>) {
    if let Some(person) = person {
        person.email.clear();
    }
}
