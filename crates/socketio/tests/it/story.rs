//! What clients do over time, told by bytes: several of them, what they send, and the clock between. Whatever it is, each
//! connection holds no more than its limits, and all are gone when nobody answers any more.
//!
//! Fuzzers read this file too (`fuzz/fuzz_targets/story_*.rs`), so it needs nothing but the crate and its runtime.

use std::{
    collections::HashMap,
    future::poll_fn,
    sync::{Arc, Mutex},
    task::Poll,
    time::Duration,
};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use parlor_socketio::{
    Config, Connection, Engine, Handler, Incoming,
    websocket::{Limits, Reader, Received},
};
use tokio::{runtime::Builder, task::JoinSet};

/// Clients of one story.
const CLIENTS: usize = 4;

/// Small, so that stories find them.
const PAYLOAD: usize = 2_000;
const EVENT: usize = 500;
const CONNECT: usize = 300;

/// One payload that was posted, and a packet whose text was as long as another; of attachments what an event may have.
const HELD: usize = 2 * PAYLOAD + EVENT;

/// After so long a silence everybody is gone: the interval, the time-out, and a second for the last packets.
const GONE_AFTER: Duration = Duration::from_secs(12);

const PATH: &str = "/socket.io/?EIO=4&transport=polling";

/// What each connection holds, by its number.
type Held = Arc<Mutex<HashMap<usize, usize>>>;

struct Door {
    held: Held,
    count: Mutex<usize>,
    tasks: Mutex<JoinSet<()>>,
}

impl Handler for Door {
    fn connected(&self, connection: Connection) {
        let mut count = self.count.lock().unwrap();
        *count += 1;
        self.tasks.lock().unwrap().spawn(serve(connection, *count, Arc::clone(&self.held)));
    }
}

/// Lets everybody in, and notes what is held whenever something has happened.
async fn serve(mut connection: Connection, number: usize, held: Held) {
    let mut joined = Vec::new();
    loop {
        let incoming = poll_fn(|cx| {
            let polled = connection.poll_next(cx);
            held.lock().unwrap().insert(number, connection.held_bytes());
            polled
        });
        match incoming.await {
            Incoming::Connect { namespace, .. } if &*namespace == "/no" => {
                connection.refuse(&namespace, "no", None);
            }
            Incoming::Connect { namespace, .. } => joined.push(connection.accept(&namespace, None)),
            Incoming::Event { event, .. } => {
                assert!(event.attachments.is_empty() || event.json.len() <= EVENT);
                let attached: usize = event.attachments.iter().map(Bytes::len).sum();
                assert!(attached <= EVENT, "an event is kept with so much");
            }
            Incoming::Oversized { event, .. } => assert!(event.attachments.is_empty()),
            Incoming::Ack { .. } => {}
            Incoming::Leave { namespace } => joined.retain(|socket| *socket.namespace() != *namespace),
            Incoming::Ended(_) => break,
        }
    }
    held.lock().unwrap().remove(&number);
}

/// Reads a story's bytes.
struct Teller<'a>(&'a [u8]);

impl<'a> Teller<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn some(&mut self, most: usize) -> &'a [u8] {
        let length = usize::from(self.byte().unwrap_or(0)).min(most).min(self.0.len());
        let (some, rest) = self.0.split_at(length);
        self.0 = rest;
        some
    }

    /// A packet of Engine.IO that means something, or nearly.
    fn packet(&mut self) -> String {
        let length = usize::from(self.byte().unwrap_or(0)) * 8;
        match self.byte().unwrap_or(0) % 14 {
            0 | 1 => "40".to_owned(),
            2 => "40/a,".to_owned(),
            3 => "40/no,".to_owned(),
            4 => format!("40{{\"token\":\"{}\"}}", "x".repeat(length)),
            5 => "41".to_owned(),
            6 => format!("42[\"m\",\"{}\"]", "x".repeat(length)),
            7 => "451-[\"m\",{\"_placeholder\":true,\"num\":0}]".to_owned(),
            8 => format!("459-[\"{}\"]", "x".repeat(length)),
            9 => "452-/a,[\"m\"]".to_owned(),
            10 | 11 => format!("b{}", "AAAA".repeat(length / 3)),
            12 => "3".to_owned(),
            _ => String::from_utf8_lossy(self.some(40)).into_owned(),
        }
    }
}

