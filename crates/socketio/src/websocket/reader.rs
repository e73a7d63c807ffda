//! Bytes into messages, wherever they are cut (RFC 6455 section 5).
//!
//! Between messages it holds nothing. Of a message that has begun it holds what came of it, in the memory that the whole
//! message will have; it grows with what comes, never with what a header promises.

use bytes::Bytes;

use super::{
    Error, Limits, Text,
    close::Close,
    frame::{HEADER_BYTES_MAX, Header, Kind, Opcode},
    mask,
    utf8::Checker,
};

/// A whole message, or a control frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Received {
    Text(Text),
    Binary(Bytes),
    Ping(Bytes),
    Pong(Bytes),
    Close(Option<Close>),
}

/// Reads one connection.
#[derive(Debug)]
pub struct Reader {
    limits: Limits,
    header: Begun,
    frame: Option<Frame>,
    /// The message under way, unmasked.
    message: Vec<u8>,
    kind: Option<Kind>,
    utf8: Checker,
    /// The control frame under way; it may come between the fragments of a message.
    control: Vec<u8>,
}

/// The beginning of a header that was cut.
#[derive(Debug, Default)]
struct Begun {
    bytes: [u8; HEADER_BYTES_MAX],
    length: u8,
}

/// The frame under way.
#[derive(Debug)]
struct Frame {
    last: bool,
    opcode: Opcode,
    key: [u8; 4],
    came: usize,
    length: usize,
}

impl Reader {
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            header: Begun::default(),
            frame: None,
            message: Vec::new(),
            kind: None,
            utf8: Checker::default(),
            control: Vec::new(),
        }
    }

    /// Takes bytes up to the end of what they complete; `input` is left with those after it. `None` once all are taken.
    ///
    /// # Errors
    /// If they break the protocol or a limit; nothing after that can be understood.
    pub fn advance(&mut self, input: &mut &[u8]) -> Result<Option<Received>, Error> {
        loop {
            if self.frame.is_none() {
                let Some(header) = self.header.take(input)? else { return Ok(None) };
                self.frame = Some(self.begin(header)?);
            }
            let frame = self.frame.as_mut().expect("a frame is under way");
            let take = input.len().min(frame.length - frame.came);
            let (piece, rest) = input.split_at(take);
            *input = rest;
            let whole = if frame.opcode.is_control() { &mut self.control } else { &mut self.message };
            let before = whole.len();
            let expected = if frame.last { frame.length - frame.came } else { usize::MAX };
            grow(whole, take, expected);
            whole.extend_from_slice(piece);
            mask::apply(&mut whole[before..], frame.key, frame.came);
            frame.came += take;
            let complete = frame.came == frame.length;
            if self.kind == Some(Kind::Text) && !frame.opcode.is_control() {
                self.utf8.push(&self.message[before..]).map_err(|_invalid| Error::Utf8)?;
            }
            if !complete {
                return Ok(None);
            }
            let frame = self.frame.take().expect("a frame is under way");
            if let Some(received) = self.complete(&frame)? {
                return Ok(Some(received));
            }
        }
    }

    /// Takes messages up to this length from here on, in one frame or in many.
    pub fn allow(&mut self, message_bytes: usize) {
        self.limits = Limits { frame_bytes: message_bytes, message_bytes, ..self.limits };
    }

    /// What it holds, in bytes.
    #[must_use]
    pub fn held_bytes(&self) -> usize {
        self.message.capacity() + self.control.capacity()
    }

    /// True between messages: nothing has begun and nothing is held.
    #[must_use]
    pub fn is_at_rest(&self) -> bool {
        self.kind.is_none() && self.frame.is_none() && self.header.length == 0
    }

    fn begin(&mut self, header: Header) -> Result<Frame, Error> {
        let length = usize::try_from(header.length).map_err(|_larger| Error::TooBig)?;
        match header.opcode {
            Opcode::Continuation if self.kind.is_none() => return Err(Error::Continuation),
            Opcode::Text | Opcode::Binary if self.kind.is_some() => return Err(Error::Interrupted),
            Opcode::Text => self.kind = Some(Kind::Text),
            Opcode::Binary => self.kind = Some(Kind::Binary),
            Opcode::Continuation | Opcode::Close | Opcode::Ping | Opcode::Pong => {}
        }
        let data = !header.opcode.is_control();
        if data
            && (length > self.limits.frame_bytes
                || length > self.limits.message_bytes.saturating_sub(self.message.len()))
        {
            return Err(Error::TooBig);
        }
        Ok(Frame { last: header.last, opcode: header.opcode, key: header.key, came: 0, length })
    }

    fn complete(&mut self, frame: &Frame) -> Result<Option<Received>, Error> {
        let received = match frame.opcode {
            Opcode::Close => Received::Close(Close::parse(&exact(&mut self.control))?),
            Opcode::Ping => Received::Ping(exact(&mut self.control)),
            Opcode::Pong => Received::Pong(exact(&mut self.control)),
            Opcode::Text | Opcode::Binary | Opcode::Continuation if !frame.last => return Ok(None),
            Opcode::Text | Opcode::Binary | Opcode::Continuation => {
                let bytes = exact(&mut self.message);
                match self.kind.take().expect("a message is under way") {
                    Kind::Text => {
                        self.utf8.finish().map_err(|_invalid| Error::Utf8)?;
                        Received::Text(Text::checked(bytes))
                    }
                    Kind::Binary => Received::Binary(bytes),
                }
            }
        };
        Ok(Some(received))
    }
}

impl Begun {
    /// The header at the beginning of what came before and `input`.
    fn take(&mut self, input: &mut &[u8]) -> Result<Option<Header>, Error> {
        if self.length == 0
            && let Some((header, length)) = Header::parse(input)?
        {
            *input = &input[length..];
            return Ok(Some(header));
        }
        while let Some((next, rest)) = input.split_first() {
            self.bytes[usize::from(self.length)] = *next;
            self.length += 1;
            *input = rest;
            if let Some((header, _)) = Header::parse(&self.bytes[..usize::from(self.length)])? {
                self.length = 0;
                return Ok(Some(header));
            }
        }
        Ok(None)
    }
}

/// Makes room for a piece. A message that has come whole gets exactly its room; one that comes in pieces doubles it, up to
/// what is still expected, so that many pieces cost no more than twice their bytes.
fn grow(whole: &mut Vec<u8>, piece: usize, expected: usize) {
    if whole.capacity() - whole.len() >= piece {
        return;
    }
    whole.reserve_exact(piece.max(whole.len().min(expected)));
}

fn exact(whole: &mut Vec<u8>) -> Bytes {
    let mut whole = std::mem::take(whole);
    whole.shrink_to_fit();
    whole.into()
}

#[cfg(test)]
mod tests;
