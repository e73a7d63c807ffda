//! The crate as clients see it: a real server over TCP, a raw client, and the official ones.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod bad_input;
mod bound;
mod client;
mod differential;
mod ending;
mod engine;
mod fanout;
mod programs;
mod restart;
mod server;
mod socketio;
mod stories;
mod story;
mod suite;
mod unfinished;
