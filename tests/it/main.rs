//! Drives the program from outside: every behaviour in one process and split in two, on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a panic with its place is what a test wants")]

mod attach;
mod bad_input;
mod durability;
mod imports;
mod largest;
mod link;
mod listener;
mod native;
mod outage;
mod presence;
mod recovery;
mod revocation;
mod shutdown;
mod slow;
mod support;
mod surface;
mod transcripts;
mod two_cores;
