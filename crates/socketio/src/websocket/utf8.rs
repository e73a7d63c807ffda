//! Text is checked as it comes: the first byte that cannot be UTF-8 ends the connection, not the end of the message.

use std::str;

/// What the last piece ended in the middle of.
#[derive(Debug, Default)]
pub struct Checker {
    /// The beginning of a character.
    begun: [u8; 4],
    length: u8,
}

/// This is no UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Invalid;

impl Checker {
    /// Takes the next piece.
    pub fn push(&mut self, mut piece: &[u8]) -> Result<(), Invalid> {
        while self.length > 0 {
            let Some((next, rest)) = piece.split_first() else { return Ok(()) };
            piece = rest;
            // An unfinished character has three bytes at most.
            self.begun[usize::from(self.length)] = *next;
            self.length += 1;
            match str::from_utf8(&self.begun[..usize::from(self.length)]) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(Invalid),
            }
        }
        let Err(error) = str::from_utf8(piece) else { return Ok(()) };
        if error.error_len().is_some() {
            return Err(Invalid);
        }
        let begun = &piece[error.valid_up_to()..];
        self.begun[..begun.len()].copy_from_slice(begun);
        self.length = u8::try_from(begun.len()).expect("an unfinished character has three bytes at most");
        Ok(())
    }

    /// The text is at its end, and so must its last character be.
    pub fn finish(&self) -> Result<(), Invalid> {
        if self.length == 0 { Ok(()) } else { Err(Invalid) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The place of the first byte at which the check fails, byte by byte.
    fn fails_at(bytes: &[u8]) -> Option<usize> {
        let mut checker = Checker::default();
        bytes.iter().position(|byte| checker.push(&[*byte]).is_err())
    }

    #[test]
    fn a_character_may_be_cut_anywhere() {
        let text = "aß€😀\u{10ffff}z".as_bytes();
        for first in 0..=text.len() {
            for second in first..=text.len() {
                let mut checker = Checker::default();
                for piece in [&text[..first], &text[first..second], &text[second..]] {
                    assert_eq!(checker.push(piece), Ok(()));
                }
                assert_eq!(checker.finish(), Ok(()));
            }
        }
    }

    #[test]
    fn what_cannot_be_text_fails_at_once() {
        assert_eq!(fails_at(b"ab\xff"), Some(2));
        assert_eq!(fails_at(b"\xc0\x80"), Some(0));
        assert_eq!(fails_at(b"\xed\xa0\x80"), Some(1), "a surrogate");
        assert_eq!(fails_at(b"\xf4\x90\x80\x80"), Some(1), "beyond the last character");
        assert_eq!(fails_at(b"\xf0\x80"), Some(1), "longer than need be");
        assert_eq!(fails_at(b"\xe2\x82z"), Some(2));
    }

    #[test]
    fn an_unfinished_character_is_no_end() {
        for cut in 1..4 {
            let mut checker = Checker::default();
            assert_eq!(checker.push(&"😀".as_bytes()[..cut]), Ok(()));
            assert_eq!(checker.finish(), Err(Invalid));
        }
    }
}
