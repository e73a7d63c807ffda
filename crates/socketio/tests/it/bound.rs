//! What may wait for a client: one that reads gets all of it, however much comes at once.

use std::time::Duration;

use parlor_socketio::{Config, Reason};

use crate::{
    client::Came,
    server::{Server, polling},
};

const RAW: &str = "/engine.io/";
const SOCKETIO: &str = "/socket.io/";

/// So small a bound that single packets pass it.
const BOUND: usize = 1000;

fn narrow(config: Config) -> Config {
    Config {
        ping_interval: Duration::from_secs(20),
        ping_timeout: Duration::from_secs(20),
        outbox_bytes: BOUND,
        ..config
    }
}

/// Fetches until so many packets have come.
async fn fetch(server: &Server, target: &str, count: usize) -> Vec<String> {
    let mut came = Vec::new();
    while came.len() < count {
        let answer = server.client.get(target).await;
        assert_eq!(answer.status, 200, "after {} packets", came.len());
        came.extend(answer.text().split('\x1e').map(str::to_owned));
    }
    came
}

#[tokio::test]
async fn bytes_longer_than_the_bound_belong_to_their_packet() {
    let server = Server::with(narrow).await;
    let mut socket = server.client.websocket(&format!("{SOCKETIO}?EIO=4&transport=websocket")).await.unwrap();
    socket.text().await;
    socket.send("40").await;
    assert!(socket.text().await.starts_with("40{"));
    assert_eq!(socket.text().await, "42[\"auth\",{}]");
    for attachments in [vec![vec![7; 2 * BOUND]], vec![vec![7; BOUND]; 3]] {
        let count = attachments.len();
        socket.send(&format!("45{count}-[\"message\"]")).await;
        for attachment in &attachments {
            socket.send_binary(attachment).await;
        }
        assert_eq!(socket.text().await, format!("45{count}-[\"message-back\"]"));
        for attachment in attachments {
            assert_eq!(socket.next().await, Came::Binary(attachment));
        }
    }
}

#[tokio::test]
async fn bytes_longer_than_the_bound_belong_to_their_packet_by_polling_too() {
    let server = Server::with(narrow).await;
    let target = polling(SOCKETIO, 4, &server.poll_session(SOCKETIO, 4).await);
    assert!(server.client.post(&target, "40").await.is(200, "ok"));
    assert_eq!(fetch(&server, &target, 2).await[1], "42[\"auth\",{}]");
    let bytes = format!("b{}", "AAAA".repeat(BOUND));
    let posted = format!("452-[\"message\"]\x1e{bytes}\x1e{bytes}");
    assert!(server.client.post(&target, posted).await.is(200, "ok"));
    let came = fetch(&server, &target, 3).await;
    assert_eq!(came, ["452-[\"message-back\"]", &bytes, &bytes]);
}

#[tokio::test]
async fn what_comes_after_a_packet_longer_than_the_bound_waits_beside_it() {
    let server = Server::with(narrow).await;
    let target = polling(RAW, 4, &server.poll_session(RAW, 4).await);
    let long = format!("4{}", "x".repeat(2 * BOUND));
    for posted in [&long, "4y"] {
        assert!(server.client.post(&target, posted).await.is(200, "ok"));
    }
    assert_eq!(fetch(&server, &target, 2).await, [&long, "4y"]);
}

#[tokio::test]
async fn the_answers_to_one_post_wait_for_their_client_however_many_they_are() {
    let server = Server::with(narrow).await;
    for length in [1, BOUND / 4, BOUND * 3 / 5, 2 * BOUND] {
        let target = polling(RAW, 4, &server.poll_session(RAW, 4).await);
        let messages: Vec<_> = (10..60).map(|number| format!("4{number}{}", "x".repeat(length))).collect();
        assert!(server.client.post(&target, messages.join("\x1e")).await.is(200, "ok"));
        assert_eq!(fetch(&server, &target, messages.len()).await, messages, "of {length} bytes each");
    }
}

/// What it has sent is not heard while it does not fetch, and that has an end.
#[tokio::test]
async fn who_sends_and_does_not_fetch_is_held_back_and_then_ended() {
    let hasty = |config| Config { ping_timeout: Duration::from_secs(1), ..narrow(config) };
    let server = Server::with(hasty).await;
    let target = polling(RAW, 4, &server.poll_session(RAW, 4).await);
    let posted = format!("4{}", "x".repeat(BOUND * 3 / 5));
    let mut answers = Vec::new();
    while answers.last().is_none_or(|status| *status == 200) {
        answers.push(server.client.post(&target, &posted).await.status);
    }
    // One is answered, one waits to be heard, one has held its request back until the end.
    assert_eq!(answers, [200, 200, 400]);
    assert_eq!(server.ended().await, Reason::SlowReader);
}
