//! What is remembered: tenants, people, credentials, conversations, presence.
//!
//! The only crate that knows the database. What it gives and takes are plain values; how a row is kept
//! is in `entity`, what is asked of it in `query`, one file per service, and how it is changed in `writer`: one task puts
//! all that is queued into one transaction. An answer to a change means that it is durable.

mod access;
pub mod backup;
mod bulk;
mod connect;
mod connection;
mod database;
mod entity;
mod error;
mod event;
mod failure;
mod ids;
pub mod ledger;
pub mod meter;
pub mod metric;
mod mutation;
mod query;
mod readers;
mod rows;
mod scrub;
mod session_state;
mod store;
#[cfg(test)]
mod testing;
mod tx;
mod writer;

pub use access::{Access, SeenBy};
pub use connect::PostgresPlace;
pub use error::{Error, Result, Unique, What};
pub use event::{ConversationChange, EventBody, Shown, StoredEvent, Subject, SubjectKind};
pub use ids::*;
pub use ledger::{AccountKind, TransactionKind, Wallet};
pub use mutation::{Mutation, Once};
pub use query::{
    billing::{Billing, EntryFilter},
    chat::change::erase::Erasure,
    chat::{Chat, Missed, Missing, OwnConversation, Pick, Reacting, Reaction},
    directory::Directory,
    event::Log,
    idempotency::{REQUEST_LIFETIME_MS, RequestKey},
    person::{Departing, MarkOf, Persons, Trace, Traces, Walk},
    presence::{Arrival, Begun, Life, NewLife, Presence, Revised},
    retention::{SWEEP_EVENTS, Swept},
    session::{NewSession, PENDING_MAX, Sessions, Step},
    token::{Tokens, WITHDRAWAL_KEPT_MS},
    visit::{Arose, Listed, Recorded, Recording, VISIT_KEPT, Visits},
};
pub use rows::*;
pub use scrub::Scrubbed;
pub use session_state::{SessionMove, SessionState, Side};
pub use store::{Options, Store};
pub use writer::OnCommit;
