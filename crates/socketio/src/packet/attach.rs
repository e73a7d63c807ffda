//! Puts a binary packet together: its text first, then each of its attachments.

use bytes::Bytes;

use super::{Error, Event, Kind, placeholder};

/// A packet whose attachments are still to come.
#[derive(Debug)]
pub struct Assembler {
    /// Event or acknowledgement.
    pub kind: Kind,
    pub namespace: Box<str>,
    pub id: Option<u64>,
    data: Bytes,
    expected: usize,
    attachments: Vec<Bytes>,
}

impl Assembler {
    /// Awaits `expected` attachments, which the decoder has bounded.
    pub fn new(packet: &super::Packet<'_>) -> Self {
        Self {
            kind: if packet.kind == Kind::BinaryAck { Kind::Ack } else { Kind::Event },
            namespace: packet.namespace.into(),
            id: packet.id,
            data: packet.data.clone(),
            expected: packet.attachments,
            attachments: Vec::with_capacity(packet.attachments),
        }
    }

    /// Whether it is complete.
    pub fn is_complete(&self) -> bool {
        self.attachments.len() >= self.expected
    }

    /// Takes the next attachment.
    pub fn push(&mut self, attachment: Bytes) -> Result<(), Error> {
        if self.is_complete() {
            return Err(Error::UnexpectedAttachment);
        }
        self.attachments.push(attachment);
        Ok(())
    }

    /// The whole, if every placeholder points at an attachment.
    pub fn finish(self) -> Result<Event, Error> {
        if !self.data.is_empty() {
            let text = std::str::from_utf8(&self.data).map_err(|_| Error::Utf8)?;
            if !placeholder::all_point_inside(text, self.attachments.len()) {
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

    fn assemble(text: &'static str, attachments: &[&'static [u8]]) -> Result<Event, Error> {
        let text = Bytes::from_static(text.as_bytes());
        let mut assembler = Assembler::new(&decode(&text, 10)?);
        for attachment in attachments {
            assembler.push(Bytes::from_static(attachment))?;
        }
        assert!(assembler.is_complete());
        assembler.finish()
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
