//! The staff's endpoints: the list of chats, the history of one, and the reply. Only staff get this far.

use parlor_api::v1;
use serde::Serialize;
use tonic::Status;

use super::{
    body, read,
    rest::{Caller, Endpoint, Next, failed, unexpected},
    shape::{self, ActiveChat, Customer, StoredMessage},
};
use crate::dialect::{After, Answer, Call, Credential, Request, Response};

/// The list shows so many chats, the most recently active ones.
const ACTIVE_CHATS_MAX: i32 = 50;

/// The history of one chat is read in pages of the most the core gives, and so many of them: the newest 2,000 messages.
const PAGE_MESSAGES: i32 = 500;
const PAGES_MAX: usize = 4;

// === GET /chat/admin/active-chats ===

pub(super) struct ActiveChats;

impl ActiveChats {
    const FAILED: &'static str = "Error getting active chats";
}

impl Endpoint for ActiveChats {
    fn begin(&mut self, caller: Caller) -> Next {
        Next::ask(
            Call::ListConversations(v1::ListConversationsRequest {
                page_size: ACTIVE_CHATS_MAX,
                statuses: shape::active_statuses(),
                ..v1::ListConversationsRequest::default()
            }),
            caller.credential,
        )
    }

    fn answered(&mut self, answer: Result<Answer, Status>, _position: Option<u64>) -> Next {
        Next::Respond(match answer {
            Ok(Answer::ListConversations(page)) => {
                shape::data(page.conversations.iter().map(ActiveChat::new).collect::<Vec<_>>())
            }
            Ok(_) => unexpected(Self::FAILED),
            Err(status) => failed(&status, Self::FAILED),
        })
    }
}

// === GET /chat/admin/messages/:sessionId ===

/// The history with what the customer cleared; reading it marks it read.
pub(super) struct AdminMessages {
    session_id: Result<String, Response>,
    credential: Credential,
    /// The pages, the newest first.
    pages: Vec<Vec<v1::Message>>,
    /// The conversation as the first page shows it.
    conversation: Option<v1::Conversation>,
}

impl AdminMessages {
    const FAILED: &'static str = "Error getting messages";

    pub(super) fn new(id: &str) -> Self {
        Self {
            session_id: body::path_session_id(read::session_id(id)),
            credential: Credential::Guest,
            pages: Vec::new(),
            conversation: None,
        }
    }

    fn ask(&self, page_token: String) -> Next {
        match &self.session_id {
            Err(refusal) => Next::Respond(refusal.clone()),
            Ok(session_id) => Next::ask(
                Call::ListMessages(v1::ListMessagesRequest {
                    conversation: Some(read::by_name(session_id)),
                    page_size: PAGE_MESSAGES,
                    page_token,
                    ..v1::ListMessagesRequest::default()
                }),
                self.credential.clone(),
            ),
        }
    }

    fn page(&mut self, page: v1::ListMessagesResponse) -> Next {
        let Some(conversation) = self.conversation.take().or(page.conversation) else {
            return Next::Respond(unexpected(Self::FAILED));
        };
        self.pages.push(page.messages);
        let newest = self.pages.first().and_then(|page| page.last());
        let newest_sequence = newest.map(|message| message.sequence);
        let id = conversation.id.clone();
        self.conversation = Some(conversation);
        if !page.next_page_token.is_empty() && self.pages.len() < PAGES_MAX {
            return self.ask(page.next_page_token);
        }
        // Only what is shown is read: a message that comes meanwhile stays unread.
        newest_sequence.map_or_else(
            || self.respond(),
            |through_sequence| {
                let conversation =
                    Some(v1::ConversationRef { name: Some(v1::conversation_ref::Name::Id(id)) });
                let call = Call::MarkRead(v1::MarkReadRequest { conversation, through_sequence });
                Next::ask(call, self.credential.clone())
            },
        )
    }

    fn respond(&self) -> Next {
        #[derive(Serialize)]
        struct Data<'a> {
            messages: Vec<StoredMessage<'a>>,
            customer: Customer<'a>,
        }
        Next::Respond(self.conversation.as_ref().map_or_else(
            || unexpected(Self::FAILED),
            |conversation| {
                let messages = self.pages.iter().rev().flatten().map(StoredMessage::new).collect();
                shape::data(Data { messages, customer: Customer::new(conversation) })
            },
        ))
    }
}

impl Endpoint for AdminMessages {
    fn begin(&mut self, caller: Caller) -> Next {
        self.credential = caller.credential;
        self.ask(String::new())
    }

    fn answered(&mut self, answer: Result<Answer, Status>, _position: Option<u64>) -> Next {
        match answer {
            Ok(Answer::ListMessages(page)) => self.page(page),
            Ok(Answer::MarkRead(_)) => self.respond(),
            Ok(_) => Next::Respond(unexpected(Self::FAILED)),
            Err(status) => Next::Respond(failed(&status, Self::FAILED)),
        }
    }
}

// === POST /chat/admin/reply ===

pub(super) struct Reply(Result<body::Message, Response>);

impl Reply {
    const FAILED: &'static str = "Error sending reply";

    pub(super) fn new(request: &Request) -> Self {
        Self(body::Message::read(request, read::session_id))
    }
}

impl Endpoint for Reply {
    fn begin(&mut self, caller: Caller) -> Next {
        match &self.0 {
            Err(refusal) => Next::Respond(refusal.clone()),
            Ok(message) => Next::ask(
                Call::SendMessage(v1::SendMessageRequest {
                    conversation: Some(read::by_name(&message.session_id)),
                    text: message.text.clone(),
                    ..v1::SendMessageRequest::default()
                }),
                caller.credential,
            ),
        }
    }

    fn answered(&mut self, answer: Result<Answer, Status>, _position: Option<u64>) -> Next {
        match answer {
            // The customer hears it before staff know it is sent.
            Ok(Answer::SendMessage(sent)) => {
                let conversation = sent.message.map(|message| (message.conversation_id, message.sequence));
                let after = After { position: None, conversation };
                Next::RespondAfter(shape::done("Reply sent successfully"), after)
            }
            Ok(_) => Next::Respond(unexpected(Self::FAILED)),
            Err(status) => Next::Respond(failed(&status, Self::FAILED)),
        }
    }
}
