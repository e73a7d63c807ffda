//! What came and is not yet a whole message.

use anyhow::Result;

use crate::frame::{self, BINARY, CONTINUATION, FRAME_MAX, TEXT};

/// The incomplete rest of one connection; empty most of the time.
#[derive(Debug, Default)]
pub struct Inbox {
    rest: Vec<u8>,
    /// The opcode and the parts of a message in several frames.
    parts: Option<(u8, Vec<u8>)>,
}

impl Inbox {
    /// Gives each whole message to `hear`, until that says that it is over; keeps what is left.
    pub fn take<T>(
        &mut self,
        bytes: &[u8],
        hear: &mut dyn FnMut(u8, &[u8]) -> Option<T>,
    ) -> Result<Option<T>> {
        let joined;
        let bytes = if self.rest.is_empty() {
            bytes
        } else {
            let mut rest = std::mem::take(&mut self.rest);
            rest.extend_from_slice(bytes);
            joined = rest;
            joined.as_slice()
        };
        let mut at = 0;
        while let Some(found) = frame::find(&bytes[at..])? {
            let payload = &bytes[at + found.start..at + found.end];
            at += found.end;
            if let Some(over) = self.message(found.opcode, found.fin, payload, hear)? {
                return Ok(Some(over));
            }
        }
        if at < bytes.len() {
            self.rest = bytes[at..].to_vec();
        }
        Ok(None)
    }

    fn message<T>(
        &mut self,
        opcode: u8,
        fin: bool,
        payload: &[u8],
        hear: &mut dyn FnMut(u8, &[u8]) -> Option<T>,
    ) -> Result<Option<T>> {
        match (opcode, fin, &mut self.parts) {
            (TEXT | BINARY, false, _) => self.parts = Some((opcode, payload.to_vec())),
            (CONTINUATION, _, Some((_, parts))) => {
                anyhow::ensure!(parts.len() + payload.len() <= FRAME_MAX, "a message over {FRAME_MAX} bytes");
                parts.extend_from_slice(payload);
                if fin && let Some((opcode, parts)) = self.parts.take() {
                    return Ok(hear(opcode, &parts));
                }
            }
            _ => return Ok(hear(opcode, payload)),
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn messages_are_the_same_however_the_bytes_are_cut(
            messages in proptest::collection::vec("[a-z]{0,300}", 0..8),
            cuts in proptest::collection::vec(1_usize..200, 1..40),
        ) {
            let mut bytes = Vec::new();
            for message in &messages {
                frame::put(&mut bytes, TEXT, message.as_bytes());
            }
            let (mut inbox, mut heard) = (Inbox::default(), Vec::new());
            let mut cuts = cuts.iter().cycle();
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let (now, later) = rest.split_at((*cuts.next().unwrap()).min(rest.len()));
                inbox
                    .take::<()>(now, &mut |_, payload| {
                        heard.push(String::from_utf8(payload.to_vec()).unwrap());
                        None
                    })
                    .unwrap();
                rest = later;
            }
            prop_assert_eq!(heard, messages);
            prop_assert!(inbox.rest.is_empty());
        }
    }

    #[test]
    fn parts_are_joined_around_a_ping() {
        let mut bytes = Vec::new();
        for (opcode, fin, payload) in
            [(TEXT, false, "ab"), (frame::PING, true, "p"), (CONTINUATION, true, "cd")]
        {
            let at = bytes.len();
            frame::put(&mut bytes, opcode, payload.as_bytes());
            if !fin {
                bytes[at] &= 0x7f;
            }
        }
        let mut heard = Vec::new();
        Inbox::default()
            .take::<()>(&bytes, &mut |opcode, payload| {
                heard.push((opcode, payload.to_vec()));
                None
            })
            .unwrap();
        assert_eq!(heard, [(frame::PING, b"p".to_vec()), (TEXT, b"abcd".to_vec())]);
    }
}
