//! What a connection hears: how watches begin, and how a connection that was cut off goes on.
//!
//! ```text
//! hold ─► hear each conversation's part of the feed ─► ask what was stored before that ─► begun ─► older events ─► release
//! ```
//!
//! Every part of the feed begins at a position. What was stored up to there, and is wanted, is asked of the core and sent
//! first; what comes from there on waits meanwhile. So nothing is lost and nothing comes twice, and what is sent is in the
//! tenant's order. Who is typing is heard beside it, where the connection may: a state, told anew at each beginning.

use parlor_api::v1;

use super::tags::Tags;
use crate::dialect::{
    Answer, Audience, Credential, Effect, Tag, TopicHandle,
    refusal::{Kind, Refusal},
    rpc::Rpc as _,
};

/// Conversations that one connection may watch: as many topics as the core lets it hear, half of them for typing.
pub(super) const WATCHED_MAX: usize = 50;

/// Older events asked for at a time, so that what goes out in one piece stays below what may wait for a
/// socket: an event has about a kilobyte.
pub(super) const PAGE: i32 = 50;

/// A conversation that is watched.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub conversation_id: String,
    pub feed: TopicHandle,
    pub typing: Option<TopicHandle>,
}

/// From where watches hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// From where the client was cut off: the last event it has, if it had one, and where its session began.
    Again { offset: String, began: u64 },
    /// From where its session begins.
    At(u64),
    /// From where they begin; a single one may ask for older events too.
    Now,
}

/// Watches that begin together.
#[derive(Debug)]
pub(super) struct Beginning {
    entries: Vec<Entry>,
    pub start: Start,
    /// The place that the pages so far have reached.
    reached: String,
}

#[derive(Debug)]
struct Entry {
    request: v1::WatchConversationRequest,
    /// Of the question that is out.
    tag: Option<Tag>,
    heard: Option<(Watched, u64)>,
    refused: Option<Refusal>,
    /// Its last event at the place it is heard from, and when its hearing began.
    reach: Option<(u64, u64)>,
}

/// How one watch began.
#[derive(Debug)]
pub(super) enum Begun {
    /// The events above this sequence come.
    From {
        watched: Watched,
        after_sequence: u64,
    },
    Refused(Refusal),
}

