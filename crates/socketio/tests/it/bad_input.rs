//! What no well-meaning client sends: a defined answer, no growth, no effect on others.

use std::time::Duration;

use parlor_socketio::{Config, Reason};

use crate::{
    client::Came,
    server::{Server, polling, upgrading},
};

const RAW: &str = "/engine.io/";
const WEBSOCKET: &str = "/engine.io/?EIO=4&transport=websocket";
const OCTETS: &str = "content-type: application/octet-stream\r\n";

/// Room for the client to be slow in.
fn patient(config: Config) -> Config {
    Config { ping_interval: Duration::from_secs(20), ping_timeout: Duration::from_secs(20), ..config }
}

#[tokio::test]
async fn an_invented_sid_is_unknown() {
    let server = Server::start().await;
    let sid = server.poll_session(RAW, 4).await;
    let mut forged = sid.clone();
    forged.replace_range(0..1, if sid.starts_with('A') { "B" } else { "A" });
    for sid in ["x", "../..", &forged, &"A".repeat(10_000)] {
        let answer = server.client.get(&polling(RAW, 4, sid)).await;
        assert!(answer.is(400, "{\"code\":1,\"message\":\"Session ID unknown\"}"), "{answer:?}");
        assert_eq!(server.client.websocket(&upgrading(RAW, 4, sid)).await.err(), Some(400));
    }
}

#[tokio::test]
async fn a_sid_of_another_node_is_told_apart_from_an_invented_one() {
    let node = |name: &'static str| move |config| Config { node: name.into(), sid_key: [7; 32], ..config };
    let (here, there) = (Server::with(node("here")).await, Server::with(node("there")).await);
    let sid = there.poll_session(RAW, 4).await;
    let answer = here.client.get(&polling(RAW, 4, &sid)).await;
    assert!(answer.is(421, "{\"code\":6,\"message\":\"Session belongs to another node\"}"), "{answer:?}");
    assert!(there.client.post(&polling(RAW, 4, &sid), "4x").await.is(200, "ok"));
}

#[tokio::test]
async fn a_request_must_fit_the_transport_of_its_session() {
    let server = Server::with(patient).await;
    let mut socket = server.client.websocket(WEBSOCKET).await.unwrap();
    let open: serde_json::Value = serde_json::from_str(&socket.text().await[1..]).unwrap();
    let sid = open["sid"].as_str().unwrap();
    for answer in [
        server.client.get(&polling(RAW, 4, sid)).await,
        server.client.post(&polling(RAW, 4, sid), "4x").await,
        server.client.get(&upgrading(RAW, 4, sid)).await,
        server.client.get(WEBSOCKET).await,
        server.client.get("/engine.io/?EIO=4&transport=polling&j=0").await,
    ] {
        assert!(answer.is(400, "{\"code\":3,\"message\":\"Bad request\"}"), "{answer:?}");
    }
    assert_eq!(server.client.websocket("/engine.io/?EIO=4&transport=polling").await.err(), Some(400));
    let mut second = server.client.websocket(&upgrading(RAW, 4, sid)).await.unwrap();
    second.closed().await;
    socket.send("4still here").await;
    assert_eq!(socket.text().await, "4still here");
}

/// An EIO that is no 4 is a 3 to the reference, once there is a session.
#[tokio::test]
async fn a_request_must_fit_the_version_of_its_session() {
    let server = Server::with(patient).await;
    for (version, other) in [(4, "EIO=3&"), (4, "EIO=5&"), (4, ""), (3, "EIO=4&")] {
        let sid = server.poll_session(RAW, version).await;
        let target = format!("{RAW}?{other}transport=polling&sid={sid}");
        for answer in [server.client.get(&target).await, server.client.post(&target, "4x").await] {
            assert!(answer.is(400, "{\"code\":3,\"message\":\"Bad request\"}"), "{other} {answer:?}");
        }
        let target = format!("{RAW}?{other}transport=websocket&sid={sid}");
        assert_eq!(server.client.websocket(&target).await.err(), Some(400));
        let sent = if version == 4 { "4x" } else { "2:4x" };
        let target = polling(RAW, version, &sid);
        assert!(server.client.post(&target, sent).await.is(200, "ok"), "the session goes on");
    }
}

