//! The sessions of a person over a link: a state that is theirs alone, and the logs of sessions for who is in them.

use parlor_api::v1::{
    event::Payload, provider_ref, request_session_request::Responder, session_ref,
    session_service_client::SessionServiceClient,
};

use super::*;

fn own() -> Name {
    Name::Sessions(v1::TopicSessions {})
}

/// What an event says of a session.
fn change(event: &v1::LinkEvent) -> (v1::SessionState, String) {
    match &event.event.as_ref().unwrap().payload {
        Some(Payload::SessionChanged(changed)) => {
            (changed.state(), changed.session.as_ref().unwrap().id.clone())
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_person_hears_their_own_sessions_and_nobody_elses() {
    let world = World::new().await;
    let (pam, pam_token) = world.somebody("shop", v1::Role::Provider).await;
    let (_, ann_token) = world.somebody("shop", v1::Role::Customer).await;
    let (_, staff) = world.somebody("shop", v1::Role::Staff).await;
    let mut sessions = SessionServiceClient::new(world.core.routes());
    let provider = v1::Provider {
        person: Some(v1::Person { user_id: pam.id.clone(), ..Default::default() }),
        rates: vec![v1::SessionRate { kind: v1::SessionKind::Chat.into(), per_minute: 1 }],
        ..Default::default()
    };
    let upsert = v1::UpsertProviderRequest { provider: Some(provider), ..Default::default() };
    let admin = [bearer(OPERATOR), ("parlor-tenant", "shop")];
    sessions.upsert_provider(call(upsert, &admin)).await.unwrap();

    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    gateway.attach("guest", Credential::Guest(true)).await;
    assert_eq!(reason(&gateway.subscribe("guest", own()).await), v1::Reason::RoleRequired);
    for (connection, token) in [("pam", &pam_token), ("ann", &ann_token), ("staff", &staff)] {
        gateway.attach(connection, Credential::Bearer(token.clone())).await;
    }
    let of_pam = gateway.subscribed("pam", own()).await;
    assert!(of_pam.snapshot.is_some(), "it begins with what waits");
    assert_ne!(gateway.subscribed("staff", own()).await.topic, of_pam.topic);

    let name = Some(provider_ref::Name::UserId(pam.id));
    let ask = v1::RequestSessionRequest {
        kind: v1::SessionKind::Chat.into(),
        responder: Some(Responder::Provider(v1::ProviderRef { name })),
        ..Default::default()
    };
    let asked = sessions.request_session(call(ask, &[bearer(&ann_token)])).await.unwrap();
    let asked = asked.into_inner().session.unwrap();
    let heard = gateway.event().await;
    assert_eq!(heard.topic, of_pam.topic, "the staff have none");
    assert_eq!(change(&heard), (v1::SessionState::Pending, asked.id.clone()));

    let log = Name::Subject(v1::TopicSubject { kind: 2, id: asked.id.clone() });
    assert_eq!(reason(&gateway.subscribe("staff", log.clone()).await), v1::Reason::NotParty);
    let log = gateway.subscribed("pam", log).await;
    let named = Some(v1::SessionRef { name: Some(session_ref::Name::Id(asked.id)) });
    let accept = v1::AcceptSessionRequest { session: named, ..Default::default() };
    let accepted = sessions.accept_session(call(accept, &[bearer(&pam_token)])).await.unwrap();
    let mut topics = vec![of_pam.topic, log.topic];
    for _ in 0..2 {
        let heard = gateway.event().await;
        assert_eq!(change(&heard).0, v1::SessionState::Active);
        topics.retain(|topic| *topic != heard.topic);
    }
    assert_eq!(topics, [0; 0], "by each topic");

    // Whoever speaks on the connection now, staff or not, has no right to any of it.
    let room = accepted.into_inner().session.unwrap().conversation_id;
    let room = gateway.subscribed("pam", Name::ConversationId(room)).await;
    match gateway.attach("pam", Credential::Bearer(staff)).await {
        Body::Attached(attached) => {
            let mut dropped = attached.dropped;
            dropped.sort_unstable();
            let mut expected = [of_pam.topic, log.topic, room.topic];
            expected.sort_unstable();
            assert_eq!(dropped, expected);
        }
        other => panic!("{other:?}"),
    }
    world.core.shutdown().await;
}
