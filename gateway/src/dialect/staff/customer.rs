//! The customer's endpoints: connect, write, read, poll, clear, come back.
//!
//! Whoever knows the session id may use them; the core refuses a token that proves somebody else than the owner.

use std::time::Duration;

use jiff::Timestamp;
use parlor_api::v1;
use serde::Serialize;
use serde_json::Value;
use tonic::{Code, Status};

use super::{
    KIND, body, read,
    rest::{Caller, Endpoint, Next, bad_request, failed, unexpected},
    shape::{self, HistoryMessage, OwnConversation, State, StoredMessage},
};
use crate::dialect::{After, Answer, Call, Credential, Request, Response};

/// How many messages of the history an answer holds, if not said, and at most.
const HISTORY_MESSAGES: i32 = 20;
const HISTORY_MESSAGES_MAX: i32 = 500;

/// A poll that names no time, or `undefined`, hears of the last 10 seconds.
const POLL_SPAN: Duration = Duration::from_secs(10);

/// A customer comes back to a conversation of the last day.
const COME_BACK_SPAN: Duration = Duration::from_secs(24 * 60 * 60);

/// The mode of the widget that is this dialect's; the others talk to machines, elsewhere.
const STAFF_MODE: &str = "staff-chat";

// === POST /chat/staff/connect ===

pub(super) struct Connect(Result<String, Response>);

impl Connect {
    const FAILED: &'static str = "Error connecting to staff";

    pub(super) fn new(request: &Request) -> Self {
        Self(body::object(&request.body).and_then(|body| {
            let id = body.get("sessionId");
            if read::falsy(id) {
                return Err(bad_request("Session ID is required"));
            }
            body::path_session_id(id.and_then(Value::as_str).and_then(read::customer_session_id))
        }))
    }
}

impl Endpoint for Connect {
    fn begin(&mut self, caller: Caller) -> Next {
        match &self.0 {
            Err(refusal) => Next::Respond(refusal.clone()),
            Ok(session_id) => Next::ask(
                Call::CreateConversation(v1::CreateConversationRequest {
                    key: session_id.clone(),
                    kind: KIND.to_owned(),
                    waiting: true,
                    ..v1::CreateConversationRequest::default()
                }),
                caller.credential,
            ),
        }
    }

    fn answered(&mut self, answer: Result<Answer, Status>, _position: Option<u64>) -> Next {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Data<'a> {
            session_id: &'a str,
        }
        Next::Respond(match (answer, &self.0) {
            (Ok(Answer::CreateConversation(_)), Ok(session_id)) => {
                shape::done_with("Connected to staff chat", Data { session_id })
            }
            (Err(status), _) => failed(&status, Self::FAILED),
            (Ok(_), _) => unexpected(Self::FAILED),
        })
    }
}

// === POST /chat/staff/message ===

pub(super) struct Write(Result<body::Message, Response>);

impl Write {
    const FAILED: &'static str = "Error sending message";

    pub(super) fn new(request: &Request) -> Self {
        Self(body::Message::read(request, read::customer_session_id))
    }
}

impl Endpoint for Write {
    fn begin(&mut self, caller: Caller) -> Next {
        match &self.0 {
            Err(refusal) => Next::Respond(refusal.clone()),
            Ok(message) => Next::ask(
                Call::SendMessage(v1::SendMessageRequest {
                    conversation: Some(read::by_key(&message.session_id)),
                    text: message.text.clone(),
                    guest_name: caller.person.map(|person| person.username).unwrap_or_default(),
                    ..v1::SendMessageRequest::default()
                }),
                caller.credential,
            ),
        }
    }

    fn answered(&mut self, answer: Result<Answer, Status>, position: Option<u64>) -> Next {
        match answer {
            // Staff hear of it before the customer knows it is sent.
            Ok(Answer::SendMessage(_)) => Next::RespondAfter(
                shape::done("Message sent to staff"),
                After { position, conversation: None },
            ),
            Ok(_) => Next::Respond(unexpected(Self::FAILED)),
            Err(status) => Next::Respond(failed(&status, Self::FAILED)),
        }
    }
}

// === GET /chat/staff/messages/:sessionId ===

pub(super) struct Poll(Result<(String, Timestamp), Response>);

