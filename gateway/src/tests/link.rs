//! The link: what a connection hears, through lag, loss, repetition, breaks and a core that is away.

use std::{cell::Cell, net::SocketAddr, time::Duration};

use http::StatusCode;
use parlor_api::v1::link_request::Command;

use crate::{
    Backend, Listener, listener,
    tests::{
        core::Core,
        world::{Plan, World, service, world},
    },
};

#[tokio::test]
async fn events_reach_every_subscriber_once_whatever_the_link_does() {
    let world = world().await;
    let (mut one, mut other) = (world.listener().await, world.listener().await);
    world.core.append("first");
    world.core.deaf(true);
    for number in 2..=9 {
        world.core.append(&format!("number {number}"));
    }
    world.core.deaf(false);
    world.core.append("after the gap");
    world.core.repeat(3);
    world.core.repeat(10);
    for socket in [&mut one, &mut other] {
        socket.hears("event 1 first").await;
        for number in 2..=9 {
            socket.hears(&format!("event {number} number {number}")).await;
        }
        socket.hears("event 10 after the gap").await;
    }
    world.core.append("once");
    one.hears("event 11 once").await;
}

#[tokio::test]
async fn a_lost_last_event_is_fetched_when_the_core_says_where_it_is() {
    let world = world().await;
    let mut socket = world.listener().await;
    world.core.deaf(true);
    world.core.append("lost");
    world.core.deaf(false);
    world.core.lag();
    socket.hears("event 1 lost").await;
}

#[tokio::test]
async fn a_subscription_begins_where_the_core_says() {
    let world = world().await;
    world.core.append("before");
    let mut early = world.listener().await;
    world.core.append("between");
    let mut late = world.listener().await;
    world.core.append("after");
    early.hears("event 2 between").await;
    early.hears("event 3 after").await;
    late.hears("event 3 after").await;
}

#[tokio::test]
async fn a_resumed_link_misses_nothing_and_tells_nothing_twice() {
    let world = world().await;
    let mut socket = world.listener().await;
    world.core.append("before");
    socket.hears("event 1 before").await;
    world.core.break_link(false);
    world.linked(false).await;
    world.core.append("while away");
    world.linked(true).await;
    world.core.append("after");
    socket.hears("event 2 while away").await;
    socket.hears("event 3 after").await;
    assert_eq!(world.core.attached_by_handle(), 0, "the core knew everybody");
}

#[tokio::test]
async fn a_core_that_forgot_is_told_of_everybody_and_sockets_stay() {
    let world = world().await;
    let mut sockets = Vec::new();
    for _ in 0..5 {
        sockets.push(world.listener().await);
    }
    world.core.append("before");
    world.core.break_link(true);
    world.linked(false).await;
    for number in 2..=8 {
        world.core.append(&format!("number {number}"));
    }
    world.linked(true).await;
    world.core.until(|core| core.subscriptions() == 5).await;
    assert_eq!(world.core.attached_by_handle(), 5);
    world.core.append("after");
    for socket in &mut sockets {
        socket.hears("event 1 before").await;
        for number in 2..=8 {
            socket.hears(&format!("event {number} number {number}")).await;
        }
        socket.hears("event 9 after").await;
    }
}

#[tokio::test]
async fn a_handle_that_is_refused_ends_the_rights_and_not_the_socket() {
    let world = world().await;
    let mut socket = world.listener().await;
    world.core.refuse_handles();
    world.core.break_link(true);
    socket.hears("rights ended 2").await;
    socket.say("send something").await;
    socket.hears("failed Unauthenticated").await;
    socket.say("attach good").await;
    socket.hears("attached acme").await;
}

#[tokio::test]
async fn rights_that_end_are_told_and_nothing_more_is_heard() {
    let world = world().await;
    let mut socket = world.listener().await;
    let connection = world.core.attached().remove(0);
    world.core.end_rights(&connection);
    socket.hears("rights ended 1").await;
    world.core.append("not for everybody");
    socket.say("still here").await;
    socket.hears("still here").await;
}

#[tokio::test]
async fn who_is_no_longer_staff_no_longer_hears_what_staff_hear() {
    let world = world().await;
    let (mut other, mut socket) = (world.listener().await, world.socket("/echo").await);
    for line in ["attach staff", "subscribe room", "attach good"] {
        socket.say(line).await;
        socket.next().await;
    }
    world.core.append("secret");
    other.hears("event 1 secret").await;
    socket.say("subscribe room").await;
    socket.hears("subscribed 1").await;
}

