//! The customer's endpoints: connect, write, read, poll, clear, come back.
//!
//! Whoever knows the session id may use them; the core refuses a token that proves somebody else than the owner.

use std::time::Duration;

use jiff::Timestamp;
use parlor_api::v1;
use serde::Serialize;
use serde_json::{Value, json};

use super::{
    body, read,
    shape::{self, HistoryMessage, KIND, OwnConversation, State, StoredMessage, bad_request},
};
use crate::dialect::{
    After, Credential, Reply, Response,
    refusal::Kind,
    rest::{Asked, Failure},
};

/// How many messages of the history an answer holds, if not said, and at most.
const HISTORY_MESSAGES: i32 = 20;
const HISTORY_MESSAGES_MAX: i32 = 500;

/// A poll that names no time, or `undefined`, hears of the last 10 seconds.
const POLL_SPAN: Duration = Duration::from_secs(10);

/// A customer comes back to a conversation of the last day.
const COME_BACK_SPAN: Duration = Duration::from_secs(24 * 60 * 60);

/// A customer's newest conversations of a day; one of them was made by this dialect.
const COME_BACK_CANDIDATES: i32 = 20;

/// The mode of the widget that is this dialect's; the others talk to machines, elsewhere.
const STAFF_MODE: &str = "staff-chat";

/// `POST /chat/staff/connect`
pub(super) async fn connect(asked: Asked) -> Result<Response, Failure> {
    let body = asked.object()?;
    let id = body.get("sessionId");
    if read::falsy(id) {
        return Err(bad_request("Session ID is required").into());
    }
    let id = id.and_then(Value::as_str).and_then(read::customer_session_id);
    let session_id = body::path_session_id(id)?;
    asked
        .ask(v1::CreateConversationRequest {
            key: session_id.clone(),
            kind: KIND.to_owned(),
            waiting: true,
            ..v1::CreateConversationRequest::default()
        })
        .await?;
    Ok(shape::done_with("Connected to staff chat", json!({"sessionId": session_id})))
}

/// `POST /chat/staff/message`; staff hear of it before the customer knows it is sent.
pub(super) async fn write(asked: Asked) -> Result<Reply, Failure> {
    let message = body::Message::read(&asked, read::customer_session_id)?;
    let request = v1::SendMessageRequest {
        conversation: Some(read::by_key(&message.session_id)),
        text: message.text,
        guest_name: asked.person.as_ref().map(|person| person.username.clone()).unwrap_or_default(),
        ..v1::SendMessageRequest::default()
    };
    let (_, position) = asked.core.store(request, &asked.credential).await?;
    let after = Some(After { position, conversation: None });
    Ok(Reply { response: shape::done("Message sent to staff"), after })
}

/// `GET /chat/staff/messages/:sessionId`
pub(super) async fn poll(asked: Asked) -> Result<Response, Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data<'a> {
        new_messages: Vec<StoredMessage<'a>>,
    }
    let session_id = body::path_session_id(read::customer_session_id(&asked.id))?;
    let named = read::parameter(&asked.request.query, "lastMessageTime").and_then(|time| read::time(&time));
    let page = asked
        .ask(v1::ListMessagesRequest {
            conversation: Some(read::by_key(&session_id)),
            page_size: HISTORY_MESSAGES_MAX,
            author_kind: v1::AuthorKind::Staff.into(),
            stored_after: Some(wire_time(named.unwrap_or_else(|| before(&asked, POLL_SPAN)))),
            ..v1::ListMessagesRequest::default()
        })
        .await?;
    Ok(shape::data(Data { new_messages: page.messages.iter().map(StoredMessage::new).collect() }))
}

/// `GET /chat/conversation/:sessionId`; one that nobody has begun is empty.
pub(super) async fn history(asked: Asked) -> Result<Response, Failure> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct Data<'a> {
        messages: Vec<HistoryMessage<'a>>,
        conversation_state: State<'a>,
    }
    let session_id = body::path_session_id(read::customer_session_id(&asked.id))?;
    let limit = read::parameter(&asked.request.query, "limit").and_then(|limit| limit.parse::<i32>().ok());
    let limit = limit.filter(|limit| *limit > 0).unwrap_or(HISTORY_MESSAGES).min(HISTORY_MESSAGES_MAX);
    let request = v1::ListMessagesRequest {
        conversation: Some(read::by_key(&session_id)),
        page_size: limit,
        ..v1::ListMessagesRequest::default()
    };
    let page = match asked.ask(request).await {
        Err(refusal) if refusal.kind == Kind::NotFound => v1::ListMessagesResponse::default(),
        answered => answered?,
    };
    let conversation = page.conversation.unwrap_or_default();
    let messages = page.messages.iter().map(HistoryMessage::new).collect();
    Ok(shape::data(Data { messages, conversation_state: State::new(&conversation) }))
}

/// `DELETE /chat/conversation/:sessionId` hides what was written so far from the customer. Staff keep it.
pub(super) async fn clear(asked: Asked) -> Result<Response, Failure> {
    let session_id = body::path_session_id(read::customer_session_id(&asked.id))?;
    let cleared = match clear_history(&asked, &session_id).await {
        Err(Failure::Refused(refusal)) if refusal.kind == Kind::NotFound => false,
        cleared => cleared?,
    };
    Ok(shape::done_with("Conversation cleared successfully", json!({"cleared": cleared})))
}

/// False if there was nothing to clear.
async fn clear_history(asked: &Asked, session_id: &str) -> Result<bool, Failure> {
    let conversation = Some(read::by_key(session_id));
    let found = asked.ask(v1::GetConversationRequest { conversation: conversation.clone() }).await?;
    if found.conversation.is_none_or(|conversation| conversation.last_message.is_none()) {
        return Ok(false);
    }
    asked
        .ask(v1::UpdateConversationRequest {
            conversation,
            clear_history: true,
            ..v1::UpdateConversationRequest::default()
        })
        .await?;
    Ok(true)
}

/// `GET /chat/find-user-conversation`: what a signed-in customer comes back to, in the widget's staff mode.
pub(super) async fn find_own(asked: Asked) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Data<'a> {
        conversation: Option<OwnConversation<'a>>,
    }
    let mode = read::parameter(&asked.request.query, "mode");
    let staff_mode = mode.is_none_or(|mode| mode == STAFF_MODE);
    // A guest owns nothing, and neither do staff here: ids are listed to their owner only.
    let owner = asked.person.as_ref().filter(|_| staff_mode && asked.credential == Credential::Connection);
    let Some(owner) = owner else { return Ok(shape::data(Data { conversation: None })) };
    let page = asked
        .ask(v1::ListConversationsRequest {
            page_size: COME_BACK_CANDIDATES,
            statuses: shape::active_statuses(),
            kind: KIND.to_owned(),
            owner_id: owner.user_id.clone(),
            active_after: Some(wire_time(before(&asked, COME_BACK_SPAN))),
            ..v1::ListConversationsRequest::default()
        })
        .await?;
    let own = page.conversations.iter().find(|conversation| !conversation.key.is_empty());
    Ok(shape::data(Data { conversation: own.map(OwnConversation::new) }))
}

/// `GET /chat/faqs`. There are none; the widget asks each time it opens.
pub(super) async fn faqs(_asked: Asked) -> Result<Response, Failure> {
    Ok(shape::data([(); 0]))
}

/// A time before the request came.
fn before(asked: &Asked, span: Duration) -> Timestamp {
    asked.request.received.saturating_sub(span).unwrap_or(Timestamp::MIN)
}

fn wire_time(time: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp { seconds: time.as_second(), nanos: time.subsec_nanosecond() }
}
