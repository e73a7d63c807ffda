//! What goes out: frames and bodies with the names, and in the key order, that the old front-ends know.

use std::borrow::Cow;

use http::StatusCode;
use parlor_api::{
    hex_id::{self, Kind},
    v1,
};
use parlor_socketio::Text;
use serde::Serialize;

pub(super) use crate::dialect::rest::json;
use crate::dialect::{Frame, Response, erased, javascript::iso};

/// What a conversation of this dialect is for.
pub(super) const KIND: &str = "staff";

/// What a list row shows of the last message, counted as its readers count: in UTF-16 units.
const PREVIEW_UNITS: usize = 50;

const ANONYMOUS: &str = "Anonymous Customer";

// === Frames ===

#[derive(Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Outgoing<'a> {
    #[serde(rename_all = "camelCase")]
    Registered {
        session_id: &'a str,
        status: &'static str,
    },
    #[serde(rename_all = "camelCase")]
    AdminRegistered {
        user_id: &'a str,
        status: &'static str,
    },
    #[serde(rename_all = "camelCase")]
    CustomerMessage {
        session_id: &'a str,
        message: &'a str,
        customer_name: &'a str,
        timestamp: String,
    },
    StaffReply {
        message: &'a str,
        timestamp: String,
    },
    Error {
        message: &'a str,
    },
}

impl Outgoing<'_> {
    fn frame(&self) -> Frame {
        Frame::Text(Text::from(serde_json::to_string(self).expect("strings always serialise")))
    }
}

pub(super) fn registered_frame(session_id: &str) -> Frame {
    Outgoing::Registered { session_id, status: "connected" }.frame()
}

pub(super) fn admin_registered_frame(user_id: &str) -> Frame {
    Outgoing::AdminRegistered { user_id, status: "connected" }.frame()
}

pub(super) fn error_frame(message: &str) -> Frame {
    Outgoing::Error { message }.frame()
}

/// What staff hear when a customer writes.
pub(super) fn customer_message(conversation: &v1::Conversation, message: &v1::Message) -> Frame {
    let person = message.author.as_ref().and_then(|author| author.person.as_ref());
    Outgoing::CustomerMessage {
        session_id: &session_id(conversation),
        message: erased::text(message),
        customer_name: writer_name(person),
        timestamp: iso(message.create_time.as_ref()),
    }
    .frame()
}

/// What a customer hears when staff write.
pub(super) fn staff_reply(message: &v1::Message) -> Frame {
    Outgoing::StaffReply { message: erased::text(message), timestamp: iso(message.create_time.as_ref()) }
        .frame()
}

// === Bodies ===

#[derive(Serialize)]
struct Body<'a, D> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<D>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

/// A message as customers read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct HistoryMessage<'a> {
    role: &'static str,
    content: &'a str,
    timestamp: String,
    message_type: &'static str,
    related_products: [(); 0],
    faq: Option<()>,
}

/// A message as staff read it, and as polling customers do.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoredMessage<'a> {
    role: &'static str,
    content: &'a str,
    message_type: &'static str,
    timestamp: String,
    #[serde(rename = "_id")]
    id: String,
}

/// Where a conversation stands, as customers read it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct State<'a> {
    is_staff_chat: bool,
    waiting_for_staff: bool,
    is_active: bool,
    has_unread_from_customer: bool,
    assigned_staff: Option<Cow<'a, str>>,
}

/// A row of the staff's list.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ActiveChat<'a> {
    session_id: String,
    customer_name: String,
    customer_email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer_id: Option<&'a str>,
    last_message: String,
    last_activity: String,
    unread_count: u32,
    waiting_for_staff: bool,
}

/// The customer of a conversation, as staff read it.
#[derive(Serialize)]
pub(super) struct Customer<'a> {
    name: String,
    email: Option<&'a str>,
    id: Option<&'a str>,
}

/// The conversation a signed-in customer comes back to.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct OwnConversation<'a> {
    #[serde(rename = "_id")]
    id: String,
    session_id: &'a str,
    is_staff_chat: bool,
    waiting_for_staff: bool,
    last_activity: String,
}

