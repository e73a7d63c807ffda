//! From rows to messages of the contract, as staff see them; what others do not, `parlor_api::veil` takes away.

use parlor_api::v1::{self, event::Payload};
use parlor_store::{
    Appended, Author, AuthorKind, Conversation, ConversationChange, ConversationStatus, EventBody, Message,
    Reaction, StoredEvent, UserId,
};

use crate::{
    offset::Offsets,
    subject::envelope,
    wire::{person, timestamp, unsigned},
};

/// A stored event. Of a subject that chat does not know, only its place in the tenant's order is told.
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
        Ok(ConversationChange::Erased(sequences)) => Some(Payload::MessagesErased(v1::MessagesErased {
            message_sequences: sequences.into_iter().map(unsigned).collect(),
        })),
        Err(error) => {
            tracing::error!(%error, "an event is told without what it says");
            None
        }
    }
}

/// A conversation.
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

/// A message.
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
        erased: row.erased,
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

/// The answer to a stored message.
pub(super) fn sent(appended: &Appended) -> v1::SendMessageResponse {
    v1::SendMessageResponse {
        message: Some(message(&appended.message)),
        conversation: Some(conversation(&appended.conversation)),
    }
}
