//! Every case of the official Engine.IO suites, versions 4 and 3, and those that the Socket.IO suite repeats on its path.
//! A case that its suite skips is run here too.

use parlor_socketio::Reason;
use serde_json::Value;

use crate::{
    client::{Came, soon},
    server::{Server, polling, upgrading},
};

/// Packets as one payload of the version.
fn payload(version: u8, packets: &[&str]) -> String {
    match version {
        4 => packets.join("\x1e"),
        _ => packets.iter().map(|packet| format!("{}:{packet}", packet.encode_utf16().count())).collect(),
    }
}

fn fits_the_settings(open: &str, upgrades: &str) {
    let open: Value = serde_json::from_str(open.strip_prefix('0').unwrap()).unwrap();
    assert!(open["sid"].is_string());
    assert_eq!(open["upgrades"].to_string(), upgrades);
    assert_eq!((&open["pingInterval"], &open["pingTimeout"]), (&300.into(), &2000.into()));
    assert_eq!(open["maxPayload"], 1_000_000);
    assert_eq!(open.as_object().unwrap().len(), 5);
}

async fn polling_opens_a_session(server: &Server, path: &str, version: u8) {
    let opened = server.client.get(&format!("{path}?EIO={version}&transport=polling")).await;
    assert_eq!(opened.status, 200);
    assert!(opened.head.contains("cache-control: no-store"));
    let text = opened.text();
    let open = &text[text.find('0').unwrap()..];
    let open = &open[open.find("0{").unwrap()..];
    assert_eq!(text, payload(version, &[open]));
    fits_the_settings(open, "[\"websocket\"]");
}

async fn polling_refuses_a_wrong_version(server: &Server, path: &str, _version: u8) {
    for target in ["?transport=polling", "?EIO=abc&transport=polling"] {
        let answer = server.client.get(&format!("{path}{target}")).await;
        assert!(answer.is(400, "{\"code\":5,\"message\":\"Unsupported protocol version\"}"), "{answer:?}");
    }
}

async fn polling_refuses_a_wrong_transport(server: &Server, path: &str, version: u8) {
    for target in ["", "&transport=abc"] {
        let answer = server.client.get(&format!("{path}?EIO={version}{target}")).await;
        assert!(answer.is(400, "{\"code\":0,\"message\":\"Transport unknown\"}"), "{answer:?}");
    }
}

async fn polling_refuses_a_wrong_method(server: &Server, path: &str, version: u8) {
    for method in ["POST", "PUT"] {
        let target = format!("{path}?EIO={version}&transport=polling");
        let answer = server.client.request(method, &target, "", b"").await;
        assert!(answer.is(400, "{\"code\":2,\"message\":\"Bad handshake method\"}"), "{answer:?}");
    }
}

async fn websocket_opens_a_session(server: &Server, path: &str, version: u8) {
    let mut socket =
        server.client.websocket(&format!("{path}?EIO={version}&transport=websocket")).await.unwrap();
    fits_the_settings(&socket.text().await, "[]");
}

async fn websocket_refuses_a_wrong_version(server: &Server, path: &str, _version: u8) {
    for target in ["?transport=websocket", "?EIO=abc&transport=websocket"] {
        assert_eq!(server.client.websocket(&format!("{path}{target}")).await.err(), Some(400));
    }
}

async fn websocket_refuses_a_wrong_transport(server: &Server, path: &str, version: u8) {
    for target in ["", "&transport=abc"] {
        let target = format!("{path}?EIO={version}{target}");
        assert_eq!(server.client.websocket(&target).await.err(), Some(400));
    }
}

async fn polling_echoes(server: &Server, path: &str, version: u8, packets: &[&str]) {
    let target = polling(path, version, &server.poll_session(path, version).await);
    let sent = payload(version, packets);
    assert!(server.client.post(&target, &sent).await.is(200, "ok"));
    // Echoes may come with one answer or with several.
    let mut came = Vec::new();
    while came.len() < packets.len() {
        let answer = server.client.get(&target).await;
        assert_eq!(answer.status, 200);
        came.push(answer.text().to_owned());
        let together = if version == 4 { came.join("\x1e") } else { came.concat() };
        if together == sent {
            return;
        }
    }
    panic!("{came:?} instead of {sent:?}");
}

async fn polling_echoes_one_packet(server: &Server, path: &str, version: u8) {
    polling_echoes(server, path, version, &["4hello"]).await;
}

async fn polling_echoes_several_packets(server: &Server, path: &str, version: u8) {
    polling_echoes(server, path, version, &["4test1", "4test2", "4test3"]).await;
}

