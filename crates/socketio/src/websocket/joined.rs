//! Messages that go to many sockets one after another: their frames, made once for all.

use bytes::{Bytes, BytesMut};

use super::frame::{Head, Kind};

/// The frames of some messages as they are on the wire. A clone shares the bytes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined(Bytes);

impl Joined {
    /// Of these messages, in their order: each what it is, the head of its payload, and the rest. A text must be UTF-8.
    pub fn new<'a>(messages: impl IntoIterator<Item = (Kind, &'a [u8], &'a [u8])>) -> Self {
        let mut frames = BytesMut::new();
        for (kind, head, body) in messages {
            let header = Head::new(kind.opcode(), b"", head.len() + body.len());
            frames.extend_from_slice(header.as_bytes());
            frames.extend_from_slice(head);
            frames.extend_from_slice(body);
        }
        Self(frames.freeze())
    }

    pub(super) fn as_bytes(&self) -> &Bytes {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_message_has_its_frame() {
        let joined = Joined::new([
            (Kind::Text, &b"42"[..], &b"[1]"[..]),
            (Kind::Binary, b"", b""),
            (Kind::Text, b"", &[b'x'; 126]),
        ]);
        let mut frames = b"\x81\x0542[1]\x82\x00\x81\x7e\x00\x7e".to_vec();
        frames.extend([b'x'; 126]);
        assert_eq!(joined.as_bytes(), &frames);
    }
}
