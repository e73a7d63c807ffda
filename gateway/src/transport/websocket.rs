//! A raw WebSocket: reads frames at the dialect's pace, and writes what the outbox holds, together where it can.
//!
//! One task owns the socket and its session. It waits for one thing at a time; nobody waits for it.

use std::{collections::VecDeque, net::IpAddr, sync::Arc};

use axum::{
    body::Body,
    extract::{
        FromRequestParts as _, Request,
        ws::{Message, WebSocket, WebSocketUpgrade},
    },
    response::IntoResponse as _,
};
use http::{Response, StatusCode, header};
use tokio::time::{Duration, Instant};

use crate::{
    dialect::{Frame, Input, OpeningKind, Pace},
    edge::Edge,
    outbox::{Ending, Item, Outbox, frame_bytes},
    session::{Mounted, Session, pace::Bucket},
    transport::{front::plain, listener::Connection},
};

mod write;

/// The library's own buffer would be 128 KiB for every socket, idle or not.
const READ_BUFFER_BYTES: usize = 4 * 1024;

/// What is written to the kernel at once. The library keeps a buffer of this size for good once a burst has filled it, and
/// its own would be 128 KiB.
const WRITE_BUFFER_BYTES: usize = 16 * 1024;

/// Frames above the dialect's size are read, to be refused in its words, up to so many times that size.
const READ_TIMES: usize = 4;

/// Frames that wait for their turn; above it, the socket is read no further.
const PARKED_BYTES: usize = 64 * 1024;

/// A socket that is held back for so long without a pause is closed.
const HELD_BACK: Duration = Duration::from_secs(30);

pub(super) fn is_upgrade(request: &Request) -> bool {
    let upgrade = request.headers().get(header::UPGRADE).map(header::HeaderValue::as_bytes);
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket"))
}

pub(super) async fn serve(
    edge: &Arc<Edge>,
    mounted: &Mounted,
    peer: Option<IpAddr>,
    request: Request,
) -> Response<Body> {
    if !may_open(&mounted.mount.origins, request.headers()) {
        metrics::counter!("parlor_gateway_origins_refused_total", "dialect" => mounted.dialect.name())
            .increment(1);
        return plain(StatusCode::FORBIDDEN, "this origin may not open a socket here\n");
    }
    let (mut head, _body) = request.into_parts();
    let place = head.extensions.get::<Connection>().map(|connection| Arc::clone(&connection.place));
    let upgrade = match WebSocketUpgrade::from_request_parts(&mut head, &()).await {
        Ok(upgrade) => upgrade,
        Err(rejection) => return rejection.into_response(),
    };
    let pace = mounted.dialect.pace();
    let largest = pace.max_frame_bytes.saturating_mul(READ_TIMES);
    let (edge, mounted) = (Arc::clone(edge), mounted.clone());
    let tracked = edge.tasks.token();
    let upgrade = upgrade.read_buffer_size(READ_BUFFER_BYTES).write_buffer_size(WRITE_BUFFER_BYTES);
    upgrade.max_frame_size(largest).max_message_size(largest).on_upgrade(move |socket| async move {
        let _held = (tracked, place);
        let aborted = edge.aborted.clone();
        let conversation = Conversation::new(&edge, &mounted, peer, socket, pace);
        tokio::select! {
            () = conversation.run() => {}
            () = aborted.cancelled() => {}
        }
    })
}

/// A mount that names origins lets only their pages open sockets. What is no browser sends none, and could send any.
fn may_open(origins: &[String], headers: &http::HeaderMap) -> bool {
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    origins.is_empty()
        || origins.iter().any(|allowed| origin.as_bytes().eq_ignore_ascii_case(allowed.as_bytes()))
}

struct Conversation {
    edge: Arc<Edge>,
    session: Session,
    outbox: Arc<Outbox>,
    socket: WebSocket,
    mounted: Mounted,
    pace: Pace,
    bucket: Bucket,
    parked: Parked,
    heard: Instant,
    pinged: bool,
    items: Vec<Item>,
}

/// Frames that wait for their turn, in order.
#[derive(Default)]
struct Parked {
    frames: VecDeque<(Frame, bool)>,
    bytes: usize,
    since: Option<Instant>,
}

impl Conversation {
    fn new(edge: &Arc<Edge>, mounted: &Mounted, peer: Option<IpAddr>, socket: WebSocket, pace: Pace) -> Self {
        let session = Session::open(edge, mounted, peer, OpeningKind::WebSocket);
        let now = Instant::now();
        Self {
            edge: Arc::clone(edge),
            outbox: Arc::clone(&session.outbox),
            session,
            socket,
            mounted: mounted.clone(),
            bucket: Bucket::new(&pace, now),
            pace,
            parked: Parked::default(),
            heard: now,
            pinged: false,
            items: Vec::new(),
        }
    }

    async fn run(mut self) {
        let open = metrics::gauge!("parlor_gateway_sockets", "dialect" => self.mounted.dialect.name());
        open.increment(1);
        let ending = match self.converse().await {
            Ok(never) => match never {},
            Err(ending) => ending,
        };
        open.decrement(1);
        metrics::counter!("parlor_gateway_sockets_ended_total", "reason" => ending.reason).increment(1);
        let Self { session, socket, .. } = self;
        session.close().await;
        write::say_goodbye(socket, ending).await;
    }

