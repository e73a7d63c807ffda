//! The store from outside, on SQLite and on PostgreSQL: each story is told on both.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod chat;
mod directory;
mod faults;
mod idempotency;
mod laws;
mod missed;
mod own;
mod participant;
mod presence;
mod reactions;
mod schema;
mod token;
mod world;
