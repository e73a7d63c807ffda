//! Ann, who is a customer, and Sam and Una, who are staff and of whom everything is marked that she must not learn.

use std::time::Duration;

use parlor_api::v1::{self, attend_request::Command};
use parlor_tests::{Chat, World, soon};
use tokio_stream as stream;

/// Stands in everything that customers must not be told.
pub const MARK: &str = "mark-";

/// A label that staff put on the conversation.
pub const LABEL: &str = "mark-suspected-fraud";

/// What customers see of the staff.
pub const SAM: &str = "Sam of the shop";

/// What is Ann's own, and shown to her.
pub const ANN: &str = "ann-signs-in-so";

/// A conversation of Ann's.
pub struct Scene {
    /// Of staff who write, and are erased in the end.
    una_id: String,
    /// Tokens.
    pub ann: String,
    pub sam: String,
    /// Ids.
    pub ann_id: String,
    pub sam_id: String,
    pub conversation: String,
    /// A place before everything that the staff did.
    pub offset: String,
    /// A message of Ann's.
    pub sequence: u64,
    /// What Ann has asked of Una.
    pub session: String,
    clients: parlor_tests::Clients,
    of_una: parlor_tests::Clients,
    chats: [Chat; 3],
}

impl Scene {
    pub async fn begin(world: &World) -> Self {
        let identity =
            |subject: &str| v1::Identity { issuer: "legacy".to_owned(), subject: subject.to_owned() };
        let (sam_id, sam) = somebody(
            world,
            v1::User {
                display_name: SAM.to_owned(),
                username: "mark-sign-in".to_owned(),
                email: "mark-mail@shop.test".to_owned(),
                identities: vec![identity("mark-subject")],
                roles: vec![v1::Role::Staff.into()],
                ..v1::User::default()
            },
        )
        .await;
        // Has no other name than the one to sign in with.
        let (una_id, una) = somebody(
            world,
            v1::User {
                username: "mark-sign-in-of-una".to_owned(),
                roles: vec![v1::Role::Staff.into()],
                ..v1::User::default()
            },
        )
        .await;
        let (ann_id, ann) = somebody(
            world,
            v1::User {
                display_name: "Ann".to_owned(),
                username: ANN.to_owned(),
                roles: vec![v1::Role::Customer.into()],
                ..v1::User::default()
            },
        )
        .await;
        let mut chats = [world.chat_as(&ann).await, world.chat_as(&sam).await, world.chat_as(&una).await];
        let own = v1::CreateConversationRequest { own: true, ..v1::CreateConversationRequest::default() };
        let created = chats[0].create_conversation(own).await.unwrap().into_inner().conversation.unwrap();
        let place = v1::ListMissedEventsRequest {
            after_offset: "never given out".to_owned(),
            ..v1::ListMissedEventsRequest::default()
        };
        let offset = chats[0].list_missed_events(place).await.unwrap().into_inner().offset;
        let conversation = created.id;
        let sent = chats[0].send_message(message(&conversation, "hello")).await.unwrap().into_inner();
        let clients = world.clients(&sam).await;
        let sequence = sent.message.unwrap().sequence;
        for id in [&sam_id, &una_id] {
            let rate = v1::SessionRate { kind: v1::SessionKind::Chat.into(), per_minute: 1 };
            let provider = v1::Provider {
                person: Some(v1::Person { user_id: id.clone(), ..v1::Person::default() }),
                rates: vec![rate],
                ..v1::Provider::default()
            };
            let request = v1::UpsertProviderRequest { provider: Some(provider), request_id: String::new() };
            world.operator().await.sessions().upsert_provider(request).await.unwrap();
        }
        let name = Some(v1::provider_ref::Name::UserId(una_id.clone()));
        let ask = v1::RequestSessionRequest {
            kind: v1::SessionKind::Chat.into(),
            responder: Some(v1::request_session_request::Responder::Provider(v1::ProviderRef { name })),
            ..v1::RequestSessionRequest::default()
        };
        let asked = world.clients(&ann).await.sessions().request_session(ask).await.unwrap();
        let session = asked.into_inner().session.unwrap().id;
        let of_una = world.clients(&una).await;
        Self {
            una_id,
            ann,
            sam,
            ann_id,
            sam_id,
            conversation,
            offset,
            sequence,
            session,
            clients,
            of_una,
            chats,
        }
    }

