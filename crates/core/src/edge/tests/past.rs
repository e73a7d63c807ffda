//! What a connection is told of what it may have missed: redelivery, recovery, and the topic of one's own conversation.

use super::*;

fn attach_of(connection: &str, credential: Credential) -> v1::LinkAttach {
    let mount =
        v1::MountContext { name: "test".into(), tenant: "shop".into(), issuers: Vec::new(), claims: true };
    v1::LinkAttach {
        connection: connection.into(),
        mount: Some(mount),
        credential: Some(credential),
        redelivers: true,
        present: true,
        ..Default::default()
    }
}

impl Gateway {
    async fn told(&mut self, attach: v1::LinkAttach) -> v1::LinkAttached {
        self.say(Command::Attach(attach)).await;
        match self.next().await {
            Body::Attached(attached) => attached,
            other => panic!("{other:?}"),
        }
    }

    async fn leave(&mut self, detach: v1::LinkDetach) {
        self.say(Command::Detach(detach)).await;
        assert!(matches!(self.next().await, Body::Done(_)));
    }
}

fn gone(connection: &str) -> v1::LinkDetach {
    v1::LinkDetach { connection: connection.into(), ..Default::default() }
}

fn position(attached: &v1::LinkAttached) -> Option<u64> {
    attached.missed.as_ref().map(|missed| missed.position)
}

async fn head(world: &World) -> u64 {
    let missed = missed(world, OPERATOR, 0).await;
    missed.events.len() as u64
}

async fn missed(world: &World, token: &str, after_position: u64) -> v1::ListMissedEventsResponse {
    let request = v1::ListMissedEventsRequest { after_position, ..Default::default() };
    let who = [bearer(token), ("parlor-tenant", "shop"), ("parlor-edge-key", EDGE)];
    let mut chat = v1::chat_service_client::ChatServiceClient::new(world.core.routes());
    chat.list_missed_events(call(request, &who)).await.unwrap().into_inner()
}

#[tokio::test]
async fn the_next_connection_of_a_person_takes_the_oldest_absence_once() {
    let world = World::new().await;
    let (_, ann) = world.somebody("shop", v1::Role::Customer).await;
    let bob = world.user("shop", "bob", &[v1::Role::Customer]).await;
    let bob = world.token_of("shop", &bob).await.token;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    let mut by = async |name: &str, token: &String| {
        gateway.told(attach_of(name, Credential::Bearer(token.clone()))).await
    };
    for name in ["one", "two"] {
        assert_eq!(by(name, &ann).await.missed, None, "nobody was there before");
    }
    by("other", &bob).await;
    send(&world, "seen").await;
    let seen = head(&world).await;
    gateway.leave(gone("one")).await;
    send(&world, "missed by one").await;
    gateway.leave(gone("two")).await;
    gateway.leave(gone("other")).await;
    let later = head(&world).await;
    send(&world, "missed by both").await;

    let mut by = async |name: &str, token: &String, redelivers| {
        let attach = v1::LinkAttach { redelivers, ..attach_of(name, Credential::Bearer(token.clone())) };
        position(&gateway.told(attach).await)
    };
    assert_eq!(by("indifferent", &ann, false).await, None);
    assert_eq!(by("three", &ann, true).await, Some(seen));
    assert_eq!(by("four", &ann, true).await, Some(later));
    assert_eq!(by("five", &ann, true).await, None);
    assert_eq!(by("again", &bob, true).await, Some(later));
}

#[tokio::test]
async fn an_absence_is_forgotten_after_its_time() {
    let world = World::new().await;
    let ann = world.user("shop", "ann", &[v1::Role::Customer]).await;
    let claim = || {
        let role = v1::Role::Customer.into();
        Credential::Claim(v1::LinkClaim { subject: ann.number.to_string(), role })
    };
    for (away, remembered) in [(10 * 60 - 1, true), (10 * 60, false)] {
        let (mut gateway, _) = Gateway::link(&world, "g", &away.to_string()).await;
        gateway.told(attach_of("one", claim())).await;
        gateway.leave(gone("one")).await;
        world.clock.advance(Duration::from_secs(away));
        let back = gateway.told(attach_of("two", claim())).await;
        assert_eq!(back.missed.is_some(), remembered);
        assert_eq!(back.person.unwrap().user_id, ann.id);
        // Nothing of this life is left to the next round.
        world.clock.advance(Duration::from_secs(10 * 60));
    }
}

