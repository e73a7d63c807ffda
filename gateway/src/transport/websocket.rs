//! A raw WebSocket: reads frames at the dialect's pace; what is written goes straight to the socket where nothing waits.
//!
//! One task owns the socket and its driver. It waits for one thing at a time; nobody waits for it.

use std::{
    future::poll_fn,
    net::IpAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use axum::{body::Body, extract::Request};
use http::{Response, StatusCode};
use parlor_socketio::websocket::{self, Ended, Event, Limits, Pulse, Socket};
use tokio::time::{Instant, Sleep};

use self::write::Writer;
use crate::{
    dialect::{Frame, Input, OpeningKind, Pace},
    driver::{
        Driver, Out,
        turns::{Turns, Verdict},
    },
    edge::Edge,
    mounted::Mounted,
    outbox::{Ending, Outbox, Ticket},
    transport::{listener, open::Open, origin, plain},
};

mod write;

pub(super) use parlor_socketio::websocket::is_upgrade;

/// Frames above the dialect's size are read, to be refused in its words, up to so many times that size.
const READ_TIMES: usize = 4;

/// The longest message of a client that is not let in yet. It has to say who it is: a token has 8 KiB at most, and a
/// client of `native` names up to 50 conversations beside it.
const JOINING_BYTES: usize = 16 * 1024;

pub(super) fn serve(
    edge: &Arc<Edge>,
    mounted: &Mounted,
    peer: Option<IpAddr>,
    mut request: Request,
) -> Response<Body> {
    if !mounted.mount.admits(request.headers()) {
        origin::refused(edge, mounted, request.headers());
        return plain(StatusCode::FORBIDDEN, "this origin may not open a socket here\n");
    }
    let pace = mounted.pace();
    let largest = pace.max_frame_bytes.saturating_mul(READ_TIMES);
    let joining = largest.min(JOINING_BYTES);
    let limits = Limits { outbox_bytes: edge.limits.outbox_bytes, ..Limits::messages(joining) };
    let (response, opening) = match websocket::accept(&mut request, limits, listener::take_apart) {
        Ok(accepted) => accepted,
        Err(rejection) => return rejection.response(),
    };
    let driver = Driver::open(edge, mounted, peer, OpeningKind::WebSocket, request.headers());
    let (aborted, tasks) = (edge.aborted.clone(), edge.tasks.clone());
    let (edge, mounted) = (Arc::clone(edge), mounted.clone());
    // What opens a socket, and its task, are in boxes: what is at rest holds no room for what is over.
    let opening = Box::pin(async move {
        match opening.await {
            Ok(socket) => Some(Box::new(Task::new(&edge, &mounted, driver, socket, pace))),
            Err(error) => {
                tracing::debug!(%error, "a connection broke before it was a socket");
                None
            }
        }
    });
    let running = Box::pin(async move {
        if let Some(task) = opening.await {
            task.run().await;
        }
    });
    tasks.spawn(async move {
        tokio::select! {
            () = running => {}
            () = aborted.cancelled() => {}
        }
    });
    response.map(|()| Body::empty())
}

struct Task {
    edge: Arc<Edge>,
    driver: Driver,
    outbox: Arc<Outbox>,
    socket: Socket,
    writer: Writer,
    mounted: Mounted,
    turns: Turns<Frame>,
    /// Until then it has to say who it is; `None` once it is let in.
    joins_by: Option<Instant>,
    /// Set only while something is to be done even if nothing comes.
    alarm: Option<Pin<Box<Sleep>>>,
}

/// What happened.
enum Next {
    Came(Event),
    Pushed,
    Alarm,
    Over(Ending),
}

impl Task {
    fn new(edge: &Arc<Edge>, mounted: &Mounted, driver: Driver, mut socket: Socket, pace: Pace) -> Self {
        let limits = &edge.limits;
        let pulse = Pulse {
            interval: limits.ping_interval,
            timeout: limits.ping_timeout,
            stall: limits.write_timeout,
            message: limits.message_timeout,
        };
        socket.watch(&edge.wheel, pulse);
        let outbox = Arc::clone(&driver.outbox);
        outbox.connect(write::Line(socket.sender()));
        outbox.calm(Vec::new());
        let joins_by = Some(Instant::now() + limits.join_timeout);
        let mut task = Self {
            edge: Arc::clone(edge),
            writer: Writer::new(&socket, &outbox, limits.outbox_bytes),
            outbox,
            driver,
            socket,
            mounted: mounted.clone(),
            turns: Turns::new(pace, Instant::now()),
            joins_by,
            alarm: None,
        };
        task.let_in();
        task
    }

    /// Gives a client that has joined what others have.
    fn let_in(&mut self) {
        if self.joins_by.is_some() && self.driver.has_joined() {
            self.joins_by = None;
            self.socket.allow(self.mounted.pace().max_frame_bytes.saturating_mul(READ_TIMES));
        }
    }

    /// Until when the client has to say who it is, unless that is being decided.
    fn joins_by(&self) -> Option<Instant> {
        self.joins_by.filter(|_| self.driver.has_room())
    }

    /// Whether the client is read just now. While it is decided whether it may come in, what it sends after that waits with
    /// the kernel: it may be longer than what is taken of a stranger.
    fn reads(&self) -> bool {
        let decided = || self.driver.has_room() && self.turns.is_empty();
        self.turns.reads() && (self.joins_by.is_none() || decided())
    }

    async fn run(mut self: Box<Self>) {
        let open = Open::new(self.mounted.dialect.wire().name);
        let ending = match self.until_ended().await {
            Ok(never) => match never {},
            Err(ending) => ending,
        };
        drop(open);
        metrics::counter!(crate::metric::SOCKETS_ENDED, "reason" => ending.reason).increment(1);
        self.outbox.end(ending);
        Box::pin(self.part(ending)).await;
    }

    async fn part(self: Box<Self>, ending: Ending) {
        let Self { edge, driver, mut turns, socket, .. } = *self;
        let goodbye = async {
            if ending != Ending::GONE {
                socket.close(ending.code, ending.reason).await;
            }
        };
        let silence = edge.limits.silence(ending == Ending::SILENT);
        tokio::join!(goodbye, driver.end(silence, &mut turns, Input::Frame));
    }

    async fn until_ended(&mut self) -> Result<std::convert::Infallible, Ending> {
        let draining = self.edge.draining.clone();
        let draining = draining.cancelled();
        tokio::pin!(draining);
        loop {
            self.set_alarm();
            let next = poll_fn(|cx| {
                if draining.as_mut().poll(cx).is_ready() {
                    return Poll::Ready(Next::Over(Ending::GOING_AWAY));
                }
                self.poll_next(cx)
            });
            let next = next.await;
            // In a box that is made when there is something to do: most connections are at rest.
            Box::pin(self.answer(next)).await?;
            self.let_in();
        }
    }

    async fn answer(&mut self, next: Next) -> Result<(), Ending> {
        match next {
            Next::Came(Event::Text(text)) => self.accept(Frame::Text(text)).await,
            Next::Came(Event::Binary(bytes)) => self.accept(Frame::Binary(bytes)).await,
            Next::Came(Event::Ended(ended)) => Err(write::ending(&ended)),
            Next::Pushed => self.drain().await,
            Next::Alarm => self.wake().await,
            Next::Over(Ending::GOING_AWAY) => {
                self.drain().await?;
                Err(Ending::GOING_AWAY)
            }
            Next::Over(ending) => Err(ending),
        }
    }

    /// While something waits to be written, nothing is read or stepped: what comes of it would only wait behind.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Next> {
        if let Poll::Ready(ending) = self.outbox.poll_ended(cx) {
            return Poll::Ready(Next::Over(ending));
        }
        match self.writer.poll_flushed(cx) {
            Poll::Ready(Err(ending)) => return Poll::Ready(Next::Over(ending)),
            Poll::Ready(Ok(())) => {}
            Poll::Pending => {
                let _stalled = self.socket.poll_drive(cx);
                return Poll::Pending;
            }
        }
        if self.outbox.poll_ready(cx).is_ready() {
            return Poll::Ready(Next::Pushed);
        }
        if self.reads() {
            if let Poll::Ready(event) = self.socket.poll_next(cx) {
                return Poll::Ready(Next::Came(event));
            }
        } else if let Poll::Ready(reason) = self.socket.poll_drive(cx) {
            return Poll::Ready(Next::Over(write::ending(&Ended::Here(reason))));
        }
        match &mut self.alarm {
            Some(alarm) => alarm.as_mut().poll(cx).map(|()| Next::Alarm),
            None => Poll::Pending,
        }
    }

    /// A frame is stepped, waits for its turn, or is refused, as the dialect has it.
    async fn accept(&mut self, frame: Frame) -> Result<(), Ending> {
        let bytes = frame.bytes();
        match self.turns.arrive(frame, bytes, Instant::now()) {
            Verdict::Waits => {
                self.outbox.busy();
                self.dispatch(Vec::new()).await
            }
            Verdict::TooFast => self.refuse("too fast", self.mounted.dialect.wire().over_pace).await,
            Verdict::TooBig => self.refuse("too large", self.mounted.dialect.wire().oversized).await,
        }
    }

    async fn refuse(&mut self, why: &'static str, refusal: Option<fn() -> Frame>) -> Result<(), Ending> {
        self.driver.refused("frame", why);
        self.outbox.busy();
        self.driver.out.extend(refusal.map(|refusal| Out::Frame(refusal())));
        self.write(Vec::new()).await
    }

    /// Steps the frames whose turn it is, and writes what came of all steps.
    async fn dispatch(&mut self, tickets: Vec<Ticket>) -> Result<(), Ending> {
        self.driver.dispatch(&mut self.turns, Input::Frame).await;
        self.write(tickets).await
    }

    /// Takes what waits in the outbox, a piece at a time, and writes it.
    async fn drain(&mut self) -> Result<(), Ending> {
        self.outbox.busy();
        let mut items = Vec::new();
        let taken = self.outbox.take(write::PIECE_BYTES, &mut items);
        // Kept until the socket took the frames: they say that an event has left.
        let mut tickets = Vec::new();
        for item in items {
            tickets.extend(item.ticket());
            self.driver.take(item).await;
        }
        let written = self.dispatch(tickets).await;
        self.outbox.release(taken);
        written?;
        self.outbox.ending().map_or(Ok(()), Err)
    }

    async fn write(&mut self, tickets: Vec<Ticket>) -> Result<(), Ending> {
        self.writer.write(&mut self.driver.out).await?;
        self.outbox.calm(tickets);
        self.driver.ending.map_or(Ok(()), Err)
    }

    async fn wake(&mut self) -> Result<(), Ending> {
        let now = Instant::now();
        if self.turns.is_held_back(now) {
            return Err(Ending::HELD_BACK);
        }
        if self.joins_by().is_some_and(|by| by <= now) {
            return Err(Ending::NOT_JOINED);
        }
        self.outbox.busy();
        self.driver.run_timers().await;
        self.dispatch(Vec::new()).await
    }

    /// When there is something to do even if nothing comes.
    fn set_alarm(&mut self) {
        let turn = self.turns.wakes(Instant::now(), self.driver.has_room());
        let Some(at) = [self.driver.next_timer(), turn, self.joins_by()].into_iter().flatten().min() else {
            self.alarm = None;
            return;
        };
        match &mut self.alarm {
            Some(alarm) if alarm.deadline() == at => {}
            Some(alarm) => alarm.as_mut().reset(at),
            None => self.alarm = Some(Box::pin(tokio::time::sleep_until(at))),
        }
    }
}