async fn polling_echoes_bytes_as_base64(server: &Server, path: &str, version: u8) {
    let bytes = if version == 4 { "bAQIDBA==" } else { "b4AQIDBA==" };
    polling_echoes(server, path, version, &["4hello", bytes]).await;
}

async fn polling_ends_with_a_malformed_packet(server: &Server, path: &str, version: u8) {
    let target = polling(path, version, &server.poll_session(path, version).await);
    assert_eq!(server.client.post(&target, "abc").await.status, 400);
    assert_eq!(server.ended().await, Reason::ParseError);
    assert!(server.client.get(&target).await.is(400, "{\"code\":1,\"message\":\"Session ID unknown\"}"));
}

async fn polling_ends_with_overlapping_polls(server: &Server, path: &str, version: u8) {
    let target = polling(path, version, &server.poll_session(path, version).await);
    let poll = || async { server.client.get(&target).await };
    let (one, other) = tokio::join!(poll(), poll());
    // Either may be the first.
    let (first, second) = if one.status == 200 { (one, other) } else { (other, one) };
    assert!(first.is(200, &payload(version, &["1"])), "{first:?}");
    assert_eq!(second.status, 400);
    assert_eq!(server.client.get(&target).await.status, 400);
    assert_eq!(server.ended().await, Reason::TransportError);
}

async fn polling_ends_with_a_poll_that_is_given_up(server: &Server, path: &str, version: u8) {
    let target = polling(path, version, &server.poll_session(path, version).await);
    let given_up = server.client.send("GET", &target, "", b"").await;
    drop(given_up);
    assert_eq!(server.ended().await, Reason::TransportError);
    assert_eq!(server.client.get(&target).await.status, 400);
}

async fn websocket_echoes_text(server: &Server, path: &str, version: u8) {
    let mut socket =
        server.client.websocket(&format!("{path}?EIO={version}&transport=websocket")).await.unwrap();
    socket.text().await;
    socket.send("4hello").await;
    assert_eq!(socket.text().await, "4hello");
}

async fn websocket_echoes_bytes(server: &Server, path: &str, version: u8) {
    let mut socket =
        server.client.websocket(&format!("{path}?EIO={version}&transport=websocket")).await.unwrap();
    socket.text().await;
    let bytes: &[u8] = if version == 4 { &[1, 2, 3, 4] } else { &[4, 1, 2, 3, 4] };
    socket.send_binary(bytes).await;
    assert_eq!(socket.next().await, Came::Binary(bytes.to_vec()));
}

/// Bytes as base64, and as a message of a WebSocket.
fn bytes(version: u8) -> (&'static str, Came) {
    match version {
        4 => ("bAQIDBA==", Came::Binary(vec![1, 2, 3, 4])),
        _ => ("b4AQIDBA==", Came::Binary(vec![4, 1, 2, 3, 4])),
    }
}

async fn websocket_takes_base64_and_gives_it_where_it_is_wanted(server: &Server, path: &str, version: u8) {
    let (base64, bytes) = bytes(version);
    for (wants, echo) in [("&b64=1", Came::Text(base64.into())), ("", bytes)] {
        let target = format!("{path}?EIO={version}&transport=websocket{wants}");
        let mut socket = server.client.websocket(&target).await.unwrap();
        socket.text().await;
        socket.send(base64).await;
        assert_eq!(socket.next_but_ping().await, echo);
        socket.send("b!").await;
        socket.closed().await;
        assert_eq!(server.ended().await, Reason::ParseError);
    }
}

/// What a client says of base64 when it opens is for polling; the WebSocket has it from its own request.
async fn upgrade_takes_base64_and_gives_it_where_it_is_wanted(server: &Server, path: &str, version: u8) {
    let (base64, bytes) = bytes(version);
    for (wants, echo) in [("&b64=1", Came::Text(base64.into())), ("", bytes)] {
        let sid = server.poll_session(path, version).await;
        let target = format!("{}{wants}", upgrading(path, version, &sid));
        let mut socket = server.client.websocket(&target).await.unwrap();
        socket.send("2probe").await;
        assert_eq!(socket.text().await, "3probe");
        assert!(
            server
                .client
                .post(&polling(path, version, &sid), payload(version, &[base64]))
                .await
                .is(200, "ok")
        );
        socket.send("5").await;
        socket.send(base64).await;
        for _ in 0..2 {
            assert_eq!(socket.next_but_ping().await, echo);
        }
    }
}

async fn websocket_ends_with_a_malformed_packet(server: &Server, path: &str, version: u8) {
    let mut socket =
        server.client.websocket(&format!("{path}?EIO={version}&transport=websocket")).await.unwrap();
    socket.text().await;
    socket.send("abc").await;
    assert_eq!(socket.next().await, Came::Closed);
    assert_eq!(server.ended().await, Reason::ParseError);
}

