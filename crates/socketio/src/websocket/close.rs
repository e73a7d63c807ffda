//! What a close frame says (RFC 6455 sections 5.5.1 and 7.4).

use std::str;

use bytes::{BufMut as _, Bytes, BytesMut};

pub use super::code::{
    ABNORMAL, GOING_AWAY, NO_CODE, NORMAL, NOT_UTF8, POLICY, PROTOCOL_ERROR, TOO_BIG, TRY_AGAIN_LATER,
};
use super::{Error, Text, frame::CONTROL_BYTES_MAX};

/// The longest reason: a control frame without the code.
pub const REASON_BYTES_MAX: usize = CONTROL_BYTES_MAX - 2;

/// A code and the reason in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Close {
    pub code: u16,
    pub reason: Text,
}

impl Close {
    /// A close without a code, and without one if it has none.
    pub(super) fn parse(payload: &Bytes) -> Result<Option<Self>, Error> {
        let [high, low, reason @ ..] = &**payload else {
            return if payload.is_empty() { Ok(None) } else { Err(Error::Close) };
        };
        let code = u16::from_be_bytes([*high, *low]);
        if !may_be_sent(code) {
            return Err(Error::Close);
        }
        str::from_utf8(reason).map_err(|_invalid| Error::Utf8)?;
        Ok(Some(Self { code, reason: Text::checked(payload.slice(2..)) }))
    }

    /// The payload that says it; a reason that is too long is cut.
    pub(super) fn payload(code: u16, reason: &str) -> Bytes {
        if code == NO_CODE {
            return Bytes::new();
        }
        let mut end = reason.len().min(REASON_BYTES_MAX);
        while !reason.is_char_boundary(end) {
            end -= 1;
        }
        let mut payload = BytesMut::with_capacity(2 + end);
        payload.put_u16(code);
        payload.put_slice(&reason.as_bytes()[..end]);
        payload.freeze()
    }
}

/// The codes that may be on the wire: those that are defined, and the ranges for libraries and applications.
const fn may_be_sent(code: u16) -> bool {
    matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_codes_for_the_wire_are_taken() {
        for (code, taken) in [
            (0, false),
            (999, false),
            (1000, true),
            (1003, true),
            (1004, false),
            (1005, false),
            (1006, false),
            (1007, true),
            (1014, true),
            (1015, false),
            (2999, false),
            (3000, true),
            (4999, true),
            (5000, false),
        ] {
            let parsed = Close::parse(&Close::payload(if code == NO_CODE { 1006 } else { code }, "why"));
            assert_eq!(parsed.is_ok(), taken, "{code}");
        }
    }

    #[test]
    fn a_reason_at_the_limit_passes_and_a_longer_one_is_cut_between_characters() {
        let exact = "x".repeat(REASON_BYTES_MAX);
        assert_eq!(Close::payload(NORMAL, &exact).len(), CONTROL_BYTES_MAX);
        assert_eq!(Close::payload(NORMAL, &format!("{exact}x")).len(), CONTROL_BYTES_MAX);
        let cut = Close::payload(NORMAL, &"ß".repeat(REASON_BYTES_MAX));
        let close = Close::parse(&cut).unwrap().unwrap();
        assert_eq!(close.reason.as_str(), "ß".repeat(REASON_BYTES_MAX / 2));
    }

    #[test]
    fn a_close_may_say_nothing_but_not_half_a_code() {
        assert_eq!(Close::parse(&Bytes::new()), Ok(None));
        assert_eq!(Close::parse(&Bytes::from_static(&[3])), Err(Error::Close));
        assert_eq!(Close::parse(&Bytes::from_static(&[3, 232, 0xff])), Err(Error::Utf8));
    }
}
