//! A token of some format: which one, and what it says.

use serde_json::Value;

use crate::{Problem, agora006, agora007, livekit};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Agora006,
    Agora007,
    LiveKit,
}

/// A token that was taken apart.
#[derive(Clone, Debug, PartialEq)]
pub enum Token {
    Agora006(agora006::Parsed),
    Agora007(agora007::Parsed),
    LiveKit(livekit::Parsed),
}

impl Token {
    /// Takes a token apart, whichever of the formats it is in; `None` if it is in none of them.
    #[must_use]
    pub fn parse(text: &str) -> Option<(Kind, Result<Self, Problem>)> {
        if text.starts_with(agora006::VERSION) {
            return Some((Kind::Agora006, agora006::parse(text).map(Self::Agora006)));
        }
        if text.starts_with(agora007::VERSION) {
            return Some((Kind::Agora007, agora007::parse(text).map(Self::Agora007)));
        }
        let parsed = livekit::parse(text).ok().filter(livekit::Parsed::is_one)?;
        Some((Kind::LiveKit, Ok(Self::LiveKit(parsed))))
    }

    /// The app or key that it is of.
    #[must_use]
    pub fn app(&self) -> &str {
        match self {
            Self::Agora006(token) => &token.app_id,
            Self::Agora007(token) => &token.app_id,
            Self::LiveKit(token) => token.key_name(),
        }
    }

    /// When it ends, if it says.
    #[must_use]
    pub fn ends(&self) -> Option<i64> {
        match self {
            Self::Agora006(token) => Some(i64::from(token.ends)),
            Self::Agora007(token) => Some(token.ends()),
            Self::LiveKit(token) => token.ends(),
        }
    }

    /// What it says, for people.
    #[must_use]
    pub fn json(&self) -> Value {
        match self {
            Self::Agora006(token) => token.json(),
            Self::Agora007(token) => token.json(),
            Self::LiveKit(token) => token.json(),
        }
    }
}
