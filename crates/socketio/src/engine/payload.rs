//! The payload of Engine.IO 4: packets with a record separator between them, bytes as base64.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::packet::{Malformed, Packet, base64_head};

/// Between two packets.
const SEPARATOR: u8 = 0x1e;

/// The packets of a payload, one by one: what follows a malformed one is never looked at.
pub struct Payload {
    rest: Option<Bytes>,
}

impl Payload {
    /// Text that is UTF-8.
    pub fn new(text: Bytes) -> Self {
        Self { rest: Some(text) }
    }
}

impl Iterator for Payload {
    type Item = Result<Packet, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        let rest = self.rest.take()?;
        let piece = match rest.iter().position(|&byte| byte == SEPARATOR) {
            Some(at) => {
                self.rest = Some(rest.slice(at + 1..));
                rest.slice(..at)
            }
            None => rest,
        };
        let packet = Packet::from_text(&piece, false);
        if packet.is_err() {
            self.rest = None;
        }
        Some(packet)
    }
}

/// Appends a packet to a payload. `head` and `body` make the text of it together; bytes have no head.
pub(super) fn append(payload: &mut Vec<u8>, binary: bool, head: &[u8], body: &[u8]) {
    if !payload.is_empty() {
        payload.push(SEPARATOR);
    }
    if binary {
        payload.extend_from_slice(base64_head(false));
        payload.extend_from_slice(STANDARD.encode(body).as_bytes());
    } else {
        payload.extend_from_slice(head);
        payload.extend_from_slice(body);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::packet::Kind;

    fn read(text: &'static str) -> Vec<Result<Packet, Malformed>> {
        Payload::new(Bytes::from_static(text.as_bytes())).collect()
    }

    #[test]
    fn packets_are_cut_at_separators() {
        let packets = read("4a\u{1e}bAQIDBA==\u{1e}2\u{1e}bAQI");
        assert_eq!(
            packets,
            vec![
                Ok(Packet::text(Kind::Message, Bytes::from_static(b"a"))),
                Ok(Packet::binary(Bytes::from_static(&[1, 2, 3, 4]))),
                Ok(Packet::text(Kind::Ping, Bytes::new())),
                Ok(Packet::binary(Bytes::from_static(&[1, 2]))),
            ]
        );
    }

    #[test]
    fn nothing_follows_a_malformed_packet() {
        assert_eq!(read("4a\u{1e}x\u{1e}4b").len(), 2);
        assert_eq!(read("")[..], [Err(Malformed)]);
        assert_eq!(read("4a\u{1e}")[1..], [Err(Malformed)]);
        assert_eq!(read("b!!!")[..], [Err(Malformed)]);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut payload = Vec::new();
        append(&mut payload, false, b"42/a,", b"[\"x\"]");
        append(&mut payload, true, b"", &[0, 255]);
        assert_eq!(payload, b"42/a,[\"x\"]\x1ebAP8=");
        let packets: Vec<_> = Payload::new(payload.into()).collect::<Result<_, _>>().unwrap();
        assert_eq!(packets[1], Packet::binary(Bytes::from_static(&[0, 255])));
    }
}