impl Poll {
    const FAILED: &'static str = "Error getting messages";

    pub(super) fn new(id: &str, request: &Request) -> Self {
        let named = read::parameter(&request.query, "lastMessageTime").and_then(|time| read::time(&time));
        let after =
            named.unwrap_or_else(|| request.received.saturating_sub(POLL_SPAN).unwrap_or(Timestamp::MIN));
        Self(body::path_session_id(read::customer_session_id(id)).map(|session_id| (session_id, after)))
    }
}

impl Endpoint for Poll {
    fn begin(&mut self, caller: Caller) -> Next {
        match &self.0 {
            Err(refusal) => Next::Respond(refusal.clone()),
            Ok((session_id, after)) => Next::ask(
                Call::ListMessages(v1::ListMessagesRequest {
                    conversation: Some(read::by_key(session_id)),
                    page_size: HISTORY_MESSAGES_MAX,
                    author_kind: v1::AuthorKind::Staff.into(),
                    stored_after: Some(wire_time(*after)),
                    ..v1::ListMessagesRequest::default()
                }),
                caller.credential,
            ),
        }
    }

    fn answered(&mut self, answer: Result<Answer, Status>, _position: Option<u64>) -> Next {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Data<'a> {
            new_messages: Vec<StoredMessage<'a>>,
        }
        Next::Respond(match answer {
            Ok(Answer::ListMessages(page)) => {
                shape::data(Data { new_messages: page.messages.iter().map(StoredMessage::new).collect() })
            }
            Ok(_) => unexpected(Self::FAILED),
            Err(status) => failed(&status, Self::FAILED),
        })
    }
}

// === GET /chat/conversation/:sessionId ===

pub(super) struct History {
    session_id: Result<String, Response>,
    limit: i32,
}

impl History {
    const FAILED: &'static str = "Error getting conversation";

    pub(super) fn new(id: &str, request: &Request) -> Self {
        let limit = read::parameter(&request.query, "limit").and_then(|limit| limit.parse::<i32>().ok());
        Self {
            session_id: body::path_session_id(read::customer_session_id(id)),
            limit: limit.filter(|limit| *limit > 0).unwrap_or(HISTORY_MESSAGES).min(HISTORY_MESSAGES_MAX),
        }
    }

    fn respond(messages: &[v1::Message], state: State<'_>) -> Response {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Data<'a> {
            messages: Vec<HistoryMessage<'a>>,
            conversation_state: State<'a>,
        }
        let messages = messages.iter().map(HistoryMessage::new).collect();
        shape::data(Data { messages, conversation_state: state })
    }
}

impl Endpoint for History {
    fn begin(&mut self, caller: Caller) -> Next {
        match &self.session_id {
            Err(refusal) => Next::Respond(refusal.clone()),
            Ok(session_id) => Next::ask(
                Call::ListMessages(v1::ListMessagesRequest {
                    conversation: Some(read::by_key(session_id)),
                    page_size: self.limit,
                    ..v1::ListMessagesRequest::default()
                }),
                caller.credential,
            ),
        }
    }

    fn answered(&mut self, answer: Result<Answer, Status>, _position: Option<u64>) -> Next {
        Next::Respond(match answer {
            Ok(Answer::ListMessages(page)) => {
                let state = page.conversation.as_ref().map_or_else(State::unknown, State::new);
                Self::respond(&page.messages, state)
            }
            Err(status) if status.code() == Code::NotFound => Self::respond(&[], State::unknown()),
            Ok(_) => unexpected(Self::FAILED),
            Err(status) => failed(&status, Self::FAILED),
        })
    }
}

// === DELETE /chat/conversation/:sessionId ===

/// Hides what was written so far from the customer. Staff keep it.
pub(super) struct Clear {
    session_id: Result<String, Response>,
    credential: Credential,
}

impl Clear {
    const FAILED: &'static str = "Error clearing conversation";

    pub(super) fn new(id: &str) -> Self {
        Self {
            session_id: body::path_session_id(read::customer_session_id(id)),
            credential: Credential::Guest,
        }
    }

