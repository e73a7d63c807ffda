//! One namespace of a connection: its driver, what the client has sent there and waits for its turn, and the way out.

use std::{future::poll_fn, net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::HeaderMap;
use parlor_socketio::{Closed, Connection, Event, Reason, Sent, Socket};
use tokio::time::Instant;

use crate::{
    dialect::{Frame, Input, OpeningKind, Oversized, SocketEvent},
    driver::{
        Driver, Out,
        turns::{Turns, Verdict},
    },
    edge::Edge,
    mounted::Mounted,
    outbox::{Ending, Item, Outbox, Run, Ticket, Wire},
    transport::open::Open,
};

/// Bytes taken of the outbox at a time.
const PIECE_BYTES: usize = 64 * 1024;

/// The code by which a driver asks its client to come back (registered with IANA: try again later).
const CLOSE_TRY_AGAIN: u16 = 1013;

/// See the module.
pub(super) struct Namespace {
    name: Arc<str>,
    mounted: Mounted,
    driver: Driver,
    turns: Turns<(SocketEvent, Option<u64>)>,
    /// Once the client is let in.
    socket: Option<Socket>,
    /// Of the events that are being sent.
    tickets: Vec<Ticket>,
    _open: Open,
}

/// The way to one client's namespace, for whoever has an event for it.
struct Way(Socket);

impl Wire for Way {
    fn send(&self, run: &Run) -> Result<Sent, Ending> {
        self.0.emit_all(run.burst()).map_err(|Closed(reason)| ending(reason))
    }

    fn waiting_bytes(&self) -> usize {
        self.0.waiting_bytes()
    }

    fn counted_bytes(&self) -> usize {
        self.0.counted_bytes()
    }

    fn dropped_bytes(&self) -> usize {
        self.0.dropped_bytes()
    }
}

fn ending(reason: Reason) -> Ending {
    if reason == Reason::SlowReader { Ending::SLOW_READER } else { Ending::GONE }
}

/// Waits until a piece of what waits has gone out, if there is much.
async fn make_room(socket: &Socket, connection: &mut Connection, bytes: usize) {
    let waiting = socket.waiting_bytes();
    if waiting > 0 && waiting + bytes > PIECE_BYTES {
        socket.flush();
        poll_fn(|cx| connection.poll_flushed(cx)).await;
    }
}

impl Namespace {
    pub fn open(
        edge: &Arc<Edge>,
        mounted: &Mounted,
        name: &Arc<str>,
        peer: Option<IpAddr>,
        headers: &HeaderMap,
    ) -> Self {
        Self {
            name: Arc::clone(name),
            driver: Driver::open(edge, mounted, peer, OpeningKind::SocketIo, headers),
            turns: Turns::new(mounted.pace(), Instant::now()),
            mounted: mounted.clone(),
            socket: None,
            tickets: Vec::new(),
            _open: Open::new(mounted.dialect.wire().name),
        }
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn outbox(&self) -> &Outbox {
        &self.driver.outbox
    }

    /// False while enough waits for its turn.
    pub fn reads(&self) -> bool {
        self.turns.reads()
    }

    /// When there is something to do even if nothing comes.
    pub fn wakes(&self, now: Instant) -> Option<Instant> {
        let turn = self.turns.wakes(now, self.driver.has_room());
        [self.driver.next_timer(), turn].into_iter().flatten().min()
    }

    pub async fn connect(&mut self, auth: Option<Bytes>) {
        self.driver.outbox.busy();
        self.driver.step(Input::Connect { auth }).await;
    }

    /// The client emitted an event: it is stepped, waits for its turn, or is refused, as the dialect has it.
    pub async fn emitted(&mut self, event: Event, ack: Option<u64>) {
        let event = SocketEvent(event);
        if self.turns.is_too_big(event.bytes()) {
            return self.oversized(event.0, ack).await;
        }
        self.arrived(event, ack).await;
    }

    /// The client emitted an event that is too large, perhaps only with its attachments, which are gone.
    pub async fn oversized(&mut self, event: Event, ack: Option<u64>) {
        self.driver.refused("frame", "too large");
        match self.mounted.dialect.oversized_event(&SocketEvent(event), ack) {
            Oversized::Taken(instead) => self.arrived(instead, ack).await,
            Oversized::Told(told) => self.driver.carry_out_all(told).await,
        }
    }

    async fn arrived(&mut self, event: SocketEvent, ack: Option<u64>) {
        let bytes = event.bytes();
        match self.turns.arrive((event, ack), bytes, Instant::now()) {
            Verdict::Waits => self.dispatch().await,
            Verdict::TooFast => {
                self.driver.refused("frame", "too fast");
                self.driver
                    .out
                    .extend(self.mounted.dialect.wire().over_pace.map(|refusal| Out::Frame(refusal())));
            }
            // A name that is too large by itself is no dialect's.
            Verdict::TooBig => {}
        }
    }

    /// Takes what waits in the outbox, a piece at a time.
    pub async fn drain(&mut self) -> Result<(), Reason> {
        let mut items: Vec<Item> = Vec::new();
        self.driver.outbox.busy();
        let taken = self.driver.outbox.take(PIECE_BYTES, &mut items);
        for item in items {
            self.tickets.extend(item.ticket());
            self.driver.take(item).await;
        }
        self.driver.outbox.release(taken);
        self.dispatch().await;
        match self.driver.outbox.ending() {
            None => Ok(()),
            Some(Ending::SLOW_READER) => Err(Reason::SlowReader),
            Some(_) => Err(Reason::ForcedClose),
        }
    }

    /// Does what is due.
    pub async fn wake(&mut self) -> Result<(), Reason> {
        if self.turns.is_held_back(Instant::now()) {
            metrics::counter!(crate::metric::HELD_BACK, "dialect" => self.mounted.dialect.wire().name)
                .increment(1);
            return Err(Reason::TooFast);
        }
        self.driver.outbox.busy();
        self.driver.run_timers().await;
        self.dispatch().await;
        Ok(())
    }

    /// Sends what the driver wants sent, together, and waits where the client does not take it: who is answered much at
    /// once is not cut off for it. False if the driver has ended.
    pub async fn send(&mut self, connection: &mut Connection) -> bool {
        // What cannot be sent has no reader any more; the connection says so when it is read next.
        for out in std::mem::take(&mut self.driver.out) {
            match (out, &self.socket) {
                (Out::Accept { pid }, None) => {
                    let socket = connection.accept(&self.name, pid.as_deref());
                    self.driver.outbox.connect(Way(socket.clone()));
                    self.socket = Some(socket);
                }
                (Out::Refuse { message, data }, None) => {
                    let data = data.as_deref().and_then(|data| std::str::from_utf8(data).ok());
                    connection.refuse(&self.name, &message, data);
                    return false;
                }
                (Out::Frame(Frame::Event(event)), Some(socket)) => {
                    make_room(socket, connection, event.bytes()).await;
                    let _ = socket.queue(&event);
                }
                (Out::Acknowledge { ack, arguments }, Some(socket)) => {
                    make_room(socket, connection, arguments.bytes()).await;
                    let _ = socket.ack(ack, &arguments);
                }
                // There are no bare frames here, nothing before the client is in, and it comes in once.
                (Out::Frame(_) | Out::Acknowledge { .. } | Out::Accept { .. } | Out::Refuse { .. }, _) => {}
            }
        }
        if let Some(socket) = &self.socket {
            socket.flush();
            self.driver.outbox.calm(std::mem::take(&mut self.tickets));
        }
        if let Some(ending) = self.driver.ending {
            match &self.socket {
                // Its library comes back by itself only if the transport ends.
                Some(socket) if ending.code == CLOSE_TRY_AGAIN => socket.close(Reason::ForcedClose),
                Some(socket) => socket.leave(),
                None => connection.refuse(&self.name, "closed", None),
            }
            return false;
        }
        true
    }

    /// The client is gone from here; nothing had been heard of it for `silence`.
    pub async fn close(mut self, silence: Duration) {
        self.driver.end(silence, &mut self.turns, emitted).await;
    }

    /// Steps the events whose turn it is.
    async fn dispatch(&mut self) {
        self.driver.outbox.busy();
        self.driver.dispatch(&mut self.turns, emitted).await;
    }
}

fn emitted((event, ack): (SocketEvent, Option<u64>)) -> Input {
    Input::Emitted { event, ack }
}
