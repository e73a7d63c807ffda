//! ChatService on the wire: decode, call the rule, encode for who asks.

use futures::stream::BoxStream;
use parlor_api::{metadata, v1};
use parlor_store::{Appended, Conversation};
use tonic::{Request, Response, Status, metadata::MetadataValue};

use super::{
    Chat, Listing,
    access::{self, Named},
    convert::{Viewer, conversation_for, message_for},
    decode,
    page::MessageCursor,
    typing,
};
use crate::{
    Error, Result,
    caller::Caller,
    request,
    wire::{signed, unsigned},
};

impl Chat {
    /// The service, to be mounted.
    #[must_use]
    pub fn service(&self) -> v1::chat_service_server::ChatServiceServer<Self> {
        v1::chat_service_server::ChatServiceServer::new(self.clone())
    }

    /// The answer of a change; a gateway is told a position that everything stored so far is not above.
    async fn respond<T>(&self, caller: &Caller, answer: T) -> Result<Response<T>> {
        let position = match (&caller.principal, caller.edge) {
            (Some(principal), true) => Some(self.store.tenant_head(principal.tenant).await?),
            (None, _) | (_, false) => None,
        };
        Ok(at_position(answer, position))
    }

    pub(super) async fn answer_mark_read(
        &self,
        caller: &Caller,
        request: v1::MarkReadRequest,
    ) -> Result<v1::MarkReadResponse> {
        let principal = caller.principal()?;
        let named = self.find.meant(principal, request.conversation).await?;
        let through = Some(request.through_sequence).filter(|through| *through > 0).map(signed);
        let (row, through) = self.mark_read(caller, &named, through).await?;
        let conversation = Some(conversation_for(Viewer::of(principal), &row));
        Ok(v1::MarkReadResponse { conversation, through_sequence: unsigned(through) })
    }

    pub(super) async fn answer_set_typing(
        &self,
        caller: &Caller,
        request: v1::SetTypingRequest,
    ) -> Result<v1::SetTypingResponse> {
        let principal = caller.principal()?;
        let named = self.find.meant(principal, request.conversation).await?;
        self.set_typing(caller, &named, request.typing).await?;
        let seconds = signed(typing::LIFETIME.as_secs());
        Ok(v1::SetTypingResponse { lifetime: Some(prost_types::Duration { seconds, nanos: 0 }) })
    }
}

/// The answer to a stored message, for who sent it.
pub(super) fn sent(viewer: Viewer, appended: &Appended) -> v1::SendMessageResponse {
    v1::SendMessageResponse {
        message: Some(message_for(viewer, &appended.message)),
        conversation: Some(conversation_for(viewer, &appended.conversation)),
    }
}

const LIST: &str = "ListConversations";

/// A token continues the list it came from: the same tenant and the same filter.
fn list_scope(tenant: &str, request: &v1::ListConversationsRequest) -> String {
    let filter = v1::ListConversationsRequest { page_size: 0, page_token: String::new(), ..request.clone() };
    format!("{tenant}/{filter:?}")
}

/// Tells a gateway which position its own reply must wait for.
fn at_position<T>(answer: T, position: Option<i64>) -> Response<T> {
    let mut response = Response::new(answer);
    if let Some(position) = position {
        response.metadata_mut().insert(metadata::POSITION, MetadataValue::from(position));
    }
    response
}

#[tonic::async_trait]
impl v1::chat_service_server::ChatService for Chat {
    type WatchConversationStream = BoxStream<'static, Result<v1::WatchConversationResponse, Status>>;
    type ConverseStream = BoxStream<'static, Result<v1::ConverseResponse, Status>>;

