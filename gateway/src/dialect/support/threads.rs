//! `/api/admin/chat`: conversations with their messages, for admins. No page of today asks for them.

use http::StatusCode;
use parlor_api::v1;
use serde::Serialize;

use super::{
    read::{KIND, Place, id_of_digits},
    requests::{HISTORY_MAX, latest, newest},
    shape::{self, refused},
};
use crate::dialect::{
    Response, erased,
    javascript::iso,
    refusal::Kind,
    rest::{Asked, Failure, json},
};

/// Conversations in the list, the latest first, and the newest messages of each: each is read by itself.
const THREADS_MAX: i32 = 100;
const THREAD_MESSAGES: i32 = 50;

/// `GET /api/admin/chat`
pub(super) async fn list(asked: Asked) -> Result<Response, Failure> {
    let mut threads = Vec::new();
    for row in asked.ask(latest(THREADS_MAX)).await?.conversations {
        let page = asked.ask(newest(Place::Number(row.number).named(), THREAD_MESSAGES)).await?;
        threads.push((page.conversation.unwrap_or(row), page.messages));
    }
    let shown = threads.iter().map(|(conversation, messages)| Shown::new(conversation, messages));
    Ok(json(StatusCode::OK, &shown.collect::<Vec<_>>()))
}

/// `GET /api/admin/chat/:id`
pub(super) async fn one(asked: Asked) -> Result<Response, Failure> {
    let not_found = || refused(StatusCode::NOT_FOUND, "Chat not found");
    let number = id_of_digits(&asked.id).ok_or_else(not_found)?;
    let page = match asked.ask(newest(Place::Number(number).named(), HISTORY_MAX)).await {
        Err(refusal) if refusal.kind == Kind::NotFound => return Ok(not_found()),
        answered => answered?,
    };
    let ours = page.conversation.filter(|conversation| conversation.kind == KIND);
    let conversation = ours.ok_or_else(not_found)?;
    Ok(json(StatusCode::OK, &Shown::new(&conversation, &page.messages)))
}

/// A conversation with its messages.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: u64,
    customer_name: &'a str,
    customer_email: &'a str,
    avatar: &'a str,
    last_message: &'a str,
    unread: u32,
    last_active: String,
    status: &'static str,
    messages: Vec<Line<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Line<'a> {
    id: u64,
    sender: &'static str,
    text: &'a str,
    timestamp: String,
    is_read: bool,
}

impl<'a> Shown<'a> {
    fn new(conversation: &'a v1::Conversation, messages: &'a [v1::Message]) -> Self {
        let owner = conversation.owner.as_ref();
        Self {
            id: conversation.number,
            customer_name: owner.and_then(shape::name).unwrap_or("Unknown Customer"),
            customer_email: owner.map_or("", |owner| &owner.email),
            avatar: owner.map_or("", |owner| &owner.avatar_url),
            last_message: messages.last().map_or("", erased::text),
            unread: conversation.unread_count,
            last_active: iso(conversation.update_time.as_ref()),
            status: shape::status(conversation),
            messages: messages.iter().map(|message| Line::new(message, conversation)).collect(),
        }
    }
}

impl<'a> Line<'a> {
    fn new(message: &'a v1::Message, conversation: &v1::Conversation) -> Self {
        Self {
            id: message.number,
            sender: if shape::is_by_customer(message) { "customer" } else { "admin" },
            text: erased::text(message),
            timestamp: iso(message.create_time.as_ref()),
            is_read: shape::is_read(message, conversation),
        }
    }
}
