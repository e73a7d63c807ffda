//! What is asked once somebody is in, and what somebody who is not gets instead.
//!
//! The rule it keeps: exactly one answer for each request that has one, in the style it was asked in: the acknowledgement
//! if there is one to give, else the event. What may not be read looks like what is not there: empty.

use std::time::Duration;

use parlor_api::v1::{self, conversation_ref::Name};

use super::{
    asker::{Asker, Done},
    read::{Asked, KIND, Place, Role},
    shape::{self, LIST, Message, OWN, Own, Row},
};
use crate::dialect::{Answer, Derived, Effect, Frame, SocketEvent, rpc::Rpc as _};

/// The list holds so many, the latest first.
const ROWS_MAX: i32 = 1_000;

/// A history holds so many, the newest.
pub(super) const HISTORY_MAX: i32 = 500;

/// The list of every admin, which is sent unasked after it changed.
pub(super) const CONVERSATIONS: Derived = Derived {
    name: "conversations",
    after: Duration::from_millis(100),
    ask: || latest(ROWS_MAX).call(),
    render: |answer| {
        let page = answer.and_then(Answer::read).unwrap_or_default();
        Frame::Event(SocketEvent::new(LIST, &rows(&page)))
    },
};

/// Answers a request of somebody who is in. Joins are the socket's, and messages go together.
pub(super) async fn answer(asked: Asked, role: Role, asker: Asker) -> Done {
    match (asked, role) {
        (Asked::List, Role::Admin) => list(&asker).await,
        (Asked::Messages(Some(number)), _) => messages(number, &asker).await,
        (Asked::MarkRead(Some(number)), Role::Admin) => mark_read(number, &asker).await,
        (Asked::Own, Role::Customer) => own(&asker).await,
        (asked, _) => {
            let malformed = matches!(asked, Asked::Messages(None) | Asked::MarkRead(None));
            asker.core.refuse(asked.name(), if malformed { "malformed" } else { "not permitted" });
            asker.nothing(&asked);
        }
    }
    Done::Answered
}

/// Answers a request of somebody who is not in. `unknown` is the id they claimed that nobody has.
pub(super) fn outside(unknown: Option<u64>, asked: &Asked, asker: &Asker) {
    asker.core.refuse(asked.name(), "not joined");
    match asked {
        Asked::Send(_) => {
            asker.fail(&unknown.map_or_else(|| shape::NOT_AUTHENTICATED.to_owned(), shape::no_user));
        }
        _ => asker.nothing(asked),
    }
}

async fn list(asker: &Asker) {
    let page = asker.ask(latest(ROWS_MAX)).await.unwrap_or_default();
    asker.reply(LIST, &rows(&page));
}

fn rows(page: &v1::ListConversationsResponse) -> Vec<Row<'_>> {
    page.conversations.iter().filter_map(Row::new).collect()
}

async fn messages(number: u64, asker: &Asker) {
    const WHAT: &str = "conversation:getMessages";
    let page = asker.ask(newest(Place::Number(number).named(), HISTORY_MAX)).await;
    match page.map(|page| (page.conversation, page.messages)) {
        Ok((Some(shown), messages)) if shown.kind == KIND => {
            return asker.history(Some(number), &Message::all(&messages, &shown));
        }
        Ok(_) => asker.core.refuse(WHAT, "not found"),
        Err(refusal) => asker.core.refused(WHAT, &refusal),
    }
    asker.history(Some(number), &[]);
}

async fn mark_read(number: u64, asker: &Asker) {
    let conversation = Some(Place::Number(number).named());
    let marked = asker.ask(v1::MarkReadRequest { conversation, through_sequence: 0 }).await;
    asker.acknowledge();
    match marked {
        Ok(_) => asker.core.tell(Effect::Refresh(&CONVERSATIONS)),
        Err(refusal) => asker.core.refused("conversation:markAsRead", &refusal),
    }
}

async fn own(asker: &Asker) {
    let request = v1::CreateConversationRequest {
        kind: KIND.to_owned(),
        own: true,
        ..v1::CreateConversationRequest::default()
    };
    let found = asker.ask(request).await.unwrap_or_default();
    let Some(conversation) = found.conversation else { return asker.nothing(&Asked::Own) };
    if found.created {
        return asker.reply(OWN, &Own::new(&conversation, &[]));
    }
    // It is there, even where what is in it cannot be read now.
    let named = v1::ConversationRef { name: Some(Name::Id(conversation.id.clone())) };
    let page = asker.ask(newest(named, HISTORY_MAX)).await.unwrap_or_default();
    let conversation = page.conversation.unwrap_or(conversation);
    asker.reply(OWN, &Own::new(&conversation, &Message::all(&page.messages, &conversation)));
}

/// The conversations of this dialect, the latest first.
pub(super) fn latest(page_size: i32) -> v1::ListConversationsRequest {
    v1::ListConversationsRequest {
        page_size,
        kind: KIND.to_owned(),
        order_by_update: true,
        ..v1::ListConversationsRequest::default()
    }
}

/// The newest messages of a conversation, oldest first.
pub(super) fn newest(conversation: v1::ConversationRef, page_size: i32) -> v1::ListMessagesRequest {
    v1::ListMessagesRequest {
        conversation: Some(conversation),
        page_size,
        ..v1::ListMessagesRequest::default()
    }
}
