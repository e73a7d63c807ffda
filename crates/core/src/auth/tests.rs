//! Credentials: everything that must be refused, and what ends rights.

mod claims;
mod fixture;
mod key_set;
mod refusals;
mod rights;
mod withdrawn;
