//! Credentials: everything that must be refused, and what ends rights.

mod claims;
mod erased;
mod fixture;
mod key_set;
mod refusals;
mod rights;
mod sessions;
mod welcome;
mod withdrawn;
