//! Who has not said who they are: they may say little, and not stay.

use std::time::Duration;

use futures::SinkExt as _;
use http::StatusCode;
use tungstenite::Message;

use crate::{
    Limits,
    tests::{
        echo::SHY_FRAME_BYTES,
        world::{Plan, World, world},
    },
};

const JOIN_WITHIN: Duration = Duration::from_millis(300);

/// What is taken of a stranger at a time.
const JOINING_BYTES: usize = 16 * 1024;

const POLL: &str = "/socket.io/?EIO=4&transport=polling";

async fn hurried() -> World {
    let limits = Limits { join_timeout: JOIN_WITHIN, ..Limits::default() };
    World::start(Plan { limits, ..Plan::default() }).await
}

#[tokio::test]
async fn a_socket_that_never_says_who_it_is_is_told_to_leave() {
    let world = hurried().await;
    let mut silent = world.socket("/shy").await;
    let mut talking = world.socket("/shy").await;
    talking.say("hello").await;
    talking.hears("hello").await;
    talking.say("attach bad").await;
    assert!(talking.next().await.starts_with("failed"));
    let policy = (1008, "did not say who it is in time".to_owned());
    assert_eq!(silent.closed().await, policy);
    assert_eq!(talking.closed().await, policy);
}

#[tokio::test]
async fn who_has_said_so_stays() {
    let world = hurried().await;
    let mut socket = world.socket("/shy").await;
    socket.say("attach good").await;
    socket.hears("attached acme").await;
    // Another one comes later and is gone already.
    assert_eq!(world.socket("/shy").await.closed().await.0, 1008);
    socket.say("still here").await;
    socket.hears("still here").await;
}

#[tokio::test]
async fn a_stranger_says_little_at_a_time_and_others_as_much_as_they_may() {
    let world = world().await;
    let mut socket = world.socket("/shy").await;
    socket.say(&"x".repeat(JOINING_BYTES)).await;
    socket.hears(&"x".repeat(JOINING_BYTES)).await;
    socket.say(&"x".repeat(JOINING_BYTES + 1)).await;
    assert_eq!(socket.closed().await.0, 1009);

    let mut socket = world.socket("/shy").await;
    let long = "x".repeat(SHY_FRAME_BYTES);
    // What comes behind waits until it is decided who it is.
    socket.stream.feed(Message::text("attach good")).await.unwrap();
    socket.stream.feed(Message::text(&long)).await.unwrap();
    socket.stream.flush().await.unwrap();
    socket.hears("attached acme").await;
    socket.hears(&long).await;
}

#[tokio::test]
async fn an_address_has_so_many_polling_sessions_and_a_network_of_ipv6_is_one() {
    let mut plan =
        Plan { limits: Limits { sessions_per_address: 1, ..Limits::default() }, ..Plan::default() };
    plan.listener.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
    let world = World::start(plan).await;
    for (address, status) in [
        ("2001:db8::1", StatusCode::OK),
        ("2001:db8::ffff:2", StatusCode::TOO_MANY_REQUESTS),
        ("2001:db8:0:1::1", StatusCode::OK),
        ("192.0.2.1", StatusCode::OK),
        ("192.0.2.1", StatusCode::TOO_MANY_REQUESTS),
    ] {
        let request = http::Request::get(POLL).header("x-forwarded-for", address);
        let (answered, ..) = world.http(request.body(http_body_util::Full::default()).unwrap()).await;
        assert_eq!(answered, status, "{address}");
    }
}

#[tokio::test]
async fn polling_sessions_are_as_many_as_a_listener_has_connections() {
    let mut plan = Plan::default();
    plan.listener.connections_max = 3;
    let world = World::start(plan).await;
    // Each request has a connection of its own, which is gone before the next.
    let mut answered = Vec::new();
    for _ in 0..4 {
        let (status, _) = world.get(POLL).await;
        answered.push(status);
    }
    assert_eq!(answered[..3], [StatusCode::OK; 3]);
    assert_eq!(answered[3], StatusCode::TOO_MANY_REQUESTS);
}
