//! Clients that begin and do not finish, and those that say much before anybody has let them in: bounded in bytes and in
//! time, and others are not harmed.

use std::time::{Duration, Instant};

use parlor_socketio::{Config, Reason};
use tokio::io::AsyncWriteExt as _;

use crate::{
    client::{Came, Ws},
    server::{Server, polling},
};

const RAW: &str = "/engine.io/?EIO=4&transport=websocket";
const SOCKETIO: &str = "/socket.io/";

/// How long what has begun may take in these tests.
const WHOLE_WITHIN: Duration = Duration::from_millis(400);

/// Bytes of a packet with its attachments, and of an event that is kept whole.
const TAKEN: usize = 10_000;
const KEPT: usize = 1_000;

/// Bytes of a message before its sender is let in.
const CONNECT: usize = 500;

fn strict(config: Config) -> Config {
    Config {
        ping_interval: Duration::from_secs(20),
        ping_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        message_timeout: WHOLE_WITHIN,
        ..config
    }
}

fn narrow(config: Config) -> Config {
    Config {
        message_timeout: Duration::from_secs(20),
        max_payload: TAKEN,
        max_event: KEPT,
        connect_bytes: CONNECT,
        ..strict(config)
    }
}

async fn open(server: &Server) -> Ws {
    let target = format!("{SOCKETIO}?EIO=4&transport=websocket");
    let mut socket = server.client.websocket(&target).await.unwrap();
    socket.text().await;
    socket
}

async fn joined(server: &Server) -> Ws {
    let mut socket = open(server).await;
    socket.send("40").await;
    assert!(socket.text().await.starts_with("40{"));
    assert_eq!(socket.text().await, "42[\"auth\",{}]");
    socket
}

/// A frame of a client that is the first of a message, with an empty mask.
fn first_fragment(payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0x01, 0x80 | length, 0, 0, 0, 0], payload].concat()
}

fn in_time(began: Instant) {
    let took = began.elapsed();
    assert!(took >= WHOLE_WITHIN * 9 / 10 && took < WHOLE_WITHIN * 5, "{took:?}");
}

#[tokio::test]
async fn attachments_that_never_come_are_awaited_for_a_time() {
    let server = Server::with(strict).await;
    let mut other = joined(&server).await;
    let mut socket = joined(&server).await;
    let began = Instant::now();
    socket.send("453-[\"message\"]").await;
    socket.send_binary(b"one").await;
    assert_eq!(server.ended().await, Reason::TooSlow);
    in_time(began);
    socket.closed().await;
    other.send("42[\"message\",1]").await;
    assert_eq!(other.text().await, "42[\"message-back\",1]");
}

#[tokio::test]
async fn attachments_that_never_come_by_polling_are_awaited_for_a_time() {
    let server = Server::with(strict).await;
    let target = polling(SOCKETIO, 4, &server.poll_session(SOCKETIO, 4).await);
    assert!(server.client.post(&target, "40").await.is(200, "ok"));
    assert!(server.client.get(&target).await.text().starts_with("40{"));
    let began = Instant::now();
    assert!(server.client.post(&target, "451-[\"message\"]").await.is(200, "ok"));
    assert_eq!(server.ended().await, Reason::TooSlow);
    in_time(began);
}

#[tokio::test]
async fn each_packet_has_its_time_anew() {
    let server = Server::with(strict).await;
    let mut socket = joined(&server).await;
    let began = Instant::now();
    let mut beat = tokio::time::interval(WHOLE_WITHIN / 2);
    beat.tick().await;
    while began.elapsed() < WHOLE_WITHIN * 3 {
        socket.send("451-[\"message\"]").await;
        beat.tick().await;
        socket.send_binary(b"one").await;
        assert_eq!(socket.text().await, "451-[\"message-back\"]");
        assert_eq!(socket.next().await, Came::Binary(b"one".to_vec()));
    }
}

#[tokio::test]
async fn a_message_in_fragments_is_awaited_for_a_time() {
    let server = Server::with(strict).await;
    let mut socket = server.client.websocket(RAW).await.unwrap();
    socket.text().await;
    let began = Instant::now();
    socket.stream().write_all(&first_fragment(b"4half")).await.unwrap();
    assert_eq!(server.ended().await, Reason::TooSlow);
    in_time(began);
}

#[tokio::test]
async fn a_body_that_never_ends_is_awaited_for_a_time() {
    let server = Server::with(strict).await;
    let target = polling("/engine.io/", 4, &server.poll_session("/engine.io/", 4).await);
    let began = Instant::now();
    let _half = server.client.post_half(&target, "4half").await;
    assert_eq!(server.ended().await, Reason::TransportError);
    in_time(began);
}

