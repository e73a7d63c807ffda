//! ChatService on the wire: decode, call the rule, encode for who asks.

use std::sync::Arc;

use parlor_api::v1::{self, chat_service_server::ChatService};
use parlor_store::{Conversation, ConversationId, Message, Reaction, RequestKey};
use tonic::{Request, Response, Status};

use super::{
    Chat,
    access::Named,
    convert::{self, reactions, sent},
    decode,
    find::admit,
    page::{ListCursor, MessageCursor},
};
use crate::{
    Error, Result,
    caller::Caller,
    hub::TYPING_LIFETIME,
    page::Pages,
    request::{self, Answers, Requests, service, streamed},
    share::Shares,
    wire::{signed, unsigned},
};

/// The service as it is called.
#[derive(Clone)]
pub struct ChatRpc {
    pub(super) chat: Chat,
    /// What a caller may have kept: messages, and whatever else a call leaves behind.
    pub(super) kept: Arc<Shares>,
    requests: Requests,
    pages: Pages,
}

service! {
    ChatService for ChatRpc {
        fn create_conversation(CreateConversationRequest) -> CreateConversationResponse = stored(Self::create);
        fn get_conversation(GetConversationRequest) -> GetConversationResponse = answered(Self::get);
        fn list_conversations(ListConversationsRequest) -> ListConversationsResponse = answered(Self::list);
        fn update_conversation(UpdateConversationRequest) -> UpdateConversationResponse = stored(Self::update);
        fn send_message(SendMessageRequest) -> SendMessageResponse = stored(Self::send);
        fn send_messages(SendMessagesRequest) -> SendMessagesResponse = stored(async |rpc: &Self, caller, request| {
            rpc.chat.sender.several(caller, request.messages, &rpc.kept).await
        });
        fn list_messages(ListMessagesRequest) -> ListMessagesResponse = answered(Self::messages);
        fn list_missed_events(ListMissedEventsRequest) -> ListMissedEventsResponse =
            answered(async |rpc: &Self, caller, request| rpc.chat.missed(caller, &request).await);
        fn mark_read(MarkReadRequest) -> MarkReadResponse = stored(Self::mark_read);
        fn react_to_message(ReactToMessageRequest) -> ReactToMessageResponse = stored(Self::react);
        fn set_typing(SetTypingRequest) -> SetTypingResponse = answered(Self::set_typing);
    }

    type WatchConversationStream = Answers<v1::WatchConversationResponse>;

    async fn watch_conversation(
        &self,
        request: Request<v1::WatchConversationRequest>,
    ) -> Result<Response<Self::WatchConversationStream>, Status> {
        streamed(self, request, async |rpc, caller, request| rpc.chat.watch(caller, request).await).await
    }

    type ConverseStream = Answers<v1::ConverseResponse>;

    async fn converse(
        &self,
        request: Request<tonic::Streaming<v1::ConverseRequest>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        streamed(self, request, async |rpc, caller, commands| rpc.converse(caller.clone(), commands)).await
    }
}

impl ChatRpc {
    /// Over the rules.
    #[must_use]
    pub fn new(chat: Chat, requests: Requests, pages: Pages, kept: Arc<Shares>) -> Self {
        Self { chat, kept, requests, pages }
    }

    async fn create(
        &self,
        caller: &Caller,
        request: v1::CreateConversationRequest,
    ) -> Result<(v1::CreateConversationResponse, Option<i64>)> {
        let principal = caller.principal()?;
        let creation = decode::creation(request.clone())?;
        self.kept.take(caller)?;
        let named = creation.key.clone().map(|key| Named::by_key(principal.tenant, key));
        let key = self.requests.key(principal, "CreateConversation", &request.request_id, &request)?;
        let key = about(named.as_ref().map(Named::id), key);
        let creating = self.chat.creating(caller, creation).await?;
        let respond = |(row, created): &(Conversation, bool)| v1::CreateConversationResponse {
            conversation: Some(convert::conversation(row)),
            created: *created,
        };
        let applied = request::apply(&self.chat.store, key, creating, respond).await?;
        if let (Some(named), Some((row, _))) = (named, applied.done) {
            // Somebody else may have become the owner in between.
            admit(&self.chat.store, principal, &named, &row).await?;
        }
        Ok((applied.response, Some(applied.position)))
    }

    async fn get(
        &self,
        caller: &Caller,
        request: v1::GetConversationRequest,
    ) -> Result<v1::GetConversationResponse> {
        let principal = caller.principal()?;
        let named = self.chat.find.meant(principal, request.conversation).await?;
        let row = self.chat.find.accessible(principal, &caller.peer, &named).await?;
        let conversation = Some(convert::conversation(&row));
        Ok(v1::GetConversationResponse { conversation })
    }

    async fn list(
        &self,
        caller: &Caller,
        request: v1::ListConversationsRequest,
    ) -> Result<v1::ListConversationsResponse> {
        let principal = caller.principal()?;
        let size = decode::CONVERSATIONS.of("page_size", request.page_size)?;
        let filter = decode::conversation_filter(&request)?;
        let by_update = filter.order_by_update;
        let scope = ["ListConversations", &filtered(&principal.tenant_slug, &request)];
        let cursor = self.pages.open(&scope, &request.page_token)?;
        let mut rows = self.chat.list(caller, filter, cursor, size + 1).await?;
        let next_page_token =
            self.pages.cut(&scope, &mut rows, size, |row| ListCursor::behind(row, by_update));
        let conversations = rows.iter().map(convert::conversation).collect();
        Ok(v1::ListConversationsResponse { conversations, next_page_token })
    }

