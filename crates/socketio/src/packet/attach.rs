//! Puts a binary packet together: its text first, then each of its attachments.
//!
//! Bytes are counted, not only attachments: what is over what is kept is let go at once, what is over what is taken is an
//! error.

use bytes::Bytes;

use super::{Error, Event, Kind, placeholder};

/// Bytes of one packet, text and attachments together.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// More ends the connection.
    pub taken: usize,
    /// Of more than this only the text is kept.
    pub kept: usize,
}

/// A packet whose attachments are still to come.
#[derive(Debug)]
pub struct Assembler {
    /// Event or acknowledgement.
    pub kind: Kind,
    pub namespace: Box<str>,
    pub id: Option<u64>,
    data: Bytes,
    expected: usize,
    bounds: Bounds,
    /// What came, kept or not.
    came: usize,
    bytes: usize,
    attachments: Vec<Bytes>,
}

impl Assembler {
    /// Awaits `expected` attachments, which the decoder has bounded.
    pub fn new(packet: &super::Packet<'_>) -> Self {
        Self::within(packet, Bounds { taken: usize::MAX, kept: usize::MAX })
    }

    /// The same with a bound for their bytes.
    pub fn within(packet: &super::Packet<'_>, bounds: Bounds) -> Self {
        Self {
            kind: if packet.kind == Kind::BinaryAck { Kind::Ack } else { Kind::Event },
            namespace: packet.namespace.into(),
            id: packet.id,
            data: packet.data.clone(),
            expected: packet.attachments,
            bounds,
            came: 0,
            bytes: packet.data.len(),
            attachments: Vec::new(),
        }
    }

    /// Whether it is complete.
    pub fn is_complete(&self) -> bool {
        self.came >= self.expected
    }

    /// What it holds, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.data.len() + self.attachments.iter().map(Bytes::len).sum::<usize>()
    }

    /// Takes the next attachment.
    pub fn push(&mut self, attachment: Bytes) -> Result<(), Error> {
        if self.is_complete() {
            return Err(Error::UnexpectedAttachment);
        }
        self.came += 1;
        self.bytes += attachment.len();
        if self.bytes > self.bounds.taken {
            return Err(Error::TooBig);
        }
        if self.is_oversized() {
            self.attachments = Vec::new();
        } else {
            self.attachments.push(attachment);
        }
        Ok(())
    }

    /// It is longer than is kept, so its attachments are gone.
    pub fn is_oversized(&self) -> bool {
        self.bytes > self.bounds.kept
    }

    /// The whole, if every placeholder points at an attachment.
    pub fn finish(self) -> Result<Event, Error> {
        if !self.data.is_empty() {
            let text = std::str::from_utf8(&self.data).map_err(|_| Error::Utf8)?;
            if !placeholder::all_point_inside(text, self.came) {
                return Err(Error::Placeholder);
            }
        }
        Ok(Event { json: self.data, attachments: self.attachments.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::decode;

    const WIDE: Bounds = Bounds { taken: 1_000, kept: 1_000 };

    fn within(
        bounds: Bounds,
        text: &'static str,
        attachments: &[&'static [u8]],
    ) -> Result<(Event, bool), Error> {
        let text = Bytes::from_static(text.as_bytes());
        let mut assembler = Assembler::within(&decode(&text, 10)?, bounds);
        for attachment in attachments {
            assembler.push(Bytes::from_static(attachment))?;
            assert!(assembler.held_bytes() <= bounds.kept.max(text.len()));
        }
        assert!(assembler.is_complete());
        let is_oversized = assembler.is_oversized();
        Ok((assembler.finish()?, is_oversized))
    }

    fn assemble(text: &'static str, attachments: &[&'static [u8]]) -> Result<Event, Error> {
        within(WIDE, text, attachments).map(|(event, _)| event)
    }

    #[test]
    fn text_and_attachments_count_together_at_the_limit_and_one_over() {
        // The text has five bytes.
        let (text, attachments) = (r#"52-["a"]"#, [&b"xxx"[..], b"yy"]);
        let bounds = |taken, kept| within(Bounds { taken, kept }, text, &attachments);
        let (event, is_oversized) = bounds(10, 10).unwrap();
        assert_eq!((event.attachments.len(), is_oversized), (2, false));
        let (event, is_oversized) = bounds(10, 9).unwrap();
        assert!(is_oversized && event.attachments.is_empty());
        assert_eq!(event.text(), r#"["a"]"#);
        assert_eq!(bounds(9, 9), Err(Error::TooBig));
    }

    #[test]
    fn attachments_come_in_their_order() {
        let event = assemble(r#"52-["a",{"_placeholder":true,"num":1}]"#, &[b"x", b"y"]).unwrap();
        assert_eq!(&*event.attachments, [Bytes::from_static(b"x"), Bytes::from_static(b"y")]);
        assert_eq!(event.text(), r#"["a",{"_placeholder":true,"num":1}]"#);
    }

    #[test]
    fn a_placeholder_must_point_at_an_attachment() {
        for lie in [
            r#"51-["a",{"_placeholder":true,"num":1}]"#,
            r#"51-["a",{"_placeholder":true,"num":-1}]"#,
            r#"51-["a",{"_placeholder":true,"num":0.5}]"#,
            r#"51-["a",{"_placeholder":true,"num":"0"}]"#,
            r#"51-["a",{"_placeholder":true}]"#,
            r#"51-["a",{"x":[{"_placeholder":true,"num":7}]}]"#,
            r#"51-["a",{"\u005fplaceholder":true,"num":7}]"#,
        ] {
            assert_eq!(assemble(lie, &[b"x"]), Err(Error::Placeholder), "{lie}");
        }
        for truth in [
            r#"51-["a"]"#,
            r#"51-["a",{"_placeholder":false,"num":9}]"#,
            r#"51-["a",{"num":0,"_placeholder":true}]"#,
            r#"51-["a","\ud83d",1e999,{"_placeholder":true,"num":0}]"#,
        ] {
            assert!(assemble(truth, &[b"x"]).is_ok(), "{truth}");
        }
    }

    #[test]
    fn one_attachment_too_many_is_refused() {
        assert_eq!(assemble(r#"51-["a"]"#, &[b"x", b"y"]), Err(Error::UnexpectedAttachment));
    }
}
