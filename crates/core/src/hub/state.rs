//! What the states of topics are: who is online, and who is typing.

use std::{collections::BTreeMap, time::Duration};

use parlor_api::v1::{self, event::Payload};
use parlor_store::{ConversationId, Millis};

/// For so long a typing mark lives without a repetition.
pub const TYPING_LIFETIME: Duration = Duration::from_millis(TYPING_LIFETIME_MS.unsigned_abs());
const TYPING_LIFETIME_MS: i64 = 6_000;

/// How many can be shown typing in one conversation; more are not shown.
const MAX_TYPISTS: usize = 50;

/// Everybody online in a tenant, by user id.
#[derive(Debug, Default)]
pub(super) struct Presences(BTreeMap<String, v1::Presence>);

/// Everybody typing in a conversation.
#[derive(Debug)]
pub(super) struct Typists {
    conversation: ConversationId,
    marks: BTreeMap<String, (v1::Author, Millis)>,
}

impl Presences {
    pub fn new(presences: Vec<v1::Presence>) -> Self {
        Self(presences.into_iter().map(|presence| (user_id(presence.person.as_ref()), presence)).collect())
    }

    pub fn apply(&mut self, event: &v1::Event) {
        let Some(Payload::PresenceChanged(changed)) = &event.payload else { return };
        let Some(presence) = &changed.presence else { return };
        let id = user_id(presence.person.as_ref());
        if presence.reachable {
            self.0.insert(id, presence.clone());
        } else {
            self.0.remove(&id);
        }
    }

    pub fn snapshot(&self, revision: i64) -> v1::Event {
        let snapshot = v1::PresenceSnapshot {
            revision: u64::try_from(revision).unwrap_or_default(),
            presences: self.0.values().cloned().collect(),
        };
        v1::Event {
            audience: v1::Audience::Participants.into(),
            payload: Some(Payload::PresenceSnapshot(snapshot)),
            ..Default::default()
        }
    }
}

impl Typists {
    pub fn new(conversation: ConversationId) -> Self {
        Self { conversation, marks: BTreeMap::new() }
    }

    /// Applies a mark; true if what is shown changed.
    pub fn mark(&mut self, event: &v1::Event, typing: bool, now: Millis) -> bool {
        let Some(Payload::TypingState(v1::TypingState { authors })) = &event.payload else { return false };
        let Some(author) = authors.first() else { return false };
        let known = user_id(author.person.as_ref());
        // A guest has no id; the connection tells one from another.
        let key = if known.is_empty() { format!("connection:{}", event.origin_connection) } else { known };
        if !typing {
            return self.marks.remove(&key).is_some();
        }
        if !self.marks.contains_key(&key) && self.marks.len() >= MAX_TYPISTS {
            return false;
        }
        self.marks.insert(key, (author.clone(), now.saturating_add(TYPING_LIFETIME_MS))).is_none()
    }

    /// Forgets marks whose time is over; true if there were any.
    pub fn expire(&mut self, now: Millis) -> bool {
        let before = self.marks.len();
        self.marks.retain(|_, (_, until)| *until > now);
        self.marks.len() != before
    }

    pub fn next_expiry(&self) -> Option<Millis> {
        self.marks.values().map(|(_, until)| *until).min()
    }

    pub fn snapshot(&self) -> v1::Event {
        let authors = self.marks.values().map(|(author, _)| author.clone()).collect();
        v1::Event {
            conversation_id: self.conversation.to_string(),
            audience: v1::Audience::Participants.into(),
            payload: Some(Payload::TypingState(v1::TypingState { authors })),
            ..Default::default()
        }
    }
}

fn user_id(person: Option<&v1::Person>) -> String {
    person.map(|person| person.user_id.clone()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mark(connection: &str) -> v1::Event {
        v1::Event {
            origin_connection: connection.into(),
            payload: Some(Payload::TypingState(v1::TypingState { authors: vec![v1::Author::default()] })),
            ..Default::default()
        }
    }

    #[test]
    fn a_mark_lives_for_its_lifetime_after_its_last_repetition() {
        let (mut typists, now) = (Typists::new(ConversationId::new()), 1_000);
        assert!(typists.mark(&mark("a"), true, now));
        let repeated = now + 3_000;
        assert!(!typists.mark(&mark("a"), true, repeated));
        assert_eq!(typists.next_expiry(), Some(repeated + TYPING_LIFETIME_MS));
        assert!(!typists.expire(repeated + TYPING_LIFETIME_MS - 1));
        assert!(typists.expire(repeated + TYPING_LIFETIME_MS));
        assert_eq!(typists.next_expiry(), None);
        assert!(!typists.mark(&mark("a"), false, now), "stopping twice shows nothing new");
    }

    #[test]
    fn no_more_are_shown_typing_than_the_limit() {
        let (mut typists, now) = (Typists::new(ConversationId::new()), 1_000);
        for number in 0..MAX_TYPISTS {
            assert!(typists.mark(&mark(&number.to_string()), true, now));
        }
        assert!(!typists.mark(&mark("one over"), true, now));
        assert!(!typists.mark(&mark("0"), true, now), "who is shown may repeat");
    }
}