#[tokio::test]
async fn attachments_count_in_bytes_with_their_text() {
    let server = Server::with(narrow).await;
    let mut socket = joined(&server).await;
    let text = "452-[\"message\"]";
    let json = "[\"message\"]".len();
    // At the limit of what is taken it is too long to be kept, and the connection goes on.
    for length in [TAKEN - json, KEPT - json + 1] {
        socket.send(text).await;
        socket.send_binary(&vec![7; length]).await;
        socket.send_binary(b"").await;
        assert_eq!(socket.text().await, "42[\"too-long\"]");
    }
    let kept = vec![7; KEPT - json];
    socket.send(text).await;
    socket.send_binary(&kept).await;
    socket.send_binary(b"").await;
    assert_eq!(socket.text().await, "452-[\"message-back\"]");
    assert_eq!(socket.next().await, Came::Binary(kept));
    assert_eq!(socket.next().await, Came::Binary(Vec::new()));
    // One byte more than is taken ends it, before all attachments have come.
    socket.send("453-[\"message\"]").await;
    socket.send_binary(&vec![7; TAKEN - json]).await;
    socket.send_binary(b"x").await;
    assert_eq!(server.ended().await, Reason::TooBig);
}

#[tokio::test]
async fn who_is_not_let_in_sends_no_attachments() {
    let server = Server::start().await;
    for packet in ["451-[\"message\"]", "451-/custom,[\"message\"]", "461-1[]"] {
        let mut socket = open(&server).await;
        socket.send(packet).await;
        assert_eq!(server.ended().await, Reason::ForcedServerClose, "{packet}");
        socket.closed().await;
    }
    let target = polling(SOCKETIO, 4, &server.poll_session(SOCKETIO, 4).await);
    server.client.post(&target, "451-[\"message\"]").await;
    assert_eq!(server.ended().await, Reason::ForcedServerClose);
}

#[tokio::test]
async fn what_a_client_sends_to_a_namespace_it_was_sent_away_from_is_let_go() {
    let server = Server::with(narrow).await;
    let mut socket = joined(&server).await;
    socket.send("42[\"leave\"]").await;
    assert_eq!(socket.text().await, "41");
    socket.send("451-[\"message\"]").await;
    socket.send_binary(&[7; KEPT]).await;
    socket.send("40").await;
    assert!(socket.text().await.starts_with("40{"));
}

#[tokio::test]
async fn messages_are_small_until_somebody_is_let_in() {
    let server = Server::with(narrow).await;
    let connect = |bytes: usize| {
        let empty = "40{\"token\":\"\"}".len();
        // Engine.IO's digit goes before it.
        format!("40{{\"token\":\"{}\"}}", "x".repeat(bytes - empty))
    };
    let mut socket = open(&server).await;
    socket.send(&connect(CONNECT)).await;
    assert!(socket.text().await.starts_with("40{"));
    socket.text().await;
    let long = format!("42[\"message\",\"{}\"]", "x".repeat(TAKEN - 50));
    socket.send(&long).await;
    assert!(socket.text().await.starts_with("42[\"message-back\""), "who is in may say more");

    let mut socket = open(&server).await;
    socket.send(&connect(CONNECT + 1)).await;
    socket.closed().await;
    assert_eq!(server.ended().await, Reason::TooBig);

    let target = polling(SOCKETIO, 4, &server.poll_session(SOCKETIO, 4).await);
    assert_eq!(server.client.post(&target, connect(CONNECT + 1)).await.status, 413);
    assert!(server.client.post(&target, connect(CONNECT)).await.is(200, "ok"));
    assert!(server.client.get(&target).await.text().starts_with("40{"));
    assert!(server.client.post(&target, &long).await.is(200, "ok"));
}

#[tokio::test]
async fn an_engine_has_so_many_sessions_and_not_one_more() {
    let server = Server::with(|config| Config { sessions_max: 2, ..strict(config) }).await;
    let first = server.client.websocket(RAW).await.unwrap();
    server.poll_session("/engine.io/", 4).await;
    let refused = server.client.get("/engine.io/?EIO=4&transport=polling").await;
    assert!(refused.is(429, "{\"code\":7,\"message\":\"Too many connections\"}"), "{refused:?}");
    assert_eq!(server.client.websocket(RAW).await.err(), Some(429));
    drop(first);
    server.ended().await;
    assert!(server.client.websocket(RAW).await.is_ok());
}
