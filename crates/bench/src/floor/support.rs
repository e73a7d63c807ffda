//! The floor's words of the `support` dialect over Socket.IO: what is asked, the constants it answers with, and the template
//! of a delivered message.

use crate::frame::text;

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

/// Engine.IO's first packet, right behind the upgrade.
pub fn open() -> Vec<u8> {
    text(OPEN)
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
}
