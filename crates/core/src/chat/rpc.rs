//! ChatService on the wire: decode, call the rule, encode for who asks.

use futures::stream::BoxStream;
use parlor_api::v1;
use parlor_store::{Conversation, Message, Reaction};
use tonic::{Request, Response, Status};

use super::{
    Chat,
    access::Named,
    convert::{Viewer, conversation_for, message_for, reactions, sent},
    decode,
    page::MessageCursor,
    wish::Listing,
};
use crate::{
    Error, Result,
    caller::Caller,
    hub::TYPING_LIFETIME,
    request::{self, answered, stored},
    wire::{signed, unsigned},
};

impl Chat {
    /// The service, to be mounted.
    #[must_use]
    pub fn service(&self) -> v1::chat_service_server::ChatServiceServer<Self> {
        v1::chat_service_server::ChatServiceServer::new(self.clone())
    }

    async fn answer_create_conversation(
        &self,
        caller: &Caller,
        request: v1::CreateConversationRequest,
    ) -> Result<(v1::CreateConversationResponse, Option<i64>)> {
        let principal = caller.principal()?;
        let viewer = Viewer::of(principal);
        let creation = decode::creation(request.clone())?;
        let named = creation.key.clone().map(|key| Named::by_key(principal.tenant, key));
        let id = named.as_ref().map(Named::id);
        let key = self.request_key(principal, "CreateConversation", &request.request_id, id, &request)?;
        let creating = self.creating(caller, creation).await?;
        let respond = move |(row, created): &(Conversation, bool)| v1::CreateConversationResponse {
            conversation: Some(conversation_for(viewer, row)),
            created: *created,
        };
        let applied = request::apply(&self.store, key, creating, respond).await?;
        if let (Some(named), Some((row, _))) = (named, applied.done) {
            // Somebody else may have become the owner in between.
            self.find.admit(principal, &named, &row).await?;
        }
        Ok((applied.response, Some(applied.position)))
    }

    async fn answer_get_conversation(
        &self,
        caller: &Caller,
        request: v1::GetConversationRequest,
    ) -> Result<v1::GetConversationResponse> {
        let principal = caller.principal()?;
        let named = self.find.meant(principal, request.conversation).await?;
        let row = self.find.accessible(principal, &caller.peer, &named).await?;
        let conversation = Some(conversation_for(Viewer::of(principal), &row));
        Ok(v1::GetConversationResponse { conversation })
    }

    async fn answer_list_conversations(
        &self,
        caller: &Caller,
        request: v1::ListConversationsRequest,
    ) -> Result<v1::ListConversationsResponse> {
        let principal = caller.principal()?;
        let limit = decode::conversations_limit(request.page_size)?;
        let filter = decode::conversation_filter(&request)?;
        let scope = list_scope(&principal.tenant_slug, &request);
        let scope = [LIST, &scope];
        let cursor = self.pages.open(&scope, &request.page_token)?;
        let (rows, next) = self.list(caller, filter, cursor, limit).await?;
        let viewer = Viewer::of(principal);
        let conversations = rows.iter().map(|row| conversation_for(viewer, row)).collect();
        let next_page_token = next.map(|cursor| self.pages.seal(&scope, &cursor)).unwrap_or_default();
        Ok(v1::ListConversationsResponse { conversations, next_page_token })
    }

    async fn answer_update_conversation(
        &self,
        caller: &Caller,
        request: v1::UpdateConversationRequest,
    ) -> Result<(v1::UpdateConversationResponse, Option<i64>)> {
        let principal = caller.principal()?;
        let viewer = Viewer::of(principal);
        let change = decode::change(principal.tenant, request.clone())?;
        let named = self.find.named(principal, change.conversation).await?;
        let id = Some(named.id());
        let key = self.request_key(principal, "UpdateConversation", &request.request_id, id, &request)?;
        let changing = self.changing(caller, &named, change.patch).await?;
        let respond = move |row: &Conversation| v1::UpdateConversationResponse {
            conversation: Some(conversation_for(viewer, row)),
        };
        let applied = request::apply(&self.store, key, changing, respond).await?;
        Ok((applied.response, Some(applied.position)))
    }

    async fn answer_send_message(
        &self,
        caller: &Caller,
        request: v1::SendMessageRequest,
    ) -> Result<(v1::SendMessageResponse, Option<i64>)> {
        let principal = caller.principal()?;
        let sending = decode::sending(principal.tenant, request)?;
        let appended = self.sender.send(caller, sending).await?;
        Ok((sent(Viewer::of(principal), &appended), Some(appended.message.position)))
    }

    async fn answer_list_messages(
        &self,
        caller: &Caller,
        request: v1::ListMessagesRequest,
    ) -> Result<v1::ListMessagesResponse> {
        let principal = caller.principal()?;
        let filter = decode::message_filter(&request)?;
        let limit = decode::messages_limit(request.page_size)?;
        let newest_first = request.newest_first;
        let conversation = self.find.meant(principal, request.conversation).await?;
        let id = conversation.id().to_string();
        let scope = ["ListMessages", &principal.tenant_slug, &id];
        let cursor: Option<MessageCursor> = self.pages.open(&scope, &request.page_token)?;
        if cursor.is_some_and(|cursor| cursor.is_descending() != filter.descending) {
            return Err(Error::PageToken);
        }
        let mut page = self.messages(caller, Listing { conversation, filter, limit, cursor }).await?;
        if newest_first {
            page.messages.reverse();
        }
        let viewer = Viewer::of(principal);
        let next = page.next.map(|cursor| self.pages.seal(&scope, &cursor));
        let shown = |row: &Message| v1::Message {
            reactions: page.reactions.get(&row.sequence).map(|on_it| reactions(on_it)).unwrap_or_default(),
            ..message_for(viewer, row)
        };
        Ok(v1::ListMessagesResponse {
            messages: page.messages.iter().map(shown).collect(),
            next_page_token: next.unwrap_or_default(),
            from_sequence: unsigned(page.from_sequence),
            through_sequence: unsigned(page.through_sequence),
            conversation: Some(conversation_for(viewer, &page.conversation)),
        })
    }

