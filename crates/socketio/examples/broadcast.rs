//! Measures the line: what an idle socket weighs, and what a delivery costs beside a bare writer.
//!
//! ```text
//! broadcast serve  ADDRESS RATE COUNT   sends COUNT messages, RATE in a second, to all sockets by their senders
//! broadcast bare   ADDRESS RATE COUNT   the same bytes, each frame made once, by a loop of writes and nothing else
//! broadcast listen ADDRESS SOCKETS EVERY  opens so many sockets and reads; says "go" every so many seconds, 0 for never
//! ```
//!
//! Told to go, the server sends, and prints its CPU seconds for each million of deliveries.

use std::{
    convert::Infallible,
    fs, io,
    sync::{Arc, Mutex},
    time::Duration,
};

use bytes::Bytes;
use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use parlor_socketio::{
    websocket::{self, Event, Kind, Limits, Pulse, Sender},
    wheel::Wheel,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
    task::JoinSet,
};

const PULSE: Pulse = Pulse {
    interval: Duration::from_secs(25),
    timeout: Duration::from_secs(20),
    stall: Duration::from_secs(20),
    message: Duration::from_secs(20),
};

/// As long as a usual event.
const BODY_BYTES: usize = 190;

/// The kernel's unit of CPU time in `/proc`.
const TICKS_IN_SECOND: f64 = 100.0;

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let number = |at: usize| arguments.get(at).and_then(|text| text.parse().ok()).unwrap_or(0);
    match arguments.first().map(String::as_str) {
        Some("serve") => serve(&arguments[1], number(2), number(3)).await,
        Some("bare") => bare(&arguments[1], number(2), number(3)).await,
        Some("listen") => listen(&arguments[1], number(2), number(3)).await,
        _ => Err(io::Error::other("serve, bare or listen?")),
    }
}

/// What a server of either kind shares.
#[derive(Default)]
struct Room {
    senders: Mutex<Vec<Sender>>,
    tasks: Mutex<JoinSet<()>>,
    go: Notify,
}

impl Room {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.lock().expect("nothing panics while it holds the tasks").spawn(task);
    }
}

async fn serve(address: &str, rate: u64, count: u64) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let (room, wheel) = (Arc::new(Room::default()), Wheel::new(PULSE.timeout));
    let sending = Arc::clone(&room);
    room.spawn(async move {
        let body = Bytes::from(vec![b'x'; BODY_BYTES]);
        pace(&sending.go, rate, count, || {
            let senders = sending.senders.lock().expect("nothing panics while it holds the senders");
            senders.iter().filter(|sender| sender.send(Kind::Text, b"42", &body).is_ok()).count()
        })
        .await;
    });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (room, wheel) = (Arc::clone(&room), wheel.clone());
        let serving = Arc::clone(&room);
        room.spawn(async move {
            let answer = service_fn(|request| {
                let response = open(&serving, &wheel, request);
                async { Ok::<_, Infallible>(response) }
            });
            let http = auto::Builder::new(TokioExecutor::new());
            let _ = http.serve_connection_with_upgrades(TokioIo::new(stream), answer).await;
        });
    }
}

fn open(room: &Arc<Room>, wheel: &Wheel, mut request: Request<Incoming>) -> Response<String> {
    let accepted = websocket::accept(&mut request, Limits::default(), websocket::plain);
    let (response, opening) = match accepted {
        Ok(accepted) => accepted,
        Err(rejection) => return rejection.response(),
    };
    let (joining, wheel) = (Arc::clone(room), wheel.clone());
    room.spawn(async move {
        let Ok(mut socket) = opening.await else { return };
        socket.watch(&wheel, PULSE);
        joining.senders.lock().expect("nothing panics while it holds the senders").push(socket.sender());
        loop {
            match socket.next().await {
                Event::Text(_) => joining.go.notify_one(),
                Event::Binary(_) => {}
                Event::Ended(_) => return,
            }
        }
    });
    response.map(|()| String::new())
}

/// The floor: the handshake is answered without being read, and after it there are only writes.
async fn bare(address: &str, rate: u64, count: u64) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    let streams: Arc<Mutex<Vec<Arc<TcpStream>>>> = Arc::default();
    let room = Arc::new(Room::default());
    let (sending, to) = (Arc::clone(&room), Arc::clone(&streams));
    room.spawn(async move {
        let mut frame = vec![0x81, 126];
        frame.extend(u16::try_from(BODY_BYTES + 2).expect("it is short").to_be_bytes());
        frame.extend(b"42");
        frame.resize(frame.len() + BODY_BYTES, b'x');
        pace(&sending.go, rate, count, || {
            let streams = to.lock().expect("nothing panics while it holds the streams");
            streams
                .iter()
                .filter(|stream| stream.try_write(&frame).is_ok_and(|sent| sent == frame.len()))
                .count()
        })
        .await;
    });
    loop {
        let (mut stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (joining, streams) = (Arc::clone(&room), Arc::clone(&streams));
        room.spawn(async move {
            let mut head = [0; 1024];
            let answer =
                b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
            if stream.read(&mut head).await.is_err() || stream.write_all(answer).await.is_err() {
                return;
            }
            let stream = Arc::new(stream);
            streams.lock().expect("nothing panics while it holds the streams").push(Arc::clone(&stream));
            let mut buffer = [0; 64];
            while stream.readable().await.is_ok() {
                match stream.try_read(&mut buffer) {
                    Ok(0) => return,
                    Ok(_) => joining.go.notify_one(),
                    Err(_later) => {}
                }
            }
        });
    }
}

/// Sends at a rate when told to go, and prints what it cost.
async fn pace(go: &Notify, rate: u64, count: u64, send: impl Fn() -> usize) {
    loop {
        go.notified().await;
        let before = cpu_seconds();
        let mut ticks =
            tokio::time::interval(Duration::from_secs(1) / u32::try_from(rate).unwrap_or(1).max(1));
        let mut deliveries = 0;
        for _ in 0..count {
            ticks.tick().await;
            deliveries += send();
        }
        let spent = cpu_seconds() - before;
        println!("{deliveries} deliveries, {spent:.2} s, {:.2} s/M", spent * 1e6 / deliveries.max(1) as f64);
    }
}

fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(") ").next().unwrap_or_default().split(' ');
    fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_IN_SECOND
}

async fn listen(address: &str, sockets: u64, every: u64) -> io::Result<()> {
    let mut tasks = JoinSet::new();
    let key = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
    let request = format!(
        "GET / HTTP/1.1\r\nHost: {address}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n{key}\r\n\r\n"
    );
    let mut first = None;
    for _ in 0..sockets {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut head = [0; 512];
        let _ = stream.read(&mut head).await?;
        let (mut reading, writing) = stream.into_split();
        if first.is_none() {
            first = Some(writing);
        } else {
            tasks.spawn(async move {
                let _kept = writing;
                drain(&mut reading).await;
            });
            continue;
        }
        tasks.spawn(async move { drain(&mut reading).await });
    }
    println!("{sockets} sockets");
    let (Some(mut first), true) = (first, every > 0) else { return std::future::pending().await };
    loop {
        tokio::time::sleep(Duration::from_secs(every)).await;
        first.write_all(b"\x81\x82\0\0\0\0go").await?;
    }
}

async fn drain(reading: &mut tokio::net::tcp::OwnedReadHalf) {
    let mut buffer = [0; 4096];
    while reading.read(&mut buffer).await.is_ok_and(|read| read > 0) {}
}
