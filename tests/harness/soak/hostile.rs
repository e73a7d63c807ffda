//! Clients that want the server's memory and places: six kinds, from many addresses, each coming back when it is cut off.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
    runtime::{Builder, Runtime},
    sync::Semaphore,
    task::JoinSet,
    time::{Instant, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{Sizes, TAKEN, ground::Ground};

/// Between an end and the next attempt of one of them.
const AGAIN: Duration = Duration::from_millis(500);

/// A connection that the server keeps longer is given up, so that every kind comes again and again.
const GIVES_UP: Duration = Duration::from_secs(120);

/// Attachments of a packet, and the bytes of each: together nearly twice what may come.
const ATTACHMENTS: usize = 9;
const ATTACHMENT: usize = 200 * 1024;

/// What a client that is let in may begin to send on a raw WebSocket.
const FRAGMENT: usize = 60 * 1024;

/// Pings of one who never reads the answers.
const PINGS: usize = 64;

const RECEIVE_BUFFER: u32 = 4 * 1024;

/// What a hostile client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Half a head of a request.
    HeadOnly,
    /// A head that announces a body.
    BodyNever,
    /// A packet of Socket.IO that announces attachments, of which the last never comes.
    AttachmentsNever,
    /// The first fragment of a message.
    FragmentsNever,
    /// A socket, and silence.
    NeverJoins,
    /// Asks, and reads no answer.
    NeverReads,
}

impl Kind {
    /// It hears something before it is silent.
    pub fn is_answered(self) -> bool {
        !matches!(self, Self::HeadOnly | Self::BodyNever)
    }
}

const KINDS: [Kind; 6] = [
    Kind::HeadOnly,
    Kind::BodyNever,
    Kind::AttachmentsNever,
    Kind::FragmentsNever,
    Kind::NeverJoins,
    Kind::NeverReads,
];

/// What became of the connections of one kind.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    pub opened: u64,
    pub refused: u64,
    /// Of those that wait for an answer first, how many had none: they waited with the kernel, or were turned away.
    pub unanswered: u64,
    pub longest: Duration,
}

#[derive(Debug, Default)]
struct Counters {
    opened: AtomicU64,
    refused: AtomicU64,
    unanswered: AtomicU64,
    longest_ms: AtomicU64,
}

/// An attack that is under way. It has a thread of its own, so that how late the honest hear is not how busy the attackers are.
pub struct Attack {
    runtime: Runtime,
    attackers: JoinSet<()>,
    counters: Arc<[Counters; KINDS.len()]>,
}

/// What the server may hold for them, in bytes, by its limits.
pub fn may_hold(sizes: &Sizes) -> u64 {
    /// A connection with its task, whatever it does; debug builds are larger.
    const CONNECTION: u64 = 64 * 1024;
    const KIB: u64 = 1024;
    let each = |kind: Kind| {
        CONNECTION
            + match kind {
                // Three times the largest head, and the buffers of HTTP.
                Kind::HeadOnly => 48 * KIB,
                // The largest body of REST.
                Kind::BodyNever => 64 * KIB,
                // The longest event, and one message under way.
                Kind::AttachmentsNever => 64 * KIB + 1_000_000,
                // Four times the longest frame.
                Kind::FragmentsNever => 256 * KIB,
                // What a stranger may say.
                Kind::NeverJoins => 16 * KIB,
                // What may wait for one client, and one message beside it.
                Kind::NeverReads => 256 * KIB + 64 * KIB,
            }
    };
    let of_each = sizes.hostile.min(TAKEN).div_ceil(KINDS.len()) as u64;
    // What the honest need, and what an allocator keeps.
    let others = (64 << 20) + sizes.honest as u64 * 2 * CONNECTION;
    others + KINDS.map(each).iter().sum::<u64>() * of_each
}

/// Begins it.
pub fn attack(ground: &Arc<Ground>, sizes: &Sizes, ended: &CancellationToken) -> Attack {
    let target = ground.entrance.address;
    let counters = Arc::new(std::array::from_fn(|_| Counters::default()));
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let places = Arc::new(Semaphore::new(sizes.at_once));
    let mut attackers = JoinSet::new();
    for number in 0..sizes.hostile {
        let attacker = Attacker {
            kind: number % KINDS.len(),
            source: source(number % sizes.addresses),
            target,
            places: Arc::clone(&places),
            counters: Arc::clone(&counters),
        };
        attackers.spawn_on(attacker.run(number, ended.clone()), runtime.handle());
    }
    Attack { runtime, attackers, counters }
}

impl Attack {
    /// What became of each kind, when all of them have ended.
    pub async fn count(self) -> Vec<(Kind, Count)> {
        self.attackers.join_all().await;
        self.runtime.shutdown_background();
        let count = |counters: &Counters| Count {
            opened: counters.opened.load(Ordering::Relaxed),
            refused: counters.refused.load(Ordering::Relaxed),
            unanswered: counters.unanswered.load(Ordering::Relaxed),
            longest: Duration::from_millis(counters.longest_ms.load(Ordering::Relaxed)),
        };
        KINDS.into_iter().zip(self.counters.iter().map(count)).collect()
    }
}

/// One of the loopback network's addresses, none of which is the honest ones'.
fn source(number: usize) -> SocketAddr {
    let [high, low] = u16::try_from(number + 256).unwrap().to_be_bytes();
    SocketAddr::from((Ipv4Addr::new(127, 1, high, low), 0))
}