async fn polling_beats(server: &Server, path: &str, version: u8) {
    let target = polling(path, version, &server.poll_session(path, version).await);
    let (first, second) = if version == 4 { ("2", "3") } else { ("3", "2") };
    for _ in 0..3 {
        if version == 3 {
            assert!(server.client.post(&target, payload(3, &[second])).await.is(200, "ok"));
        }
        assert!(server.client.get(&target).await.is(200, &payload(version, &[first])));
        if version == 4 {
            assert!(server.client.post(&target, payload(4, &[second])).await.is(200, "ok"));
        }
    }
}

async fn polling_ends_without_a_beat(server: &Server, path: &str, version: u8) {
    let target = polling(path, version, &server.poll_session(path, version).await);
    assert_eq!(server.ended().await, Reason::PingTimeout);
    assert_eq!(server.client.get(&target).await.status, 400);
    assert_eq!(server.client.post(&target, payload(version, &["2"])).await.status, 400);
}

async fn websocket_beats(server: &Server, path: &str, version: u8) {
    let mut socket =
        server.client.websocket(&format!("{path}?EIO={version}&transport=websocket")).await.unwrap();
    socket.text().await;
    for _ in 0..3 {
        if version == 3 {
            socket.send("2").await;
            assert_eq!(socket.text().await, "3");
        } else {
            assert_eq!(socket.text().await, "2");
            socket.send("3").await;
        }
    }
}

async fn websocket_ends_without_a_beat(server: &Server, path: &str, version: u8) {
    let mut socket =
        server.client.websocket(&format!("{path}?EIO={version}&transport=websocket")).await.unwrap();
    socket.closed().await;
    assert_eq!(server.ended().await, Reason::PingTimeout);
}

async fn polling_closes(server: &Server, path: &str, version: u8) {
    let target = polling(path, version, &server.poll_session(path, version).await);
    let close = payload(version, &["1"]);
    let (polled, posted) = tokio::join!(server.client.get(&target), server.client.post(&target, &close));
    assert!(posted.is(200, "ok"));
    assert!(polled.is(200, &payload(version, &["6"])), "{polled:?}");
    assert_eq!(server.client.get(&target).await.status, 400);
    assert_eq!(server.ended().await, Reason::TransportClose);
}

async fn websocket_closes(server: &Server, path: &str, version: u8) {
    let mut socket =
        server.client.websocket(&format!("{path}?EIO={version}&transport=websocket")).await.unwrap();
    socket.text().await;
    socket.send("1").await;
    assert_eq!(socket.next().await, Came::Closed);
    assert_eq!(server.ended().await, Reason::TransportClose);
}

async fn upgrade_takes_over(server: &Server, path: &str, version: u8) {
    let sid = server.poll_session(path, version).await;
    let mut socket = server.client.websocket(&upgrading(path, version, &sid)).await.unwrap();
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    let polled = server.client.get(&polling(path, version, &sid)).await;
    assert!(polled.is(200, &payload(version, &["6"])), "{polled:?}");
    socket.send("5").await;
    if path == "/engine.io/" {
        socket.send("4hello").await;
        assert_eq!(socket.next_but_ping().await, Came::Text("4hello".into()));
    }
}

async fn upgrade_refuses_polls_after_it(server: &Server, path: &str, version: u8) {
    let sid = server.poll_session(path, version).await;
    let mut socket = server.client.websocket(&upgrading(path, version, &sid)).await.unwrap();
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    socket.send("5").await;
    assert_eq!(server.client.get(&polling(path, version, &sid)).await.status, 400);
    if path == "/engine.io/" {
        socket.send("4hello").await;
        assert_eq!(socket.next_but_ping().await, Came::Text("4hello".into()));
    }
}

async fn upgrade_happens_once(server: &Server, path: &str, version: u8) {
    let sid = server.poll_session(path, version).await;
    let target = upgrading(path, version, &sid);
    let mut socket = server.client.websocket(&target).await.unwrap();
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    socket.send("5").await;
    let mut second = server.client.websocket(&target).await.unwrap();
    soon(second.closed()).await;
    if path == "/engine.io/" {
        socket.send("4hello").await;
        assert_eq!(socket.next_but_ping().await, Came::Text("4hello".into()));
    }
}

macro_rules! cases {
    ($path:literal, $version:literal: $($name:ident),+ $(,)?) => {
        use crate::server::Server;
        $(
            #[tokio::test]
            async fn $name() {
                super::$name(&Server::start().await, $path, $version).await;
            }
        )+
    };
}

