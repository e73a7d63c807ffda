//! What is remembered: tenants, people, credentials, conversations, presence.
//!
//! The only crate that knows the database. What it gives and takes are plain values; how a row is kept
//! is in `entity`, what is asked of it in `query`, one file per service, and how it is changed in `writer`: one task puts
//! all that is queued into one transaction. An answer to a change means that it is durable.

mod bulk;
mod connect;
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

pub use error::{Error, Result, Unique, What};
pub use event::{ConversationChange, EventBody, Shown, StoredEvent, Subject, SubjectKind};
pub use ids::*;
pub use mutation::{Mutation, Once};
pub use query::{
    chat::{Missed, Missing, OwnConversation, Pick, Reacting, Reaction},
    idempotency::{REQUEST_LIFETIME_MS, RequestKey},
    presence::Arrival,
};
pub use rows::*;
pub use store::{OnCommit, Options, Store};
