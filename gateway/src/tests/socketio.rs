//! Socket.IO: namespaces are mounts, events are stepped in order, and what is not ours goes to the others.

use std::time::Duration;

use futures::StreamExt as _;
use http::StatusCode;

use crate::{
    Limits,
    tests::world::{PATIENCE, Plan, Socket, World, world},
};

const OPEN: &str = "/socket.io/?EIO=4&transport=websocket";

/// Opens a connection and joins the namespace of a mount.
async fn joined(world: &World, namespace: &str) -> Socket {
    let mut socket = world.socket(OPEN).await;
    assert!(socket.next().await.starts_with("0{\"sid\":"));
    socket.say(&format!("40{namespace},")).await;
    let answer = socket.next().await;
    assert!(answer.starts_with(&format!("40{namespace},{{\"sid\":")), "{answer}");
    socket
}

#[tokio::test]
async fn over_the_rate_events_wait_and_keep_their_order() {
    let world = world().await;
    let mut socket = joined(&world, "/calm").await;
    for number in 0..24 {
        socket.say(&format!("42/calm,[\"hello\",{number}]")).await;
    }
    for number in 0..24 {
        socket.hears(&format!("42/calm,[\"hello\",{number}]")).await;
    }
}

#[tokio::test]
async fn an_event_that_wants_an_acknowledgement_gets_it() {
    let world = world().await;
    let mut socket = joined(&world, "/echo").await;
    socket.say("42/echo,5[\"hello\"]").await;
    socket.hears("43/echo,5[\"hello\"]").await;
}

#[tokio::test]
async fn one_connection_may_join_several_mounts() {
    let world = world().await;
    let mut socket = joined(&world, "/echo").await;
    socket.say("40/calm,").await;
    assert!(socket.next().await.starts_with("40/calm,{"));
    socket.say("42/calm,[\"one\"]").await;
    socket.say("42/echo,[\"two\"]").await;
    socket.hears("42/calm,[\"one\"]").await;
    socket.hears("42/echo,[\"two\"]").await;
    socket.say("42/echo,[\"close\"]").await;
    socket.hears("41/echo,").await;
    socket.say("42/calm,[\"still here\"]").await;
    socket.hears("42/calm,[\"still here\"]").await;
}

#[tokio::test]
async fn a_namespace_of_nobody_and_a_refusal_are_connect_errors() {
    let world = world().await;
    let mut socket = world.socket(OPEN).await;
    socket.next().await;
    socket.say("40/nobody,").await;
    socket.hears("44/nobody,{\"message\":\"Invalid namespace\"}").await;
    socket.say("40/echo,{\"token\":\"x\"}").await;
    socket.hears("44/echo,{\"message\":\"no tokens here\",\"data\":{\"code\":7}}").await;
}

#[tokio::test]
async fn without_its_query_the_path_is_not_ours() {
    let world = world().await;
    assert_eq!(world.get("/socket.io/").await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.get("/socket.io/?EIO=4&transport=other").await.0, StatusCode::BAD_REQUEST);
    assert_eq!(world.get("/socket.io/extra?EIO=4&transport=polling").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_of_other_origins_open_no_sockets() {
    let origins = vec!["https://shop.example".to_owned()];
    let world = World::start(Plan { origins, ..Plan::default() }).await;
    let foreign = world.try_socket(OPEN, &[("origin", "https://evil.example")]).await;
    assert_eq!(foreign.err(), Some(StatusCode::FORBIDDEN));
    assert!(world.try_socket(OPEN, &[("origin", "https://shop.example")]).await.is_ok());
    joined(&world, "/echo").await;
}

#[tokio::test]
async fn a_client_that_answers_no_ping_is_gone() {
    let limits = Limits {
        ping_interval: Duration::from_millis(50),
        ping_timeout: Duration::from_millis(50),
        ..Limits::default()
    };
    let world = World::start(Plan { limits, ..Plan::default() }).await;
    let mut socket = joined(&world, "/echo").await;
    socket.hears("2").await;
    let ended =
        tokio::time::timeout(PATIENCE, async { while let Some(Ok(_)) = socket.stream.next().await {} });
    ended.await.expect("the connection ends");
}

#[tokio::test]
async fn a_gateway_that_goes_down_closes_without_a_farewell_so_that_clients_come_back() {
    let world = world().await;
    let mut socket = joined(&world, "/echo").await;
    let (message, ()) = tokio::join!(socket.message(), world.gateway.shutdown(Duration::from_secs(5)));
    assert!(!message.is_text(), "no packet that tells the client to stay away: {message:?}");
    assert_eq!(world.gateway.tasks(), 0);
}
