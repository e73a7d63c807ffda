//! The methods of the core that dialects call by their types: one line for each.

use bytes::Bytes;
use http::uri::PathAndQuery;
use parlor_api::v1;
use prost::Message;

use super::{Answer, Call, refusal::Refusal};

/// A request of the core, which knows its method and its answer.
pub trait Rpc: Message + Sized {
    const PATH: &'static str;
    type Answer: Message + Default;

    fn call(&self) -> Call {
        let (path, message) = (PathAndQuery::from_static(Self::PATH), Bytes::from(self.encode_to_vec()));
        Call { path, message, public: false }
    }
}

macro_rules! rpcs {
    ($($service:ident $method:ident($request:ident) -> $answer:ident;)*) => {$(
        impl Rpc for v1::$request {
            const PATH: &'static str =
                concat!("/parlor.v1.", stringify!($service), "/", stringify!($method));
            type Answer = v1::$answer;
        }
    )*};
}

rpcs! {
    ChatService CreateConversation(CreateConversationRequest) -> CreateConversationResponse;
    ChatService GetConversation(GetConversationRequest) -> GetConversationResponse;
    ChatService ListConversations(ListConversationsRequest) -> ListConversationsResponse;
    ChatService UpdateConversation(UpdateConversationRequest) -> UpdateConversationResponse;
    ChatService SendMessage(SendMessageRequest) -> SendMessageResponse;
    ChatService SendMessages(SendMessagesRequest) -> SendMessagesResponse;
    ChatService ListMessages(ListMessagesRequest) -> ListMessagesResponse;
    ChatService MarkRead(MarkReadRequest) -> MarkReadResponse;
    ChatService ListMissedEvents(ListMissedEventsRequest) -> ListMissedEventsResponse;
    TokenService ExchangeCredential(ExchangeCredentialRequest) -> ExchangeCredentialResponse;
    TokenService RevokeToken(RevokeTokenRequest) -> RevokeTokenResponse;
}

impl Answer {
    /// What a call was answered with.
    pub fn read<M: Message + Default>(self) -> Result<M, Refusal> {
        M::decode(self.called()?).map_err(|_malformed| Refusal::unexpected())
    }

    /// The same, encoded.
    pub fn called(self) -> Result<Bytes, Refusal> {
        match self {
            Self::Called(encoded) => Ok(encoded),
            Self::Attached(_) | Self::Subscribed(_) => Err(Refusal::unexpected()),
        }
    }
}
