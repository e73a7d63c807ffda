//! Billing through the whole chain, over a real database.

mod wallets;
mod watch;
