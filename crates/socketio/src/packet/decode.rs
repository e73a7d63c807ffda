//! Text to packet. What the reference's parser refuses is refused here; where it takes nonsense for a number (a space,
//! `1e1`), it is refused too.

use bytes::Bytes;

use super::{Kind, MAX_NAMESPACE_BYTES, scan};

/// A packet as it came, without its attachments.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    pub kind: Kind,
    /// As written; `/` if none was.
    pub namespace: &'a str,
    pub id: Option<u64>,
    /// JSON that fits the kind, shared with the message; empty if there is none.
    pub data: Bytes,
    /// How many binary messages follow.
    pub attachments: usize,
}

/// Why a message is no packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("the text is not UTF-8")]
    Utf8,
    #[error("unknown packet type")]
    Kind,
    #[error("illegal count of attachments")]
    Attachments,
    #[error("more attachments than are allowed")]
    TooManyAttachments,
    #[error("the name of the namespace is too long")]
    Namespace,
    #[error("the number of the packet is too large")]
    Id,
    #[error("the payload is no JSON, or not of the shape that the packet needs")]
    Payload,
    #[error("text while attachments are awaited")]
    TextForAttachment,
    #[error("an attachment that nothing has announced")]
    UnexpectedAttachment,
    #[error("a placeholder points at no attachment")]
    Placeholder,
    #[error("a packet is too large with its attachments")]
    TooBig,
}

/// Names that mean something to an emitter of events, so no client may send them.
const RESERVED: [&str; 6] =
    ["connect", "connect_error", "disconnect", "disconnecting", "newListener", "removeListener"];

/// Reads one packet. `max_attachments` bounds what a binary one may announce.
pub fn decode(text: &Bytes, max_attachments: usize) -> Result<Packet<'_>, Error> {
    let all = std::str::from_utf8(text).map_err(|_| Error::Utf8)?;
    let kind = all.bytes().next().and_then(Kind::from_digit).ok_or(Error::Kind)?;
    let mut rest = &all[1..];
    let mut attachments = 0;
    if kind.is_binary() {
        let (count, after) = rest.split_once('-').ok_or(Error::Attachments)?;
        attachments = attachment_count(count, max_attachments)?;
        rest = after;
    }
    let mut namespace = "/";
    if rest.starts_with('/') {
        (namespace, rest) = rest.split_once(',').unwrap_or((rest, ""));
        if namespace.len() > MAX_NAMESPACE_BYTES {
            return Err(Error::Namespace);
        }
    }
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let id = match &rest[..digits] {
        "" => None,
        digits => Some(digits.parse().map_err(|_| Error::Id)?),
    };
    rest = &rest[digits..];
    if !rest.is_empty() && !fits(kind, rest) {
        return Err(Error::Payload);
    }
    Ok(Packet { kind, namespace, id, data: text.slice(text.len() - rest.len()..), attachments })
}

fn attachment_count(digits: &str, max: usize) -> Result<usize, Error> {
    // At most three digits of sense: what is longer is a lie whatever the limit is.
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_digit()) {
        return Err(Error::Attachments);
    }
    match digits.parse::<usize>() {
        Ok(count) if count <= max => Ok(count),
        _ => Err(Error::TooManyAttachments),
    }
}

/// Whether the payload is JSON of the shape that the kind asks for.
fn fits(kind: Kind, json: &str) -> bool {
    let first = json.trim_start_matches(scan::WHITESPACE).bytes().next();
    let shape = match kind {
        Kind::Connect => first == Some(b'{'),
        Kind::Disconnect => false,
        Kind::ConnectError => matches!(first, Some(b'{' | b'"')),
        Kind::Event | Kind::BinaryEvent | Kind::Ack | Kind::BinaryAck => first == Some(b'['),
    };
    shape && scan::is_json(json) && (!matches!(kind, Kind::Event | Kind::BinaryEvent) || is_named(json))
}