struct Attacker {
    /// Its place among the kinds.
    kind: usize,
    source: SocketAddr,
    target: SocketAddr,
    places: Arc<Semaphore>,
    counters: Arc<[Counters; KINDS.len()]>,
}

impl Attacker {
    async fn run(self, number: usize, ended: CancellationToken) {
        let mut again = tokio::time::interval(AGAIN);
        for round in number / KINDS.len().. {
            tokio::select! {
                biased;
                () = ended.cancelled() => return,
                () = async { again.tick().await; self.once(round).await; } => again.reset(),
            }
        }
    }

    async fn once(&self, round: usize) {
        let Ok(_place) = self.places.acquire().await else { return };
        let counters = &self.counters[self.kind];
        let Ok(mut stream) = self.connect().await else {
            counters.refused.fetch_add(1, Ordering::Relaxed);
            return;
        };
        counters.opened.fetch_add(1, Ordering::Relaxed);
        // Since it was answered, or since it was connected if its kind never is.
        let mut began = (!KINDS[self.kind].is_answered()).then(Instant::now);
        let _over = timeout(GIVES_UP, self.misbehave(&mut stream, round, &mut began)).await;
        let Some(began) = began else {
            counters.unanswered.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let lived = u64::try_from(began.elapsed().as_millis()).unwrap();
        counters.longest_ms.fetch_max(lived, Ordering::Relaxed);
    }

    async fn connect(&self) -> io::Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        socket.set_reuseaddr(true)?;
        if KINDS[self.kind] == Kind::NeverReads {
            socket.set_recv_buffer_size(RECEIVE_BUFFER)?;
        }
        socket.bind(self.source)?;
        socket.connect(self.target).await
    }

    /// Does what its kind does, and holds on until the server ends it.
    async fn misbehave(
        &self,
        stream: &mut TcpStream,
        round: usize,
        began: &mut Option<Instant>,
    ) -> io::Result<()> {
        match KINDS[self.kind] {
            Kind::HeadOnly => stream.write_all(b"GET /staff HTTP/1.1\r\nHost: x\r\nx-rest: ").await?,
            Kind::BodyNever => {
                let head = b"POST /staff/chat/staff/message HTTP/1.1\r\nHost: x\r\ncontent-type: application/json\r\ncontent-length: 60000\r\n\r\n";
                stream.write_all(head).await?;
                stream.write_all(&[b' '; 30_000]).await?;
            }
            Kind::AttachmentsNever => {
                *began = Some(upgrade(stream, "/socket.io/?EIO=4&transport=websocket").await?);
                stream.write_all(&frame(0x81, b"40/support,")).await?;
                stream.write_all(&frame(0x81, b"459-/support,[\"x\"]")).await?;
                // Now and then it sends more than may come.
                let count = if round.is_multiple_of(8) { ATTACHMENTS - 1 } else { 3 };
                let attachment = frame(0x82, &vec![0; ATTACHMENT]);
                for _ in 0..count {
                    stream.write_all(&attachment).await?;
                }
                stream.write_all(&attachment[..ATTACHMENT / 2]).await?;
            }
            Kind::FragmentsNever => {
                *began = Some(upgrade(stream, "/staff").await?);
                let register =
                    format!("{{\"type\":\"register\",\"sessionId\":\"session_of_nobody_{round}\"}}");
                stream.write_all(&frame(0x81, register.as_bytes())).await?;
                for first in [0x01, 0x00, 0x00] {
                    stream.write_all(&frame(first, &[b'x'; FRAGMENT])).await?;
                }
            }
            Kind::NeverJoins => {
                let paths = ["/staff", "/native", "/socket.io/?EIO=4&transport=websocket"];
                *began = Some(upgrade(stream, paths[round % paths.len()]).await?);
            }
            Kind::NeverReads => {
                *began = Some(upgrade(stream, "/staff").await?);
                let pings = frame(0x89, &[b'x'; 100]).repeat(PINGS);
                let mut beat = tokio::time::interval(AGAIN);
                loop {
                    beat.tick().await;
                    stream.write_all(&pings).await?;
                }
            }
        }
        drain(stream).await
    }
}

/// Opens a WebSocket; answers when that was.
async fn upgrade(stream: &mut TcpStream, path: &str) -> io::Result<Instant> {
    let head = format!(
        "GET {path} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    let mut came = Vec::new();
    while !came.ends_with(b"\r\n\r\n") {
        came.push(stream.read_u8().await?);
    }
    if came.starts_with(b"HTTP/1.1 101 ") {
        Ok(Instant::now())
    } else {
        Err(ErrorKind::ConnectionRefused.into())
    }
}

/// A frame with an empty mask.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend([0; 4]);
    frame.extend(payload);
    frame
}

/// Reads to the end. Of frames, pings are answered, so that silence is no reason to go: the server's are not masked.
async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let mut buffer = [0; 4096];
    loop {
        let read = stream.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        let came = &buffer[..read];
        if came == [0x89, 0] {
            stream.write_all(&frame(0x8a, b"")).await?;
        } else if came == [0x81, 1, b'2'] {
            stream.write_all(&frame(0x81, b"3")).await?;
        }
    }
}