    async fn converse(&mut self) -> Result<std::convert::Infallible, Ending> {
        let draining = self.edge.draining.clone();
        let sleep = tokio::time::sleep_until(self.wakes());
        tokio::pin!(sleep);
        loop {
            let wakes = self.wakes();
            if sleep.deadline() != wakes {
                sleep.as_mut().reset(wakes);
            }
            let reads = self.reads();
            tokio::select! {
                received = self.socket.recv(), if reads => self.receive(received).await?,
                () = self.outbox.ready() => self.drain().await?,
                () = sleep.as_mut() => self.wake().await?,
                () = draining.cancelled() => {
                    self.drain().await?;
                    return Err(Ending::GOING_AWAY);
                }
            }
        }
    }

    async fn receive(&mut self, received: Option<Result<Message, axum::Error>>) -> Result<(), Ending> {
        self.heard = Instant::now();
        self.pinged = false;
        match received {
            Some(Ok(Message::Text(text))) => self.accept(Frame::Text(text)).await,
            Some(Ok(Message::Binary(bytes))) => self.accept(Frame::Binary(bytes)).await,
            // The library answers pings itself.
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => Ok(()),
            Some(Ok(Message::Close(_))) | None => Err(Ending::GONE),
            Some(Err(error)) => Err(write::read_ending(&error)),
        }
    }

    /// A frame is stepped, waits for its turn, or is refused, as the dialect has it.
    async fn accept(&mut self, frame: Frame) -> Result<(), Ending> {
        let now = Instant::now();
        let bytes = frame_bytes(&frame);
        if bytes > self.pace.max_frame_bytes {
            return self.refuse(self.mounted.dialect.oversized()).await;
        }
        let paid = self.pace.refuse && self.bucket.take(now);
        if self.pace.refuse && !paid {
            return self.refuse(self.mounted.dialect.over_pace()).await;
        }
        self.parked.bytes += bytes;
        self.parked.frames.push_back((frame, paid));
        self.dispatch().await
    }

    async fn refuse(&mut self, refusal: Option<Frame>) -> Result<(), Ending> {
        let dialect = &self.mounted.dialect;
        metrics::counter!("parlor_gateway_frames_refused_total", "dialect" => dialect.name()).increment(1);
        self.session.out.extend(refusal);
        self.write().await
    }

    /// Steps the frames whose turn it is.
    async fn dispatch(&mut self) -> Result<(), Ending> {
        while self.session.has_room() && self.session.ending.is_none() {
            let Some((_, paid)) = self.parked.frames.front() else { break };
            if !paid && !self.bucket.take(Instant::now()) {
                break;
            }
            let (frame, _) = self.parked.frames.pop_front().expect("there is a first one");
            self.parked.bytes -= frame_bytes(&frame);
            self.session.step(Input::Frame(frame)).await;
        }
        if self.parked.frames.is_empty() {
            self.parked.since = None;
        } else {
            self.parked.since.get_or_insert_with(Instant::now);
        }
        self.write().await
    }

    /// Takes what waits in the outbox, a piece at a time, and writes it.
    async fn drain(&mut self) -> Result<(), Ending> {
        let mut items = std::mem::take(&mut self.items);
        let taken = self.outbox.take(write::PIECE_BYTES, &mut items);
        // Kept until the socket took the frames: they say that an event has left.
        let mut tickets = Vec::new();
        for item in items.drain(..) {
            if let Item::Frame(_, Some(ticket)) | Item::Input(_, Some(ticket)) = &item {
                tickets.push(Arc::clone(ticket));
            }
            self.session.take(item).await;
        }
        self.items = items;
        self.dispatch().await?;
        self.outbox.release(taken);
        self.outbox.ending().map_or(Ok(()), Err)
    }

    async fn write(&mut self) -> Result<(), Ending> {
        let frames = &mut self.session.out;
        write::frames(&mut self.socket, frames, &self.outbox, self.edge.limits.write_timeout).await?;
        self.session.ending.map_or(Ok(()), Err)
    }

    async fn wake(&mut self) -> Result<(), Ending> {
        let now = Instant::now();
        let limits = &self.edge.limits;
        if self.parked.since.is_some_and(|since| now - since >= HELD_BACK) {
            return Err(Ending::HELD_BACK);
        }
        if !self.reads() {
            // The silence of a socket that is not read says nothing.
            self.heard = now;
        }
        let silent = now - self.heard;
        if self.pinged && silent >= limits.ping_interval + limits.ping_timeout {
            return Err(Ending::SILENT);
        }
        if !self.pinged && silent >= limits.ping_interval {
            self.pinged = true;
            write::ping(&mut self.socket, &self.outbox, limits.write_timeout).await?;
        }
        self.session.run_timers().await;
        self.dispatch().await
    }

    /// False while enough frames wait for their turn.
    fn reads(&self) -> bool {
        self.parked.bytes < PARKED_BYTES
    }

    /// When there is something to do even if nothing comes.
    fn wakes(&self) -> Instant {
        let limits = &self.edge.limits;
        let silence =
            if self.pinged { limits.ping_interval + limits.ping_timeout } else { limits.ping_interval };
        let ping = if self.reads() { self.heard + silence } else { Instant::now() + silence };
        let turn = self.parked.frames.front().filter(|_| self.session.has_room());
        let turn = turn.map(|_| self.bucket.next(Instant::now()));
        let held = self.parked.since.map(|since| since + HELD_BACK);
        [self.session.next_timer(), turn, held].into_iter().flatten().fold(ping, Instant::min)
    }
}