#[tokio::test]
async fn a_core_elsewhere_may_go_and_come_back() {
    let core = Core::default();
    let options = listener::Options::new("internal", SocketAddr::from(([127, 0, 0, 1], 0)));
    let internal = Listener::bind(options.clone()).await.unwrap();
    let options = listener::Options { address: internal.address(), ..options };
    let backend = Backend::connect(&format!("http://{}", options.address)).unwrap();
    let running = internal.serve(listener::grpc_service(service(&core)));

    let world = World::with(Plan::default(), core.clone(), backend).await;
    let mut socket = world.listener().await;
    core.append("before");
    socket.hears("event 1 before").await;
    running.shutdown(Duration::ZERO).await;
    world.linked(false).await;
    socket.say("send into the void").await;
    socket.hears("failed Unavailable").await;
    core.append("while away");

    let running = Listener::bind(options).await.unwrap().serve(listener::grpc_service(service(&core)));
    world.linked(true).await;
    core.append("after");
    socket.hears("event 2 while away").await;
    socket.hears("event 3 after").await;
    world.gateway.shutdown(Duration::from_secs(1)).await;
    running.shutdown(Duration::from_secs(1)).await;
}

#[tokio::test]
async fn a_refused_credential_is_an_answer() {
    let world = world().await;
    let mut socket = world.socket("/echo").await;
    socket.say("subscribe room").await;
    socket.hears("failed Unauthenticated").await;
    socket.say("attach bad").await;
    socket.hears("failed Unauthenticated").await;
    socket.say("attach good").await;
    socket.hears("attached acme").await;
    socket.say("send hello").await;
    socket.hears("sent 1 Some(1)").await;
}

#[tokio::test]
async fn an_unsubscribed_topic_is_silent_and_closed() {
    let world = world().await;
    let mut socket = world.listener().await;
    socket.say("unsubscribe").await;
    world.core.until(|core| core.subscriptions() == 0).await;
    world.core.append("unheard");
    socket.say("subscribe room").await;
    socket.hears("subscribed 1").await;
    world.core.append("heard");
    socket.hears("event 2 heard").await;
}

#[tokio::test]
async fn a_closed_socket_is_detached() {
    let world = world().await;
    let socket = world.listener().await;
    drop(socket);
    world.core.until(|core| core.attached().is_empty()).await;
    let detached = |command: &Command| matches!(command, Command::Detach(_));
    assert!(world.core.commands().iter().any(detached));
}

#[tokio::test]
async fn without_a_core_sockets_stay_and_calls_say_so() {
    let world = world().await;
    let mut socket = world.listener().await;
    world.core.away(true);
    world.linked(false).await;
    socket.say("send into the void").await;
    socket.hears("failed Unavailable").await;
    assert_eq!(world.post("/echo/send", "hello").await, (StatusCode::BAD_GATEWAY, "Unavailable".to_owned()));
    assert_eq!(world.get("/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
    world.core.away(false);
    world.linked(true).await;
    assert_eq!(world.get("/readyz").await.0, StatusCode::OK);
    world.core.append("back");
    socket.hears("event 1 back").await;
}

#[tokio::test]
async fn what_is_asked_before_the_core_is_there_is_answered_when_it_is() {
    let world = World::start(Plan { away: true, ..Plan::default() }).await;
    let mut socket = world.socket("/echo").await;
    socket.say("attach good").await;
    socket.say("hello").await;
    socket.hears("hello").await;
    world.core.away(false);
    socket.hears("attached acme").await;
}

#[tokio::test]
async fn an_event_leaves_before_the_answer_that_names_it() {
    let world = world().await;
    let mut socket = world.listener().await;
    for number in 1..=20 {
        let late = number % 2 == 0;
        world.core.deaf(late);
        let answered = Cell::new(false);
        let asked = async {
            assert_eq!(world.post("/echo/send", "hello").await.0, StatusCode::OK);
            answered.set(true);
        };
        let told = async {
            if late {
                world.core.until(|core| core.metadata().len() == number).await;
                world.get("/echo/x").await;
                assert!(!answered.get(), "the reply waits for its event");
                world.core.lag();
            }
        };
        tokio::join!(asked, told);
        // One runtime thread reads all sockets: what was written before the answer is here before it.
        let heard = tokio::time::timeout(Duration::ZERO, socket.next()).await;
        assert_eq!(heard.expect("the event came first"), format!("event {number} hello"));
    }
}

#[tokio::test]
async fn a_reply_waits_for_an_event_only_so_long() {
    let world = world().await;
    let _socket = world.listener().await;
    world.core.deaf(true);
    let began = tokio::time::Instant::now();
    assert_eq!(world.post("/echo/send", "hello").await.0, StatusCode::OK);
    let waited = began.elapsed();
    assert!(waited >= crate::edge::REPLY_HOLD, "it waited {waited:?}");
}

#[tokio::test]
async fn a_list_that_changed_for_fifty_sockets_is_asked_for_once() {
    let world = world().await;
    let mut sockets = Vec::new();
    for _ in 0..50 {
        sockets.push(world.listener().await);
    }
    world.core.append("refresh");
    for socket in &mut sockets {
        socket.hears("room").await;
    }
    assert_eq!(world.core.metadata().len(), 1);
}
