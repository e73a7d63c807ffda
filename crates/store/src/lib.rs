//! What is remembered: tenants, people, credentials, conversations, presence.
//!
//! The only crate that knows the database. What it gives and takes are plain values; how a row is kept
//! is in `entity`, what is asked of it in `query`, one file per service, and how it is changed in `writer`: one task puts
//! all that is queued into one transaction. An answer to a change means that it is durable.

mod access;
mod bulk;
mod connect;
mod database;
mod entity;
mod error;
mod event;
mod failure;
mod ids;
pub mod metric;
mod mutation;
mod query;
mod rows;
mod store;
mod tx;
mod writer;

pub use access::{Access, SeenBy};
pub use error::{Error, Result, Unique, What};
pub use event::{ConversationChange, EventBody, Shown, StoredEvent, Subject, SubjectKind};
pub use ids::*;
pub use mutation::{Mutation, Once};
pub use query::{
    chat::{Chat, Missed, Missing, OwnConversation, Pick, Reacting, Reaction},
    directory::Directory,
    event::Log,
    idempotency::{REQUEST_LIFETIME_MS, RequestKey},
    presence::{Arrival, Begun, Life, NewLife, Presence},
    token::{Tokens, WITHDRAWAL_KEPT_MS},
};
pub use rows::*;
pub use store::{Options, Store};
pub use writer::OnCommit;