#[tokio::test]
async fn the_largest_payload_is_taken_and_one_byte_more_is_not() {
    let server = Server::with(|config| Config { max_payload: 1000, ..patient(config) }).await;
    let target = polling(RAW, 4, &server.poll_session(RAW, 4).await);
    let largest = format!("4{}", "x".repeat(999));
    assert!(server.client.post(&target, &largest).await.is(200, "ok"));
    assert_eq!(server.client.post(&target, format!("{largest}x")).await.status, 413);
    // The same without a length that says it before.
    let chunked = format!("transfer-encoding: chunked\r\n\r\n3e9\r\n{largest}x\r\n0\r\n\r\nx: ");
    assert_eq!(server.client.request("POST", &target, &chunked, b"").await.status, 413);
    assert!(server.client.get(&target).await.is(200, &largest), "the session goes on");

    let mut socket = server.client.websocket(WEBSOCKET).await.unwrap();
    socket.text().await;
    socket.send(&largest).await;
    assert_eq!(socket.text().await, largest);
    socket.send(&format!("{largest}x")).await;
    socket.closed().await;
    assert_eq!(server.ended().await, Reason::TooBig);
}

#[tokio::test]
async fn a_payload_may_hold_so_many_packets_and_not_one_more() {
    let server = Server::with(|config| Config { max_packets_per_payload: 100, ..patient(config) }).await;
    let target = polling(RAW, 4, &server.poll_session(RAW, 4).await);
    let most = vec!["6"; 100].join("\x1e");
    assert!(server.client.post(&target, &most).await.is(200, "ok"));
    assert_eq!(server.client.post(&target, format!("{most}\x1e6")).await.status, 400);
    assert_eq!(server.ended().await, Reason::TooMany);
    assert_eq!(server.client.get(&target).await.status, 400);
}

#[tokio::test]
async fn a_payload_of_nearly_a_million_packets_ends_its_session_only() {
    let server = Server::with(patient).await;
    let other = polling(RAW, 4, &server.poll_session(RAW, 4).await);
    for (version, payload) in [(4, vec!["4"; 499_999].join("\x1e")), (3, "1:4".repeat(333_333))] {
        let target = polling(RAW, version, &server.poll_session(RAW, version).await);
        assert_eq!(server.client.post(&target, payload).await.status, 400);
        assert_eq!(server.ended().await, Reason::TooMany);
    }
    assert!(server.client.post(&other, "4x").await.is(200, "ok"));
}

#[tokio::test]
async fn a_post_must_be_what_its_version_says() {
    for (version, headers, body, reason) in [
        (4, OCTETS, &b"4x"[..], Reason::TransportError),
        (4, "", b"4\xff", Reason::ParseError),
        (3, "", b"2:4\xff", Reason::ParseError),
        (3, OCTETS, b"2:4x", Reason::ParseError),
        (3, OCTETS, &[0, 9, 255, 52], Reason::ParseError),
        (4, "", b"2", Reason::TransportError),
        (3, "", b"1:3", Reason::TransportError),
        (4, "", b"", Reason::ParseError),
        (3, "", b"", Reason::ParseError),
    ] {
        let server = Server::with(patient).await;
        let target = polling(RAW, version, &server.poll_session(RAW, version).await);
        assert_eq!(server.client.request("POST", &target, headers, body).await.status, 400, "{body:?}");
        assert_eq!(server.ended().await, reason, "{version} {body:?}");
    }
}

#[tokio::test]
async fn a_wrong_heartbeat_ends_a_websocket() {
    for (version, beat) in [(4, "2"), (3, "3")] {
        let server = Server::with(patient).await;
        let target = format!("/engine.io/?EIO={version}&transport=websocket");
        let mut socket = server.client.websocket(&target).await.unwrap();
        socket.text().await;
        socket.send(beat).await;
        socket.closed().await;
        assert_eq!(server.ended().await, Reason::TransportError);
    }
}

#[tokio::test]
async fn a_post_that_breaks_off_or_overlaps_ends_its_session() {
    let server = Server::with(patient).await;
    let target = polling(RAW, 4, &server.poll_session(RAW, 4).await);
    drop(server.client.post_half(&target, "4x").await);
    assert_eq!(server.ended().await, Reason::TransportError);

    let target = polling(RAW, 4, &server.poll_session(RAW, 4).await);
    // Neither is ever complete, so whichever is read first, they overlap.
    let first = server.client.post_half(&target, "4x").await;
    let second = server.client.post_half(&target, "4x").await;
    assert_eq!(server.ended().await, Reason::TransportError);
    drop((first, second));
}

