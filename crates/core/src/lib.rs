//! The services: what is allowed, what happens, who is told.
//!
//! Which module may use which is in ARCHITECTURE.md, and a test enforces it; `stack` stands before all services and knows
//! none.

pub mod announce;
pub mod auth;
pub mod billing;
mod buckets;
pub mod caller;
pub mod chat;
pub mod clock;
pub mod core;
pub mod directory;
pub mod edge;
pub mod field;
pub mod heads;
pub mod health;
pub mod hub;
mod locked;
pub mod metric;
pub mod offset;
mod optional;
pub mod page;
pub mod password;
pub mod presence;
pub mod request;
pub mod retention;
pub mod seal;
pub mod session;
pub mod share;
pub mod stack;
pub mod status;
pub mod subject;
#[cfg(test)]
mod testing;
pub mod token;
pub mod wire;

pub use self::core::{Core, Options};
pub use presence::{NotStarted, Occupied};
pub use status::{Error, Result};

/// The core, or whatever stands for it, as a client sees it: one type in one process and across two.
pub type Service = tower::util::BoxCloneSyncService<
    http::Request<tonic::body::Body>,
    http::Response<tonic::body::Body>,
    tower::BoxError,
>;
