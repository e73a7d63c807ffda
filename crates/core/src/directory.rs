//! Tenants, people and API keys: who may make, change and see them.
//!
//! The order of every call here: the rights, then the fields, then one mutation that the store makes atomic and, where the
//! request has an id, once. What is cached of a changed user is forgotten before the answer leaves.

mod convert;
mod decode;
mod erase;
mod export;
mod keys;
mod rpc;
mod tenants;
mod turns;
mod users;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use parlor_store::Store;

pub(crate) use self::{
    convert::user as user_message,
    decode::{MAX_USERNAME_CHARS, password, roles, username},
    users::found,
};
pub use self::{
    erase::{Depart, Eraser},
    rpc::DirectoryRpc,
};
use crate::{auth::Auth, clock::Clock, password::Passwords};

/// The rules of the directory. Cloning is cheap.
#[derive(Clone)]
pub struct Directory {
    store: Store,
    auth: Arc<Auth>,
    clock: Clock,
    passwords: Passwords,
    eraser: Eraser,
    turns: turns::Turns,
}

impl Directory {
    /// Over a store.
    #[must_use]
    pub fn new(store: Store, auth: Arc<Auth>, clock: Clock, passwords: Passwords, eraser: Eraser) -> Self {
        Self { store, auth, clock, passwords, eraser, turns: turns::Turns::default() }
    }
}