    pub(super) async fn answer_mark_read(
        &self,
        caller: &Caller,
        request: v1::MarkReadRequest,
    ) -> Result<(v1::MarkReadResponse, Option<i64>)> {
        let principal = caller.principal()?;
        let named = self.find.meant(principal, request.conversation).await?;
        let through = Some(request.through_sequence).filter(|through| *through > 0).map(signed);
        let ((row, through), position) = self.mark_read(caller, &named, through).await?;
        let conversation = Some(conversation_for(Viewer::of(principal), &row));
        let answer = v1::MarkReadResponse { conversation, through_sequence: unsigned(through) };
        Ok((answer, Some(position)))
    }

    pub(super) async fn answer_react(
        &self,
        caller: &Caller,
        request: v1::ReactToMessageRequest,
    ) -> Result<(v1::ReactToMessageResponse, Option<i64>)> {
        let principal = caller.principal()?;
        decode::emoji(&request.emoji)?;
        let named = self.find.meant(principal, request.conversation.clone()).await?;
        let id = Some(named.id());
        let key = self.request_key(principal, "ReactToMessage", &request.request_id, id, &request)?;
        let sequence = signed(request.message_sequence);
        let reacting = self.reacting(caller, &named, sequence, request.emoji, request.remove).await?;
        let respond = |rows: &Vec<Reaction>| v1::ReactToMessageResponse { reactions: reactions(rows) };
        let applied = request::apply(&self.store, key, reacting, respond).await?;
        Ok((applied.response, Some(applied.position)))
    }

    pub(super) async fn answer_set_typing(
        &self,
        caller: &Caller,
        request: v1::SetTypingRequest,
    ) -> Result<v1::SetTypingResponse> {
        let principal = caller.principal()?;
        let named = self.find.meant(principal, request.conversation).await?;
        self.set_typing(caller, &named, request.typing).await?;
        let seconds = signed(TYPING_LIFETIME.as_secs());
        Ok(v1::SetTypingResponse { lifetime: Some(prost_types::Duration { seconds, nanos: 0 }) })
    }
}

const LIST: &str = "ListConversations";

/// A token continues the list it came from: the same tenant and the same filter.
fn list_scope(tenant: &str, request: &v1::ListConversationsRequest) -> String {
    let filter = v1::ListConversationsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    format!("{tenant}/{filter:?}")
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl v1::chat_service_server::ChatService for Chat {
    async fn create_conversation(
        &self,
        request: Request<v1::CreateConversationRequest>,
    ) -> Answer<v1::CreateConversationResponse> {
        stored(self, request, Self::answer_create_conversation).await
    }

    async fn get_conversation(
        &self,
        request: Request<v1::GetConversationRequest>,
    ) -> Answer<v1::GetConversationResponse> {
        answered(self, request, Self::answer_get_conversation).await
    }

    async fn list_conversations(
        &self,
        request: Request<v1::ListConversationsRequest>,
    ) -> Answer<v1::ListConversationsResponse> {
        answered(self, request, Self::answer_list_conversations).await
    }

    async fn update_conversation(
        &self,
        request: Request<v1::UpdateConversationRequest>,
    ) -> Answer<v1::UpdateConversationResponse> {
        stored(self, request, Self::answer_update_conversation).await
    }

    async fn send_message(
        &self,
        request: Request<v1::SendMessageRequest>,
    ) -> Answer<v1::SendMessageResponse> {
        stored(self, request, Self::answer_send_message).await
    }

    async fn send_messages(
        &self,
        request: Request<v1::SendMessagesRequest>,
    ) -> Answer<v1::SendMessagesResponse> {
        stored(self, request, async |chat, caller, request| {
            chat.sender.several(caller, request.messages).await
        })
        .await
    }

    async fn list_messages(
        &self,
        request: Request<v1::ListMessagesRequest>,
    ) -> Answer<v1::ListMessagesResponse> {
        answered(self, request, Self::answer_list_messages).await
    }

    async fn list_missed_events(
        &self,
        request: Request<v1::ListMissedEventsRequest>,
    ) -> Answer<v1::ListMissedEventsResponse> {
        answered(self, request, Self::missed).await
    }

    async fn mark_read(&self, request: Request<v1::MarkReadRequest>) -> Answer<v1::MarkReadResponse> {
        stored(self, request, Self::answer_mark_read).await
    }

    async fn react_to_message(
        &self,
        request: Request<v1::ReactToMessageRequest>,
    ) -> Answer<v1::ReactToMessageResponse> {
        stored(self, request, Self::answer_react).await
    }

    async fn set_typing(&self, request: Request<v1::SetTypingRequest>) -> Answer<v1::SetTypingResponse> {
        answered(self, request, Self::answer_set_typing).await
    }

    type WatchConversationStream = BoxStream<'static, Result<v1::WatchConversationResponse, Status>>;

    async fn watch_conversation(
        &self,
        request: Request<v1::WatchConversationRequest>,
    ) -> Answer<Self::WatchConversationStream> {
        answered(self, request, Self::watch).await
    }

    type ConverseStream = BoxStream<'static, Result<v1::ConverseResponse, Status>>;

    async fn converse(
        &self,
        request: Request<tonic::Streaming<v1::ConverseRequest>>,
    ) -> Answer<Self::ConverseStream> {
        answered(self, request, async |chat, caller, commands| chat.converse(caller.clone(), commands)).await
    }
}
