//! The payloads of Engine.IO 3: every packet after its length. In text the length counts UTF-16 units, as JavaScript
//! does; a payload with bytes in it is binary as a whole unless the client has asked for base64.

use bytes::Bytes;

use super::packet::{Kind, Malformed, Packet};

/// A length has fewer digits than this: no payload reaches a gigabyte.
const MAX_DIGITS: usize = 9;

/// A payload as text: `length:packet`, again and again.
pub struct TextPayload {
    rest: Bytes,
    started: bool,
}

impl TextPayload {
    /// Text that is UTF-8.
    pub fn new(text: Bytes) -> Self {
        Self { rest: text, started: false }
    }

    fn read(&mut self) -> Result<Packet, Malformed> {
        let digits = self.rest.iter().take(MAX_DIGITS + 1).position(|&byte| byte == b':').ok_or(Malformed)?;
        let units = number(&self.rest[..digits], |byte| byte.wrapping_sub(b'0'))?;
        let packet = self.rest.slice(digits + 1..);
        let end = end_of_units(&packet, units).ok_or(Malformed)?;
        self.rest = packet.slice(end..);
        let packet = packet.slice(..end);
        Packet::from_text(&packet, true)
    }
}

impl Iterator for TextPayload {
    type Item = Result<Packet, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        // A packet of no length is how a payload of no packets is written.
        while self.rest.starts_with(b"0:") {
            self.rest = self.rest.slice(2..);
            self.started = true;
        }
        // An empty payload is malformed, an ended one is not.
        if self.rest.is_empty() && self.started {
            return None;
        }
        self.started = true;
        let packet = self.read();
        if packet.is_err() {
            self.rest = Bytes::new();
        }
        Some(packet)
    }
}

/// A payload as bytes: whether it is binary, the digits of its length as numbers, 255, the packet.
pub struct BinaryPayload {
    rest: Bytes,
    started: bool,
}

impl BinaryPayload {
    /// The body of a request of type `application/octet-stream`.
    pub fn new(bytes: Bytes) -> Self {
        Self { rest: bytes, started: false }
    }

    fn read(&mut self) -> Result<Packet, Malformed> {
        let binary = match self.rest.first() {
            Some(0) => false,
            Some(1) => true,
            _ => return Err(Malformed),
        };
        let after = self.rest.slice(1..);
        let digits = after.iter().take(MAX_DIGITS + 1).position(|&byte| byte == 255).ok_or(Malformed)?;
        let length = number(&after[..digits], |byte| byte)?;
        let packet = after.slice(digits + 1..);
        if length > packet.len() {
            return Err(Malformed);
        }
        self.rest = packet.slice(length..);
        let packet = packet.slice(..length);
        if binary {
            return Packet::from_binary(&packet, true);
        }
        std::str::from_utf8(&packet).map_err(|_| Malformed)?;
        Packet::from_text(&packet, true)
    }
}

impl Iterator for BinaryPayload {
    type Item = Result<Packet, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() && self.started {
            return None;
        }
        self.started = true;
        let packet = self.read();
        if packet.is_err() {
            self.rest = Bytes::new();
        }
        Some(packet)
    }
}

fn number(digits: &[u8], value: impl Fn(u8) -> u8) -> Result<usize, Malformed> {
    if digits.is_empty() || digits.len() > MAX_DIGITS {
        return Err(Malformed);
    }
    let mut number = 0;
    for &digit in digits {
        let digit = value(digit);
        if digit > 9 {
            return Err(Malformed);
        }
        number = number * 10 + usize::from(digit);
    }
    Ok(number)
}

/// The byte at which so many UTF-16 units of UTF-8 text end.
fn end_of_units(text: &[u8], units: usize) -> Option<usize> {
    let mut left = units;
    let mut at = 0;
    while left > 0 {
        // A character of four bytes is two units, and none is cut in half.
        let (bytes, cost) = match text.get(at)? {
            0x00..0x80 => (1, 1),
            0x80..0xe0 => (2, 1),
            0xe0..0xf0 => (3, 1),
            _ => (4, 2),
        };
        left = left.checked_sub(cost)?;
        at += bytes;
    }
    (at <= text.len()).then_some(at)
}