    fn respond(cleared: bool) -> Next {
        #[derive(Serialize)]
        struct Data {
            cleared: bool,
        }
        Next::Respond(shape::done_with("Conversation cleared successfully", Data { cleared }))
    }
}

impl Endpoint for Clear {
    fn begin(&mut self, caller: Caller) -> Next {
        self.credential = caller.credential.clone();
        match &self.session_id {
            Err(refusal) => Next::Respond(refusal.clone()),
            Ok(session_id) => Next::ask(
                Call::GetConversation(v1::GetConversationRequest {
                    conversation: Some(read::by_key(session_id)),
                }),
                caller.credential,
            ),
        }
    }

    fn answered(&mut self, answer: Result<Answer, Status>, _position: Option<u64>) -> Next {
        match answer {
            Ok(Answer::GetConversation(v1::GetConversationResponse { conversation: Some(conversation) }))
                if conversation.last_message.is_some() =>
            {
                let call = Call::UpdateConversation(v1::UpdateConversationRequest {
                    conversation: Some(read::by_key(&conversation.key)),
                    clear_history: true,
                    ..v1::UpdateConversationRequest::default()
                });
                Next::ask(call, self.credential.clone())
            }
            Ok(Answer::GetConversation(_)) => Self::respond(false),
            Ok(Answer::UpdateConversation(_)) => Self::respond(true),
            Ok(_) => Next::Respond(unexpected(Self::FAILED)),
            Err(status) if status.code() == Code::NotFound => Self::respond(false),
            Err(status) => Next::Respond(failed(&status, Self::FAILED)),
        }
    }
}

// === GET /chat/find-user-conversation ===

/// The conversation a signed-in customer comes back to, in the widget's staff mode.
pub(super) struct FindOwn {
    staff_mode: bool,
    since: Timestamp,
}

impl FindOwn {
    const FAILED: &'static str = "Error finding conversation";

    /// A customer's newest conversations of a day; one of them was made by this dialect.
    const CANDIDATES: i32 = 20;

    pub(super) fn new(request: &Request) -> Self {
        let mode = read::parameter(&request.query, "mode");
        Self {
            staff_mode: mode.is_none_or(|mode| mode == STAFF_MODE),
            since: request.received.saturating_sub(COME_BACK_SPAN).unwrap_or(Timestamp::MIN),
        }
    }

    fn respond(conversation: Option<&v1::Conversation>) -> Next {
        #[derive(Serialize)]
        struct Data<'a> {
            conversation: Option<OwnConversation<'a>>,
        }
        Next::Respond(shape::data(Data { conversation: conversation.map(OwnConversation::new) }))
    }
}

impl Endpoint for FindOwn {
    fn begin(&mut self, caller: Caller) -> Next {
        // A guest owns nothing, and neither do staff here: ids are listed to their owner only.
        let Some(person) = caller.person.filter(|_| caller.credential == Credential::Connection) else {
            return Self::respond(None);
        };
        if !self.staff_mode {
            return Self::respond(None);
        }
        Next::ask(
            Call::ListConversations(v1::ListConversationsRequest {
                page_size: Self::CANDIDATES,
                statuses: shape::active_statuses(),
                kind: KIND.to_owned(),
                owner_id: person.user_id,
                active_after: Some(wire_time(self.since)),
                ..v1::ListConversationsRequest::default()
            }),
            caller.credential,
        )
    }

    fn answered(&mut self, answer: Result<Answer, Status>, _position: Option<u64>) -> Next {
        match answer {
            Ok(Answer::ListConversations(page)) => {
                Self::respond(page.conversations.iter().find(|conversation| !conversation.key.is_empty()))
            }
            Ok(_) => Next::Respond(unexpected(Self::FAILED)),
            Err(status) => Next::Respond(failed(&status, Self::FAILED)),
        }
    }
}

// === GET /chat/faqs ===

/// There are none; the widget asks each time it opens.
pub(super) struct Faqs;

impl Endpoint for Faqs {
    fn begin(&mut self, _caller: Caller) -> Next {
        Next::Respond(shape::data([(); 0]))
    }

    fn answered(&mut self, _answer: Result<Answer, Status>, _position: Option<u64>) -> Next {
        Next::Respond(unexpected("Error getting FAQs"))
    }
}

fn wire_time(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}
