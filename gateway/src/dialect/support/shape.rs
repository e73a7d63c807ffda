//! What goes out over the socket: events with the names, and in the key order, that the old front-ends know. Every field
//! is always there; what has no value is `null`.

use http::StatusCode;
use parlor_api::v1;
use serde::Serialize;
use serde_json::json;

use super::read::id_of_digits;
use crate::dialect::{Frame, Response, SocketEvent, erased, javascript::iso, rest};

pub(super) const FAILED: &str = "Failed to send message";
pub(super) const NOT_AUTHENTICATED: &str = "User not authenticated. Please reconnect.";
pub(super) const WHERE: &str = "Admin messages must include a conversationId";

pub(super) const LIST: &str = "admin:conversationsList";
pub(super) const MESSAGES: &str = "conversation:messages";
pub(super) const OWN: &str = "customer:myConversation";

pub(super) fn no_user(id: u64) -> String {
    format!("User with id {id} not found. Please use an existing user ID from your database.")
}

pub(super) fn no_conversation(number: u64) -> String {
    format!("Conversation with id {number} not found")
}

/// A message.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Message<'a> {
    id: u64,
    conversation_id: u64,
    sender: &'static str,
    content: &'a str,
    is_read: bool,
    created_at: String,
}

/// A message as it arrives, with where.
#[derive(Serialize)]
struct Received<'a> {
    #[serde(flatten)]
    message: Message<'a>,
    conversation: Conversation<'a>,
}

/// A conversation with its customer.
#[derive(Serialize)]
struct Conversation<'a> {
    #[serde(flatten)]
    state: State,
    user: User<'a>,
}

/// A row of the admins' list: the last message only.
#[derive(Serialize)]
pub(super) struct Row<'a> {
    #[serde(flatten)]
    conversation: Conversation<'a>,
    messages: Vec<Message<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct State {
    id: u64,
    user_id: u64,
    status: &'static str,
    unread_count: u32,
    created_at: String,
    updated_at: String,
}

#[derive(Serialize)]
struct User<'a> {
    id: u64,
    name: Option<&'a str>,
    email: &'a str,
    avatar: Option<&'a str>,
}

/// The messages of a conversation, oldest first. What is not to be had has no number that anybody may know.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct History<'a> {
    pub(super) conversation_id: Option<u64>,
    pub(super) messages: &'a [Message<'a>],
}

/// The customer's own conversation.
#[derive(Serialize)]
pub(super) struct Own<'a> {
    conversation: Option<OwnConversation<'a>>,
    messages: &'a [Message<'a>],
}

#[derive(Serialize)]
struct OwnConversation<'a> {
    #[serde(flatten)]
    state: State,
    messages: &'a [Message<'a>],
}

impl<'a> Message<'a> {
    pub(super) fn new(message: &'a v1::Message, conversation: &v1::Conversation) -> Self {
        Self {
            id: message.number,
            conversation_id: conversation.number,
            sender: if is_by_customer(message) { "CUSTOMER" } else { "ADMIN" },
            content: erased::text(message),
            is_read: is_read(message, conversation),
            created_at: iso(message.create_time.as_ref()),
        }
    }

    pub(super) fn all(messages: &'a [v1::Message], conversation: &v1::Conversation) -> Vec<Self> {
        messages.iter().map(|message| Self::new(message, conversation)).collect()
    }
}

impl<'a> Row<'a> {
    /// `None` for a conversation without a customer: the page that shows rows cannot show this one.
    pub(super) fn new(conversation: &'a v1::Conversation) -> Option<Self> {
        let last = conversation.last_message.as_ref();
        let messages = last.map(|message| Message::new(message, conversation)).into_iter().collect();
        Some(Self { conversation: Conversation::new(conversation)?, messages })
    }
}

impl<'a> Conversation<'a> {
    fn new(conversation: &'a v1::Conversation) -> Option<Self> {
        let owner = conversation.owner.as_ref()?;
        Some(Self { state: State::new(conversation), user: User::new(owner) })
    }
}

impl State {
    fn new(conversation: &v1::Conversation) -> Self {
        Self {
            id: conversation.number,
            user_id: conversation.owner.as_ref().map_or(0, person_id),
            status: status(conversation),
            unread_count: conversation.unread_count,
            created_at: iso(conversation.create_time.as_ref()),
            updated_at: iso(conversation.update_time.as_ref()),
        }
    }
}

impl<'a> User<'a> {
    fn new(person: &'a v1::Person) -> Self {
        Self {
            id: person_id(person),
            name: name(person),
            email: &person.email,
            avatar: filled(&person.avatar_url),
        }
    }
}

impl<'a> Own<'a> {
    pub(super) fn new(conversation: &v1::Conversation, messages: &'a [Message<'a>]) -> Self {
        let conversation = Some(OwnConversation { state: State::new(conversation), messages });
        Self { conversation, messages }
    }

    /// For somebody who has none, and asked to be called back.
    pub(super) fn none() -> Self {
        Self { conversation: None, messages: &[] }
    }
}

// === Events ===

pub(super) fn admin_online() -> Frame {
    Frame::Event(SocketEvent::bare("admin:online"))
}

pub(super) fn error(text: &str) -> Frame {
    Frame::Event(SocketEvent::new("message:error", &json!({"error": text})))
}

/// `None` for an event that is no message, or of a conversation without a customer.
pub(super) fn received(event: &v1::Event) -> Option<Frame> {
    let Some(v1::event::Payload::MessageSent(v1::MessageSent { message: Some(message) })) = &event.payload
    else {
        return None;
    };
    let conversation = event.conversation.as_ref()?;
    let mut shown = Message::new(message, conversation);
    // It has just arrived, whoever has read up to here since.
    shown.is_read = false;
    let received = Received { message: shown, conversation: Conversation::new(conversation)? };
    Some(Frame::Event(SocketEvent::new("message:received", &received)))
}

// === Words ===

/// What a person is called on this wire.
pub(super) fn person_id(person: &v1::Person) -> u64 {
    id_of_digits(&person.subject).unwrap_or(person.number)
}

pub(super) fn name(person: &v1::Person) -> Option<&str> {
    filled(&person.display_name).or_else(|| filled(&person.username))
}

pub(super) fn is_by_customer(message: &v1::Message) -> bool {
    message.author.as_ref().is_some_and(|author| author.kind() == v1::AuthorKind::Customer)
}

/// Only what customers write is ever read.
pub(super) fn is_read(message: &v1::Message, conversation: &v1::Conversation) -> bool {
    is_by_customer(message) && message.sequence <= conversation.staff_read_sequence
}

pub(super) fn status(conversation: &v1::Conversation) -> &'static str {
    match conversation.status() {
        v1::ConversationStatus::Pending => "PENDING",
        v1::ConversationStatus::Closed => "CLOSED",
        v1::ConversationStatus::Open | v1::ConversationStatus::Unspecified => "OPEN",
    }
}

pub(super) fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

pub(super) fn refused(status: StatusCode, message: &str) -> Response {
    rest::json(status, &json!({"message": message}))
}

pub(super) fn not_found() -> Response {
    refused(StatusCode::NOT_FOUND, "Not found")
}
