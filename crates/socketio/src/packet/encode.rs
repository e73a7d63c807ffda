//! Packet to text, in two parts: a head of a few bytes for each socket, and a body that all sockets share.

use bytes::Bytes;

use super::{Kind, MAX_NAMESPACE_BYTES, Protocol, event::quoted};

/// The longest head: kind, three digits of attachments, the longest namespace, and a number.
const HEAD_BYTES: usize = 2 + 4 + MAX_NAMESPACE_BYTES + 1 + 20;

/// The part of a packet before its JSON, with the `4` of the Engine.IO message before it.
#[derive(Clone)]
pub struct Head {
    len: usize,
    bytes: [u8; HEAD_BYTES],
}

impl Head {
    /// Of an event or an acknowledgement. Attachments make it a binary one.
    pub fn new(kind: Kind, attachments: usize, namespace: &str, id: Option<u64>) -> Self {
        let mut head = Self { len: 0, bytes: [0; HEAD_BYTES] };
        let kind = match kind {
            Kind::Event if attachments > 0 => Kind::BinaryEvent,
            Kind::Ack if attachments > 0 => Kind::BinaryAck,
            kind => kind,
        };
        head.push(&[b'4', kind.digit()]);
        if kind.is_binary() {
            head.push_number(attachments as u64);
            head.push(b"-");
        }
        if namespace != "/" {
            head.push(namespace.as_bytes());
            head.push(b",");
        }
        if let Some(id) = id {
            head.push_number(id);
        }
        head
    }

    /// The bytes of it.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    fn push(&mut self, bytes: &[u8]) {
        // Whoever makes a socket has bounded its namespace; a packet has fewer than ten thousand attachments.
        let room = &mut self.bytes[self.len..];
        let fits = bytes.len().min(room.len());
        debug_assert_eq!(fits, bytes.len(), "a namespace is longer than MAX_NAMESPACE_BYTES");
        room[..fits].copy_from_slice(&bytes[..fits]);
        self.len += fits;
    }

    fn push_number(&mut self, number: u64) {
        let mut digits = [0; 20];
        let mut at = digits.len();
        let mut rest = number;
        loop {
            at -= 1;
            digits[at] = b'0' + u8::try_from(rest % 10).expect("a digit fits a byte");
            rest /= 10;
            if rest == 0 {
                break;
            }
        }
        let used = digits;
        self.push(&used[at..]);
    }
}

/// The answer to a CONNECT: the public id and, where recovery is offered, what names the session to it.
pub fn connect(protocol: Protocol, namespace: &str, id: &str, pid: Option<&str>) -> Bytes {
    let mut text = head(Kind::Connect, namespace);
    if protocol == Protocol::V5 {
        text.push_str("{\"sid\":");
        text.push_str(&quoted(id));
        if let Some(pid) = pid {
            text.push_str(",\"pid\":");
            text.push_str(&quoted(pid));
        }
        text.push('}');
    } else if text.ends_with(',') {
        // Old clients take a namespace to its comma or to the end.
        text.pop();
    }
    text.into()
}

/// The refusal of a CONNECT. `data` is JSON.
pub fn connect_error(protocol: Protocol, namespace: &str, message: &str, data: Option<&str>) -> Bytes {
    let mut text = head(Kind::ConnectError, namespace);
    match (protocol, data) {
        // An old client is given one thing: the data, or else the message.
        (Protocol::V4, Some(data)) => text.push_str(data),
        (Protocol::V4, None) => text.push_str(&quoted(message)),
        (Protocol::V5, data) => {
            text.push_str("{\"message\":");
            text.push_str(&quoted(message));
            if let Some(data) = data {
                text.push_str(",\"data\":");
                text.push_str(data);
            }
            text.push('}');
        }
    }
    text.into()
}

/// Tells a client that it is no longer in the namespace.
pub fn disconnect(namespace: &str) -> Bytes {
    head(Kind::Disconnect, namespace).into()
}

fn head(kind: Kind, namespace: &str) -> String {
    let head = Head::new(kind, 0, namespace, None);
    String::from_utf8(head.as_bytes().to_vec())
        .expect("a head is cut at no character: a namespace is bounded")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(kind: Kind, attachments: usize, namespace: &str, id: Option<u64>) -> String {
        String::from_utf8(Head::new(kind, attachments, namespace, id).as_bytes().to_vec()).unwrap()
    }

    #[test]
    fn heads_hold_what_the_packet_has() {
        assert_eq!(text(Kind::Event, 0, "/", None), "42");
        assert_eq!(text(Kind::Event, 0, "/admin", Some(0)), "42/admin,0");
        assert_eq!(text(Kind::Event, 2, "/", Some(78)), "452-78");
        assert_eq!(text(Kind::Ack, 10, "/a", Some(u64::MAX)), "4610-/a,18446744073709551615");
        let longest = format!("/{}", "n".repeat(MAX_NAMESPACE_BYTES - 1));
        assert_eq!(text(Kind::Ack, 999, &longest, Some(u64::MAX)), format!("46999-{longest},{}", u64::MAX));
    }

    #[test]
    fn connects_and_refusals_speak_the_protocol_of_their_client() {
        assert_eq!(connect(Protocol::V5, "/", "x", None), r#"40{"sid":"x"}"#);
        assert_eq!(connect(Protocol::V5, "/a", "x", Some("p")), r#"40/a,{"sid":"x","pid":"p"}"#);
        assert_eq!(connect(Protocol::V4, "/", "x", None), "40");
        assert_eq!(connect(Protocol::V4, "/a", "x", None), "40/a");
        assert_eq!(connect_error(Protocol::V5, "/", "no \"x\"", None), r#"44{"message":"no \"x\""}"#);
        assert_eq!(
            connect_error(Protocol::V5, "/a", "no", Some("[1]")),
            r#"44/a,{"message":"no","data":[1]}"#
        );
        assert_eq!(connect_error(Protocol::V4, "/a", "no", None), "44/a,\"no\"");
        assert_eq!(connect_error(Protocol::V4, "/a", "no", Some("[1]")), "44/a,[1]");
        assert_eq!(disconnect("/"), "41");
        assert_eq!(disconnect("/a"), "41/a,");
    }
}
