//! What can be wrong with a token, what it is held against, and what no token can be made of.

use std::fmt;

/// What a token is held against.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The channel or room that it shall open; `None` to take any.
    pub channel: Option<&'a str>,
    /// Whom it shall let in; `None` to take anybody.
    pub uid: Option<&'a str>,
    /// The time, in seconds since 1970.
    pub now: i64,
    /// How far two clocks may differ, in seconds.
    pub leeway: i64,
}

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    TooLong,
    Malformed(&'static str),
    OtherApp,
    OtherChannel,
    OtherUid,
    BadSignature,
    /// The names of these are signed and not in the token, so it cannot be checked without them.
    NamesNeeded,
    /// It opens no channel at all.
    NoJoin,
    /// What it is that ended, and how many seconds ago.
    Expired(&'static str, i64),
    /// It is dated so many seconds ahead.
    Ahead(i64),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong => f.write_str("it is too long"),
            Self::Malformed(what) => write!(f, "it cannot be read: {what}"),
            Self::OtherApp => f.write_str("it is of another app or key"),
            Self::OtherChannel => f.write_str("it is for another channel"),
            Self::OtherUid => f.write_str("it is for another uid"),
            Self::BadSignature => f.write_str("its signature is wrong"),
            Self::NamesNeeded => {
                f.write_str("its signature covers channel and uid, which it does not name; give both")
            }
            Self::NoJoin => f.write_str("it does not allow to join"),
            Self::Expired(what, ago) => write!(f, "{what} ended {ago} s ago"),
            Self::Ahead(by) => {
                write!(f, "it is dated {by} s ahead: the clock of whoever made it and this one differ")
            }
        }
    }
}

impl std::error::Error for Problem {}

impl Wanted<'_> {
    /// What a moment of an end says about now. It is over at its second.
    pub(crate) fn end(&self, what: &'static str, at: i64) -> Option<Problem> {
        let ago = self.now.saturating_sub(at);
        (ago >= self.leeway).then_some(Problem::Expired(what, ago))
    }

    /// What a moment of a beginning says about now.
    pub(crate) fn beginning(&self, at: i64) -> Option<Problem> {
        let by = at.saturating_sub(self.now);
        (by > self.leeway).then_some(Problem::Ahead(by))
    }
}

/// What no token can be made of: the name of the part, and what it must be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unfit(pub &'static str, pub &'static str);

impl fmt::Display for Unfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.1)
    }
}

impl std::error::Error for Unfit {}
