//! The staff's endpoints: the list of chats, the history of one, and the reply. Only staff get this far.

use parlor_api::v1;
use serde::Serialize;

use super::{
    body, read,
    shape::{self, ActiveChat, Customer, StoredMessage},
};
use crate::dialect::{
    After, Reply, Response,
    refusal::Refusal,
    rest::{Asked, Failure},
};

/// The list shows so many chats, the most recently active ones.
const ACTIVE_CHATS_MAX: i32 = 50;

/// The history of one chat is read in pages of the most the core gives, and so many of them: the newest 2,000 messages.
const PAGE_MESSAGES: i32 = 500;
const PAGES_MAX: usize = 4;

/// `GET /chat/admin/active-chats`
pub(super) async fn active_chats(asked: Asked) -> Result<Response, Failure> {
    let page = asked
        .ask(v1::ListConversationsRequest {
            page_size: ACTIVE_CHATS_MAX,
            statuses: shape::active_statuses(),
            ..v1::ListConversationsRequest::default()
        })
        .await?;
    Ok(shape::data(page.conversations.iter().map(ActiveChat::new).collect::<Vec<_>>()))
}

/// `GET /chat/admin/messages/:sessionId`, with what the customer cleared; reading it marks it read.
pub(super) async fn messages(asked: Asked) -> Result<Response, Failure> {
    #[derive(Serialize)]
    struct Data<'a> {
        messages: Vec<StoredMessage<'a>>,
        customer: Customer<'a>,
    }
    let session_id = body::path_session_id(read::session_id(&asked.id))?;
    let mut request = v1::ListMessagesRequest {
        conversation: Some(read::by_name(&session_id)),
        page_size: PAGE_MESSAGES,
        ..v1::ListMessagesRequest::default()
    };
    // The newest page comes first, and the conversation is as it shows it.
    let first = asked.ask(request.clone()).await?;
    let conversation = first.conversation.ok_or_else(Refusal::unexpected)?;
    let (mut pages, mut next) = (vec![first.messages], first.next_page_token);
    while !next.is_empty() && pages.len() < PAGES_MAX {
        request.page_token = next;
        let page = asked.ask(request.clone()).await?;
        pages.push(page.messages);
        next = page.next_page_token;
    }
    // Only what is shown is read: a message that comes meanwhile stays unread.
    if let Some(newest) = pages.first().and_then(|page| page.last()) {
        let name = Some(v1::conversation_ref::Name::Id(conversation.id.clone()));
        let conversation = Some(v1::ConversationRef { name });
        asked.ask(v1::MarkReadRequest { conversation, through_sequence: newest.sequence }).await?;
    }
    let messages = pages.iter().rev().flatten().map(StoredMessage::new).collect();
    Ok(shape::data(Data { messages, customer: Customer::new(&conversation) }))
}

/// `POST /chat/admin/reply`; the customer hears it before staff know it is sent.
pub(super) async fn reply(asked: Asked) -> Result<Reply, Failure> {
    let message = body::Message::read(&asked, read::session_id)?;
    let sent = asked
        .ask(v1::SendMessageRequest {
            conversation: Some(read::by_name(&message.session_id)),
            text: message.text,
            ..v1::SendMessageRequest::default()
        })
        .await?;
    let conversation = sent.message.map(|message| (message.conversation_id, message.sequence));
    let after = Some(After { position: None, conversation });
    Ok(Reply { response: shape::done("Reply sent successfully"), after })
}