impl<'a> HistoryMessage<'a> {
    pub(super) fn new(message: &'a v1::Message) -> Self {
        let (role, message_type) = role(message);
        Self {
            role,
            content: erased::text(message),
            timestamp: iso(message.create_time.as_ref()),
            message_type,
            related_products: [],
            faq: None,
        }
    }
}

impl<'a> StoredMessage<'a> {
    pub(super) fn new(message: &'a v1::Message) -> Self {
        let (role, message_type) = role(message);
        Self {
            role,
            content: erased::text(message),
            message_type,
            timestamp: iso(message.create_time.as_ref()),
            id: hex_id::encode(Kind::Message, message.number),
        }
    }
}

impl<'a> State<'a> {
    pub(super) fn new(conversation: &'a v1::Conversation) -> Self {
        Self {
            is_staff_chat: conversation.kind == KIND,
            waiting_for_staff: conversation.waiting,
            is_active: conversation.status() != v1::ConversationStatus::Closed,
            has_unread_from_customer: conversation.unanswered,
            assigned_staff: conversation.assignee.as_ref().map(staff_id),
        }
    }
}

impl<'a> ActiveChat<'a> {
    pub(super) fn new(conversation: &'a v1::Conversation) -> Self {
        let owner = conversation.owner.as_ref();
        Self {
            session_id: session_id(conversation),
            customer_name: customer_name(owner),
            customer_email: owner.and_then(|owner| filled(&owner.email)),
            customer_id: owner.and_then(|owner| filled(&owner.subject)),
            last_message: conversation
                .last_message
                .as_ref()
                .map_or_else(|| "No messages yet".to_owned(), |message| preview(erased::text(message))),
            last_activity: iso(conversation.customer_active_time.as_ref()),
            unread_count: conversation.unread_count,
            waiting_for_staff: conversation.waiting,
        }
    }
}

impl<'a> Customer<'a> {
    pub(super) fn new(conversation: &'a v1::Conversation) -> Self {
        let owner = conversation.owner.as_ref();
        Self {
            name: customer_name(owner),
            email: owner.and_then(|owner| filled(&owner.email)),
            id: owner.and_then(|owner| filled(&owner.subject)),
        }
    }
}

impl<'a> OwnConversation<'a> {
    pub(super) fn new(conversation: &'a v1::Conversation) -> Self {
        Self {
            id: hex_id::encode(Kind::Conversation, conversation.number),
            session_id: &conversation.key,
            is_staff_chat: conversation.kind == KIND,
            waiting_for_staff: conversation.waiting,
            last_activity: iso(conversation.customer_active_time.as_ref()),
        }
    }
}

// === Answers ===

/// 200 with a text.
pub(super) fn done(message: &str) -> Response {
    answer(StatusCode::OK, Some(message), None::<()>, None)
}

/// 200 with data.
pub(super) fn data(data: impl Serialize) -> Response {
    answer(StatusCode::OK, None, Some(data), None)
}

/// 200 with a text and data.
pub(super) fn done_with(message: &str, data: impl Serialize) -> Response {
    answer(StatusCode::OK, Some(message), Some(data), None)
}

/// A refusal or a failure.
pub(super) fn failed(status: StatusCode, message: &str, error: Option<&str>) -> Response {
    answer(status, Some(message), None::<()>, error)
}

fn answer(
    status: StatusCode,
    message: Option<&str>,
    data: Option<impl Serialize>,
    error: Option<&str>,
) -> Response {
    json(status, &Body { success: status == StatusCode::OK, message, data, error })
}

/// A refusal of `/auth` or for want of a token, whose key is another.
pub(super) fn refused(status: StatusCode, msg: &str) -> Response {
    json(status, &serde_json::json!({"msg": msg}))
}

// === Words ===

/// Where a conversation stands that the old front-ends call active.
pub(super) fn active_statuses() -> Vec<i32> {
    vec![v1::ConversationStatus::Open.into(), v1::ConversationStatus::Pending.into()]
}

