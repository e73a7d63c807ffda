//! From rows to messages of the contract, and what of them is not for everybody's eyes.

use parlor_api::v1::{self, event::Payload};
use parlor_store::{
    Appended, Author, AuthorKind, Conversation, ConversationChange, ConversationStatus, EventBody, Message,
    Reaction, StoredEvent, UserId,
};

use crate::{
    caller::Principal,
    offset::Offsets,
    subject::envelope,
    wire::{person, timestamp, unsigned},
};

/// For whom an answer or event is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Viewer {
    /// Staff see everything of their tenant.
    Staff,
    /// A customer sees their own e-mail address and nobody else's, and nothing below what was cleared.
    Customer(Option<UserId>),
}

impl Viewer {
    /// The viewer that a principal is.
    #[must_use]
    pub fn of(principal: &Principal) -> Self {
        if principal.is_staff() { Self::Staff } else { Self::Customer(principal.user_id()) }
    }

    fn veil(self, person: Option<&mut v1::Person>) {
        let Self::Customer(own) = self else { return };
        let Some(person) = person else { return };
        if own.is_none_or(|own| own.to_string() != person.user_id) {
            person.email.clear();
        }
    }
}

/// A stored event, as staff see it; [`event_for`] takes away what others do not. Of a subject that chat does not know, only
/// its place in the tenant's order is told.
#[must_use]
pub fn event(offsets: &Offsets, stored: &StoredEvent) -> v1::Event {
    let mut event = envelope(offsets, stored);
    tell(stored, &mut event);
    event
}

/// Says in an event what happened to a conversation.
pub(super) fn tell(stored: &StoredEvent, event: &mut v1::Event) {
    let Some(id) = stored.subject.as_conversation() else { return };
    event.conversation_id = id.to_string();
    event.conversation = stored.conversation.as_deref().map(conversation);
    event.payload = payload(&stored.body);
}

/// What happened to a conversation. What cannot be read, since a newer version wrote it, is passed over: those who wait for
/// its number go on.
fn payload(body: &EventBody) -> Option<Payload> {
    let (by, change) = match body {
        EventBody::Message(sent) => {
            return Some(Payload::MessageSent(v1::MessageSent { message: Some(message(sent)) }));
        }
        EventBody::Encoded { author, kind, bytes } => (author, ConversationChange::decode(*kind, bytes)),
    };
    let author = Some(author(by));
    match change {
        Ok(ConversationChange::Created) => Some(Payload::ConversationChanged(v1::ConversationChanged {
            created: true,
            fields: Vec::new(),
            author,
        })),
        Ok(ConversationChange::Changed(fields)) => {
            Some(Payload::ConversationChanged(v1::ConversationChanged { created: false, fields, author }))
        }
        Ok(ConversationChange::Read(through)) => Some(Payload::MessagesRead(v1::MessagesRead {
            reader: author,
            through_sequence: unsigned(through),
        })),
        Ok(ConversationChange::Reacted { sequence, emoji, removed, count }) => {
            Some(Payload::ReactionChanged(v1::ReactionChanged {
                author,
                message_sequence: unsigned(sequence),
                emoji,
                removed,
                count: u32::try_from(count).unwrap_or_default(),
            }))
        }
        Err(error) => {
            tracing::error!(%error, "an event is told without what it says");
            None
        }
    }
}

/// An event as a native stream shows it to a viewer; `None` if it is not shown.
#[must_use]
pub fn event_for(viewer: Viewer, event: &v1::Event) -> Option<v1::Event> {
    let mut event = event.clone();
    event.origin_connection.clear();
    if viewer == Viewer::Staff {
        return Some(event);
    }
    if event.audience() != v1::Audience::Participants {
        return None;
    }
    let cleared = event.conversation.as_ref().map_or(0, |conversation| conversation.cleared_sequence);
    veil_conversation(viewer, event.conversation.as_mut());
    match event.payload.as_mut()? {
        Payload::MessageSent(sent) => {
            let message = sent.message.as_mut()?;
            if message.sequence <= cleared {
                return None;
            }
            veil_author(viewer, message.author.as_mut());
        }
        Payload::ConversationChanged(changed) => veil_author(viewer, changed.author.as_mut()),
        Payload::MessagesRead(read) => veil_author(viewer, read.reader.as_mut()),
        Payload::ReactionChanged(changed) => {
            if changed.message_sequence <= cleared {
                return None;
            }
            veil_author(viewer, changed.author.as_mut());
        }
        Payload::TypingState(typing) => {
            typing.authors.iter_mut().for_each(|author| veil_author(viewer, Some(author)));
        }
        Payload::PresenceSnapshot(_) | Payload::PresenceChanged(_) => return None,
    }
    Some(event)
}