/// Clients that poll, and what they post.
pub fn polling(bytes: &[u8]) {
    let runtime = Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let held = Held::default();
        let door = Door { held: Arc::clone(&held), count: Mutex::default(), tasks: Mutex::default() };
        let engine = Engine::new(config(), door);
        let (mut teller, mut sids) = (Teller(bytes), Vec::new());
        // Requests that are answered later, or never.
        let mut requests = JoinSet::new();
        while let Some(step) = teller.byte() {
            match step % 8 {
                0 if sids.len() < CLIENTS => sids.extend(open(&engine).await),
                0..=4 if !sids.is_empty() => {
                    let sid = &sids[usize::from(teller.byte().unwrap_or(0)) % sids.len()];
                    let packets = usize::from(step) / 64 + 1;
                    let payload: Vec<_> = (0..packets).map(|_| teller.packet()).collect();
                    let request = Request::post(format!("{PATH}&sid={sid}"));
                    let request = request.body(Full::from(payload.join("\x1e"))).unwrap();
                    let engine = engine.clone();
                    requests.spawn(async move { drop(engine.serve(request, None).await) });
                }
                5 if !sids.is_empty() => {
                    let sid = &sids[usize::from(step / 8) % sids.len()];
                    let request = Request::get(format!("{PATH}&sid={sid}")).body(Full::default()).unwrap();
                    let engine = engine.clone();
                    requests.spawn(async move { drop(engine.serve(request, None).await) });
                }
                _ => tokio::time::advance(Duration::from_millis(u64::from(step) * 10)).await,
            }
            settle().await;
            while requests.try_join_next().is_some() {}
            for (number, bytes) in &*held.lock().unwrap() {
                assert!(*bytes <= HELD, "connection {number} holds {bytes} bytes");
            }
        }
        for _ in 0..GONE_AFTER.as_secs() * 4 {
            tokio::time::advance(Duration::from_millis(250)).await;
            settle().await;
        }
        assert_eq!(engine.sessions(), 0, "nobody stays who says nothing");
        assert!(held.lock().unwrap().is_empty());
    });
}

fn config() -> Config {
    Config {
        ping_interval: Duration::from_secs(5),
        ping_timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(4),
        message_timeout: Duration::from_secs(2),
        max_payload: PAYLOAD,
        max_event: EVENT,
        connect_bytes: CONNECT,
        outbox_bytes: PAYLOAD,
        ..Config::new("/socket.io")
    }
}

/// Opens a session and gives its sid.
async fn open(engine: &Engine<Door>) -> Option<String> {
    let request = Request::get(PATH).body(Full::<Bytes>::default()).unwrap();
    let response = engine.serve(request, None).await;
    let body = http_body_util::BodyExt::collect(response.into_body()).await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    let (_, rest) = text.split_once("\"sid\":\"")?;
    rest.split_once('"').map(|(sid, _)| sid.to_owned())
}

/// Lets everybody go on who can.
async fn settle() {
    for _ in 0..16 {
        let mut yielded = false;
        poll_fn(|cx| {
            if std::mem::replace(&mut yielded, true) {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// Frames of several sockets, wherever they are cut; what one may take grows once it is let in.
pub fn frames(bytes: &[u8]) {
    const SMALL: usize = 64;
    const LARGE: usize = 512;
    let mut readers: Vec<_> =
        (0..CLIENTS).map(|_| (Some(Reader::new(Limits::messages(SMALL))), SMALL)).collect();
    let mut teller = Teller(bytes);
    while let Some(step) = teller.byte() {
        let (reader, most) = &mut readers[usize::from(step) % CLIENTS];
        let Some(open) = reader else { continue };
        if step / 16 == 1 {
            open.allow(LARGE);
            *most = LARGE;
        }
        let first = teller.byte().unwrap_or(0);
        let payload = vec![b'x'; usize::from(teller.byte().unwrap_or(0)) * 4];
        // A frame that is one, cut somewhere, or bytes that are none.
        let mut frame = if step >= 240 { teller.some(30).to_vec() } else { masked(first, &payload) };
        if step % 3 == 0 {
            frame.truncate(usize::from(teller.byte().unwrap_or(0)) * 4);
        }
        let mut input = &frame[..];
        loop {
            match open.advance(&mut input) {
                Ok(Some(received)) => assert!(length(&received) <= *most),
                Ok(None) => break,
                // Nothing after that is understood.
                Err(_) => {
                    *reader = None;
                    break;
                }
            }
        }
        let Some(open) = reader else { continue };
        // What grows doubles, up to what is still expected.
        assert!(open.held_bytes() <= 2 * *most + 2 * 125, "{} bytes", open.held_bytes());
        assert!(!open.is_at_rest() || open.held_bytes() == 0, "at rest it holds nothing");
    }
}

fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(0x80 | length),
        _ => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(payload.len()).unwrap().to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

fn length(received: &Received) -> usize {
    match received {
        Received::Text(text) => text.len(),
        Received::Binary(bytes) => bytes.len(),
        // Bounded by the protocol.
        Received::Ping(_) | Received::Pong(_) | Received::Close(_) => 0,
    }
}
