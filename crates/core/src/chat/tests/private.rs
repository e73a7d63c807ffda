//! What nobody but its participants sees: staff neither find, read, list, write nor hear it, by whichever way they come.

use std::sync::Arc;

use parlor_api::v1::MissedConversation;
use parlor_store::{
    Author, AuthorKind, Cause, EnsureConversation, Options, SeenBy, Store, StoredEvent, SubjectKind,
    TenantId, UserId,
};

use super::*;
use crate::{chat::subject::Conversations, clock::Clock, offset::Offsets, subject::Kinds};

/// What the offsets of `testing.rs` are sealed with.
const POSITION_KEY: &[u8] = b"the position key of these tests";

/// A private conversation of two, in a core of its own.
struct Private {
    world: World,
    store: Store,
    tenant: TenantId,
    id: String,
    number: u64,
    /// Tokens: the owner's, the member's, one of the staff and one of another customer.
    owner: String,
    member: String,
    staff: String,
    other: String,
    _directory: tempfile::TempDir,
}

impl Private {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("test.db").display());
        parlor_migration::up(&url).await.unwrap();
        let world = World::at(&url, &Clock::default()).await;
        let store = Store::open(Options { url, read_connections: 1 }, Box::new(|_| {})).await.unwrap();
        let tenant = store.directory.tenant("shop").await.unwrap().id;
        let [mut ids, mut tokens] = [Vec::new(), Vec::new()];
        for (name, role) in [
            ("owner", v1::Role::Customer),
            ("member", v1::Role::Customer),
            ("staff", v1::Role::Staff),
            ("other", v1::Role::Customer),
        ] {
            let user = world.user("shop", name, &[role]).await;
            tokens.push(world.token_of("shop", &user).await.token);
            ids.push(user.id);
        }
        let author = Author { kind: AuthorKind::System, user_id: None, name: String::new(), user: None };
        let wanted = EnsureConversation {
            cause: Cause { tenant, author, at: 1, origin: String::new() },
            key: Some(KEY.into()),
            kind: "session".into(),
            waiting: false,
            owner_id: UserId::parse(&ids[0]),
            members: vec![UserId::parse(&ids[1]).unwrap()],
            seen_by: SeenBy::Nobody,
        };
        let made = store.chat.ensure_conversation(wanted).await.unwrap().0;
        let [owner, member, staff, other] = tokens.try_into().unwrap();
        let (id, number) = (made.id.to_string(), u64::try_from(made.number).unwrap());
        Self { world, store, tenant, id, number, owner, member, staff, other, _directory: directory }
    }

    fn by_id(&self) -> Option<ConversationRef> {
        identified(&self.id)
    }

    fn by_number(&self) -> Option<ConversationRef> {
        Some(ConversationRef { name: Some(Name::Number(self.number)) })
    }

    /// How each way in is refused, if it is.
    async fn ways(&self, who: Metadata<'_>, conversation: Option<ConversationRef>) -> Vec<(&str, Refusal)> {
        fn refusal<T>(answer: Result<T, tonic::Status>) -> Refusal {
            answer.err().map(|status| (status.code(), failure::reason(&status)))
        }
        let named = || conversation.clone();
        let mut chat = chat(&self.world);
        let get = v1::GetConversationRequest { conversation: named() };
        let list = v1::ListMessagesRequest { conversation: named(), ..Default::default() };
        let send = v1::SendMessageRequest { conversation: named(), ..message("hello", "") };
        let several = v1::SendMessagesRequest { messages: vec![send.clone()] };
        let read = v1::MarkReadRequest { conversation: named(), ..Default::default() };
        let typing = v1::SetTypingRequest { conversation: named(), typing: true };
        let watch = v1::WatchConversationRequest { conversation: named(), ..Default::default() };
        let clear = v1::UpdateConversationRequest {
            conversation: named(),
            clear_history: true,
            ..Default::default()
        };
        let missed = v1::ListMissedEventsRequest {
            after_offset: self.beginning(),
            conversations: vec![MissedConversation { conversation: named(), ..Default::default() }],
            ..Default::default()
        };
        let several = chat.send_messages(call(several, who)).await.unwrap().into_inner().results.remove(0);
        let several = match several.outcome.unwrap() {
            v1::send_messages_result::Outcome::Sent(_) => None,
            v1::send_messages_result::Outcome::Failure(failure) => {
                Some((Code::from(failure.code), failure.reason()))
            }
        };
        vec![
            ("get", refusal(chat.get_conversation(call(get, who)).await)),
            ("messages", refusal(chat.list_messages(call(list, who)).await)),
            ("send", refusal(chat.send_message(call(send, who)).await)),
            ("several", several),
            ("read", refusal(chat.mark_read(call(read, who)).await)),
            ("typing", refusal(chat.set_typing(call(typing, who)).await)),
            ("watch", refusal(chat.watch_conversation(call(watch, who)).await)),
            ("clear", refusal(chat.update_conversation(call(clear, who)).await)),
            ("missed", refusal(chat.list_missed_events(call(missed, who)).await)),
        ]
    }

    fn beginning(&self) -> String {
        Offsets::new(POSITION_KEY).of(self.tenant, 0)
    }

    async fn listed(&self, who: Metadata<'_>) -> Vec<String> {
        let all = chat(&self.world).list_conversations(call(Default::default(), who)).await.unwrap();
        all.into_inner().conversations.into_iter().map(|row| row.id).collect()
    }

    /// What was missed since the beginning, by conversation.
    async fn missed(&self, who: Metadata<'_>) -> Vec<String> {
        let request = v1::ListMissedEventsRequest { after_offset: self.beginning(), ..Default::default() };
        let missed = chat(&self.world).list_missed_events(call(request, who)).await.unwrap();
        missed.into_inner().events.into_iter().map(|event| event.conversation_id).collect()
    }

    async fn events(&self) -> Vec<StoredEvent> {
        self.store.log.tenant_events(self.tenant, 0, 100).await.unwrap()
    }
}

