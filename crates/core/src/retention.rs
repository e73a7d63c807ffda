//! Retention: what is older than it shall be kept is taken away, now and then, a little at a time.
//!
//! One task does it, in the one core that serves a database. Each step is a change like any other: it waits for the writer's
//! turn, and so does the next, so whoever writes meanwhile waits for one step at most. A run that fails, or that the end of
//! this core cuts short, is gone on with by the next one.

use std::time::Duration;

use parlor_store::{Millis, Store, Swept, TenantId};
use tokio::sync::watch;
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use crate::{Result, clock::Clock, metric};

/// How often it is looked for what has become too old: ages are in days, so nothing stays much longer than it should.
const SWEEP_EVERY_MS: Millis = 60 * 60 * 1_000;

/// Tenants that are read at once.
const TENANTS_PAGE: u64 = 100;

/// How long what is kept. `None` is for ever.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// What people wrote, and whatever else happened in conversations.
    pub messages: Option<Duration>,
    /// What visitors of sites did, once they have left.
    pub visits: Option<Duration>,
}

/// The task that keeps to it.
pub struct Retention {
    tasks: TaskTracker,
    stop: CancellationToken,
    ran: watch::Receiver<Millis>,
    /// A core that is dropped takes the task with it.
    _stops: DropGuard,
}

struct Sweeper {
    options: Options,
    store: Store,
    clock: Clock,
    ran: watch::Sender<Millis>,
}

impl Retention {
    /// Begins with a run at once, if anything shall not be kept for ever; goes on until `lost` says that the database is
    /// another core's.
    pub fn start(options: Options, store: Store, clock: Clock, lost: CancellationToken) -> Self {
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let (sender, ran) = watch::channel(Millis::MIN);
        if options.messages.is_some() || options.visits.is_some() {
            let (sweeper, stopped) = (Sweeper { options, store, clock, ran: sender }, stop.clone());
            tasks.spawn(async move {
                tokio::select! {
                    () = stopped.cancelled() => {}
                    () = lost.cancelled() => {}
                    () = sweeper.work() => {}
                }
            });
        }
        tasks.close();
        let _stops = stop.clone().drop_guard();
        Self { tasks, stop, ran, _stops }
    }

    /// When the last run began that has ended.
    #[must_use]
    pub fn ran(&self) -> watch::Receiver<Millis> {
        self.ran.clone()
    }

    /// Takes nothing away any more.
    pub async fn end(&self) {
        self.stop.cancel();
        self.tasks.wait().await;
    }
}

impl Sweeper {
    async fn work(self) {
        loop {
            let (began, steady) = (self.clock.now(), self.clock.steady());
            let outcome = self.run(began).await;
            let took = self.clock.steady().saturating_sub(steady);
            metrics::histogram!(metric::RETENTION_SECONDS).record(seconds(took));
            match outcome {
                Ok(Swept { messages, events, .. }) => {
                    tracing::info!(messages, events, took_ms = took, "what was too old is gone");
                }
                Err(error) => {
                    tracing::warn!(%error, "what is too old could not be taken away; the next run goes on");
                }
            }
            self.ran.send_replace(began);
            self.clock.sleep_until(began.saturating_add(SWEEP_EVERY_MS)).await;
        }
    }

    /// Takes away what is too old at a time, in all tenants.
    async fn run(&self, now: Millis) -> Result<Swept> {
        let before =
            |keep: Duration| now.saturating_sub(Millis::try_from(keep.as_millis()).unwrap_or(Millis::MAX));
        let (messages, visits) = (self.options.messages.map(before), self.options.visits.map(before));
        let (mut all, mut after) = (Swept::default(), String::new());
        loop {
            let tenants = self.store.directory.list_tenants(&after, TENANTS_PAGE).await?;
            let Some(last) = tenants.last() else { return Ok(all) };
            after.clone_from(&last.slug);
            for tenant in tenants {
                if let Some(before) = messages {
                    self.sweep(tenant.id, before, &mut all).await?;
                }
                if let Some(before) = visits {
                    while self.store.visits.sweep(tenant.id, before).await? {}
                }
            }
        }
    }

    async fn sweep(&self, tenant: TenantId, before: Millis, all: &mut Swept) -> Result<()> {
        loop {
            let Swept { messages, events, more } = self.store.log.sweep(tenant, before).await?;
            metrics::counter!(metric::RETENTION_REMOVED, "what" => "message").increment(messages);
            metrics::counter!(metric::RETENTION_REMOVED, "what" => "event").increment(events);
            all.messages += messages;
            all.events += events;
            if !more {
                return Ok(());
            }
        }
    }
}

#[allow(clippy::cast_precision_loss, reason = "a time for a histogram")]
fn seconds(took_ms: Millis) -> f64 {
    took_ms as f64 / 1_000.0
}
