//! When the rights of connections end.
//!
//! Rights of staff end with their token; those of customers and guests last as long as their connection, unless they are
//! withdrawn (common rule 4 of the dialects).

use std::{collections::HashMap, sync::Arc};

use futures::{
    FutureExt as _,
    future::{AbortHandle, Abortable, BoxFuture},
    stream::{FuturesUnordered, StreamExt as _},
};
use parlor_api::v1::RightsEndedReason;

use crate::{Error, caller::Principal, rights::Rights};

/// The rights of one attach of a connection ended.
pub(super) struct Ended {
    pub connection: String,
    pub generation: u64,
    pub reason: RightsEndedReason,
}

/// Waits for the end of every connection's rights.
#[derive(Default)]
pub(super) struct RightsTimers {
    next_generation: u64,
    watched: FuturesUnordered<Abortable<BoxFuture<'static, Ended>>>,
    handles: HashMap<u64, AbortHandle>,
}

/// When a connection's rights end by themselves, if they do.
pub(super) fn until(principal: &Principal) -> Option<i64> {
    principal.rights_until.filter(|_| principal.is_staff())
}

impl RightsTimers {
    /// Waits for the end of what a connection has just proven. The answer names this proof.
    pub fn watch(&mut self, rights: &Arc<dyn Rights>, connection: &str, principal: &Principal) -> u64 {
        self.next_generation += 1;
        let generation = self.next_generation;
        let (rights, connection) = (Arc::clone(rights), connection.to_owned());
        let lasting = Principal { rights_until: until(principal), ..principal.clone() };
        let ended = async move {
            let reason = match rights.ended(&lasting).await {
                Error::CredentialExpired => RightsEndedReason::Expired,
                _ => RightsEndedReason::Revoked,
            };
            Ended { connection, generation, reason }
        };
        let (handle, registration) = AbortHandle::new_pair();
        self.watched.push(Abortable::new(ended.boxed(), registration));
        self.handles.insert(generation, handle);
        generation
    }

    /// Waits no longer for a proof.
    pub fn forget(&mut self, generation: u64) {
        if let Some(handle) = self.handles.remove(&generation) {
            handle.abort();
        }
    }

    /// The next end. Nothing is lost if the future is dropped.
    pub async fn next(&mut self) -> Ended {
        loop {
            match self.watched.next().await {
                Some(Ok(ended)) => {
                    self.handles.remove(&ended.generation);
                    return ended;
                }
                Some(Err(_aborted)) => {}
                None => std::future::pending().await,
            }
        }
    }
}