/// How many UTF-16 units UTF-8 text is: one for each first byte of a character, two if it is one of four.
fn units(text: &[u8]) -> usize {
    text.iter().map(|&byte| usize::from(byte & 0xc0 != 0x80) + usize::from(byte >= 0xf0)).sum()
}

/// Appends a packet to a payload of text.
pub(super) fn append_text(payload: &mut Vec<u8>, binary: bool, head: &[u8], body: &[u8]) {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    if binary {
        let encoded = STANDARD.encode(body);
        payload.extend_from_slice(format!("{}:b4", encoded.len() + 2).as_bytes());
        payload.extend_from_slice(encoded.as_bytes());
    } else {
        payload.extend_from_slice(format!("{}:", units(head) + units(body)).as_bytes());
        payload.extend_from_slice(head);
        payload.extend_from_slice(body);
    }
}

/// Appends a packet to a payload of bytes.
pub(super) fn append_binary(payload: &mut Vec<u8>, binary: bool, head: &[u8], body: &[u8]) {
    let head: &[u8] = if binary { &[Kind::Message as u8] } else { head };
    payload.push(u8::from(binary));
    payload.extend((head.len() + body.len()).to_string().bytes().map(|digit| digit - b'0'));
    payload.push(255);
    payload.extend_from_slice(head);
    payload.extend_from_slice(body);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(payload: &str) -> Vec<Result<Packet, Malformed>> {
        TextPayload::new(Bytes::copy_from_slice(payload.as_bytes())).collect()
    }

    fn message(data: &str) -> Packet {
        Packet::text(Kind::Message, Bytes::copy_from_slice(data.as_bytes()))
    }

    #[test]
    fn lengths_count_utf_16_units() {
        assert_eq!(text("2:4€3:4😀1:2")[..2], [Ok(message("€")), Ok(message("😀"))]);
        assert_eq!(text("2:4😀"), [Err(Malformed)], "a character cut in half");
        let mut payload = Vec::new();
        append_text(&mut payload, false, b"4", "€😀ä".as_bytes());
        assert_eq!(payload, "5:4€😀ä".as_bytes());
    }

    #[test]
    fn base64_has_its_kind_before_it() {
        let packets = text("6:4hello10:b4AQIDBA==");
        assert_eq!(packets[1], Ok(Packet::binary(Bytes::from_static(&[1, 2, 3, 4]))));
        let mut payload = Vec::new();
        append_text(&mut payload, true, b"", &[1, 2, 3, 4]);
        assert_eq!(payload, b"10:b4AQIDBA==");
    }

    #[test]
    fn malformed_text_ends_the_payload() {
        for bad in ["", "abc", ":4a", "x:4a", "9:4a", "1:", "1:x", "9999999999:4a", "-1:4"] {
            assert_eq!(text(bad), [Err(Malformed)], "{bad}");
        }
        assert_eq!(text("2:4a2:4"), [Ok(message("a")), Err(Malformed)]);
        assert_eq!(text("0:"), []);
        assert_eq!(text("0:2:4a0:"), [Ok(message("a"))]);
    }

    #[test]
    fn bytes_are_read_as_they_are_written() {
        let mut payload = Vec::new();
        append_binary(&mut payload, false, b"4", b"hello");
        append_binary(&mut payload, true, b"", &[1, 2, 3, 4]);
        let wire = [0, 6, 255, 52, 104, 101, 108, 108, 111, 1, 5, 255, 4, 1, 2, 3, 4];
        assert_eq!(payload, wire);
        let packets: Vec<_> = BinaryPayload::new(payload.into()).collect();
        assert_eq!(packets, [Ok(message("hello")), Ok(Packet::binary(Bytes::from_static(&[1, 2, 3, 4])))]);
    }

    #[test]
    fn malformed_bytes_end_the_payload() {
        for bad in [&b""[..], &[2, 1, 255, 52], &[0, 10, 255, 52], &[0, 9, 255, 52], &[0, 255], &[0, 1, 1]] {
            let packets: Vec<_> = BinaryPayload::new(Bytes::copy_from_slice(bad)).collect();
            assert_eq!(packets, [Err(Malformed)], "{bad:?}");
        }
    }
}
