//! The link's task: connects, pumps, renews, and connects again.

use std::{convert::Infallible, pin::pin, time::Duration};

use parlor_api::{metadata, v1};
use tokio::{
    sync::{mpsc, watch},
    time::{Instant, MissedTickBehavior},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status, Streaming};

use crate::{
    call::Calls,
    link::{Command, state::State},
};

/// Requests on their way into the stream; the rest wait in the state, where they are bounded by the connections.
const OUTBOUND: usize = 256;

/// How often the state looks at its time-outs.
const TICK: Duration = Duration::from_millis(500);

/// A core that does not welcome a link within this is not there.
const WELCOME_WITHIN: Duration = Duration::from_secs(5);

/// The waits between attempts: doubling, with chance, so that gateways do not come back all at once.
const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_LAST: Duration = Duration::from_secs(2);

/// A lease that would be shorter than this cannot be kept by renewals.
const LEASE_SHORTEST: Duration = Duration::from_millis(300);

/// Owns the link's state and its life.
pub(super) struct Client {
    pub calls: Calls,
    pub state: State,
    pub commands: mpsc::Receiver<Command>,
    pub up: watch::Sender<bool>,
    pub stop: CancellationToken,
}

/// Why the pump stopped.
enum Stopped {
    Broken(Status),
    Asked,
}

/// The signs of life of the core.
struct Life {
    heard: Instant,
    renewed: Instant,
    lease: Duration,
}

impl Client {
    pub async fn run(mut self) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            let welcomed = Instant::now();
            let Err(stopped) = self.pump().await;
            let was_up = self.up.send_replace(false);
            self.state.lost();
            let Stopped::Broken(status) = stopped else { return };
            if was_up {
                tracing::warn!(code = ?status.code(), reason = status.message(), "link to the core is broken");
                if welcomed.elapsed() > BACKOFF_LAST {
                    backoff = BACKOFF_FIRST;
                }
            }
            let pause = tokio::time::sleep(backoff.mul_f64(rand::random_range(0.5..1.0)));
            if self.meanwhile(pause).await.is_err() {
                return;
            }
            backoff = (backoff * 2).min(BACKOFF_LAST);
        }
    }

    async fn connect(
        &mut self,
    ) -> Result<(mpsc::Sender<v1::LinkRequest>, Streaming<v1::LinkResponse>), Stopped> {
        let (outbound, requests) = mpsc::channel(OUTBOUND);
        outbound.try_send(self.state.hello()).map_err(|_full| broken("the stream takes nothing"))?;
        let mut request = Request::new(ReceiverStream::new(requests));
        request.metadata_mut().insert(metadata::EDGE_KEY, self.calls.edge_key.clone());
        let mut edge = self.calls.backend.edge();
        let linking = tokio::time::timeout(WELCOME_WITHIN, edge.link(request));
        let linked = self.meanwhile(linking).await?.map_err(|_elapsed| broken("the core does not answer"))?;
        Ok((outbound, linked.map_err(Stopped::Broken)?.into_inner()))
    }

    /// Connects, and goes on until that is over.
    async fn pump(&mut self) -> Result<Infallible, Stopped> {
        let (outbound, mut responses) = self.connect().await?;
        let now = Instant::now();
        let mut life = Life { heard: now, renewed: now, lease: WELCOME_WITHIN };
        let mut ticks = ticks();
        loop {
            tokio::select! {
                response = responses.message() => {
                    let response = response.map_err(Stopped::Broken)?;
                    life.heard = Instant::now();
                    self.response(response.ok_or_else(|| broken("the core ended it"))?, &mut life);
                }
                permit = outbound.reserve(), if self.state.ledger.has_outgoing() => {
                    let permit = permit.map_err(|_closed| broken("the stream takes nothing"))?;
                    if let Some(request) = self.state.ledger.next_outgoing() {
                        permit.send(request);
                    }
                }
                command = self.commands.recv() => self.command(command)?,
                () = flushes(self.state.next_flush()) => self.state.flush(Instant::now()),
                _ = ticks.tick() => self.tick(&mut life)?,
                () = self.stop.cancelled() => return Err(Stopped::Asked),
            }
        }
    }

    fn response(&mut self, response: v1::LinkResponse, life: &mut Life) {
        if let Some(v1::link_response::Body::Welcome(welcome)) = &response.body {
            let lease = welcome.lease.and_then(|lease| Duration::try_from(lease).ok());
            life.lease = lease.unwrap_or(WELCOME_WITHIN).max(LEASE_SHORTEST);
            life.renewed = Instant::now();
            tracing::info!(node = welcome.node, resumed = welcome.resumed, "linked to the core");
            self.state.response(response);
            self.up.send_replace(true);
        } else {
            self.state.response(response);
        }
    }

    fn tick(&mut self, life: &mut Life) -> Result<(), Stopped> {
        let now = Instant::now();
        self.state.tick(now);
        if now - life.heard > life.lease {
            return Err(broken("the core is silent"));
        }
        if now - life.renewed >= life.lease / 3 && *self.up.borrow() {
            life.renewed = now;
            self.state.ledger.renew();
        }
        Ok(())
    }

    fn command(&mut self, command: Option<Command>) -> Result<(), Stopped> {
        self.state.command(command.ok_or(Stopped::Asked)?, Instant::now());
        Ok(())
    }

    /// Waits for something, while commands are taken and time-outs are kept all the same.
    async fn meanwhile<T>(&mut self, something: impl Future<Output = T>) -> Result<T, Stopped> {
        let mut something = pin!(something);
        let mut ticks = ticks();
        loop {
            tokio::select! {
                done = &mut something => return Ok(done),
                command = self.commands.recv() => self.command(command)?,
                _ = ticks.tick() => self.state.tick(Instant::now()),
                () = self.stop.cancelled() => return Err(Stopped::Asked),
            }
        }
    }
}

fn broken(reason: &'static str) -> Stopped {
    Stopped::Broken(Status::unavailable(reason))
}

/// Completes when something is to be written; never if nothing is.
async fn flushes(due: Option<Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due).await,
        None => std::future::pending().await,
    }
}

fn ticks() -> tokio::time::Interval {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}
