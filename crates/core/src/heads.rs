//! Where each tenant's order of events has come to, as far as this core knows: for marks that are set often and must not
//! each cost a read.
//!
//! It never runs ahead of what was announced. It may lag behind what other cores have stored, by no more than
//! [`FRESH_MS`]: whoever is given what came after a mark is given a little more, and nothing less.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use parlor_store::{Millis, Store, TenantId};

use crate::{Result, clock::Clock, locked::lock};

/// How long a head is taken from memory: a second of one tenant's events is not much to be given twice.
const FRESH_MS: Millis = 1_000;

/// The heads. Cloning is cheap.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    known: Arc<Mutex<HashMap<TenantId, Head>>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Head {
    position: i64,
    /// When it was read from the store.
    read_at: Option<Millis>,
}

impl Heads {
    /// Everything up to a position was stored and announced by this core.
    pub fn raise(&self, tenant: TenantId, position: i64) {
        let mut known = lock(&self.known);
        let head = known.entry(tenant).or_default();
        head.position = head.position.max(position);
    }

    /// The last position that this core has heard of; `None` if it knows nothing of the tenant.
    #[must_use]
    pub fn last(&self, tenant: TenantId) -> Option<i64> {
        lock(&self.known).get(&tenant).map(|head| head.position)
    }

    /// The tenant's head, read from the store where what is known is old.
    pub async fn read(&self, store: &Store, clock: &Clock, tenant: TenantId) -> Result<i64> {
        let now = clock.now();
        let known = lock(&self.known).get(&tenant).copied().unwrap_or_default();
        if known.read_at.is_some_and(|read_at| (read_at..read_at + FRESH_MS).contains(&now)) {
            return Ok(known.position);
        }
        let position = store.log.tenant_head(tenant).await?;
        let mut known = lock(&self.known);
        let head = known.entry(tenant).or_default();
        *head = Head { position: head.position.max(position), read_at: Some(now) };
        Ok(head.position)
    }
}
