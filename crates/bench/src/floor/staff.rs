//! The floor's words of the `staff` dialect over a raw WebSocket: what is asked, from constants what is answered.

use crate::frame::text;

/// What a text from the generator asks for.
#[derive(Debug, PartialEq, Eq)]
pub enum Word<'a> {
    /// To hear this session.
    Register(&'a str),
    RegisterStaff,
    /// To the session, with the text as it stands between its quotes.
    Say {
        session: &'a str,
        content: &'a str,
    },
    Other,
}

impl<'a> Word<'a> {
    pub fn of(text: &'a [u8]) -> Self {
        let Ok(text) = std::str::from_utf8(text) else {
            return Self::Other;
        };
        let (session, content) = (value(text, r#""sessionId":""#), value(text, r#""content":""#));
        match (session, content) {
            (Some(session), Some(content)) => Self::Say { session, content },
            (Some(session), None) => Self::Register(session),
            (None, _) if text.contains(r#""register_admin""#) => Self::RegisterStaff,
            (None, _) => Self::Other,
        }
    }
}

/// What stands behind this name, up to the next quote: the generator writes no escapes.
fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    Some(text.split_once(name)?.1.split_once('"')?.0)
}

pub fn registered(session: &str) -> Vec<u8> {
    text(&format!(r#"{{"type":"registered","sessionId":"{session}","status":"connected"}}"#))
}

pub fn staff_registered() -> Vec<u8> {
    text(r#"{"type":"admin_registered","userId":"64b0000000000000000000f0","status":"connected"}"#)
}

/// A delivered message, of the same form and length as the dialect's.
pub fn reply(content: &str) -> Vec<u8> {
    text(&format!(r#"{{"type":"staff_reply","message":"{content}","timestamp":"2026-01-04T10:00:00.000Z"}}"#))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_told_apart_in_any_order_of_their_keys() {
        let session = "session_bench_0001_00000003";
        let register = format!(r#"{{"sessionId":"{session}","type":"register"}}"#);
        assert_eq!(Word::of(register.as_bytes()), Word::Register(session));
        assert_eq!(
            Word::of(br#"{"token":"x","type":"register_admin","userId":"bench"}"#),
            Word::RegisterStaff
        );
        for said in [
            format!(r#"{{"content":"hi","sessionId":"{session}","type":"staff_message"}}"#),
            format!(r#"{{"type":"staff_message","sessionId":"{session}","content":"hi"}}"#),
        ] {
            assert_eq!(Word::of(said.as_bytes()), Word::Say { session, content: "hi" });
        }
        assert_eq!(Word::of(br#"{"type":"ping"}"#), Word::Other);
    }
}
