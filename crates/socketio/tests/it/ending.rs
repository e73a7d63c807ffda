//! How connections end: clients that do not read, users who do not, and the server itself.

use std::time::{Duration, Instant};

use parlor_socketio::{Config, Reason, engine::Engine};
use tokio::time::interval_at;

use crate::{
    client::{Came, Ws},
    server::{Server, polling},
    suite::Echo,
};

const RAW: &str = "/engine.io/";

/// What the kernel takes on both sides before the server's own queue fills, and more than that.
const MORE_THAN_THE_KERNEL_HOLDS: usize = 64;

async fn websocket(server: &Server, version: u8) -> Ws {
    let target = format!("{RAW}?EIO={version}&transport=websocket");
    let mut socket = server.client.websocket(&target).await.unwrap();
    socket.text().await;
    socket
}

#[tokio::test]
async fn a_client_that_never_reads_is_ended_at_the_bound_of_its_queue() {
    let slow = |config| Config { ping_interval: Duration::from_secs(20), outbox_bytes: 100_000, ..config };
    let server = Server::with(slow).await;
    let mut other = websocket(&server, 4).await;
    let mut socket = websocket(&server, 4).await;
    let message = format!("4{}", "x".repeat(500_000));
    for _ in 0..MORE_THAN_THE_KERNEL_HOLDS {
        if !socket.try_send(&message).await {
            break;
        }
    }
    assert_eq!(server.ended().await, Reason::SlowReader);
    other.send("4still here").await;
    assert_eq!(other.text().await, "4still here");
}

#[tokio::test]
async fn a_polling_client_that_never_polls_is_ended_at_the_bound_of_its_queue() {
    let slow = |config| Config { ping_interval: Duration::from_secs(20), outbox_bytes: 1000, ..config };
    let server = Server::with(slow).await;
    let target = polling(RAW, 4, &server.poll_session(RAW, 4).await);
    for _ in 0..4 {
        server.client.post(&target, format!("4{}", "x".repeat(400))).await;
    }
    assert_eq!(server.ended().await, Reason::SlowReader);
    assert_eq!(server.client.get(&target).await.status, 400);
}

/// An old client pings by itself, so only what it leaves lying tells that it reads nothing.
#[tokio::test]
async fn a_client_that_pings_and_reads_nothing_is_gone_in_time() {
    let large = |config| Config { outbox_bytes: 100_000_000, ping_timeout: Duration::from_secs(1), ..config };
    let server = Server::with(large).await;
    let mut socket = websocket(&server, 3).await;
    let message = format!("4{}", "x".repeat(900_000));
    for _ in 0..20 {
        socket.send(&message).await;
    }
    let began = Instant::now();
    let mut beat = tokio::time::interval(Duration::from_millis(100));
    let reason = loop {
        tokio::select! {
            reason = server.ended() => break reason,
            _ = beat.tick() => {
                socket.try_send("2").await;
            }
        }
    };
    assert_eq!(reason, Reason::SlowReader);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
}

#[tokio::test]
async fn silence_ends_a_connection_within_interval_and_timeout() {
    for version in [3, 4] {
        let server = Server::with(|config| config).await;
        let mut socket = websocket(&server, version).await;
        let began = Instant::now();
        socket.closed().await;
        assert_eq!(server.ended().await, Reason::PingTimeout);
        let took = began.elapsed();
        // The slack is that of a busy machine; how exact the wheel is, its own tests say.
        assert!(took > Duration::from_millis(400) && took < Duration::from_millis(1500), "{took:?}");
    }
}

/// The answer of a client that is sending much stands behind what it sends. Once: who never answers is dead.
#[tokio::test]
async fn who_sends_while_an_answer_is_owed_has_its_time_once_more() {
    const TIMEOUT: Duration = Duration::from_secs(1);
    let server = Server::with(|config| Config { ping_timeout: TIMEOUT, ..config }).await;
    let mut socket = websocket(&server, 4).await;
    let target = polling(RAW, 4, &server.poll_session(RAW, 4).await);
    assert!(server.client.get(&target).await.is(200, "2"));
    assert_eq!(socket.text().await, "2");
    let asked = Instant::now();
    let mut ticks = interval_at((asked + TIMEOUT / 2).into(), TIMEOUT / 10);
    let mut ended = Vec::new();
    while ended.len() < 2 {
        tokio::select! {
            reason = server.ended() => ended.push((reason, asked.elapsed())),
            _ = ticks.tick() => {
                socket.try_send("6").await;
                server.client.post(&target, "6").await;
            }
        }
    }
    for (reason, took) in ended {
        assert_eq!(reason, Reason::PingTimeout);
        assert!(took > TIMEOUT * 14 / 10 && took < TIMEOUT * 5 / 2, "{took:?}");
    }
}

#[tokio::test]
async fn a_client_that_vanishes_is_a_transport_error() {
    let server = Server::start().await;
    let mut socket = websocket(&server, 4).await;
    socket.stream().set_zero_linger().unwrap();
    drop(socket);
    assert_eq!(server.ended().await, Reason::TransportError);
    assert_eq!(server.servers.raw.sessions(), 0);
}

#[tokio::test]
async fn a_server_that_stops_says_so_to_all_and_takes_no_more() {
    let server = Server::start().await;
    let mut socket = websocket(&server, 4).await;
    let target = polling(RAW, 4, &server.poll_session(RAW, 4).await);
    server.servers.raw.close(Reason::ServerShuttingDown).await;
    socket.closed().await;
    assert_eq!(server.ended().await, Reason::ServerShuttingDown);
    assert_eq!(server.ended().await, Reason::ServerShuttingDown);
    // The client that was between two polls is given nothing by the next, and no session after that: so it begins anew.
    assert!(server.client.get(&target).await.is(200, "6"));
    assert_eq!(server.client.get(&target).await.status, 400);
    assert_eq!(server.client.get("/engine.io/?EIO=4&transport=polling").await.status, 400);
    assert_eq!(server.servers.raw.sessions(), 0);
}

#[tokio::test]
async fn the_public_id_is_no_sid() {
    let server = Server::start().await;
    let mut socket = server.client.websocket("/socket.io/?EIO=4&transport=websocket").await.unwrap();
    let open: serde_json::Value = serde_json::from_str(&socket.text().await[1..]).unwrap();
    socket.send("40").await;
    let Came::Text(joined) = socket.next().await else { panic!("no answer") };
    let joined: serde_json::Value = serde_json::from_str(&joined[2..]).unwrap();
    assert_ne!(open["sid"], joined["sid"]);
    let by_id = polling("/socket.io/", 4, joined["sid"].as_str().unwrap());
    assert!(server.client.get(&by_id).await.text().contains("Session ID unknown"));
}

#[tokio::test]
async fn only_the_exact_path_with_a_version_is_for_the_engine() {
    let engine = Engine::new(Config::new("/api/socket"), Echo { ends: None });
    for (uri, meant) in [
        ("/api/socket/?EIO=4&transport=polling", true),
        ("/api/socket?EIO=4", true),
        ("/api/socket?EIO=abc", true),
        ("/api/socket//?EIO=4", false),
        ("/api/socket", false),
        ("/api/socket/?transport=polling", false),
        ("/api/sockets?EIO=4", false),
        ("/api/socket/x?EIO=4", false),
        ("/?EIO=4", false),
    ] {
        assert_eq!(engine.matches(&uri.parse().unwrap()), meant, "{uri}");
    }
}