    async fn create_conversation(
        &self,
        request: Request<v1::CreateConversationRequest>,
    ) -> Result<Response<v1::CreateConversationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let principal = caller.principal()?;
        let viewer = Viewer::of(principal);
        let request = request.into_inner();
        let creation = decode::creation(request.clone())?;
        let named = creation.key.clone().map(|key| Named::by_key(principal.tenant, key));
        let id = named.as_ref().map(Named::id);
        let key = self.request_key(principal, "CreateConversation", &request.request_id, id, &request)?;
        let creating = self.creating(&caller, creation).await?;
        let respond = move |(row, created): &(Conversation, bool)| v1::CreateConversationResponse {
            conversation: Some(conversation_for(viewer, row)),
            created: *created,
        };
        let applied = request::apply(&self.store, key, creating, respond).await?;
        if let (Some(named), Some((row, _))) = (named, applied.done) {
            // Somebody else may have become the owner in between.
            access::check(principal, &named, row.owner_id)?;
        }
        Ok(self.respond(&caller, applied.response).await?)
    }

    async fn get_conversation(
        &self,
        request: Request<v1::GetConversationRequest>,
    ) -> Result<Response<v1::GetConversationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let principal = caller.principal()?;
        let named = self.find.meant(principal, request.into_inner().conversation).await?;
        let row = self.find.accessible(principal, &caller.peer, &named).await?;
        let conversation = Some(conversation_for(Viewer::of(principal), &row));
        Ok(Response::new(v1::GetConversationResponse { conversation }))
    }

    async fn list_conversations(
        &self,
        request: Request<v1::ListConversationsRequest>,
    ) -> Result<Response<v1::ListConversationsResponse>, Status> {
        let caller = Caller::of(&request)?;
        let principal = caller.principal()?;
        let request = request.into_inner();
        let limit = decode::conversations_limit(request.page_size)?;
        let filter = decode::conversation_filter(&request)?;
        let scope = list_scope(&principal.tenant_slug, &request);
        let scope = [LIST, &scope];
        let cursor = self.pages.open(&scope, &request.page_token)?;
        let (rows, next) = self.list(&caller, filter, cursor, limit).await?;
        let viewer = Viewer::of(principal);
        let conversations = rows.iter().map(|row| conversation_for(viewer, row)).collect();
        let next_page_token = next.map(|cursor| self.pages.seal(&scope, &cursor)).unwrap_or_default();
        Ok(Response::new(v1::ListConversationsResponse { conversations, next_page_token }))
    }

    async fn update_conversation(
        &self,
        request: Request<v1::UpdateConversationRequest>,
    ) -> Result<Response<v1::UpdateConversationResponse>, Status> {
        let caller = Caller::of(&request)?;
        let principal = caller.principal()?;
        let viewer = Viewer::of(principal);
        let request = request.into_inner();
        let change = decode::change(principal.tenant, request.clone())?;
        let named = self.find.named(principal, change.conversation).await?;
        let id = Some(named.id());
        let key = self.request_key(principal, "UpdateConversation", &request.request_id, id, &request)?;
        let changing = self.changing(&caller, &named, change.patch).await?;
        let respond = move |row: &Conversation| v1::UpdateConversationResponse {
            conversation: Some(conversation_for(viewer, row)),
        };
        let applied = request::apply(&self.store, key, changing, respond).await?;
        Ok(self.respond(&caller, applied.response).await?)
    }

    async fn send_message(
        &self,
        request: Request<v1::SendMessageRequest>,
    ) -> Result<Response<v1::SendMessageResponse>, Status> {
        let caller = Caller::of(&request)?;
        let principal = caller.principal()?;
        let sending = decode::sending(principal.tenant, request.into_inner())?;
        let appended = self.sender.send(&caller, sending).await?;
        let position = caller.edge.then_some(appended.message.position);
        Ok(at_position(sent(Viewer::of(principal), &appended), position))
    }

    async fn send_messages(
        &self,
        request: Request<v1::SendMessagesRequest>,
    ) -> Result<Response<v1::SendMessagesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let (answer, position) = self.sender.several(&caller, request.into_inner().messages).await?;
        Ok(at_position(answer, position.filter(|_| caller.edge)))
    }

    async fn list_messages(
        &self,
        request: Request<v1::ListMessagesRequest>,
    ) -> Result<Response<v1::ListMessagesResponse>, Status> {
        let caller = Caller::of(&request)?;
        let principal = caller.principal()?;
        let request = request.into_inner();
        let filter = decode::message_filter(&request)?;
        let limit = decode::messages_limit(request.page_size)?;
        let newest_first = request.newest_first;
        let conversation = self.find.meant(principal, request.conversation).await?;
        let id = conversation.id().to_string();
        let scope = ["ListMessages", &principal.tenant_slug, &id];
        let cursor: Option<MessageCursor> = self.pages.open(&scope, &request.page_token)?;
        if cursor.is_some_and(|cursor| cursor.is_descending() != filter.descending) {
            return Err(Error::PageToken.into());
        }
        let mut page = self.messages(&caller, Listing { conversation, filter, limit, cursor }).await?;
        if newest_first {
            page.messages.reverse();
        }
        let viewer = Viewer::of(principal);
        let next = page.next.map(|cursor| self.pages.seal(&scope, &cursor));
        Ok(Response::new(v1::ListMessagesResponse {
            messages: page.messages.iter().map(|row| message_for(viewer, row)).collect(),
            next_page_token: next.unwrap_or_default(),
            from_sequence: unsigned(page.from_sequence),
            through_sequence: unsigned(page.through_sequence),
            conversation: Some(conversation_for(viewer, &page.conversation)),
        }))
    }

    async fn list_missed_events(
        &self,
        request: Request<v1::ListMissedEventsRequest>,
    ) -> Result<Response<v1::ListMissedEventsResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.missed(&caller, request.get_ref()).await?))
    }

    async fn mark_read(
        &self,
        request: Request<v1::MarkReadRequest>,
    ) -> Result<Response<v1::MarkReadResponse>, Status> {
        let caller = Caller::of(&request)?;
        let answer = self.answer_mark_read(&caller, request.into_inner()).await?;
        Ok(self.respond(&caller, answer).await?)
    }

    async fn set_typing(
        &self,
        request: Request<v1::SetTypingRequest>,
    ) -> Result<Response<v1::SetTypingResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.answer_set_typing(&caller, request.into_inner()).await?))
    }

    async fn watch_conversation(
        &self,
        request: Request<v1::WatchConversationRequest>,
    ) -> Result<Response<Self::WatchConversationStream>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.watch(&caller, request.into_inner()).await?))
    }

    async fn converse(
        &self,
        request: Request<tonic::Streaming<v1::ConverseRequest>>,
    ) -> Result<Response<Self::ConverseStream>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(self.converse(caller, request.into_inner())?))
    }
}