#[tokio::test]
async fn the_gateway_says_what_was_handed_over_and_since_when_nothing_was_heard() {
    let world = World::new().await;
    let (_, ann) = world.somebody("shop", v1::Role::Customer).await;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    let by_token = || Credential::Bearer(ann.clone());
    send(&world, "before").await;
    let began = head(&world).await;
    gateway.told(attach_of("one", by_token())).await;
    for text in ["handed over", "on its way"] {
        send(&world, text).await;
    }
    gateway.leave(v1::LinkDetach { position: began + 1, ..gone("one") }).await;
    let back = gateway.told(attach_of("two", by_token())).await;
    assert_eq!(position(&back), Some(began + 1));
    // A gateway that has handed on little did so to others, earlier.
    gateway.leave(v1::LinkDetach { position: 1, ..gone("two") }).await;
    let back = gateway.told(attach_of("three", by_token())).await;
    assert_eq!(position(&back), Some(began + 2), "where it began");
    let quiet = head(&world).await;
    world.clock.advance(Duration::from_secs(30));
    send(&world, "into the void").await;
    let silence = Some(prost_types::Duration { seconds: 20, nanos: 0 });
    gateway.leave(v1::LinkDetach { silence, position: head(&world).await, ..gone("three") }).await;
    let back = gateway.told(attach_of("four", by_token())).await;
    assert_eq!(position(&back), Some(quiet));
}

#[tokio::test]
async fn a_repeated_command_is_told_the_same_and_a_new_proof_nothing_more() {
    let world = World::new().await;
    let (_, ann) = world.somebody("shop", v1::Role::Customer).await;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    let attach = |name| attach_of(name, Credential::Bearer(ann.clone()));
    for name in ["one", "two"] {
        gateway.told(attach(name)).await;
    }
    for name in ["one", "two"] {
        gateway.leave(gone(name)).await;
    }
    let first = gateway.told(attach("three")).await;
    drop(gateway);
    let (mut gateway, welcome) = Gateway::link(&world, "g", "1").await;
    assert!(welcome.resumed);
    gateway.number = first.number - 1;
    let again = gateway.told(attach("three")).await;
    assert_eq!((again.number, &again.missed), (first.number, &first.missed));
    assert!(again.missed.is_some());
    assert_eq!(gateway.told(attach("three")).await.missed, None, "it takes no second one");
    assert!(gateway.told(attach("four")).await.missed.is_some(), "which is still there");
}

#[tokio::test]
async fn a_gateway_that_is_started_anew_leaves_the_absences_of_all_it_held() {
    let world = World::new().await;
    let (_, ann) = world.somebody("shop", v1::Role::Customer).await;
    let attach = || attach_of("one", Credential::Bearer(ann.clone()));
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    let began = gateway.told(attach()).await;
    world.clock.advance(Duration::from_secs(5));
    let left = head(&world).await;
    send(&world, "missed").await;
    // It had not said that it stops.
    let (mut gateway, _) = Gateway::link(&world, "g", "2").await;
    let back = gateway.told(attach()).await;
    assert_eq!(position(&back), Some(left));
    assert_ne!(back.pid, began.pid);
}

#[tokio::test]
async fn a_pid_is_taken_from_the_same_person_on_the_same_mount_only() {
    let world = World::new().await;
    let (_, ann) = world.somebody("shop", v1::Role::Customer).await;
    let bob = world.user("shop", "bob", &[v1::Role::Customer]).await;
    let bob = world.token_of("shop", &bob).await.token;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    let attach = |token: &str, recover: &str| v1::LinkAttach {
        recover: recover.into(),
        ..attach_of("one", Credential::Bearer(token.into()))
    };
    send(&world, "before").await;
    let began = head(&world).await;
    let first = gateway.told(attach(&ann, "")).await;
    assert!((1..=512).contains(&first.pid.len()));
    assert_eq!(first.recovered_from, None);
    send(&world, "missed").await;
    gateway.leave(gone("one")).await;

    let another = gateway.told(attach(&bob, &first.pid)).await;
    let mut elsewhere = attach(&ann, &first.pid);
    elsewhere.mount.as_mut().unwrap().name = "another mount".into();
    let elsewhere = gateway.told(elsewhere).await;
    let made_up = gateway.told(attach(&ann, "a name that was never given")).await;
    for refused in [another, elsewhere, made_up] {
        assert_eq!(refused.recovered_from, None);
        assert_ne!(refused.pid, first.pid);
    }
    let back = gateway.told(attach(&ann, &first.pid)).await;
    assert_eq!((back.recovered_from, &back.pid), (Some(began), &first.pid));
    let guest = gateway
        .told(v1::LinkAttach { recover: first.pid.clone(), ..attach_of("guest", Credential::Guest(true)) });
    let guest = guest.await;
    assert_eq!((guest.recovered_from, guest.pid.as_str(), guest.missed), (None, "", None));
    gateway.say(Command::Attach(attach("no token", &first.pid))).await;
    assert_eq!(reason(&gateway.next().await), v1::Reason::CredentialInvalid, "the credential counts");
}

