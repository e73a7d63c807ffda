//! Tokens that open a call or a relay: Agora 006 and 007, LiveKit, TURN. They are made, taken apart, and judged.
//!
//! Pure functions of what they are given: no input or output, no clock, no randomness. Time is in seconds since 1970, and
//! salts are arguments. What is taken apart comes from strangers: it is bounded, and nothing of it is believed before its
//! signature is.
//!
//! - [`agora006`], [`agora007`], [`livekit`]: `mint` makes a token, `parse` takes one apart, `check` names all that is wrong
//!   with it.
//! - [`turn`]: the same for a pair of username and password, as relays know them.
//! - [`Token::parse`] finds out which of the formats a text is in.

mod agora;
pub mod agora006;
pub mod agora007;
mod bytes;
pub mod livekit;
mod problem;
mod sign;
mod token;
pub mod turn;

pub use self::{
    agora::{App, Role},
    problem::{Problem, Unfit, Wanted},
    token::{Kind, Token},
};

/// Longer texts are refused before any work: real tokens have a few hundred bytes.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;
