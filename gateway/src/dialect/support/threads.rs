//! `/api/admin/chat`: conversations with their messages, for admins. No page of today asks for them.

use std::collections::VecDeque;

use http::StatusCode;
use parlor_api::v1;
use serde::Serialize;
use tonic::{Code, Status};

use super::{
    KIND,
    read::{Place, id_of_digits},
    requests::HISTORY_MAX,
    rest::{Endpoint, Next, failed, json, refused},
    shape,
};
use crate::dialect::{Answer, Call, Credential, Response, javascript::iso};

/// So many conversations are in the list, the latest first, with so many of their newest messages: each is read by itself.
const THREADS_MAX: i32 = 100;
const THREAD_MESSAGES: i32 = 50;

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

/// `GET /api/admin/chat`
#[derive(Default)]
pub(super) struct Threads {
    /// Those whose messages are to be read.
    left: VecDeque<v1::Conversation>,
    done: Vec<(v1::Conversation, Vec<v1::Message>)>,
}

/// `GET /api/admin/chat/:id`
pub(super) struct Thread(Option<u64>);

impl Threads {
    fn read_next(&self) -> Next {
        match self.left.front() {
            Some(conversation) => ask(Place::Number(conversation.number), THREAD_MESSAGES),
            None => {
                let threads: Vec<_> = self
                    .done
                    .iter()
                    .map(|(conversation, messages)| Shown::new(conversation, messages))
                    .collect();
                Next::Respond(json(StatusCode::OK, &threads))
            }
        }
    }
}

impl Endpoint for Threads {
    fn begin(&mut self) -> Next {
        Next::ask(
            Call::ListConversations(v1::ListConversationsRequest {
                page_size: THREADS_MAX,
                kind: KIND.to_owned(),
                order_by_update: true,
                ..v1::ListConversationsRequest::default()
            }),
            Credential::Connection,
        )
    }

    fn answered(&mut self, answer: Result<Answer, Status>) -> Next {
        match answer {
            Ok(Answer::ListConversations(page)) if self.done.is_empty() => {
                self.left = page.conversations.into();
                self.read_next()
            }
            Ok(Answer::ListMessages(page)) => {
                let listed = self.left.pop_front();
                self.done.extend(page.conversation.or(listed).map(|shown| (shown, page.messages)));
                self.read_next()
            }
            Ok(_) => Next::Respond(failed(&Status::internal("not what was asked for"))),
            Err(status) => Next::Respond(failed(&status)),
        }
    }
}

impl Thread {
    pub(super) fn new(id: &str) -> Self {
        Self(id_of_digits(id))
    }
}

impl Endpoint for Thread {
    fn begin(&mut self) -> Next {
        match self.0 {
            Some(number) => ask(Place::Number(number), HISTORY_MAX),
            None => Next::Respond(not_found()),
        }
    }

    fn answered(&mut self, answer: Result<Answer, Status>) -> Next {
        Next::Respond(match answer {
            Ok(Answer::ListMessages(page)) => match &page.conversation {
                Some(conversation) if conversation.kind == KIND => {
                    json(StatusCode::OK, &Shown::new(conversation, &page.messages))
                }
                Some(_) | None => not_found(),
            },
            Ok(_) => failed(&Status::internal("not what was asked for")),
            Err(status) if status.code() == Code::NotFound => not_found(),
            Err(status) => failed(&status),
        })
    }
}

impl<'a> Shown<'a> {
    fn new(conversation: &'a v1::Conversation, messages: &'a [v1::Message]) -> Self {
        let owner = conversation.owner.as_ref();
        Self {
            id: conversation.number,
            customer_name: owner.and_then(shape::name).unwrap_or("Unknown Customer"),
            customer_email: owner.map_or("", |owner| &owner.email),
            avatar: owner.map_or("", |owner| &owner.avatar_url),
            last_message: messages.last().map_or("", |message| &message.text),
            unread: conversation.unread_count,
            last_active: iso(conversation.update_time.as_ref()),
            status: shape::status(conversation),
            messages: messages.iter().map(|message| Line::new(message, conversation)).collect(),
        }
    }
}

impl<'a> Line<'a> {
    fn new(message: &'a v1::Message, conversation: &v1::Conversation) -> Self {
        let by_customer =
            message.author.as_ref().is_some_and(|author| author.kind() == v1::AuthorKind::Customer);
        Self {
            id: message.number,
            sender: if by_customer { "customer" } else { "admin" },
            text: &message.text,
            timestamp: iso(message.create_time.as_ref()),
            is_read: by_customer && message.sequence <= conversation.staff_read_sequence,
        }
    }
}

fn ask(place: Place, page_size: i32) -> Next {
    let conversation = Some(place.named());
    Next::ask(
        Call::ListMessages(v1::ListMessagesRequest {
            conversation,
            page_size,
            ..v1::ListMessagesRequest::default()
        }),
        Credential::Connection,
    )
}

fn not_found() -> Response {
    refused(StatusCode::NOT_FOUND, "Chat not found")
}
