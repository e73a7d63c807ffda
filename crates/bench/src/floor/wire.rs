//! The constants the floor answers with, and the template of a delivered message.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sha1::{Digest as _, Sha1};

use crate::frame;

/// RFC 6455, section 1.3.
const ACCEPT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Engine.IO's first packet. The interval is longer than any measurement: the floor pings nobody.
const OPEN: &str = r#"0{"sid":"floor0000000000000AAA","upgrades":[],"pingInterval":3600000,"pingTimeout":20000,"maxPayload":1000000}"#;

pub const ADMIN_ONLINE: &str = r#"["admin:online"]"#;
pub const OWN_CONVERSATION: &str = r#"["customer:myConversation",{"conversation":{"id":1,"userId":2,"status":"OPEN","unreadCount":0,"createdAt":"2026-01-04T10:00:00.000Z","updatedAt":"2026-01-04T10:00:00.000Z","messages":[]},"messages":[]}]"#;

/// What a text from the generator asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Word<'a> {
    Connect,
    JoinStaff,
    AskOwn,
    /// With the text, as it stands between its quotes.
    Say(&'a str),
    Other,
}

impl<'a> Word<'a> {
    pub fn of(text: &'a [u8]) -> Self {
        let Ok(text) = std::str::from_utf8(text) else {
            return Self::Other;
        };
        if text.starts_with("40") {
            Self::Connect
        } else if let Some((_, rest)) = text.split_once(r#"["message:send",{"message":""#) {
            rest.split_once('"').map_or(Self::Other, |(content, _)| Self::Say(content))
        } else if text.contains(r#""role":"ADMIN""#) {
            Self::JoinStaff
        } else if text.contains(r#"["customer:getMyConversation""#) {
            Self::AskOwn
        } else {
            Self::Other
        }
    }
}

/// The answer to an upgrade, with Engine.IO's open behind it.
pub fn upgrade(request: &[u8]) -> Vec<u8> {
    let request = String::from_utf8_lossy(request);
    let key = request.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.trim())
    });
    let accept = Sha1::new().chain_update(key.unwrap_or_default()).chain_update(ACCEPT).finalize();
    let mut answer = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {}\r\n\r\n",
        STANDARD.encode(accept)
    )
    .into_bytes();
    frame::put(&mut answer, frame::TEXT, OPEN.as_bytes());
    answer
}

/// Socket.IO's answer to CONNECT.
pub fn connected(head: &str) -> Vec<u8> {
    text(&format!(r#"40{head}{{"sid":"floor0000000000000AAB"}}"#))
}

pub fn event(head: &str, event: &str) -> Vec<u8> {
    text(&format!("42{head}{event}"))
}

/// A delivered message, of the same form and length as the dialect's.
pub fn message(head: &str, number: u64, content: &str) -> Vec<u8> {
    text(&format!(
        r#"42{head}["message:received",{{"id":{number},"conversationId":1,"sender":"CUSTOMER","content":"{content}","isRead":false,"createdAt":"2026-01-04T10:00:00.000Z","conversation":{{"id":1,"userId":2,"status":"OPEN","unreadCount":{number},"createdAt":"2026-01-04T10:00:00.000Z","updatedAt":"2026-01-04T10:00:00.000Z","user":{{"id":2,"name":"user 2","email":"user2@bench.example","avatar":null}}}}}}]"#
    ))
}

fn text(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() + 4);
    frame::put(&mut bytes, frame::TEXT, text.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart() {
        assert_eq!(Word::of(b"40"), Word::Connect);
        assert_eq!(Word::of(b"40/support,{\"token\":\"x\"}"), Word::Connect);
        assert_eq!(Word::of(br#"42["user:join",{"userId":1,"role":"ADMIN"}]"#), Word::JoinStaff);
        assert_eq!(Word::of(br#"42["user:join",{"userId":1,"role":"CUSTOMER"}]"#), Word::Other);
        assert_eq!(Word::of(br#"42["customer:getMyConversation"]"#), Word::AskOwn);
        assert_eq!(Word::of(br#"42["message:send",{"message":"hi","sender":"CUSTOMER"}]"#), Word::Say("hi"));
        assert_eq!(Word::of(b"3"), Word::Other);
    }

    #[test]
    fn the_upgrade_is_answered_as_the_specification_says() {
        // The example of RFC 6455, section 1.3.
        let answer = upgrade(b"GET / HTTP/1.1\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
        assert!(String::from_utf8_lossy(&answer).contains("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
    }
}
