//! What a broken link leaves, and what a gateway that returns may repeat.

use super::*;
use crate::testing::Gate;

#[tokio::test]
async fn a_command_repeated_after_a_resume_is_answered_once() {
    let gate = Gate::new();
    let world = World::over(gate.clone(), |_| {}).await;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    gateway.attach("a", Credential::Guest(true)).await;
    gate.close();
    let topic = Some(v1::Topic { name: Some(by_key()) });
    let subscribe = Command::Subscribe(v1::LinkSubscribe { connection: "a".into(), topic });
    let number = gateway.say(subscribe.clone()).await;
    // It is under way when the link breaks.
    gate.somebody_waits().await;
    drop(gateway);

    let (mut gateway, welcome) = Gateway::link(&world, "g", "1").await;
    assert!(welcome.resumed);
    gateway.number = number - 1;
    assert_eq!(gateway.say(subscribe).await, number);
    gate.open();
    let Body::Subscribed(subscribed) = gateway.next().await else { panic!("not subscribed") };
    assert_eq!((subscribed.number, subscribed.position), (number, 0));
    let renewed = gateway.say(Command::Renew(v1::LinkRenew {})).await;
    match gateway.next().await {
        Body::Done(done) => assert_eq!(done.number, renewed, "nothing is answered twice"),
        other => panic!("{other:?}"),
    }
    let sent = send(&world, "heard once").await;
    let numbers = [gateway.event().await.number, gateway.event().await.number];
    assert_eq!(numbers, [1, sent.sequence]);
}

#[tokio::test]
async fn a_subscription_repeated_at_the_limit_is_answered_and_one_over_is_refused() {
    let world = World::new().await;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    gateway.attach("a", Credential::Guest(true)).await;
    let key = |number: usize| Name::ConversationKey(format!("session_1795206390007_{number:03}"));
    let mut last = 0;
    for number in 1..=parlor_api::limits::TOPICS {
        last = gateway.subscribed("a", key(number)).await.topic;
    }
    assert_eq!(gateway.subscribed("a", key(parlor_api::limits::TOPICS)).await.topic, last);
    let over = gateway.subscribe("a", key(parlor_api::limits::TOPICS + 1)).await;
    assert_eq!(reason(&over), v1::Reason::LimitReached);
    let unsubscribe = v1::LinkUnsubscribe { connection: "a".into(), topic: last };
    gateway.say(Command::Unsubscribe(unsubscribe)).await;
    assert!(matches!(gateway.next().await, Body::Done(_)));
    gateway.subscribed("a", key(parlor_api::limits::TOPICS + 1)).await;
}

#[tokio::test]
async fn rights_that_ended_are_told_again_until_the_gateway_knows() {
    let world = World::new().await;
    let (_, token) = world.somebody("shop", v1::Role::Staff).await;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    gateway.attach("staff", Credential::Bearer(token)).await;
    world.clock.advance(Duration::from_secs(24 * 3600));
    assert!(matches!(gateway.next().await, Body::RightsEnded(_)));
    // The gateway may have lost it with the link.
    drop(gateway);

    let (mut gateway, welcome) = Gateway::link(&world, "g", "1").await;
    assert!(welcome.resumed);
    match gateway.next().await {
        Body::RightsEnded(ended) => {
            assert_eq!(ended.connection, "staff");
            assert_eq!(ended.reason(), v1::RightsEndedReason::Expired);
        }
        other => panic!("{other:?}"),
    }
    gateway.say(Command::Detach(v1::LinkDetach { connection: "staff".into(), ..Default::default() })).await;
    assert!(matches!(gateway.next().await, Body::Done(_)));
    drop(gateway);

    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    gateway.say(Command::Renew(v1::LinkRenew {})).await;
    assert!(matches!(gateway.next().await, Body::Done(_)), "nothing is told of who is gone");
}

#[tokio::test]
async fn a_state_that_lagged_is_told_as_it_is_to_who_joins() {
    // Room for no event at all: every one is a lag.
    let gate = Gate::new();
    let world = World::over(gate.clone(), |options| options.edge.queue_bytes = 1).await;
    let sent = send(&world, "so that it exists").await;
    let who: crate::testing::Metadata<'_> = &[bearer(OPERATOR), ("parlor-tenant", "shop")];
    let topic = Name::Typing(sent.conversation_id.clone());
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    let (mut other, _) = Gateway::link(&world, "other", "1").await;
    let (_, token) = world.somebody("shop", v1::Role::Staff).await;
    for gateway in [&mut gateway, &mut other] {
        gateway.attach("a", Credential::Bearer(token.clone())).await;
        gateway.subscribed("a", topic.clone()).await;
    }
    let mut chat = v1::chat_service_client::ChatServiceClient::new(world.core.routes());
    let name = v1::conversation_ref::Name::Id(sent.conversation_id.clone());
    let mut set_typing = async |typing| {
        let conversation = Some(v1::ConversationRef { name: Some(name.clone()) });
        chat.set_typing(call(v1::SetTypingRequest { conversation, typing }, who)).await.unwrap();
        assert!(matches!(other.next().await, Body::Lagged(_)));
    };
    set_typing(true).await;
    // Answered in its place behind the lag, which is not read yet; then the state changes again.
    gate.close();
    for name in [topic, feed()] {
        let topic = Some(v1::Topic { name: Some(name) });
        gateway.say(Command::Subscribe(v1::LinkSubscribe { connection: "a".into(), topic })).await;
    }
    // The feed is opened next, so the first was carried out.
    gate.somebody_waits().await;
    set_typing(false).await;

    let Body::Lagged(lagged) = gateway.next().await else { panic!("no lag") };
    let Body::Subscribed(subscribed) = gateway.next().await else { panic!("not subscribed") };
    assert_eq!(subscribed.position, lagged.head, "the state is not older than the lag");
    assert_eq!(subscribed.snapshot.unwrap().payload, lagged.snapshot.unwrap().payload);
}