/// The side a message comes from; what we do not know is nobody's.
pub(super) fn author_kind(message: &v1::Message) -> v1::AuthorKind {
    message.author.as_ref().map_or(v1::AuthorKind::Unspecified, v1::Author::kind)
}

/// Who looks after a conversation. What an issuer calls them is not told to customers, to whom they are a number of ours.
fn staff_id(assignee: &v1::Person) -> Cow<'_, str> {
    match filled(&assignee.subject) {
        Some(subject) => subject.into(),
        None => hex_id::encode(Kind::User, assignee.number).into(),
    }
}

/// What this dialect calls a conversation: its key, or `id:` and Parlor's id where another front-end chose no key.
pub(super) fn session_id(conversation: &v1::Conversation) -> String {
    if conversation.key.is_empty() {
        format!("{}{}", super::read::ID_PREFIX, conversation.id)
    } else {
        conversation.key.clone()
    }
}

fn role(message: &v1::Message) -> (&'static str, &'static str) {
    match author_kind(message) {
        v1::AuthorKind::Customer => ("user", "text"),
        v1::AuthorKind::Staff => ("assistant", "staff"),
        v1::AuthorKind::System | v1::AuthorKind::Unspecified => ("assistant", "predefined"),
    }
}

/// Who writes: the username of a signed-in customer, the name a guest goes by, or nobody in particular.
fn writer_name(person: Option<&v1::Person>) -> &str {
    let Some(person) = person else { return "Customer" };
    let guest_name = person.user_id.is_empty().then_some(person.display_name.as_str());
    filled(&person.username).or(guest_name.and_then(filled)).unwrap_or("Customer")
}

/// Whose conversation it is, in lists.
fn customer_name(owner: Option<&v1::Person>) -> String {
    let Some(owner) = owner else { return ANONYMOUS.to_owned() };
    let name = filled(&owner.display_name).or(filled(&owner.username));
    match (name, filled(&owner.subject)) {
        (Some(name), _) => name.to_owned(),
        (None, Some(subject)) => format!("Customer {subject}"),
        (None, None) => ANONYMOUS.to_owned(),
    }
}

/// The beginning of a text, without half a character at its end.
fn preview(text: &str) -> String {
    let mut units = 0;
    let cut = text.char_indices().find(|(_, character)| {
        units += character.len_utf16();
        units > PREVIEW_UNITS
    });
    cut.map_or_else(|| text.to_owned(), |(end, _)| format!("{}...", &text[..end]))
}

fn filled(text: &str) -> Option<&str> {
    (!text.is_empty()).then_some(text)
}

pub(super) fn bad_request(message: &str) -> Response {
    failed(StatusCode::BAD_REQUEST, message, None)
}

pub(super) fn not_found() -> Response {
    failed(StatusCode::NOT_FOUND, "Not found", None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preview_is_fifty_units_and_never_half_a_character() {
        assert_eq!(preview(&"a".repeat(50)), "a".repeat(50));
        assert_eq!(preview(&"a".repeat(51)), format!("{}...", "a".repeat(50)));
        assert_eq!(preview(&"ä".repeat(51)), format!("{}...", "ä".repeat(50)));
        assert_eq!(preview(&"😀".repeat(25)), "😀".repeat(25));
        assert_eq!(preview(&format!("a{}", "😀".repeat(25))), format!("a{}...", "😀".repeat(24)));
    }

    #[test]
    fn a_customer_is_called_by_the_best_name_there_is() {
        let person = |display_name: &str, username: &str, subject: &str| v1::Person {
            display_name: display_name.to_owned(),
            username: username.to_owned(),
            subject: subject.to_owned(),
            ..v1::Person::default()
        };
        assert_eq!(customer_name(None), "Anonymous Customer");
        assert_eq!(customer_name(Some(&person("Ada Lovelace", "ada", "64b0"))), "Ada Lovelace");
        assert_eq!(customer_name(Some(&person("", "ada", "64b0"))), "ada");
        assert_eq!(customer_name(Some(&person("", "", "64b0"))), "Customer 64b0");
        assert_eq!(customer_name(Some(&person("", "", ""))), "Anonymous Customer");
    }
}