#[tokio::test]
async fn participants_reach_it_by_every_way() {
    let private = Private::new().await;
    for who in [&private.owner, &private.member] {
        let who = [bearer(who)];
        for (way, refused) in private.ways(&who, private.by_id()).await {
            assert_eq!(refused, None, "{way}");
        }
        assert_eq!(private.listed(&who).await, [private.id.as_str()]);
        assert!(private.missed(&who).await.contains(&private.id));
    }
}

#[tokio::test]
async fn nobody_else_reaches_it_by_any_way() {
    let private = Private::new().await;
    let missing = Some((Code::NotFound, v1::Reason::ConversationNotFound));
    let not_owner = Some((Code::PermissionDenied, v1::Reason::NotOwner));
    let (staff, other) = ([bearer(&private.staff)], [bearer(&private.other)]);
    for who in [STAFF, &staff[..], &other[..], GUEST] {
        for (way, refused) in private.ways(who, private.by_id()).await {
            assert_eq!(refused, missing, "{way} by its id");
        }
        for (way, refused) in private.ways(who, keyed(KEY)).await {
            assert_eq!(refused, not_owner, "{way} by its key");
        }
        assert!(private.listed(who).await.is_empty());
        assert!(private.missed(who).await.is_empty());
        let stolen = v1::CreateConversationRequest { key: KEY.into(), ..Default::default() };
        let stolen = chat(&private.world).create_conversation(call(stolen, who)).await.unwrap_err();
        assert_eq!(failure::reason(&stolen), v1::Reason::NotOwner);
    }
    for (way, refused) in private.ways(STAFF, private.by_number()).await {
        assert_eq!(refused, missing, "{way} by its number");
    }
    let nothing = private.events().await;
    assert_eq!(nothing.len(), 1, "it was only created");
}

#[tokio::test]
async fn the_feed_of_the_tenant_tells_its_place_alone() {
    let private = Private::new().await;
    private.ways(&[bearer(&private.owner)], private.by_id()).await;
    let offsets = Offsets::new(POSITION_KEY);
    let kinds = Kinds::new([(SubjectKind::CONVERSATION, Arc::new(Conversations) as _)], offsets.clone());
    let events = private.events().await;
    assert!(events.len() > 1);
    for stored in events {
        let told = kinds.in_feed(&stored);
        assert_eq!((told.conversation_id.as_str(), told.conversation, told.payload), ("", None, None));
        assert_eq!(told.offset, offsets.of(private.tenant, stored.position));
    }
}
