//! What a look at an installation found.

use serde::Serialize;

/// What one look found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub what: &'static str,
    pub state: State,
    /// What is so, or what is wrong and what to do.
    pub detail: String,
}

/// How it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Good,
    /// It serves, but look at it.
    Doubtful,
    Wrong,
}

impl Finding {
    pub fn good(what: &'static str, detail: impl Into<String>) -> Self {
        Self { what, state: State::Good, detail: detail.into() }
    }

    pub fn doubtful(what: &'static str, detail: impl Into<String>) -> Self {
        Self { what, state: State::Doubtful, detail: detail.into() }
    }

    pub fn wrong(what: &'static str, detail: impl Into<String>) -> Self {
        Self { what, state: State::Wrong, detail: detail.into() }
    }
}
