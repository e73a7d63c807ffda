//! Puts a binary packet together: its text first, then each of its attachments.

use bytes::Bytes;
use serde_json::Value;

use super::{Error, Event, Kind};

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
            check(text, self.attachments.len())?;
        }
        Ok(Event { json: self.data, attachments: self.attachments.into() })
    }
}

/// Refuses placeholders that point past the attachments. JSON nested deeper than 128 levels is refused here too: a
/// binary value cannot be looked for without descending.
fn check(json: &str, attachments: usize) -> Result<(), Error> {
    if !json.contains("_placeholder") && !json.contains("\\u") {
        return Ok(());
    }
    let value: Value = serde_json::from_str(json).map_err(|_| Error::Placeholder)?;
    if points_inside(&value, attachments) { Ok(()) } else { Err(Error::Placeholder) }
}

fn points_inside(value: &Value, attachments: usize) -> bool {
    match value {
        Value::Object(fields) if fields.get("_placeholder") == Some(&Value::Bool(true)) => fields
            .get("num")
            .and_then(Value::as_u64)
            .is_some_and(|num| usize::try_from(num).is_ok_and(|num| num < attachments)),
        Value::Object(fields) => fields.values().all(|value| points_inside(value, attachments)),
        Value::Array(values) => values.iter().all(|value| points_inside(value, attachments)),
        _ => true,
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
        ] {
            assert!(assemble(truth, &[b"x"]).is_ok(), "{truth}");
        }
    }

    #[test]
    fn one_attachment_too_many_is_refused() {
        assert_eq!(assemble(r#"51-["a"]"#, &[b"x", b"y"]), Err(Error::UnexpectedAttachment));
    }
}
