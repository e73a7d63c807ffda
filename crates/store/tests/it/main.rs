//! The store from outside, on SQLite and on PostgreSQL: each story is told on both.

#![allow(clippy::unwrap_used, reason = "a story that cannot go on has failed")]

mod backup;
mod chat;
mod directory;
mod erase;
mod faults;
mod idempotency;
mod laws;
mod ledger;
mod missed;
mod own;
mod participant;
mod presence;
mod reactions;
mod retention;
mod schema;
mod sessions;
mod token;
mod visits;
mod world;
