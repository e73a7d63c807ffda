//! Every case of the official Socket.IO suite, protocol 5, above Engine.IO; and what protocol 4 does in its own way.

use std::time::Duration;

use parlor_socketio::{Config, Reason};

use crate::{
    client::{Came, Ws},
    server::{Server, unhurried},
};

const TARGET: &str = "/socket.io/?EIO=4&transport=websocket";

/// A WebSocket behind the first packet of Engine.IO.
async fn open(server: &Server) -> Ws {
    let mut socket = server.client.websocket(TARGET).await.unwrap();
    assert!(socket.text().await.starts_with("0{"));
    socket
}

/// One that has joined the main namespace.
async fn joined(server: &Server) -> Ws {
    let mut socket = open(server).await;
    joins(&mut socket, "40", "40", "42[\"auth\",{}]").await;
    socket
}

/// Joins, and is told an id of its own and what it said.
async fn joins(socket: &mut Ws, packet: &str, prefix: &str, auth: &str) {
    socket.send(packet).await;
    let answer = socket.text().await;
    let answer: serde_json::Value = serde_json::from_str(answer.strip_prefix(prefix).unwrap()).unwrap();
    assert_eq!(answer.as_object().unwrap().len(), 1);
    assert_eq!(answer["sid"].as_str().unwrap().len(), 20);
    assert_eq!(socket.text().await, auth);
}

async fn text(socket: &mut Ws) -> String {
    match socket.next_but_ping().await {
        Came::Text(text) => text,
        other => panic!("{other:?} instead of text"),
    }
}

#[tokio::test]
async fn a_client_joins_the_main_namespace() {
    let server = Server::start().await;
    joined(&server).await;
}

#[tokio::test]
async fn a_client_joins_the_main_namespace_with_a_payload() {
    let server = Server::start().await;
    let mut socket = open(&server).await;
    joins(&mut socket, "40{\"token\":\"123\"}", "40", "42[\"auth\",{\"token\":\"123\"}]").await;
}

#[tokio::test]
async fn a_client_joins_another_namespace() {
    let server = Server::start().await;
    let mut socket = open(&server).await;
    joins(&mut socket, "40/custom,", "40/custom,", "42/custom,[\"auth\",{}]").await;
}

#[tokio::test]
async fn a_client_joins_another_namespace_with_a_payload() {
    let server = Server::start().await;
    let mut socket = open(&server).await;
    let auth = "42/custom,[\"auth\",{\"token\":\"abc\"}]";
    joins(&mut socket, "40/custom,{\"token\":\"abc\"}", "40/custom,", auth).await;
}

#[tokio::test]
async fn an_unknown_namespace_is_refused_and_nothing_else() {
    let server = Server::start().await;
    let mut socket = open(&server).await;
    socket.send("40/random").await;
    assert_eq!(socket.text().await, "44/random,{\"message\":\"Invalid namespace\"}");
    joins(&mut socket, "40", "40", "42[\"auth\",{}]").await;
}

#[tokio::test]
async fn a_malformed_connect_ends_the_connection() {
    let server = Server::start().await;
    let mut socket = open(&server).await;
    socket.send("4abc").await;
    assert_eq!(socket.next().await, Came::Closed);
    assert_eq!(server.ended().await, Reason::ParseError);
}

