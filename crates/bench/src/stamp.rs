//! What the generator writes into the text of each message, and finds again in what the server delivers.
//!
//! A server gives the text back as it was, whatever its words are. So one search finds, in any dialect, which message of
//! which room this is and when it was meant to be sent.

use std::sync::LazyLock;

use memchr::memmem::Finder;

const MARK: &[u8] = b"~pb";
const HEX: &[u8; 16] = b"0123456789abcdef";
/// The mark, run (4), room (4), sequence (8) and micros (12) in hexadecimal.
pub const LENGTH: usize = 3 + 4 + 4 + 8 + 12;

static MARKED: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(MARK));

/// One message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// Which run wrote it: a durable server remembers messages of earlier ones.
    pub run: u16,
    pub room: u16,
    /// Its place among the messages of its room, from 0.
    pub sequence: u32,
    /// When it was meant to be sent, since the run began.
    pub intended_micros: u64,
}

impl Stamp {
    /// The text of the message: the stamp, and letters up to this length.
    #[must_use]
    pub fn text(&self, length: usize) -> String {
        let Self { run, room, sequence, intended_micros } = self;
        let mut text = format!("~pb{run:04x}{room:04x}{sequence:08x}{intended_micros:012x}");
        text.extend((text.len()..length).map(|at| char::from(b'a' + (at % 26) as u8)));
        text
    }

    /// Finds the first stamp in these bytes.
    #[must_use]
    pub fn find(bytes: &[u8]) -> Option<Self> {
        let at = MARKED.find(bytes)? + MARK.len();
        let digits = bytes.get(at..at + LENGTH - MARK.len())?;
        let (run, rest) = digits.split_at(4);
        let (room, rest) = rest.split_at(4);
        let (sequence, micros) = rest.split_at(8);
        Some(Self {
            run: number(run)? as u16,
            room: number(room)? as u16,
            sequence: number(sequence)? as u32,
            intended_micros: number(micros)?,
        })
    }
}

fn number(digits: &[u8]) -> Option<u64> {
    digits.iter().try_fold(0, |number, digit| Some(number << 4 | memchr::memchr(*digit, HEX)? as u64))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_stamp_is_found_in_what_surrounds_it(
            run: u16, room: u16, sequence: u32, intended_micros in 0_u64..1 << 48,
            before in "[ac-z\"{}~p]{0,40}", length in 0_usize..200,
        ) {
            let stamp = Stamp { run, room, sequence, intended_micros };
            let text = stamp.text(length);
            prop_assert_eq!(text.len(), length.max(LENGTH));
            let frame = format!("{before}{text}\"}}]");
            prop_assert_eq!(Stamp::find(frame.as_bytes()), Some(stamp));
        }
    }

    #[test]
    fn what_is_none_is_none() {
        assert_eq!(Stamp::find(b"hello"), None);
        assert_eq!(Stamp::find(b"~pb0001"), None);
        assert_eq!(Stamp::find(&[b"~pb".as_slice(), &[b'x'; 28]].concat()), None);
    }
}
