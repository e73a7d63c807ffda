//! Talking over the typed API: sending, reading back, watching.

use futures::StreamExt as _;
use parlor_api::v1;
use tonic::{Code, Status, Streaming};
use uuid::Uuid;

use crate::{Chat, soon};

/// A conversation by its key.
#[must_use]
pub fn by_key(key: &str) -> v1::ConversationRef {
    v1::ConversationRef { name: Some(v1::conversation_ref::Name::Key(key.to_owned())) }
}

/// Makes the conversation with this key.
pub async fn open(chat: &mut Chat, key: &str) -> v1::Conversation {
    let request = v1::CreateConversationRequest {
        key: key.to_owned(),
        kind: "staff-chat".to_owned(),
        request_id: Uuid::new_v4().to_string(),
        ..v1::CreateConversationRequest::default()
    };
    chat.create_conversation(request).await.unwrap().into_inner().conversation.unwrap()
}

/// Sends once.
pub async fn send(chat: &mut Chat, key: &str, text: &str, request_id: &str) -> Result<v1::Message, Status> {
    let request = v1::SendMessageRequest {
        conversation: Some(by_key(key)),
        text: text.to_owned(),
        request_id: request_id.to_owned(),
        ..v1::SendMessageRequest::default()
    };
    Ok(chat.send_message(request).await?.into_inner().message.unwrap())
}

/// Sends until it is acknowledged, with one request id, as a client does that must not lose a message.
pub async fn send_until_stored(chat: &mut Chat, key: &str, text: &str) -> v1::Message {
    let request_id = Uuid::new_v4().to_string();
    loop {
        match soon("an answer", send(chat, key, text, &request_id)).await {
            Ok(message) => return message,
            Err(status) if may_repeat(&status) => {}
            Err(status) => panic!("{status:?}"),
        }
    }
}

/// Whether the contract says that the same call may be made again.
fn may_repeat(status: &Status) -> bool {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => true,
        // What tonic's client makes of a connection that breaks under a call.
        Code::Unknown | Code::Cancelled | Code::Internal => {
            crate::failure_reason(status) == v1::Reason::Unspecified
        }
        _ => false,
    }
}

/// The newest messages and the sequence that they reach up to.
pub async fn snapshot(chat: &mut Chat, key: &str) -> (Vec<v1::Message>, u64) {
    let request = v1::ListMessagesRequest {
        conversation: Some(by_key(key)),
        page_size: 500,
        ..v1::ListMessagesRequest::default()
    };
    let page = chat.list_messages(request).await.unwrap().into_inner();
    (page.messages, page.through_sequence)
}

/// Some messages up to a sequence, oldest first.
pub async fn messages_through(chat: &mut Chat, key: &str, through: u64) -> Vec<v1::Message> {
    let request = v1::ListMessagesRequest {
        conversation: Some(by_key(key)),
        page_size: 20,
        through_sequence: through,
        ..v1::ListMessagesRequest::default()
    };
    chat.list_messages(request).await.unwrap().into_inner().messages
}

/// Watches from a sequence.
pub async fn watch(chat: &mut Chat, key: &str, after: u64) -> Streaming<v1::WatchConversationResponse> {
    let request =
        v1::WatchConversationRequest { conversation: Some(by_key(key)), after_sequence: Some(after) };
    chat.watch_conversation(request).await.unwrap().into_inner()
}

/// The next event of a watch.
pub async fn next(watch: &mut Streaming<v1::WatchConversationResponse>) -> Result<v1::Event, Status> {
    match soon("an event", watch.next()).await {
        Some(Ok(response)) => Ok(response.event.unwrap()),
        Some(Err(status)) => Err(status),
        None => Err(Status::ok("the watch ended")),
    }
}

/// Every stored event above a sequence, up to and with another, from a watch: exactly these numbers, in order.
pub async fn events_through(chat: &mut Chat, key: &str, after: u64, through: u64) -> Vec<v1::Event> {
    let mut watch = watch(chat, key, after).await;
    let mut events = Vec::new();
    for due in after + 1..=through {
        let event = next(&mut watch).await.unwrap();
        assert_eq!(event.sequence, due, "the events of a conversation are numbered without a gap");
        events.push(event);
    }
    events
}

/// The message of an event, if it is one.
#[must_use]
pub fn message_of(event: &v1::Event) -> Option<&v1::Message> {
    match event.payload.as_ref()? {
        v1::event::Payload::MessageSent(sent) => sent.message.as_ref(),
        _ => None,
    }
}
