//! Limits, drain, and what a second proof takes away.

use super::*;

#[tokio::test]
async fn names_are_as_long_as_the_limit_and_no_longer() {
    let world = World::new().await;
    let longest = "é".repeat(stream::MAX_NAME_CHARS);
    let over = "é".repeat(stream::MAX_NAME_CHARS + 1);
    let (mut gateway, _) = Gateway::link(&world, &longest, &longest).await;
    assert!(matches!(gateway.attach(&longest, Credential::Guest(true)).await, Body::Attached(_)));
    for name in ["", &over] {
        assert_eq!(reason(&gateway.attach(name, Credential::Guest(true)).await), v1::Reason::FieldInvalid);
    }
    for (name, epoch) in [("g", ""), ("g", over.as_str()), ("", "1"), (over.as_str(), "1")] {
        let hello = Command::Hello(v1::LinkHello { gateway: name.into(), epoch: epoch.into() });
        let hello = tokio_stream::iter([v1::LinkRequest { number: 0, command: Some(hello) }]);
        let mut client = EdgeServiceClient::new(world.core.routes());
        let refused = client.link(call(hello, &[("parlor-edge-key", EDGE)])).await.unwrap_err();
        assert_eq!(parlor_api::failure::reason(&refused), v1::Reason::FieldInvalid);
    }
}

#[tokio::test]
async fn a_gateway_holds_as_many_connections_as_the_limit_and_no_more() {
    let world = World::with(|options| options.edge.connections = 2).await;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    for connection in ["a", "b", "a"] {
        assert!(matches!(gateway.attach(connection, Credential::Guest(true)).await, Body::Attached(_)));
    }
    assert_eq!(reason(&gateway.attach("c", Credential::Guest(true)).await), v1::Reason::LimitReached);
    gateway.say(Command::Detach(v1::LinkDetach { connection: "a".into(), ..Default::default() })).await;
    assert!(matches!(gateway.next().await, Body::Done(_)));
    assert!(matches!(gateway.attach("c", Credential::Guest(true)).await, Body::Attached(_)));
}

#[tokio::test]
async fn a_core_that_goes_down_tells_its_gateways_for_how_long_it_serves() {
    let world = World::new().await;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    world.core.drain(Duration::from_secs(7)).await;
    match gateway.next().await {
        Body::Drain(drain) => assert_eq!(drain.grace.map(|grace| grace.seconds), Some(7)),
        other => panic!("{other:?}"),
    }
    let still = gateway.attach("a", Credential::Guest(true)).await;
    assert!(matches!(still, Body::Attached(_)), "it serves until it goes down");
}

#[tokio::test]
async fn a_second_proof_that_may_not_hear_the_feed_loses_it() {
    let world = World::new().await;
    let (_, staff) = world.somebody("shop", v1::Role::Staff).await;
    let (_, customer) = world.somebody("shop", v1::Role::Customer).await;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    gateway.attach("changes", Credential::Bearer(staff.clone())).await;
    gateway.subscribed("changes", feed()).await;
    gateway.attach("changes", Credential::Bearer(staff.clone())).await;
    let first = send(&world, "still heard").await;
    while gateway.event().await.number < first.sequence {}

    gateway.attach("changes", Credential::Bearer(customer)).await;
    send(&world, "heard no longer").await;
    gateway.say(Command::Renew(v1::LinkRenew {})).await;
    assert!(matches!(gateway.next().await, Body::Done(_)));
    assert_eq!(reason(&gateway.subscribe("changes", feed()).await), v1::Reason::RoleRequired);
    // The feed can be had again, from where it is now.
    gateway.attach("stays", Credential::Bearer(staff)).await;
    let heard = gateway.subscribed("stays", feed()).await;
    send(&world, "heard again").await;
    assert_eq!(gateway.event().await.number, heard.position + 1);
}
