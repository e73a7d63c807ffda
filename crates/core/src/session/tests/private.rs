//! What a session that is paid for, and its conversation, show to whom: to its two people, and to nobody else but, of the session
//! alone, whoever administers the tenant.

use std::sync::Arc;

use parlor_store::{StoredEvent, SubjectKind};

use super::*;
use crate::{session::subject::SessionEvents, subject::Kinds};

/// What the offsets of `testing.rs` are sealed with.
const POSITION_KEY: &[u8] = b"the position key of these tests";

async fn listed(world: &World, who: Metadata<'_>) -> usize {
    let all = sessions(world).list_sessions(call(v1::ListSessionsRequest::default(), who)).await.unwrap();
    all.into_inner().sessions.len()
}

#[tokio::test]
async fn nobody_else_sees_a_session_or_what_is_said_in_it() {
    let world = World::new().await;
    let pair = Pair::of(&world).await;
    let (_, staff) = world.somebody("shop", v1::Role::Staff).await;
    let eve = world.user("shop", "eve", &[v1::Role::Customer]).await;
    let eve = world.token_of("shop", &eve).await.token;
    let (_, foreign) = world.somebody("other", v1::Role::Admin).await;
    let asked = pair.request(&world).await;
    let active = pair.accept(&world, &asked).await;
    let mut chat = ChatServiceClient::new(world.core.routes());
    let room = || {
        let name = v1::conversation_ref::Name::Id(active.conversation_id.clone());
        Some(v1::ConversationRef { name: Some(name) })
    };
    let say = |text: &str| v1::SendMessageRequest {
        conversation: room(),
        text: text.to_owned(),
        ..Default::default()
    };
    for token in [&pair.ann_token, &pair.pam_token] {
        chat.send_message(call(say("hello"), &[bearer(token)])).await.unwrap();
        assert_eq!(listed(&world, &[bearer(token)]).await, 1);
    }
    let missing = v1::Reason::ConversationNotFound;
    for (token, reason) in [
        (&staff, v1::Reason::NotParty),
        (&eve, v1::Reason::NotParty),
        (&foreign, v1::Reason::SessionNotFound),
    ] {
        let who = [bearer(token)];
        let get = v1::GetSessionRequest { session: named(&asked) };
        let refused = sessions(&world).get_session(call(get, &who)).await.unwrap_err();
        assert_eq!(failure::reason(&refused), reason);
        assert_eq!(listed(&world, &who).await, 0);
        let get = v1::GetConversationRequest { conversation: room() };
        let refused = chat.get_conversation(call(get, &who)).await.unwrap_err();
        assert_eq!(failure::reason(&refused), missing);
        let read = v1::ListMessagesRequest { conversation: room(), ..Default::default() };
        let refused = chat.list_messages(call(read, &who)).await.unwrap_err();
        assert_eq!(failure::reason(&refused), missing);
        let watch = v1::WatchConversationRequest { conversation: room(), ..Default::default() };
        let refused = chat.watch_conversation(call(watch, &who)).await.unwrap_err();
        assert_eq!(failure::reason(&refused), missing);
        let refused = chat.send_message(call(say("spy"), &who)).await.unwrap_err();
        assert_eq!(failure::reason(&refused), missing);
        let all = chat.list_conversations(call(Default::default(), &who)).await.unwrap().into_inner();
        assert!(all.conversations.is_empty());
    }
    assert_eq!(listed(&world, ADMIN).await, 1, "who administers the tenant sees that there was one");
    let get = v1::GetConversationRequest { conversation: room() };
    let refused = chat.get_conversation(call(get, ADMIN)).await.unwrap_err();
    assert_eq!(failure::reason(&refused), missing, "and not what is said in it");

    let end = v1::EndSessionRequest { session: named(&asked), ..Default::default() };
    sessions(&world).end_session(call(end, &[bearer(&pair.pam_token)])).await.unwrap();
    let late = chat.send_message(call(say("and this"), &[bearer(&pair.ann_token)])).await.unwrap_err();
    assert_eq!(failure::reason(&late), v1::Reason::SessionState);
    let read = v1::ListMessagesRequest { conversation: room(), ..Default::default() };
    let read = chat.list_messages(call(read, &[bearer(&pair.ann_token)])).await.unwrap().into_inner();
    assert_eq!(read.messages.len(), 2, "what was said stays theirs");
    world.core.shutdown().await;
}

#[tokio::test]
async fn the_feed_of_the_staff_tells_invitations_and_of_others_their_place_alone() {
    let world = World::new().await;
    let pair = Pair::of(&world).await;
    let (_, staff) = world.somebody("shop", v1::Role::Staff).await;
    let asked = pair.request(&world).await;
    pair.accept(&world, &asked).await;
    let invite = v1::RequestSessionRequest {
        kind: v1::SessionKind::Invitation.into(),
        responder: Some(Responder::PayerId(pair.ann.id.clone())),
        ..Default::default()
    };
    let invited = sessions(&world).request_session(call(invite, &[bearer(&staff)])).await.unwrap();
    let invited = invited.into_inner().session.unwrap();
    let other = world.user("shop", "another of the staff", &[v1::Role::Staff]).await;
    let other = world.token_of("shop", &other).await.token;
    let get = v1::GetSessionRequest { session: named(&invited) };
    sessions(&world).get_session(call(get, &[bearer(&other)])).await.unwrap();
    assert_eq!(listed(&world, &[bearer(&other)]).await, 1, "invitations are of all staff");

    let tenant = world.core.tenant("shop").await.unwrap();
    let kind = (SubjectKind::SESSION, Arc::new(SessionEvents) as _);
    let kinds = Kinds::new([kind], Offsets::new(POSITION_KEY));
    let events = world.core.store().log.tenant_events(tenant, 0, 100).await.unwrap();
    let of_sessions: Vec<&StoredEvent> =
        events.iter().filter(|event| event.subject.kind == SubjectKind::SESSION).collect();
    assert_eq!(of_sessions.len(), 3);
    for stored in of_sessions {
        let told = kinds.in_feed(stored).payload;
        let is_invitation = stored.subject.id.to_string() == invited.id;
        assert_eq!(told.is_some(), is_invitation, "{told:?}");
        assert!(kinds.event(stored).payload.is_some(), "its people are told");
    }
    world.core.shutdown().await;
}