#[tokio::test]
async fn an_upgrade_that_stops_half_way_leaves_polling_as_it_was() {
    let short = |config| Config { upgrade_timeout: Duration::from_millis(100), ..patient(config) };
    for said in [&[][..], &["2probe"], &["2probe", "4x"], &["5x"], &["4x"]] {
        let server = Server::with(short).await;
        let sid = server.poll_session(RAW, 4).await;
        let mut socket = server.client.websocket(&upgrading(RAW, 4, &sid)).await.unwrap();
        for packet in said {
            socket.send(packet).await;
        }
        let mut second = server.client.websocket(&upgrading(RAW, 4, &sid)).await.unwrap();
        second.closed().await;
        socket.closed().await;
        let target = polling(RAW, 4, &sid);
        assert!(server.client.post(&target, "4hello").await.is(200, "ok"), "{said:?}");
        assert!(server.client.get(&target).await.is(200, "4hello"), "{said:?}");
        // And it may be tried again.
        let mut socket = server.client.websocket(&upgrading(RAW, 4, &sid)).await.unwrap();
        socket.send("2probe").await;
        assert_eq!(socket.text().await, "3probe");
        socket.send("5").await;
        socket.send("4over").await;
        assert_eq!(socket.text().await, "4over");
    }
}

#[tokio::test]
async fn what_is_under_way_while_the_transport_changes_is_neither_lost_nor_reordered() {
    for version in [4, 3] {
        let server = Server::with(patient).await;
        let sid = server.poll_session(RAW, version).await;
        let target = polling(RAW, version, &sid);
        let mut socket = server.client.websocket(&upgrading(RAW, version, &sid)).await.unwrap();
        socket.send("2probe").await;
        assert_eq!(socket.text().await, "3probe");
        let posted = if version == 4 { "41\x1e42\x1e43" } else { "2:412:422:43" };
        assert!(server.client.post(&target, posted).await.is(200, "ok"));
        socket.send("5").await;
        for number in 4..8 {
            socket.send(&format!("4{number}")).await;
        }
        for number in 1..8 {
            assert_eq!(socket.text().await, format!("4{number}"));
        }
    }
}

#[tokio::test]
async fn an_address_has_so_many_connections_and_not_one_more() {
    let server = Server::with(|config| Config { sessions_per_address: 2, ..patient(config) }).await;
    let first = server.client.websocket(WEBSOCKET).await.unwrap();
    let target = polling(RAW, 4, &server.poll_session(RAW, 4).await);
    let refused = server.client.get("/engine.io/?EIO=4&transport=polling").await;
    assert!(refused.is(429, "{\"code\":7,\"message\":\"Too many connections\"}"), "{refused:?}");
    assert_eq!(server.client.websocket(WEBSOCKET).await.err(), Some(429));
    drop(first);
    assert_ne!(server.ended().await, Reason::PingTimeout);
    let mut second = server.client.websocket(WEBSOCKET).await.unwrap();
    assert!(matches!(second.next().await, Came::Text(_)));
    assert!(server.client.post(&target, "4x").await.is(200, "ok"));
}

#[tokio::test]
async fn a_page_of_another_origin_may_ask_and_read() {
    let server = Server::start().await;
    let origin = "origin: http://shop.test\r\naccess-control-request-headers: x-a\r\n";
    let asked = server.client.request("OPTIONS", "/engine.io/?EIO=4&transport=polling", origin, b"").await;
    assert_eq!(asked.status, 204);
    for expected in ["allow-origin: http://shop.test", "allow-credentials: true", "allow-headers: x-a"] {
        assert!(asked.head.contains(&format!("access-control-{expected}")), "{}", asked.head);
    }
    let read = server.client.request("GET", "/engine.io/?EIO=9&transport=polling", origin, b"").await;
    assert_eq!(read.status, 400);
    assert!(read.head.contains("access-control-allow-origin: http://shop.test"), "errors can be read too");
}
