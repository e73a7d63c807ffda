//! Who is typing in a conversation: marks that are repeated, live for a while and are stored nowhere.

use std::{collections::BTreeMap, time::Duration};

use parlor_api::v1::{self, event::Payload};
use parlor_store::{ConversationId, Millis};

use super::contract::{Applied, State, user_id};
use crate::hub::Announced;

/// How long a typing mark lives without a repetition.
pub const TYPING_LIFETIME: Duration = Duration::from_millis(LIFETIME_MS.unsigned_abs());
const LIFETIME_MS: Millis = 6_000;

/// Longer than a typing mark lives, so that who comes next still sees it.
const LINGER_MS: Millis = LIFETIME_MS + 2_000;

/// How many can be shown typing in one conversation; more are not shown.
const MAX_TYPISTS: usize = 50;

/// Everybody typing in a conversation.
#[derive(Debug)]
pub(super) struct Typists {
    conversation: ConversationId,
    marks: BTreeMap<String, (v1::Author, Millis)>,
}

impl Typists {
    pub fn new(conversation: ConversationId) -> Self {
        Self { conversation, marks: BTreeMap::new() }
    }

    /// Applies a mark; true if what is shown changed.
    fn mark(&mut self, event: &v1::Event, typing: bool, now: Millis) -> bool {
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
        self.marks.insert(key, (author.clone(), now.saturating_add(LIFETIME_MS))).is_none()
    }
}

impl State for Typists {
    /// Nobody knows it: a lost mark is repeated by who is typing, and expires by itself.
    fn restore(&mut self, _snapshot: v1::Event) {}

    /// A mark travels as the number: 1 while typing, 0 when it stopped.
    fn apply(&mut self, mark: &Announced, _head: i64, now: Millis) -> Applied {
        if self.mark(&mark.event, mark.number == 1, now) { Applied::Changed } else { Applied::Nothing }
    }

    fn snapshot(&self, _head: i64) -> v1::Event {
        let authors = self.marks.values().map(|(author, _)| author.clone()).collect();
        v1::Event {
            conversation_id: self.conversation.to_string(),
            audience: v1::Audience::Participants.into(),
            payload: Some(Payload::TypingState(v1::TypingState { authors })),
            ..Default::default()
        }
    }

    fn next_expiry(&self) -> Option<Millis> {
        self.marks.values().map(|(_, until)| *until).min()
    }

    fn expire(&mut self, now: Millis) -> bool {
        let before = self.marks.len();
        self.marks.retain(|_, (_, until)| *until > now);
        self.marks.len() != before
    }

    fn linger_ms(&self) -> Millis {
        LINGER_MS
    }
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
        assert_eq!(typists.next_expiry(), Some(repeated + LIFETIME_MS));
        assert!(!typists.expire(repeated + LIFETIME_MS - 1));
        assert!(typists.expire(repeated + LIFETIME_MS));
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