impl Beginning {
    /// Asks to hear each conversation. Nothing that is heard goes out before it is released.
    pub fn start(
        requests: Vec<v1::WatchConversationRequest>,
        start: Start,
        audience: Audience,
        tags: &mut Tags,
        effects: &mut Vec<Effect>,
    ) -> Self {
        let entries = requests.into_iter().map(|request| {
            let tag = tags.next();
            let feed = v1::TopicFeed { conversation: request.conversation.clone() };
            effects.push(subscribe(tag, v1::topic::Name::Feed(feed), audience));
            Entry { request, tag: Some(tag), heard: None, refused: None, reach: None }
        });
        Self { entries: entries.collect(), start, reached: String::new() }
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes the answer to one of its subscriptions; true if that was the last one out.
    pub fn answered(
        &mut self,
        tag: Tag,
        answer: Result<Answer, Refusal>,
        audience: Audience,
        tags: &mut Tags,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let Some(entry) = self.entries.iter_mut().find(|entry| entry.tag == Some(tag)) else { return false };
        entry.tag = None;
        match (answer, &mut entry.heard) {
            (Ok(Answer::Subscribed { topic, position, conversation_id }), None) => {
                let typing = tags.next();
                let name = v1::topic::Name::Typing(conversation_id.clone());
                effects.push(subscribe(typing, name, audience));
                entry.tag = Some(typing);
                entry.heard = Some((Watched { conversation_id, feed: topic, typing: None }, position));
            }
            (Ok(Answer::Subscribed { topic, .. }), Some((watched, _))) => watched.typing = Some(topic),
            // A person let in by a key alone is not told who types.
            (_, Some(_)) => {}
            (Err(refusal), None) => entry.refused = Some(refusal),
            (Ok(_), None) => entry.refused = Some(Refusal::unexpected()),
        }
        self.entries.iter().all(|entry| entry.tag.is_none())
    }

    /// The first watch that was refused.
    pub fn refusal(&self) -> Option<&Refusal> {
        self.entries.iter().find_map(|entry| entry.refused.as_ref())
    }

    /// Asks for what was stored before its beginning; `None` if nothing is heard.
    pub fn ask(&self, tag: Tag) -> Option<Effect> {
        let heard = self.entries.iter().filter_map(|entry| entry.heard.as_ref().map(|heard| (entry, heard)));
        let conversations: Vec<_> = heard
            .map(|(entry, (watched, _))| v1::MissedConversation {
                conversation: Some(v1::ConversationRef { name: key_or_id(entry, watched) }),
                after_sequence: entry.request.after_sequence.unwrap_or_default(),
                // Nothing is stored at 0, and 0 would be no bound.
                through_position: self.position().max(1),
            })
            .collect();
        if conversations.is_empty() {
            return None;
        }
        let (offset, position) = match &self.start {
            _ if !self.reached.is_empty() => (self.reached.clone(), 0),
            Start::Again { offset, began } => (offset.clone(), *began),
            Start::At(began) => (String::new(), *began),
            Start::Now if self.brings_older() => (String::new(), 0),
            Start::Now => (String::new(), self.position()),
        };
        let request = v1::ListMissedEventsRequest {
            after_offset: offset,
            after_position: position,
            limit: PAGE,
            messages_only: false,
            conversations,
        };
        Some(Effect::Call { tag, call: request.call(), credential: Credential::Connection })
    }

    /// Takes what a page says of how far it reaches.
    pub fn reached(&mut self, page: &v1::ListMissedEventsResponse) {
        self.reached.clone_from(&page.offset);
        let heard = self.entries.iter_mut().filter(|entry| entry.heard.is_some());
        for (entry, reach) in heard.zip(&page.reaches) {
            entry.reach.get_or_insert((reach.after_sequence, reach.through_sequence));
        }
    }

    /// Where each watch begins.
    pub fn begun(&self) -> Vec<Begun> {
        let begun = self.entries.iter().map(|entry| match (&entry.heard, &entry.refused) {
            (Some((watched, _)), _) => {
                let (reach, newest) = entry.reach.unwrap_or_default();
                let wished = entry.request.after_sequence.unwrap_or_default();
                if wished > newest {
                    Begun::Refused(super::wire::invalid("after_sequence is above the newest event"))
                } else {
                    let after_sequence = if self.brings_older() { wished } else { reach.max(wished) };
                    Begun::From { watched: watched.clone(), after_sequence }
                }
            }
            (None, Some(refusal)) => Begun::Refused(refusal.clone()),
            (None, None) => Begun::Refused(Refusal::of(Kind::Away, "it was not answered")),
        });
        begun.collect()
    }

    /// What is heard already, to be given back.
    pub fn heard(&self) -> impl Iterator<Item = &Watched> {
        self.entries.iter().filter_map(|entry| entry.heard.as_ref().map(|(watched, _)| watched))
    }

    /// The same watches from the start, for a client that does not go on.
    pub fn requests(self) -> Vec<v1::WatchConversationRequest> {
        self.entries.into_iter().map(|entry| entry.request).collect()
    }

    /// Where the last of them began: what is heard of all is what was stored after that.
    pub fn position(&self) -> u64 {
        let positions = self.entries.iter().filter_map(|entry| entry.heard.as_ref());
        positions.map(|(_, position)| *position).max().unwrap_or_default()
    }

    /// A client that was cut off goes on.
    pub fn goes_on(&self) -> bool {
        matches!(self.start, Start::Again { .. })
    }

    /// A watch that begins in the middle of things asks for what was before it.
    pub fn brings_older(&self) -> bool {
        self.start == Start::Now && self.entries.iter().any(|entry| entry.request.after_sequence.is_some())
    }
}

/// A key opens what an id does not; everything else is by now an id, so that it stays the same conversation.
fn key_or_id(entry: &Entry, watched: &Watched) -> Option<v1::conversation_ref::Name> {
    use v1::conversation_ref::Name;
    match entry.request.conversation.as_ref().and_then(|named| named.name.as_ref()) {
        Some(Name::Key(key)) => Some(Name::Key(key.clone())),
        _ => Some(Name::Id(watched.conversation_id.clone())),
    }
}

pub(super) fn subscribe(tag: Tag, topic: v1::topic::Name, audience: Audience) -> Effect {
    Effect::Subscribe { tag, topic, audience, replaces: None }
}

impl Watched {
    /// Stops hearing it.
    pub fn end(&self, effects: &mut Vec<Effect>) {
        effects
            .push(Effect::Unhear { topic: self.feed.clone(), conversation_id: self.conversation_id.clone() });
        if let Some(typing) = &self.typing {
            effects.push(Effect::Unsubscribe { topic: typing.clone() });
        }
    }
}
