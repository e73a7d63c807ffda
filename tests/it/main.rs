//! Drives the program from outside: every behaviour in one process and split in two, on SQLite and on PostgreSQL.

#![allow(clippy::unwrap_used, reason = "a panic with its place is what a test wants")]

mod attach;
mod backup;
mod bad_input;
mod durability;
mod erase;
mod imports;
mod largest;
mod link;
mod listener;
mod moving;
mod native;
mod outage;
mod presence;
mod recovery;
mod retention;
mod revocation;
mod rtc;
mod shutdown;
mod slow;
mod soak;
mod strangers;
mod support;
mod surface;
mod transcripts;
mod two_cores;
mod veil;
mod visits;