    /// The staff do everything that there is to do to a conversation.
    pub async fn play(&self) {
        let [_, mut sam, mut una] = self.chats.clone();
        let conversation = || Some(by_id(&self.conversation));
        let change = v1::UpdateConversationRequest {
            conversation: conversation(),
            values: Some(v1::Conversation {
                assignee: Some(v1::Person { user_id: self.sam_id.clone(), ..v1::Person::default() }),
                tags: vec![LABEL.to_owned()],
                status: v1::ConversationStatus::Pending.into(),
                ..v1::Conversation::default()
            }),
            update_mask: Some(prost_types::FieldMask {
                paths: ["assignee", "tags", "status"].map(str::to_owned).into(),
            }),
            ..v1::UpdateConversationRequest::default()
        };
        sam.update_conversation(change).await.unwrap();
        let name = Some(v1::session_ref::Name::Id(self.session.clone()));
        let accept = v1::AcceptSessionRequest {
            session: Some(v1::SessionRef { name }),
            ..v1::AcceptSessionRequest::default()
        };
        self.of_una.sessions().accept_session(accept).await.unwrap();
        una.send_message(message(&self.conversation, "of una")).await.unwrap();
        sam.send_message(message(&self.conversation, "of sam")).await.unwrap();
        let reaction = v1::ReactToMessageRequest {
            conversation: conversation(),
            message_sequence: self.sequence,
            emoji: "👍".to_owned(),
            ..v1::ReactToMessageRequest::default()
        };
        una.react_to_message(reaction).await.unwrap();
        self.chats[0].clone().send_message(message(&self.conversation, "thanks")).await.unwrap();
        let read = v1::MarkReadRequest { conversation: conversation(), ..v1::MarkReadRequest::default() };
        una.mark_read(read).await.unwrap();
        for chat in [&mut sam, &mut una] {
            let typing = v1::SetTypingRequest { conversation: conversation(), typing: true };
            chat.set_typing(typing).await.unwrap();
        }
    }

    /// Ann is given money, by the operator.
    pub async fn pay(&self, world: &World) {
        let credit = v1::CreditWalletRequest {
            user_id: self.ann_id.clone(),
            amount: 7,
            request_id: "a payment".to_owned(),
            ..v1::CreditWalletRequest::default()
        };
        world.operator().await.billing().credit_wallet(credit).await.unwrap();
    }

    /// Una is erased, with what she wrote.
    pub async fn erase(&self, world: &World) {
        let request =
            v1::EraseUserRequest { user_id: self.una_id.clone(), ..v1::EraseUserRequest::default() };
        world.operator().await.directory().erase_user(request).await.unwrap();
    }

    /// Sam comes online, for as long as what is returned is held.
    pub async fn attend(&self) -> impl Sized {
        let linger = prost_types::Duration::try_from(Duration::ZERO).ok();
        let attach =
            v1::AttendRequest { number: 1, command: Some(Command::Attach(v1::AttendAttach { linger })) };
        let commands = futures::StreamExt::chain(stream::once(attach), stream::pending());
        let mut answers = self.clients.presence().attend(commands).await.unwrap().into_inner();
        soon("the answer", answers.message()).await.unwrap().unwrap();
        answers
    }
}

async fn somebody(world: &World, user: v1::User) -> (String, String) {
    let operator = world.operator().await;
    let request = v1::UpsertUserRequest { user: Some(user), ..v1::UpsertUserRequest::default() };
    let made = operator.directory().upsert_user(request).await.unwrap().into_inner().user.unwrap();
    // In a shape that the native mount takes.
    let (user_id, issuer) = (made.id.clone(), "legacy".to_owned());
    let request = v1::MintTokenRequest { user_id, issuer, ..v1::MintTokenRequest::default() };
    let minted = operator.tokens().mint_token(request).await.unwrap().into_inner();
    (made.id, minted.token)
}

fn by_id(id: &str) -> v1::ConversationRef {
    v1::ConversationRef { name: Some(v1::conversation_ref::Name::Id(id.to_owned())) }
}

fn message(conversation: &str, text: &str) -> v1::SendMessageRequest {
    v1::SendMessageRequest {
        conversation: Some(by_id(conversation)),
        text: text.to_owned(),
        ..v1::SendMessageRequest::default()
    }
}
