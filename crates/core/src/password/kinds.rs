//! Of which kinds the hashes of a tenant's people are, beside our own.
//!
//! A check of bcrypt takes longer than one of ours. So that the time of a sign-in that fails does not tell who is there,
//! nor who has not been here since they were moved, it does the work of every kind that the tenant has, whomever it names.
//! So there are only so many of them.
//!
//! They are read from the store before the first sign-in, and added to before a hash is stored. What nobody has any more
//! is forgotten with the next start.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};

use parlor_store::{Store, TenantId};
use tokio::sync::OnceCell;

use super::stored::{self, Kind, OWN_PREFIX};
use crate::{Error, Result, locked::lock};

/// Of one tenant: a shop that changed its cost now and then, or its algorithm.
pub(super) const KINDS_MAX: usize = 4;

/// One kind is written in a few ways. What is more than that was not stored by us.
const PREFIXES_MAX: usize = 64;

/// The kinds of each tenant that somebody has tried to sign in to. Tenants are few, and never removed.
#[derive(Debug, Default)]
pub(super) struct Kinds(Mutex<HashMap<TenantId, Arc<OfTenant>>>);

#[derive(Debug, Default)]
struct OfTenant {
    kinds: Mutex<Vec<Kind>>,
    /// Set once the store was read.
    read: OnceCell<()>,
}

impl Kinds {
    /// Those of a tenant.
    pub async fn of(&self, store: &Store, tenant: TenantId) -> Result<Vec<Kind>> {
        let known = self.known(store, tenant).await?;
        let kinds = lock(&known.kinds).clone();
        Ok(kinds)
    }

    /// Takes a hash in that is about to be stored; fails if its kind is one too many. It counts until the next start, stored
    /// or not.
    pub async fn admit(&self, store: &Store, tenant: TenantId, kind: Kind) -> Result<()> {
        if kind == Kind::own() {
            return Ok(());
        }
        let known = self.known(store, tenant).await?;
        let mut kinds = lock(&known.kinds);
        if !kinds.contains(&kind) {
            if kinds.len() >= KINDS_MAX {
                return Err(Error::field(
                    "password_hash",
                    format!(
                        "must be of a kind and cost that others in the tenant have: they have hashes of {KINDS_MAX} already"
                    ),
                ));
            }
            kinds.push(kind);
        }
        Ok(())
    }

    async fn known(&self, store: &Store, tenant: TenantId) -> Result<Arc<OfTenant>> {
        let known = lock(&self.0).entry(tenant).or_default().clone();
        known.read.get_or_try_init(|| known.read(store, tenant)).await?;
        Ok(known)
    }
}

impl OfTenant {
    async fn read(&self, store: &Store, tenant: TenantId) -> Result<()> {
        let mut prefixes = vec![OWN_PREFIX.to_owned()];
        while prefixes.len() < PREFIXES_MAX
            && let Some(hash) = store.directory.password_hash_beside(tenant, &prefixes).await?
        {
            prefixes.push(stored::prefix(&hash).to_owned());
            let Ok(kind) = Kind::of(&hash) else { continue };
            let mut kinds = lock(&self.kinds);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        Ok(())
    }
}
