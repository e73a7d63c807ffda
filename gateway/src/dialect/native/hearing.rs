//! What a connection hears: how watches begin, and how a connection that was cut off goes on.
//!
//! ```text
//! hold ─► hear each conversation's part of the feed ─► ask what was stored before that ─► begun ─► older events ─► release
//! ```
//!
//! Every part of the feed begins at a position. What was stored up to there, and is wanted, is asked of the core and sent
//! first; what comes from there on waits meanwhile. So nothing is lost and nothing comes twice, and what is sent is in the
//! tenant's order. Who is typing is heard beside it, where the connection may: a state, told anew at each beginning.

use parlor_api::v1::{self, conversation_ref, topic::Name};

use super::wire;
use crate::dialect::{Audience, Effect, TopicHandle, ask::Core, refusal::Refusal};

/// Conversations that one connection may watch: as many topics as the core lets it hear, half of them for typing.
pub(super) const WATCHED_MAX: usize = 50;

/// Older events asked for at a time, so that what goes out in one piece stays below what may wait for a
/// socket: an event has about a kilobyte.
pub(super) const PAGE: i32 = 50;

/// A conversation that is watched.
#[derive(Clone, Debug)]
pub(super) struct Watched {
    pub conversation_id: String,
    feed: TopicHandle,
    typing: Option<TopicHandle>,
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
    start: Start,
    /// The place that the pages so far have reached.
    reached: String,
}

#[derive(Debug)]
struct Entry {
    request: v1::WatchConversationRequest,
    /// The conversation, and the position that it is heard from; or why it is not.
    heard: Result<(Watched, u64), Refusal>,
    /// Its last event at the place it is heard from, and when its hearing began.
    reach: Option<(u64, u64)>,
}

impl Beginning {
    /// Hears each conversation, and who is online if that is wanted too. An outage ends it.
    pub async fn hear(
        core: &Core,
        requests: Vec<v1::WatchConversationRequest>,
        start: Start,
        audience: Audience,
        presence: bool,
    ) -> Result<(Self, Option<TopicHandle>), Refusal> {
        let feed = |request: &v1::WatchConversationRequest| {
            Name::Feed(v1::TopicFeed { conversation: request.conversation.clone() })
        };
        let online = presence.then_some(Name::Presence(v1::TopicPresence {}));
        let topics = requests.iter().map(feed).chain(online).collect();
        let mut answers = core.subscribe_all(topics, audience).await?;
        let online = answers.pop_if(|_| presence).and_then(Result::ok).map(|heard| heard.topic);
        let entries = requests.into_iter().zip(answers).map(|(request, answer)| {
            let heard = answer.map(|heard| {
                let conversation_id = heard.conversation_id;
                (Watched { conversation_id, feed: heard.topic, typing: None }, heard.position)
            });
            Entry { request, heard, reach: None }
        });
        Ok((Self { entries: entries.collect(), start, reached: String::new() }, online))
    }

    /// Hears who is typing, too. A person let in by a key alone is not told.
    pub async fn hear_typing(&mut self, core: &Core, audience: Audience) -> Result<(), Refusal> {
        let typing = self.heard().map(|watched| Name::Typing(watched.conversation_id.clone())).collect();
        let answers = core.subscribe_all(typing, audience).await?;
        let heard = self.entries.iter_mut().filter_map(|entry| entry.heard.as_mut().ok());
        for ((watched, _), answer) in heard.zip(answers) {
            watched.typing = answer.ok().map(|heard| heard.topic);
        }
        Ok(())
    }

    /// Some conversation may not be heard.
    pub fn is_refused(&self) -> bool {
        self.entries.iter().any(|entry| entry.heard.is_err())
    }

    /// The question for the next page of what was stored before its beginning; `None` if nothing is heard.
    pub fn older(&self) -> Option<v1::ListMissedEventsRequest> {
        let heard = self.entries.iter().filter_map(|entry| Some((entry, entry.heard.as_ref().ok()?)));
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
        let (after_offset, after_position) = match &self.start {
            _ if !self.reached.is_empty() => (self.reached.clone(), 0),
            Start::Again { offset, began } => (offset.clone(), *began),
            Start::At(began) => (String::new(), *began),
            Start::Now if self.brings_older() => (String::new(), 0),
            Start::Now => (String::new(), self.position()),
        };
        let (limit, messages_only) = (PAGE, false);
        Some(v1::ListMissedEventsRequest {
            after_offset,
            after_position,
            limit,
            messages_only,
            conversations,
        })
    }

    /// Takes what a page says of how far it reaches.
    pub fn reached(&mut self, page: &v1::ListMissedEventsResponse) {
        self.reached.clone_from(&page.offset);
        let heard = self.entries.iter_mut().filter(|entry| entry.heard.is_ok());
        for (entry, reach) in heard.zip(&page.reaches) {
            entry.reach.get_or_insert((reach.after_sequence, reach.through_sequence));
        }
    }

    /// Each watch with the sequence above which its events come, or why it has not begun.
    pub fn begun(&self) -> impl Iterator<Item = Result<(&Watched, u64), Refusal>> {
        self.entries.iter().map(|entry| {
            let (watched, _) = entry.heard.as_ref().map_err(Clone::clone)?;
            let (reach, newest) = entry.reach.unwrap_or_default();
            let wished = entry.request.after_sequence.unwrap_or_default();
            if wished > newest {
                return Err(wire::invalid("after_sequence is above the newest event"));
            }
            Ok((watched, if self.brings_older() { wished } else { reach.max(wished) }))
        })
    }

    /// What is heard.
    pub fn heard(&self) -> impl Iterator<Item = &Watched> {
        self.entries.iter().filter_map(|entry| entry.heard.as_ref().ok().map(|(watched, _)| watched))
    }

    /// The same watches from the start, for a client that does not go on.
    pub fn requests(self) -> Vec<v1::WatchConversationRequest> {
        self.entries.into_iter().map(|entry| entry.request).collect()
    }

    /// Where the last of them began: what is heard of all is what was stored after that.
    pub fn position(&self) -> u64 {
        let positions = self.entries.iter().filter_map(|entry| entry.heard.as_ref().ok());
        positions.map(|(_, position)| *position).max().unwrap_or_default()
    }

    /// A client that was cut off goes on.
    pub fn goes_on(&self) -> bool {
        matches!(self.start, Start::Again { .. })
    }

    /// A watch that begins in the middle of things asks for what was before it.
    fn brings_older(&self) -> bool {
        self.start == Start::Now && self.entries.iter().any(|entry| entry.request.after_sequence.is_some())
    }
}

/// A key opens what an id does not; everything else is by now an id, so that it stays the same conversation.
fn key_or_id(entry: &Entry, watched: &Watched) -> Option<conversation_ref::Name> {
    let name = entry.request.conversation.as_ref().and_then(|named| named.name.as_ref());
    let key = name.filter(|name| matches!(name, conversation_ref::Name::Key(_)));
    Some(key.cloned().unwrap_or_else(|| conversation_ref::Name::Id(watched.conversation_id.clone())))
}

impl Watched {
    /// Stops hearing it.
    pub fn end(&self, core: &Core) {
        let (topic, only) = (self.feed.clone(), Some(self.conversation_id.clone()));
        core.tell(Effect::Unsubscribe { topic, only });
        if let Some(topic) = self.typing.clone() {
            core.tell(Effect::unsubscribe(topic));
        }
    }
}
