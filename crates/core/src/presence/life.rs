//! This core's life: begun once no other core lives on the database, renewed again and again, and ended.
//!
//! Whoever begins a life after this one was taken for dead has taken over what it kept: then it is lost, and its core
//! must not serve any longer.

use std::{sync::Arc, time::Duration};

use parlor_store::{Begun, NewLife, Store, TenantId, UserId, What};
use tokio_util::sync::CancellationToken;

use super::elsewhere::{self, NotStarted, Occupied, RENEW_EVERY};
use crate::{Error, clock::Clock};

/// What presence needs to know of this node.
#[derive(Clone, Debug)]
pub struct Options {
    /// This node's name, stable over restarts.
    pub node: String,
    /// Drawn anew at each start.
    pub epoch: String,
    /// Where only one process can be at a time: what an earlier one of the same home began is over.
    pub home: String,
    /// How long those whom an earlier run left online have to come back; `None` leaves them to the next core that starts.
    pub restart_linger: Option<Duration>,
}

/// The life. Clones are the same.
#[derive(Clone)]
pub(super) struct Life {
    store: Store,
    clock: Clock,
    options: Arc<Options>,
    lost: CancellationToken,
}

impl Life {
    /// Begins it, and answers whom earlier lives left online. `lost` is cancelled when another life takes over.
    pub async fn begin(
        store: Store,
        clock: Clock,
        options: Options,
        lost: CancellationToken,
    ) -> Result<(Self, Vec<(TenantId, UserId)>), NotStarted> {
        let dead = elsewhere::dead(&store, &clock, &options.home).await?;
        for life in &dead {
            tracing::info!(node = life.node, "what a core that is dead left is taken over");
        }
        let life = NewLife {
            node: options.node.clone(),
            epoch: options.epoch.clone(),
            home: options.home.clone(),
            dead,
            beside_others: false,
            takes_nothing: options.restart_linger.is_none(),
        };
        match store.presence.begin_epoch(life, clock.now()).await? {
            Begun::Lives(left) => Ok((Self { store, clock, options: Arc::new(options), lost }, left)),
            // It began, or spoke, at the very end of the watch.
            Begun::Occupied(other) => Err(Occupied::from(other).into()),
        }
    }

    pub fn node(&self) -> &str {
        &self.options.node
    }

    pub fn epoch(&self) -> &str {
        &self.options.epoch
    }

    pub fn restart_linger(&self) -> Duration {
        self.options.restart_linger.unwrap_or_default()
    }

    /// Completes when another life has taken over; never, if none does.
    pub async fn lost(&self) {
        self.lost.cancelled().await;
    }

    /// True if another life has taken over.
    pub fn is_lost(&self) -> bool {
        self.lost.is_cancelled()
    }

    /// Finds out from an error whether this life goes on.
    pub fn heed(&self, error: &Error) {
        if *error == Error::NotFound(What::NodeEpoch) && !self.is_lost() {
            tracing::error!(
                node = self.node(),
                "another core has taken over this database, because it is of the same data directory or this one was \
                 silent for too long; this one does not serve any more"
            );
            self.lost.cancel();
        }
    }

    /// Says that this life goes on until it does not.
    pub async fn renew_until(self, stop: CancellationToken) {
        let renewals = async {
            while !self.is_lost() {
                let now = self.clock.now();
                if let Err(error) = self.store.presence.renew_epoch(self.node(), self.epoch(), now).await {
                    self.heed(&error.clone().into());
                    if !self.is_lost() {
                        tracing::warn!(%error, "the leases of this node could not be renewed");
                    }
                }
                self.rest().await;
            }
        };
        let _ = stop.run_until_cancelled(renewals).await;
    }

    /// Ends it: the next core need not wait until this one is known to be dead.
    pub async fn end(&self) {
        if let Err(error) = self.store.presence.end_epoch(self.node(), self.epoch(), self.clock.now()).await {
            tracing::warn!(%error, "the end of this node could not be stored");
        }
    }

    /// Until the next renewal: not later if the clock is set back.
    async fn rest(&self) {
        let by_clock = i64::try_from(RENEW_EVERY.as_millis()).unwrap_or(i64::MAX);
        tokio::select! {
            () = tokio::time::sleep(RENEW_EVERY) => {}
            () = self.clock.sleep_until(self.clock.now().saturating_add(by_clock)) => {}
        }
    }
}