/// A conversation, as staff see it.
#[must_use]
pub fn conversation(row: &Conversation) -> v1::Conversation {
    v1::Conversation {
        id: row.id.to_string(),
        number: unsigned(row.number),
        key: row.key.clone().unwrap_or_default(),
        kind: row.kind.clone(),
        status: status(row.status).into(),
        owner: row.owner.as_deref().map(person).or_else(|| row.owner_id.map(nameless)),
        assignee: row.assignee.as_deref().map(person).or_else(|| row.assignee_id.map(nameless)),
        tags: row.tags.clone(),
        waiting: row.waiting,
        unanswered: row.unanswered,
        unread_count: u32::try_from(row.unread_count).unwrap_or_default(),
        last_message: row.last_message.as_deref().map(message),
        last_sequence: unsigned(row.last_sequence),
        floor_sequence: unsigned(row.floor_sequence),
        cleared_sequence: unsigned(row.cleared_sequence),
        create_time: Some(timestamp(row.created_at)),
        update_time: Some(timestamp(row.updated_at)),
        customer_active_time: Some(timestamp(row.customer_active_at)),
        staff_read_time: row.staff_read_at.map(timestamp),
        staff_read_sequence: unsigned(row.staff_read_sequence),
    }
}

/// A conversation, as a viewer sees it.
#[must_use]
pub fn conversation_for(viewer: Viewer, row: &Conversation) -> v1::Conversation {
    let mut seen = conversation(row);
    veil_conversation(viewer, Some(&mut seen));
    seen
}

/// A message, as staff see it.
#[must_use]
pub fn message(row: &Message) -> v1::Message {
    v1::Message {
        id: row.id.to_string(),
        number: unsigned(row.number),
        conversation_id: row.conversation_id.to_string(),
        sequence: unsigned(row.sequence),
        author: Some(author(&row.author)),
        text: row.text.clone(),
        create_time: Some(timestamp(row.created_at)),
        reactions: Vec::new(),
    }
}

/// What is on a message.
#[must_use]
pub fn reactions(rows: &[Reaction]) -> Vec<v1::Reaction> {
    let one = |row: &Reaction| v1::Reaction {
        emoji: row.emoji.clone(),
        count: u32::try_from(row.count).unwrap_or_default(),
        own: row.own,
    };
    rows.iter().map(one).collect()
}

/// A message, as a viewer sees it.
#[must_use]
pub fn message_for(viewer: Viewer, row: &Message) -> v1::Message {
    let mut seen = message(row);
    veil_author(viewer, seen.author.as_mut());
    seen
}

/// Somebody who did something, called what they were called then.
#[must_use]
pub fn author(row: &Author) -> v1::Author {
    let mut person =
        row.user.as_deref().map(person).or_else(|| row.user_id.map(nameless)).unwrap_or_default();
    if !row.name.is_empty() {
        person.display_name.clone_from(&row.name);
    }
    let kind = match row.kind {
        AuthorKind::Customer => v1::AuthorKind::Customer,
        AuthorKind::Staff => v1::AuthorKind::Staff,
        AuthorKind::System => v1::AuthorKind::System,
    };
    v1::Author { kind: kind.into(), person: Some(person) }
}

fn status(status: ConversationStatus) -> v1::ConversationStatus {
    match status {
        ConversationStatus::Open => v1::ConversationStatus::Open,
        ConversationStatus::Pending => v1::ConversationStatus::Pending,
        ConversationStatus::Closed => v1::ConversationStatus::Closed,
    }
}

/// Somebody whose row was not joined.
fn nameless(id: UserId) -> v1::Person {
    v1::Person { user_id: id.to_string(), ..Default::default() }
}

fn veil_conversation(viewer: Viewer, conversation: Option<&mut v1::Conversation>) {
    let (Viewer::Customer(_), Some(conversation)) = (viewer, conversation) else { return };
    viewer.veil(conversation.owner.as_mut());
    viewer.veil(conversation.assignee.as_mut());
    let cleared = conversation.cleared_sequence;
    conversation.last_message.take_if(|message| message.sequence <= cleared);
    if let Some(message) = &mut conversation.last_message {
        veil_author(viewer, message.author.as_mut());
    }
}

fn veil_author(viewer: Viewer, author: Option<&mut v1::Author>) {
    viewer.veil(author.and_then(|author| author.person.as_mut()));
}

/// The answer to a stored message, for whoever sent it.
pub(super) fn sent(viewer: Viewer, appended: &Appended) -> v1::SendMessageResponse {
    v1::SendMessageResponse {
        message: Some(message_for(viewer, &appended.message)),
        conversation: Some(conversation_for(viewer, &appended.conversation)),
    }
}