mod version_4 {
    cases!("/engine.io/", 4:
        polling_opens_a_session, polling_refuses_a_wrong_version, polling_refuses_a_wrong_transport,
        polling_refuses_a_wrong_method, websocket_opens_a_session, websocket_refuses_a_wrong_version,
        websocket_refuses_a_wrong_transport, polling_echoes_one_packet, polling_echoes_several_packets,
        polling_echoes_bytes_as_base64, polling_ends_with_a_malformed_packet, polling_ends_with_overlapping_polls,
        polling_ends_with_a_poll_that_is_given_up, websocket_echoes_text, websocket_echoes_bytes,
        websocket_takes_base64_and_gives_it_where_it_is_wanted, upgrade_takes_base64_and_gives_it_where_it_is_wanted,
        websocket_ends_with_a_malformed_packet, polling_beats, polling_ends_without_a_beat, websocket_beats,
        websocket_ends_without_a_beat, polling_closes, websocket_closes, upgrade_takes_over,
        upgrade_refuses_polls_after_it, upgrade_happens_once,
    );
}

mod version_3 {
    cases!("/engine.io/", 3:
        polling_opens_a_session, polling_refuses_a_wrong_transport, polling_refuses_a_wrong_method,
        websocket_opens_a_session, websocket_refuses_a_wrong_version, websocket_refuses_a_wrong_transport,
        polling_echoes_one_packet, polling_echoes_several_packets, polling_echoes_bytes_as_base64,
        polling_ends_with_a_malformed_packet, polling_ends_with_overlapping_polls, websocket_echoes_text,
        websocket_echoes_bytes, websocket_takes_base64_and_gives_it_where_it_is_wanted,
        upgrade_takes_base64_and_gives_it_where_it_is_wanted, websocket_ends_with_a_malformed_packet, polling_beats, polling_ends_without_a_beat,
        websocket_beats, websocket_ends_without_a_beat, polling_closes, websocket_closes, upgrade_takes_over,
        upgrade_refuses_polls_after_it, upgrade_happens_once,
    );

    /// Without `b64` a payload with bytes in it is binary as a whole, both ways.
    #[tokio::test]
    async fn polling_echoes_bytes_as_bytes() {
        let server = Server::start().await;
        let opened = server.client.get("/engine.io/?EIO=3&transport=polling").await;
        let text = opened.text();
        let open: serde_json::Value = serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap();
        let target = super::polling("/engine.io/", 3, open["sid"].as_str().unwrap());
        let wire = [0, 6, 255, 52, 104, 101, 108, 108, 111, 1, 5, 255, 4, 1, 2, 3, 4];
        // Text and base64 up, bytes down; then bytes both ways.
        assert!(server.client.post(&target, "6:4hello10:b4AQIDBA==").await.is(200, "ok"));
        let mut came = Vec::new();
        while came.len() < wire.len() {
            let answer = server.client.get(&target).await;
            // The text may have gone ahead by itself, and then as text.
            if answer.body == b"6:4hello" {
                came.extend_from_slice(&wire[..9]);
            } else {
                assert!(answer.head.contains("content-type: application/octet-stream"));
                came.extend_from_slice(&answer.body);
            }
        }
        assert_eq!(came, wire);
        let octets = "content-type: application/octet-stream\r\n";
        assert!(server.client.request("POST", &target, octets, &wire[9..]).await.is(200, "ok"));
        assert_eq!(server.client.get(&target).await.body, wire[9..]);
    }
}

/// The client option `protocols`: a browser gives up if it offers some and none is chosen.
#[tokio::test]
async fn the_first_subprotocol_that_a_client_offers_is_chosen() {
    let server = Server::start().await;
    let target = "/engine.io/?EIO=4&transport=websocket";
    for (offered, chosen) in [
        (&[][..], Ok(None)),
        (&["a"], Ok(Some("a".into()))),
        (&["a, b"], Ok(Some("a".into()))),
        (&["a,,b"], Err(400)),
        (&["a, a"], Err(400)),
        (&["a;b"], Err(400)),
    ] {
        assert_eq!(server.client.subprotocol(target, offered).await, chosen, "{offered:?}");
    }
}

/// The sixteen cases that the Socket.IO suite repeats.
mod on_the_path_of_socketio {
    cases!("/socket.io/", 4:
        polling_opens_a_session, polling_refuses_a_wrong_version, polling_refuses_a_wrong_transport,
        polling_refuses_a_wrong_method, websocket_opens_a_session, websocket_refuses_a_wrong_version,
        websocket_refuses_a_wrong_transport, polling_beats, polling_ends_without_a_beat, websocket_beats,
        websocket_ends_without_a_beat, polling_closes, websocket_closes, upgrade_takes_over,
        upgrade_refuses_polls_after_it, upgrade_happens_once,
    );
}