    async fn update(
        &self,
        caller: &Caller,
        request: v1::UpdateConversationRequest,
    ) -> Result<(v1::UpdateConversationResponse, Option<i64>)> {
        let principal = caller.principal()?;
        let (reference, patch) = decode::change(principal.tenant, request.clone())?;
        self.kept.take(caller)?;
        let named = self.chat.find.named(principal, reference).await?;
        let key = self.requests.key(principal, "UpdateConversation", &request.request_id, &request)?;
        let key = about(Some(named.id()), key);
        let changing = self.chat.changing(caller, &named, patch).await?;
        let respond = |row: &Conversation| v1::UpdateConversationResponse {
            conversation: Some(convert::conversation(row)),
        };
        let applied = request::apply(&self.chat.store, key, changing, respond).await?;
        Ok((applied.response, Some(applied.position)))
    }

    async fn send(
        &self,
        caller: &Caller,
        request: v1::SendMessageRequest,
    ) -> Result<(v1::SendMessageResponse, Option<i64>)> {
        let principal = caller.principal()?;
        let sending = decode::sending(principal.tenant, request)?;
        self.kept.take(caller)?;
        let appended = self.chat.sender.send(caller, sending).await?;
        Ok((sent(&appended), Some(appended.message.position)))
    }

    async fn messages(
        &self,
        caller: &Caller,
        request: v1::ListMessagesRequest,
    ) -> Result<v1::ListMessagesResponse> {
        let principal = caller.principal()?;
        let filter = decode::message_filter(&request)?;
        let limit = decode::MESSAGES.of("page_size", request.page_size)?;
        let newest_first = request.newest_first;
        let named = self.chat.find.meant(principal, request.conversation).await?;
        let id = named.id().to_string();
        let scope = ["ListMessages", &principal.tenant_slug, &id];
        let cursor: Option<MessageCursor> = self.pages.open(&scope, &request.page_token)?;
        if cursor.is_some_and(|cursor| cursor.is_descending() != filter.descending) {
            return Err(Error::PageToken);
        }
        let mut page = self.chat.messages(caller, &named, filter, cursor, limit).await?;
        if newest_first {
            page.messages.reverse();
        }
        let next = page.next.map(|cursor| self.pages.seal(&scope, &cursor));
        let shown = |row: &Message| v1::Message {
            reactions: page.reactions.get(&row.sequence).map(|on_it| reactions(on_it)).unwrap_or_default(),
            ..convert::message(row)
        };
        Ok(v1::ListMessagesResponse {
            messages: page.messages.iter().map(shown).collect(),
            next_page_token: next.unwrap_or_default(),
            from_sequence: unsigned(page.from_sequence),
            through_sequence: unsigned(page.through_sequence),
            conversation: Some(convert::conversation(&page.conversation)),
        })
    }

    pub(super) async fn mark_read(
        &self,
        caller: &Caller,
        request: v1::MarkReadRequest,
    ) -> Result<(v1::MarkReadResponse, Option<i64>)> {
        let principal = caller.principal()?;
        let named = self.chat.find.meant(principal, request.conversation).await?;
        let through = Some(request.through_sequence).filter(|through| *through > 0).map(signed);
        let ((row, through), position) = self.chat.mark_read(caller, &named, through).await?;
        let conversation = Some(convert::conversation(&row));
        let answer = v1::MarkReadResponse { conversation, through_sequence: unsigned(through) };
        Ok((answer, Some(position)))
    }

    pub(super) async fn react(
        &self,
        caller: &Caller,
        request: v1::ReactToMessageRequest,
    ) -> Result<(v1::ReactToMessageResponse, Option<i64>)> {
        let principal = caller.principal()?;
        decode::emoji(&request.emoji)?;
        self.kept.take(caller)?;
        let named = self.chat.find.meant(principal, request.conversation.clone()).await?;
        let key = self.requests.key(principal, "ReactToMessage", &request.request_id, &request)?;
        let key = about(Some(named.id()), key);
        let sequence = signed(request.message_sequence);
        let reacting = self.chat.reacting(caller, &named, sequence, request.emoji, request.remove).await?;
        let respond = |rows: &Vec<Reaction>| v1::ReactToMessageResponse { reactions: reactions(rows) };
        let applied = request::apply(&self.chat.store, key, reacting, respond).await?;
        Ok((applied.response, Some(applied.position)))
    }

    pub(super) async fn set_typing(
        &self,
        caller: &Caller,
        request: v1::SetTypingRequest,
    ) -> Result<v1::SetTypingResponse> {
        let principal = caller.principal()?;
        let named = self.chat.find.meant(principal, request.conversation).await?;
        self.chat.set_typing(caller, &named, request.typing).await?;
        let seconds = signed(TYPING_LIFETIME.as_secs());
        Ok(v1::SetTypingResponse { lifetime: Some(prost_types::Duration { seconds, nanos: 0 }) })
    }
}

/// A repeatable request about a conversation. Guests share a principal, so the conversation tells them apart.
fn about(id: Option<ConversationId>, key: Option<RequestKey>) -> Option<RequestKey> {
    match (id, key) {
        (Some(id), Some(key)) => Some(RequestKey { principal: format!("{}/{id}", key.principal), ..key }),
        (_, key) => key,
    }
}

/// A token continues the list it came from: the same tenant and the same filter.
fn filtered(tenant: &str, request: &v1::ListConversationsRequest) -> String {
    let filter = v1::ListConversationsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    format!("{tenant}/{filter:?}")
}