/// Whether the first element is a name that a client may use. A number is one, as in the reference.
pub(super) fn is_named(json: &str) -> bool {
    let Some(first) = scan::elements(json).next() else { return false };
    match first.as_bytes()[0] {
        b'"' => {
            let plain = &first[1..first.len() - 1];
            if plain.contains('\\') {
                let name: Result<String, _> = serde_json::from_str(first);
                // A name with half of a surrogate pair can be said in JavaScript, but is none of the reserved.
                return name.map_or(true, |name| !RESERVED.contains(&name.as_str()));
            }
            !RESERVED.contains(&plain)
        }
        b'-' | b'0'..=b'9' => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(text: &'static str) -> Result<Packet<'static>, Error> {
        // The packet borrows its text; a leak is fine in a test.
        decode(Box::leak(Box::new(Bytes::from_static(text.as_bytes()))), 10)
    }

    #[test]
    fn every_part_is_found_where_it_is_there() {
        let all = packet(r#"52-/admin,456["ev",{"_placeholder":true,"num":0}]"#).unwrap();
        assert_eq!(all.kind, Kind::BinaryEvent);
        assert_eq!((all.namespace, all.id, all.attachments), ("/admin", Some(456), 2));
        assert_eq!(all.data, r#"["ev",{"_placeholder":true,"num":0}]"#);
        let none = packet("0").unwrap();
        assert_eq!((none.kind, none.namespace, none.id), (Kind::Connect, "/", None));
        assert!(none.data.is_empty());
        assert_eq!(packet("0/custom").unwrap().namespace, "/custom");
        assert_eq!(packet(r#"0/a?b=c,{"x":1}"#).unwrap().namespace, "/a?b=c");
        assert_eq!(packet("312[]").unwrap().id, Some(12));
        assert_eq!(packet("4\"no\"").unwrap().kind, Kind::ConnectError);
    }

    #[test]
    fn what_is_no_packet_is_named() {
        for (text, error) in [
            ("", Error::Kind),
            ("7", Error::Kind),
            ("abc", Error::Kind),
            ("5[\"a\"]", Error::Attachments),
            ("5-[\"a\"]", Error::Attachments),
            ("5x-[\"a\"]", Error::Attachments),
            ("51e1-[\"a\"]", Error::Attachments),
            ("511-[\"a\"]", Error::TooManyAttachments),
            ("599999999999999999999999-[\"a\"]", Error::TooManyAttachments),
            ("299999999999999999999[\"a\"]", Error::Id),
            ("2{}", Error::Payload),
            ("2[]", Error::Payload),
            ("2[null]", Error::Payload),
            ("2[\"connect\"]", Error::Payload),
            (r#"2["\u0063onnect"]"#, Error::Payload),
            ("2[\"a\"", Error::Payload),
            ("2[\"a\"]x", Error::Payload),
            ("2abc[\"a\"]", Error::Payload),
            ("0[]", Error::Payload),
            ("0\"a\"", Error::Payload),
            ("1{}", Error::Payload),
            ("3{}", Error::Payload),
            ("41", Error::Payload),
        ] {
            // `41` is a CONNECT_ERROR with a number and nothing else.
            let expected = if text == "41" { Ok(()) } else { Err(error) };
            assert_eq!(packet(text).map(|_| ()), expected, "{text}");
        }
    }

    #[test]
    fn ten_attachments_are_announced_but_not_eleven() {
        assert_eq!(packet("510-[\"a\"]").unwrap().attachments, 10);
        assert_eq!(packet("511-[\"a\"]"), Err(Error::TooManyAttachments));
    }

    #[test]
    fn a_namespace_may_have_its_longest_name_and_not_one_byte_more() {
        let name = format!("/{}", "a".repeat(MAX_NAMESPACE_BYTES - 1));
        let text = Bytes::from(format!("0{name},"));
        assert_eq!(decode(&text, 0).unwrap().namespace, name);
        let text = Bytes::from(format!("0{name}a,"));
        assert_eq!(decode(&text, 0), Err(Error::Namespace));
    }

    #[test]
    fn numbers_and_odd_strings_are_names_as_in_the_reference() {
        for text in ["2[1]", "2[-1.5e3,2]", "2[\"\"]", "2[\"\\ud800\"]", "2 [\"a\"]"] {
            assert!(packet(text).is_ok(), "{text}");
        }
    }
}
