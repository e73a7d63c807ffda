//! The edge: moves frames, translates words, asks the core. It holds no rule and no row.
//!
//! ```text
//! transport ─► driver ─► dialect ─► call ─► backend ─► core
//! transport ◄─ outbox  ◄─ fan-out ◄─ link ◄─────────────┘
//! ```
//!
//! Of ours it knows the contract only. See `dialect.rs` for what a dialect is, and `registry.rs` to add one.

pub mod backend;
mod call;
mod derived;
pub mod dialect;
mod driver;
mod edge;
mod fanout;
pub mod gateway;
mod link;
pub mod metric;
pub mod mount;
mod mounted;
pub mod outbox;
pub mod registry;
mod seldom;
pub mod transport;

pub use backend::Backend;
pub use edge::{Limits, Metrics, Now};
pub use gateway::{Gateway, Options};
pub use transport::listener::{self, Listener};

#[cfg(test)]
mod tests;
