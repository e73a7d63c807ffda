//! The link's task: connects, pumps, renews, and connects again.

use std::time::Duration;

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

/// Owns the link's state and its stream.
pub(super) struct Client {
    calls: Calls,
    state: State,
    commands: mpsc::Receiver<Command>,
    up: watch::Sender<bool>,
    stop: CancellationToken,
}

/// Why the pump stopped.
enum Stopped {
    Broken(Status),
    Asked,
}

/// What happened to a stream.
enum Next {
    Response(Box<Result<Option<v1::LinkResponse>, Status>>),
    Command(Option<Command>),
    Tick,
}

/// What the stream needs beside itself.
struct Stream {
    outbound: mpsc::Sender<v1::LinkRequest>,
    responses: Streaming<v1::LinkResponse>,
    heard: Instant,
    renewed: Instant,
    lease: Duration,
}

impl Client {
    pub fn new(
        calls: Calls,
        state: State,
        commands: mpsc::Receiver<Command>,
        up: watch::Sender<bool>,
        stop: CancellationToken,
    ) -> Self {
        Self { calls, state, commands, up, stop }
    }

    pub async fn run(mut self) {
        let mut backoff = BACKOFF_FIRST;
        loop {
            let welcomed = Instant::now();
            let stopped = match self.connect().await {
                Ok(stream) => self.pump(stream).await,
                Err(stopped) => stopped,
            };
            let was_up = self.up.send_replace(false);
            self.state.lost();
            let Stopped::Broken(status) = stopped else { return };
            if was_up {
                tracing::warn!(code = ?status.code(), reason = status.message(), "link to the core is broken");
                if welcomed.elapsed() > BACKOFF_LAST {
                    backoff = BACKOFF_FIRST;
                }
            }
            if !self.wait(backoff.mul_f64(rand::random_range(0.5..1.0))).await {
                return;
            }
            backoff = (backoff * 2).min(BACKOFF_LAST);
        }
    }

    async fn connect(&mut self) -> Result<Stream, Stopped> {
        let (outbound, requests) = mpsc::channel(OUTBOUND);
        outbound.try_send(self.state.hello()).map_err(|_full| broken("the stream takes nothing"))?;
        let mut request = Request::new(ReceiverStream::new(requests));
        request.metadata_mut().insert(metadata::EDGE_KEY, self.calls.edge_key().clone());
        let mut edge = self.calls.backend().edge();
        let connecting = tokio::time::timeout(WELCOME_WITHIN, edge.link(request));
        tokio::pin!(connecting);
        let mut ticks = ticks();
        let connected = loop {
            tokio::select! {
                connected = &mut connecting => break connected,
                command = self.commands.recv() => self.command(command)?,
                _ = ticks.tick() => self.state.tick(Instant::now()),
                () = self.stop.cancelled() => return Err(Stopped::Asked),
            }
        };
        let responses = connected
            .map_err(|_elapsed| broken("the core does not answer"))?
            .map_err(Stopped::Broken)?
            .into_inner();
        let now = Instant::now();
        Ok(Stream { outbound, responses, heard: now, renewed: now, lease: WELCOME_WITHIN })
    }

    async fn pump(&mut self, mut stream: Stream) -> Stopped {
        match self.pump_until_broken(&mut stream).await {
            Ok(never) => match never {},
            Err(stopped) => stopped,
        }
    }

    async fn pump_until_broken(&mut self, stream: &mut Stream) -> Result<std::convert::Infallible, Stopped> {
        let mut ticks = ticks();
        loop {
            let next = tokio::select! {
                response = stream.responses.message() => Next::Response(Box::new(response)),
                permit = stream.outbound.reserve(), if self.state.ledger.has_outgoing() => {
                    let permit = permit.map_err(|_closed| broken("the stream takes nothing"))?;
                    if let Some(request) = self.state.ledger.next_outgoing() {
                        permit.send(request);
                    }
                    continue;
                }
                command = self.commands.recv() => Next::Command(command),
                () = flushes(self.state.next_flush()) => {
                    self.state.flush(Instant::now());
                    continue;
                }
                _ = ticks.tick() => Next::Tick,
                () = self.stop.cancelled() => return Err(Stopped::Asked),
            };
            match next {
                Next::Response(response) => {
                    let response = response.map_err(Stopped::Broken)?;
                    stream.heard = Instant::now();
                    self.response(response.ok_or_else(|| broken("the core ended it"))?, stream);
                }
                Next::Command(command) => self.command(command)?,
                Next::Tick => self.tick(stream)?,
            }
        }
    }

    fn response(&mut self, response: v1::LinkResponse, stream: &mut Stream) {
        if let Some(v1::link_response::Body::Welcome(welcome)) = &response.body {
            let lease = welcome.lease.and_then(|lease| Duration::try_from(lease).ok());
            stream.lease = lease.unwrap_or(WELCOME_WITHIN).max(LEASE_SHORTEST);
            stream.renewed = Instant::now();
            tracing::info!(node = welcome.node, resumed = welcome.resumed, "linked to the core");
            self.state.response(response);
            self.up.send_replace(true);
        } else {
            self.state.response(response);
        }
    }

    fn tick(&mut self, stream: &mut Stream) -> Result<(), Stopped> {
        let now = Instant::now();
        self.state.tick(now);
        if now - stream.heard > stream.lease {
            return Err(broken("the core is silent"));
        }
        if now - stream.renewed >= stream.lease / 3 && *self.up.borrow() {
            stream.renewed = now;
            self.state.ledger.renew();
        }
        Ok(())
    }

    fn command(&mut self, command: Option<Command>) -> Result<(), Stopped> {
        self.state.command(command.ok_or(Stopped::Asked)?, Instant::now());
        Ok(())
    }

    /// Lets some time pass, while commands are taken all the same; false if the gateway ends.
    async fn wait(&mut self, time: Duration) -> bool {
        let over = tokio::time::sleep(time);
        tokio::pin!(over);
        loop {
            tokio::select! {
                () = &mut over => {
                    self.state.tick(Instant::now());
                    return true;
                }
                command = self.commands.recv() => {
                    if self.command(command).is_err() {
                        return false;
                    }
                }
                () = self.stop.cancelled() => return false,
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
