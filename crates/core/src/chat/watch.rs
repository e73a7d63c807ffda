//! Watching a conversation: what is stored first, then live, each event once and in order.
//!
//! A watch begins at the head, then reads the tail up to that head, and then what the mailbox has gathered since. A
//! reader that lets the mailbox overflow is told to come back with the last sequence it saw.

use std::{collections::VecDeque, sync::Arc};

use futures::{
    future::BoxFuture,
    stream::{self, StreamExt as _},
};
use parlor_api::v1;
use parlor_store::{Conversation, ConversationId, StoredEvent, TenantId};
use tonic::Status;

use super::{Chat, access::Named, convert};
use crate::{
    Error, Result,
    caller::Caller,
    hub::{Item, Mailbox, Topic, Watch},
    request::Answers,
    wire::signed,
};

/// What a native stream may have waiting: some hundred messages, more than any reader that keeps up.
pub const MAILBOX_BYTES: usize = 512 * 1024;

/// How many stored events are read at once.
const TAIL_PAGE: u64 = 200;

/// States among the events, such as who was typing when the watch began.
pub(super) type Inbox = Mailbox<Arc<v1::Event>>;

/// The stored events between where a client was and where its watch began.
pub(super) struct Tail {
    tenant: TenantId,
    pub conversation: ConversationId,
    after: i64,
    through: i64,
    page: VecDeque<StoredEvent>,
}

/// A conversation that a stream listens to.
pub(super) struct Listening {
    pub conversation: Conversation,
    /// The sequence after which the client hears everything.
    pub after: i64,
    pub tail: Tail,
    /// Events up to here were given, or are given by the tail.
    seen: i64,
    /// Held so that the log is heard.
    pub _log: Watch,
    typing: Watch,
}

struct Watching {
    chat: Chat,
    inbox: Arc<Inbox>,
    listening: Listening,
    ended: BoxFuture<'static, Error>,
}

impl Chat {
    /// The events of a conversation for one caller.
    pub(super) async fn watch(
        &self,
        caller: &Caller,
        request: v1::WatchConversationRequest,
    ) -> Result<Answers<v1::WatchConversationResponse>> {
        let principal = caller.principal()?;
        let named = self.find.meant(principal, request.conversation).await?;
        let inbox = Arc::new(Inbox::new(MAILBOX_BYTES));
        let listening = self.listen(caller, &named, request.after_sequence.map(signed), &inbox).await?;
        let watching =
            Watching { chat: self.clone(), inbox, listening, ended: self.hub.ended(&self.rights, principal) };
        let events = stream::try_unfold(watching, |mut watching| async move {
            let event = watching.next().await.map_err(Status::from)?;
            Ok(Some((v1::WatchConversationResponse { event: Some(event) }, watching)))
        });
        Ok(events.boxed())
    }

    /// Begins to listen for a stream.
    pub(super) async fn listen(
        &self,
        caller: &Caller,
        named: &Named,
        after: Option<i64>,
        inbox: &Arc<Inbox>,
    ) -> Result<Listening> {
        // Nothing is opened for who may not hear it.
        let principal = caller.principal()?;
        let (tenant, id) = (principal.tenant, self.find.accessible(principal, &caller.peer, named).await?.id);
        let mut position = 0;
        let watcher = Arc::clone(inbox);
        let log = self.hub.watch(Topic::conversation(tenant, id), watcher, |began| position = began.position);
        let log = log.await?;
        let (watcher, notes) = (Arc::clone(inbox), Arc::clone(inbox));
        let typing = self.hub.watch(Topic::typing(tenant, id), watcher, move |began| {
            if let Some(snapshot) = began.snapshot.filter(|snapshot| is_anybody_typing(snapshot)) {
                notes.note(snapshot);
            }
        });
        let typing = typing.await?;
        // Read after the watch began: what is told of the conversation is never older than where its events begin.
        let conversation = self.find.accessible(principal, &caller.peer, named).await?;
        if let Some(after) = after {
            if after > conversation.last_sequence {
                return Err(Error::field("after_sequence", "is above the newest event"));
            }
            if after + 1 < conversation.floor_sequence {
                return Err(Error::PositionTrimmed { floor: conversation.floor_sequence });
            }
        }
        let after = after.unwrap_or(position);
        let tail = Tail { tenant, conversation: id, after, through: position, page: VecDeque::new() };
        Ok(Listening { conversation, after, tail, seen: position.max(after), _log: log, typing })
    }
}

impl Watching {
    async fn next(&mut self) -> Result<v1::Event> {
        loop {
            let Self { chat, inbox, listening, ended } = self;
            let event = tokio::select! {
                biased;
                error = &mut *ended => return Err(error),
                stored = listening.tail.next(chat), if listening.tail.is_due() => stored?.map(Arc::new),
                item = inbox.next(), if !listening.tail.is_due() => listening.live(item)?,
            };
            if let Some(event) = event {
                return Ok(Arc::unwrap_or_clone(event));
            }
        }
    }
}

fn is_anybody_typing(snapshot: &v1::Event) -> bool {
    matches!(&snapshot.payload, Some(v1::event::Payload::TypingState(state)) if !state.authors.is_empty())
}

impl Listening {
    /// What an item of the inbox shows: nothing of a stored event that the client has seen, which may know more than this
    /// node had heard when its watch began.
    pub fn live(&mut self, item: Item<Arc<v1::Event>>) -> Result<Option<Arc<v1::Event>>> {
        match item {
            Item::Event(topic, announced) if topic.is_log() && announced.number <= self.seen => Ok(None),
            Item::Event(topic, announced) => {
                if topic.is_log() {
                    self.seen = announced.number;
                }
                Ok(Some(announced.event))
            }
            Item::Note(event) => Ok(Some(event)),
            Item::Lagged { topic, .. } if topic.is_log() => Err(Error::SlowReader),
            Item::Lagged { .. } => Ok(self.typing.at_head(|began| began.snapshot)),
        }
    }

    /// Takes the tail out, for a stream that reads several.
    pub fn take_tail(&mut self) -> Tail {
        let rest = Tail { page: VecDeque::new(), after: self.tail.through, ..self.tail };
        std::mem::replace(&mut self.tail, rest)
    }
}

impl Tail {
    pub fn is_due(&self) -> bool {
        !self.page.is_empty() || self.after < self.through
    }

    /// The next stored event; `None` once there is none. Nothing is lost if the future is dropped.
    pub async fn next(&mut self, chat: &Chat) -> Result<Option<v1::Event>> {
        if self.page.is_empty() && self.after < self.through {
            let events = chat.store.log.subject_events(self.tenant, self.conversation, self.after, TAIL_PAGE);
            self.page = events.await?.into();
            let first = self.page.front().map_or(self.through + 1, |first| first.sequence);
            if first > self.after + 1 {
                // It went while the tail was read.
                return Err(Error::PositionTrimmed { floor: first });
            }
        }
        let Some(stored) = self.page.pop_front() else { return Ok(None) };
        if stored.sequence > self.through {
            // Stored after the watch began: the inbox brings it.
            self.page.clear();
            self.after = self.through;
            return Ok(None);
        }
        self.after = stored.sequence;
        Ok(Some(convert::event(&chat.offsets, &stored)))
    }
}