#[tokio::test]
async fn a_client_that_joins_nothing_is_sent_away() {
    let hasty = |config| Config { connect_timeout: Duration::from_millis(500), ..unhurried(config) };
    let server = Server::with(hasty).await;
    let mut socket = open(&server).await;
    loop {
        match socket.next().await {
            Came::Text(ping) if ping == "2" => socket.send("3").await,
            Came::Closed => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(server.ended().await, Reason::ForcedServerClose);
}

#[tokio::test]
async fn a_client_that_leaves_keeps_its_connection() {
    let server = Server::start().await;
    let mut socket = joined(&server).await;
    socket.send("41").await;
    assert_eq!(socket.text().await, "2");
    socket.send("3").await;
    joins(&mut socket, "40", "40", "42[\"auth\",{}]").await;
}

#[tokio::test]
async fn a_client_leaves_one_namespace_of_two() {
    let server = Server::start().await;
    let mut socket = joined(&server).await;
    joins(&mut socket, "40/custom", "40/custom,", "42/custom,[\"auth\",{}]").await;
    socket.send("41/custom").await;
    socket.send("42[\"message\",\"to the main namespace\"]").await;
    assert_eq!(text(&mut socket).await, "42[\"message-back\",\"to the main namespace\"]");
}

#[tokio::test]
async fn text_goes_and_comes() {
    let server = Server::start().await;
    let mut socket = joined(&server).await;
    socket.send("42[\"message\",1,\"2\",{\"3\":[true]}]").await;
    assert_eq!(text(&mut socket).await, "42[\"message-back\",1,\"2\",{\"3\":[true]}]");
}

const TWO: &str = "{\"_placeholder\":true,\"num\":0},{\"_placeholder\":true,\"num\":1}";

async fn two_attachments(socket: &mut Ws, sent: String, expected: String) {
    socket.send(&sent).await;
    socket.send_binary(&[1, 2, 3]).await;
    socket.send_binary(&[4, 5, 6]).await;
    assert_eq!(text(socket).await, expected);
    assert_eq!(socket.next().await, Came::Binary(vec![1, 2, 3]));
    assert_eq!(socket.next().await, Came::Binary(vec![4, 5, 6]));
}

#[tokio::test]
async fn bytes_go_and_come() {
    let server = Server::start().await;
    let mut socket = joined(&server).await;
    let sent = format!("452-[\"message\",{TWO}]");
    two_attachments(&mut socket, sent, format!("452-[\"message-back\",{TWO}]")).await;
}

#[tokio::test]
async fn text_is_acknowledged() {
    let server = Server::start().await;
    let mut socket = joined(&server).await;
    socket.send("42456[\"message-with-ack\",1,\"2\",{\"3\":[false]}]").await;
    assert_eq!(text(&mut socket).await, "43456[1,\"2\",{\"3\":[false]}]");
}

#[tokio::test]
async fn bytes_are_acknowledged() {
    let server = Server::start().await;
    let mut socket = joined(&server).await;
    let sent = format!("452-789[\"message-with-ack\",{TWO}]");
    two_attachments(&mut socket, sent, format!("462-789[{TWO}]")).await;
}

async fn ends_with(packet: &str, reason: Reason) {
    let server = Server::start().await;
    let mut socket = joined(&server).await;
    socket.send(packet).await;
    assert_eq!(socket.next_but_ping().await, Came::Closed, "{packet}");
    assert_eq!(server.ended().await, reason, "{packet}");
}

#[tokio::test]
async fn an_unknown_packet_ends_the_connection() {
    ends_with("4abc", Reason::ParseError).await;
}

#[tokio::test]
async fn a_malformed_payload_ends_the_connection() {
    ends_with("42{}", Reason::ParseError).await;
}

#[tokio::test]
async fn a_malformed_number_ends_the_connection() {
    ends_with("42abc[\"message-with-ack\",1,\"2\",{\"3\":[false]}]", Reason::ParseError).await;
}

mod beyond_the_suite {
    use super::*;

    #[tokio::test]
    async fn what_no_client_may_say_ends_the_connection() {
        for (packet, reason) in [
            ("40", Reason::ForcedServerClose),
            ("42/custom,[\"a\"]", Reason::ForcedServerClose),
            ("41/custom,", Reason::ForcedServerClose),
            ("44{\"message\":\"no\"}", Reason::ForcedServerClose),
            ("42[\"disconnect\"]", Reason::ParseError),
            ("4511-[\"a\"]", Reason::ParseError),
            ("2", Reason::TransportError),
            ("", Reason::ParseError),
            ("4", Reason::ParseError),
        ] {
            ends_with(packet, reason).await;
        }
    }

    #[tokio::test]
    async fn an_event_before_its_connect_ends_the_connection() {
        let server = Server::start().await;
        let mut socket = open(&server).await;
        socket.send("42[\"message\"]").await;
        assert_eq!(socket.next().await, Came::Closed);
        assert_eq!(server.ended().await, Reason::ForcedServerClose);
    }

    #[tokio::test]
    async fn attachments_that_lie_end_the_connection() {
        for (text, bytes) in [
            ("451-[\"message\",{\"_placeholder\":true,\"num\":1}]", 1),
            ("450-[\"message\",{\"_placeholder\":true,\"num\":0}]", 0),
            ("42[\"message\"]", 1),
        ] {
            let server = Server::start().await;
            let mut socket = joined(&server).await;
            socket.send(text).await;
            for _ in 0..bytes {
                socket.send_binary(&[1]).await;
            }
            while let Came::Text(_) = socket.next().await {}
            assert_eq!(server.ended().await, Reason::ParseError, "{text}");
        }
        ends_with("451-[\"message\"]", Reason::PingTimeout).await;
    }

    #[tokio::test]
    async fn text_between_attachments_ends_the_connection() {
        let server = Server::start().await;
        let mut socket = joined(&server).await;
        socket.send(&format!("452-[\"message\",{TWO}]")).await;
        socket.send_binary(&[1]).await;
        socket.send("42[\"message\"]").await;
        assert_eq!(socket.next_but_ping().await, Came::Closed);
        assert_eq!(server.ended().await, Reason::ParseError);
    }

    #[tokio::test]
    async fn the_last_namespace_is_taken_and_the_next_refused() {
        let server = Server::with(|config| Config { max_namespaces: 2, ..unhurried(config) }).await;
        let mut socket = joined(&server).await;
        joins(&mut socket, "40/custom,", "40/custom,", "42/custom,[\"auth\",{}]").await;
        socket.send("40/third,").await;
        assert_eq!(socket.text().await, "44/third,{\"message\":\"Too many namespaces\"}");
        socket.send("41/custom,").await;
        joins(&mut socket, "40/custom,", "40/custom,", "42/custom,[\"auth\",{}]").await;
    }

    #[tokio::test]
    async fn who_is_sent_out_of_a_namespace_may_come_back_and_what_was_under_way_is_forgiven() {
        let server = Server::start().await;
        let mut socket = joined(&server).await;
        socket.send("42[\"leave\"]").await;
        socket.send("42[\"message\",1]").await;
        assert_eq!(socket.text().await, "41");
        joins(&mut socket, "40", "40", "42[\"auth\",{}]").await;
        socket.send("42[\"message\",2]").await;
        assert_eq!(text(&mut socket).await, "42[\"message-back\",2]");
    }

    #[tokio::test]
    async fn a_burst_is_handled_in_order() {
        let server = Server::start().await;
        let mut socket = joined(&server).await;
        for number in 0..200 {
            socket.send(&format!("42{number}[\"message-with-ack\",{number}]")).await;
        }
        for number in 0..200 {
            assert_eq!(text(&mut socket).await, format!("43{number}[{number}]"));
        }
    }

    #[tokio::test]
    async fn an_old_client_is_in_the_main_namespace_at_once() {
        let server = Server::start().await;
        let mut socket = server.client.websocket("/socket.io/?EIO=3&transport=websocket").await.unwrap();
        assert!(socket.text().await.starts_with("0{"));
        assert_eq!(socket.text().await, "40");
        assert_eq!(socket.text().await, "42[\"auth\",{}]");
        socket.send("40/custom?token=a%20b").await;
        assert_eq!(socket.text().await, "40/custom");
        assert_eq!(socket.text().await, "42/custom,[\"auth\",{\"token\":\"a b\"}]");
        socket.send("40/nowhere").await;
        assert_eq!(socket.text().await, "44/nowhere,\"Invalid namespace\"");
        socket.send("451-[\"message\",{\"_placeholder\":true,\"num\":0}]").await;
        socket.send_binary(&[4, 1, 2]).await;
        assert_eq!(socket.text().await, "451-[\"message-back\",{\"_placeholder\":true,\"num\":0}]");
        assert_eq!(socket.next().await, Came::Binary(vec![4, 1, 2]));
    }
}

/// Half of a surrogate pair, which JavaScript can write and Rust cannot hold, and a number without end.
#[tokio::test]
async fn what_only_javascript_can_hold_goes_through_with_bytes_too() {
    let server = Server::start().await;
    let mut socket = joined(&server).await;
    let args = r#""\ud83d",1e999,{"_placeholder":true,"num":0}"#;
    socket.send(&format!("451-[\"message\",{args}]")).await;
    socket.send_binary(&[1, 2, 3]).await;
    assert_eq!(text(&mut socket).await, format!("451-[\"message-back\",{args}]"));
    assert_eq!(socket.next_but_ping().await, Came::Binary(vec![1, 2, 3]));
}
