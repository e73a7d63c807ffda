//! Rows as the database keeps them, one file per table.
//!
//! A row of a tenant is found through [`TenantOwned::of`]; `Entity::find` is for the few rows that no tenant owns, and
//! which those are is in `tenant_owned`.

pub mod api_key;
pub mod api_key_tenant;
pub mod billing_policy;
pub mod conversation;
pub mod departed;
pub mod erasure;
pub mod event;
pub mod idempotency;
pub mod identity;
pub mod ledger_account;
pub mod ledger_entry;
pub mod ledger_hold;
pub mod ledger_transaction;
pub mod message;
pub mod node_epoch;
pub mod participant;
pub mod presence;
pub mod presence_lease;
pub mod provider;
pub mod reaction;
pub mod read_mark;
pub mod reservation;
pub mod revocation;
pub mod session;
pub mod session_policy;
pub mod strings;
pub mod tenant;
pub mod tenant_counter;
pub mod tenant_owned;
pub mod user;
pub mod visit;
pub mod visit_action;
pub mod visit_page;

pub use self::{strings::Strings, tenant_owned::TenantOwned};
