//! What is asked of the rows and done to them, one file per service. Each file holds what its service calls, a part of the
//! `Store`, and the constructors of the mutations behind it.

pub(crate) mod billing;
pub(crate) mod chat;
pub(crate) mod code;
pub(crate) mod directory;
pub(crate) mod event;
pub(crate) mod idempotency;
pub(crate) mod person;
pub(crate) mod presence;
pub(crate) mod retention;
pub(crate) mod session;
pub(crate) mod token;
pub(crate) mod users;
pub(crate) mod visit;
