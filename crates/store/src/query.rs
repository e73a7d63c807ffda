//! What is asked of the rows and done to them, one file per service. Each file holds the methods of `Store` that its
//! service calls, and the constructors of the mutations behind them.

pub(crate) mod chat;
pub(crate) mod code;
mod directory;
pub(crate) mod event;
mod external_id;
pub(crate) mod idempotency;
pub(crate) mod presence;
mod token;