#[tokio::test]
async fn ones_own_conversation_is_heard_from_its_first_event_and_the_next_after_it() {
    let world = World::new().await;
    let (_, ann) = world.somebody("shop", v1::Role::Customer).await;
    let (_, staff) = world.somebody("shop", v1::Role::Staff).await;
    let own = || Name::Own(v1::OwnConversation { kind: "support".into() });
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    for (name, credential) in [
        ("ann", Credential::Bearer(ann.clone())),
        ("staff", Credential::Bearer(staff.clone())),
        ("guest", Credential::Guest(true)),
    ] {
        gateway.attach(name, credential).await;
    }
    for name in ["staff", "guest"] {
        assert_eq!(reason(&gateway.subscribe(name, own()).await), v1::Reason::RoleRequired);
    }
    let long = Name::Own(v1::OwnConversation { kind: "x".repeat(65) });
    assert_eq!(reason(&gateway.subscribe("ann", long).await), v1::Reason::FieldInvalid);
    let first = gateway.subscribed("ann", own()).await;
    assert_eq!(first.position, 0);

    let mut chat = v1::chat_service_client::ChatServiceClient::new(world.core.routes());
    let name = v1::conversation_ref::Name::Own(v1::OwnConversation { kind: "support".into() });
    let conversation = Some(v1::ConversationRef { name: Some(name) });
    let hello = v1::SendMessageRequest { conversation, text: "hello".into(), ..Default::default() };
    let sent = chat.send_message(call(hello.clone(), &[bearer(&ann)])).await.unwrap().into_inner();
    let sent = sent.conversation.unwrap();
    assert_eq!(sent.id, first.conversation_id);
    assert_eq!([gateway.event().await.number, gateway.event().await.number], [1, 2]);

    let close = v1::UpdateConversationRequest {
        conversation: Some(v1::ConversationRef {
            name: Some(v1::conversation_ref::Name::Number(sent.number)),
        }),
        values: Some(v1::Conversation {
            status: v1::ConversationStatus::Closed.into(),
            ..Default::default()
        }),
        update_mask: Some(prost_types::FieldMask { paths: vec!["status".into()] }),
        ..Default::default()
    };
    chat.update_conversation(call(close, &[bearer(&staff)])).await.unwrap();
    assert_eq!(gateway.event().await.number, 3);
    let second = gateway.subscribed("ann", own()).await;
    assert_ne!(second.conversation_id, first.conversation_id);
    let sent = chat.send_message(call(hello, &[bearer(&ann)])).await.unwrap().into_inner();
    assert_eq!(sent.conversation.unwrap().id, second.conversation_id);
    assert_eq!(gateway.event().await.topic, second.topic);
}

#[tokio::test]
async fn a_gateway_that_links_to_a_core_that_goes_down_is_told_so() {
    let world = World::new().await;
    world.core.drain(Duration::from_secs(60)).await;
    for (epoch, resumed) in [("1", false), ("1", true), ("2", false)] {
        let (mut gateway, welcome) = Gateway::link(&world, "late", epoch).await;
        assert_eq!(welcome.resumed, resumed);
        match gateway.next().await {
            Body::Drain(drain) => assert!((1..=60).contains(&drain.grace.unwrap().seconds)),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_fetch_that_does_not_end_fails() {
    let within = Duration::from_millis(1);
    assert_eq!(fetch::in_time(within, std::future::ready(Ok(7))).await, Ok(7));
    let never = std::future::pending::<Result<()>>();
    assert_eq!(fetch::in_time(within, never).await, Err(Error::DeadlineExceeded));
}

#[tokio::test]
async fn what_presence_remembers_outlives_the_core_that_is_killed() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    parlor_migration::up(&url).await.unwrap();
    let clock = crate::clock::Clock::default();
    let world = World::at(&url, &clock).await;
    let (_, ann) = world.somebody("shop", v1::Role::Customer).await;
    let attach = |name| attach_of(name, Credential::Bearer(ann.clone()));
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    let (handle, pid) = {
        let attached = gateway.told(attach("one")).await;
        (attached.handle, attached.pid)
    };
    let left = head(&world).await;
    clock.advance(Duration::from_secs(30));
    send(&world, "after the last sign of life").await;

    // Not shut down: the store is left as it is in that moment.
    let second = World::at(&url, &clock).await;
    let (mut gateway, _) = Gateway::link(&second, "h", "1").await;
    let back = gateway.told(attach("two")).await;
    assert_eq!(position(&back), Some(left));
    assert_eq!(position(&gateway.told(attach("three")).await), Some(left), "and so does another tab");
    clock.advance(Duration::from_secs(120));
    assert_eq!(gateway.told(attach("late")).await.missed, None, "who comes later had not been there");
    let recovering = v1::LinkAttach { recover: pid, ..attach("four") };
    assert_eq!(gateway.told(recovering).await.recovered_from, Some(left));

    let third = World::at(&url, &clock).await;
    let (mut gateway, _) = Gateway::link(&third, "h", "1").await;
    let surviving = attach_of("one", Credential::Handle(handle));
    assert_eq!(gateway.told(surviving).await.missed, None, "it was there all the time");
    assert_eq!(gateway.told(attach("five")).await.missed, None, "so nobody was away");
}
