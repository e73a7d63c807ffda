//! One thing that waits: a short head of its own, and a body that is shared with other connections.

use bytes::Bytes;

use super::tally::Counted;

/// The most bytes that go before a shared body: a WebSocket header, and what names a namespace in short.
pub const HEAD_BYTES_MAX: usize = 128;

/// Heads up to this length need no memory of their own; a WebSocket header and a short namespace fit.
const INLINE_BYTES: usize = 30;

/// What is left to be written of a head and a body. A piece that is complete has something left.
pub(crate) struct Piece {
    head: Head,
    body: Bytes,
}

enum Head {
    Short { bytes: [u8; INLINE_BYTES], from: u8, to: u8 },
    Long { bytes: Box<[u8]>, from: u8 },
}

impl Piece {
    /// What is left when the first `written` bytes have been written.
    pub fn new(head: &[u8], body: &Bytes, written: usize) -> Self {
        assert!(head.len() <= HEAD_BYTES_MAX, "a head is short");
        let of_head = written.min(head.len());
        Self { head: Head::new(&head[of_head..]), body: body.slice(written - of_head..) }
    }

    pub fn parts(&self) -> [&[u8]; 2] {
        [self.head.left(), &self.body]
    }

    pub fn len(&self) -> usize {
        self.head.left().len() + self.body.len()
    }

    /// Forgets the first `written` bytes, which are fewer than there are.
    pub fn advance(&mut self, written: usize) {
        let of_head = written.min(self.head.left().len());
        self.head.advance(of_head);
        bytes::Buf::advance(&mut self.body, written - of_head);
    }
}

impl Counted for Piece {
    fn cost(&self) -> usize {
        size_of::<Self>() + self.len()
    }
}

impl Head {
    fn new(head: &[u8]) -> Self {
        if head.len() > INLINE_BYTES {
            return Self::Long { bytes: head.into(), from: 0 };
        }
        let mut bytes = [0; INLINE_BYTES];
        bytes[..head.len()].copy_from_slice(head);
        Self::Short { bytes, from: 0, to: short(head.len()) }
    }

    fn left(&self) -> &[u8] {
        match self {
            Self::Short { bytes, from, to } => &bytes[usize::from(*from)..usize::from(*to)],
            Self::Long { bytes, from } => &bytes[usize::from(*from)..],
        }
    }

    fn advance(&mut self, written: usize) {
        match self {
            Self::Short { from, .. } | Self::Long { from, .. } => *from += short(written),
        }
    }
}

fn short(length: usize) -> u8 {
    u8::try_from(length).expect("a head has at most HEAD_BYTES_MAX bytes")
}
