//! The header of a frame (RFC 6455 section 5.2).

use super::Error;

/// The longest header: two bytes, a length of eight, a mask of four.
pub const HEADER_BYTES_MAX: usize = 14;

/// The most that a control frame carries (section 5.5).
pub const CONTROL_BYTES_MAX: usize = 125;

const FINAL: u8 = 0x80;
const RESERVED: u8 = 0x70;
const MASKED: u8 = 0x80;
const LENGTH_16: u8 = 126;
const LENGTH_64: u8 = 127;

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    const fn of(bits: u8) -> Option<Self> {
        Some(match bits {
            0x0 => Self::Continuation,
            0x1 => Self::Text,
            0x2 => Self::Binary,
            0x8 => Self::Close,
            0x9 => Self::Ping,
            0xa => Self::Pong,
            _ => return None,
        })
    }

    const fn bits(self) -> u8 {
        match self {
            Self::Continuation => 0x0,
            Self::Text => 0x1,
            Self::Binary => 0x2,
            Self::Close => 0x8,
            Self::Ping => 0x9,
            Self::Pong => 0xa,
        }
    }

    pub const fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
}

impl Kind {
    pub(super) const fn opcode(self) -> Opcode {
        match self {
            Self::Text => Opcode::Text,
            Self::Binary => Opcode::Binary,
        }
    }
}

/// The header of a client's frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub last: bool,
    pub opcode: Opcode,
    pub length: u64,
    pub key: [u8; 4],
}

impl Header {
    /// The header at the beginning of `bytes` and its length; `None` if more bytes are needed to tell. What is wrong
    /// already is told at once. A length in more bytes than it needs is understood: only senders must not do that.
    pub fn parse(bytes: &[u8]) -> Result<Option<(Self, usize)>, Error> {
        let [first, rest @ ..] = bytes else { return Ok(None) };
        if first & RESERVED != 0 {
            return Err(Error::Reserved);
        }
        let opcode = Opcode::of(first & 0x0f).ok_or(Error::Opcode)?;
        let last = first & FINAL != 0;
        if opcode.is_control() && !last {
            return Err(Error::Control);
        }
        let [second, rest @ ..] = rest else { return Ok(None) };
        if second & MASKED == 0 {
            return Err(Error::Unmasked);
        }
        let short = second & !MASKED;
        if opcode.is_control() && usize::from(short) > CONTROL_BYTES_MAX {
            return Err(Error::Control);
        }
        let (length, rest) = match short {
            LENGTH_16 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from(u16::from_be_bytes(*length)), rest),
                None => return Ok(None),
            },
            LENGTH_64 => match rest.split_first_chunk() {
                Some((length, rest)) => (u64::from_be_bytes(*length), rest),
                None => return Ok(None),
            },
            short => (u64::from(short), rest),
        };
        if length > i64::MAX as u64 {
            return Err(Error::Length);
        }
        let Some((key, rest)) = rest.split_first_chunk() else { return Ok(None) };
        let header = Self { last, opcode, length, key: *key };
        Ok(Some((header, bytes.len() - rest.len())))
    }
}

/// The header of a whole message or a control frame from the server, and after it a head of the payload.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    bytes: [u8; crate::outbox::HEAD_BYTES_MAX],
    length: u8,
}

/// The most that a header from the server has: no mask.
const SERVER_HEADER_BYTES_MAX: usize = HEADER_BYTES_MAX - 4;

/// The longest head of a payload that goes before a shared body.
pub const HEAD_BYTES_MAX: usize = crate::outbox::HEAD_BYTES_MAX - SERVER_HEADER_BYTES_MAX;

impl Head {
    /// The header of a frame whose payload is `head` and then `body_bytes` more.
    pub fn new(opcode: Opcode, head: &[u8], body_bytes: usize) -> Self {
        assert!(head.len() <= HEAD_BYTES_MAX, "a head is short");
        let mut bytes = [0; crate::outbox::HEAD_BYTES_MAX];
        bytes[0] = FINAL | opcode.bits();
        let payload = head.len() + body_bytes;
        let header = if payload < usize::from(LENGTH_16) {
            bytes[1] = payload.to_le_bytes()[0];
            2
        } else if let Ok(payload) = u16::try_from(payload) {
            bytes[1] = LENGTH_16;
            bytes[2..4].copy_from_slice(&payload.to_be_bytes());
            4
        } else {
            bytes[1] = LENGTH_64;
            bytes[2..10].copy_from_slice(&(payload as u64).to_be_bytes());
            10
        };
        bytes[header..header + head.len()].copy_from_slice(head);
        let length = u8::try_from(header + head.len()).expect("it fits its array");
        Self { bytes, length }
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.length)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_change_their_form_where_the_rfc_says() {
        for (payload, expected) in [
            (0, &[0x82, 0][..]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (65_535, &[0x82, 126, 255, 255]),
            (65_536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            assert_eq!(Head::new(Opcode::Binary, b"", payload).as_bytes(), expected);
        }
    }

    #[test]
    fn a_head_counts_to_the_payload() {
        assert_eq!(Head::new(Opcode::Text, b"42", 3).as_bytes(), b"\x81\x0542");
        let longest = [b'x'; HEAD_BYTES_MAX];
        assert_eq!(
            Head::new(Opcode::Text, &longest, 1 << 20).as_bytes().len(),
            crate::outbox::HEAD_BYTES_MAX
        );
    }

    #[test]
    fn a_header_is_parsed_from_the_byte_that_completes_it() {
        let bytes = [0x01, 0xfe, 0x01, 0x00, 1, 2, 3, 4];
        for cut in 0..bytes.len() {
            assert_eq!(Header::parse(&bytes[..cut]), Ok(None));
        }
        let header = Header { last: false, opcode: Opcode::Text, length: 256, key: [1, 2, 3, 4] };
        assert_eq!(Header::parse(&bytes), Ok(Some((header, 8))));
    }

    #[test]
    fn what_is_wrong_is_told_at_its_byte() {
        assert_eq!(Header::parse(&[0xc1]), Err(Error::Reserved));
        assert_eq!(Header::parse(&[0x83]), Err(Error::Opcode));
        assert_eq!(Header::parse(&[0x8b]), Err(Error::Opcode));
        assert_eq!(Header::parse(&[0x09]), Err(Error::Control));
        assert_eq!(Header::parse(&[0x89, 0xfe]), Err(Error::Control));
        assert_eq!(Header::parse(&[0x81, 0x05]), Err(Error::Unmasked));
        assert_eq!(Header::parse(&[0x81, 0xff, 128, 0, 0, 0, 0, 0, 0, 0]), Err(Error::Length));
    }
}
