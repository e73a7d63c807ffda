//! WebSockets over a real port: a foreign client, and one that sends what a client should not.

#![expect(clippy::unwrap_used, reason = "the helpers of tests are tests too")]

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use hyper::{Request, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use parlor_socketio::{
    Closed, Reason,
    websocket::{self, Close, Ended, Error, Event, Kind, Limits, Pulse, Socket},
    wheel::Wheel,
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{
        Message,
        protocol::{CloseFrame, frame::coding::CloseCode},
    },
};

const PATIENCE: Duration = Duration::from_secs(10);

/// A port whose sockets come out here.
struct Port {
    address: SocketAddr,
    sockets: mpsc::Receiver<Socket>,
    _tasks: JoinSet<()>,
}

impl Port {
    async fn open(limits: Limits) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (opened, sockets) = mpsc::channel(16);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                connections.spawn(serve(stream, limits, opened.clone()));
            }
        });
        Self { address, sockets, _tasks: tasks }
    }

    async fn socket(&mut self) -> Socket {
        in_time(self.sockets.recv()).await.unwrap()
    }

    /// A foreign client and its socket here.
    async fn pair(&mut self) -> (WebSocketStream<TcpStream>, Socket) {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let (client, _) = client_async(format!("ws://{}/", self.address), stream).await.unwrap();
        (client, self.socket().await)
    }

    /// A client that speaks in bytes, and its socket here. What it says with its handshake is already on its way.
    async fn raw(&mut self, at_once: &[u8]) -> (TcpStream, Socket) {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let mut request = format!(
            "GET / HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            self.address
        )
        .into_bytes();
        request.extend(at_once);
        stream.write_all(&request).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"HTTP/1.1 101 "));
        (stream, self.socket().await)
    }
}

async fn serve(stream: TcpStream, limits: Limits, opened: mpsc::Sender<Socket>) {
    let (opening, upgraded) = tokio::sync::oneshot::channel();
    let opening = Arc::new(std::sync::Mutex::new(Some(opening)));
    let answer = service_fn(move |mut request: Request<Incoming>| {
        let (response, socket) = websocket::accept(&mut request, limits, websocket::plain).unwrap();
        let told = opening.lock().unwrap().take().unwrap().send(socket);
        assert!(told.is_ok());
        async { Ok::<_, Infallible>(response.map(|()| String::new())) }
    });
    let http = auto::Builder::new(TokioExecutor::new());
    http.serve_connection_with_upgrades(TokioIo::new(stream), answer).await.unwrap();
    let socket = upgraded.await.unwrap().await.unwrap();
    opened.send(socket).await.unwrap();
}

async fn in_time<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.expect("it came in time")
}

/// A masked frame of at most 125 bytes.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 0, 0, 0, 0];
    frame.extend(payload);
    frame
}

async fn ended(socket: &mut Socket) -> Ended {
    loop {
        if let Event::Ended(ended) = in_time(socket.next()).await {
            return ended;
        }
    }
}

async fn read_to_end(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    in_time(stream.read_to_end(&mut bytes)).await.map(|_| bytes)
}

#[tokio::test]
async fn messages_go_both_ways_and_a_head_goes_before_a_shared_body() {
    let mut port = Port::open(Limits::default()).await;
    let (mut client, mut socket) = port.pair().await;
    client.send(Message::text("hällo")).await.unwrap();
    assert_eq!(in_time(socket.next()).await, Event::Text("hällo".into()));
    let long = vec![7; 300_000];
    client.send(Message::binary(long.clone())).await.unwrap();
    assert_eq!(in_time(socket.next()).await, Event::Binary(long.into()));
    let body = Bytes::from_static(b"[\"news\"]");
    socket.sender().send(Kind::Text, b"42/shop,", &body).unwrap();
    assert_eq!(in_time(client.next()).await.unwrap().unwrap(), Message::text("42/shop,[\"news\"]"));
}

#[tokio::test]
async fn what_came_with_the_handshake_is_not_lost() {
    let mut port = Port::open(Limits::default()).await;
    let early = [frame(0x81, b"one"), frame(0x81, b"two"), frame(0x01, b"thr")].concat();
    let (mut client, mut socket) = port.raw(&early).await;
    assert_eq!(in_time(socket.next()).await, Event::Text("one".into()));
    assert_eq!(in_time(socket.next()).await, Event::Text("two".into()));
    client.write_all(&frame(0x80, b"ee")).await.unwrap();
    assert_eq!(in_time(socket.next()).await, Event::Text("three".into()));
}

#[tokio::test]
async fn pings_are_answered_between_the_fragments_of_a_message() {
    let mut port = Port::open(Limits::default()).await;
    let (mut client, mut socket) = port.raw(b"").await;
    let bytes = [frame(0x01, b"on"), frame(0x89, b"still there?"), frame(0x80, b"e")].concat();
    client.write_all(&bytes).await.unwrap();
    assert_eq!(in_time(socket.next()).await, Event::Text("one".into()));
    let mut pong = [0; 14];
    in_time(client.read_exact(&mut pong)).await.unwrap();
    assert_eq!(&pong, b"\x8a\x0cstill there?");
}

#[tokio::test]
async fn a_goodbye_of_the_client_is_answered_with_its_code() {
    let mut port = Port::open(Limits::default()).await;
    let (mut client, mut socket) = port.pair().await;
    let goodbye = CloseFrame { code: CloseCode::Library(4000), reason: "done".into() };
    client.close(Some(goodbye)).await.unwrap();
    let close = Close { code: 4000, reason: "done".into() };
    assert_eq!(ended(&mut socket).await, Ended::Closed(Some(close)));
    let answer = in_time(client.next()).await.unwrap().unwrap();
    assert!(matches!(answer, Message::Close(Some(frame)) if frame.code == CloseCode::Library(4000)));
    drop(socket);
    assert!(in_time(client.next()).await.is_none(), "the connection is over");
}

#[tokio::test]
async fn a_goodbye_of_ours_waits_for_the_clients() {
    let mut port = Port::open(Limits::default()).await;
    let (mut client, socket) = port.pair().await;
    let sender = socket.sender();
    sender.send(Kind::Text, b"", &Bytes::from_static(b"before")).unwrap();
    let (ended, heard) = tokio::join!(in_time(socket.close(1001, "later")), async {
        let mut heard = Vec::new();
        while let Some(Ok(message)) = in_time(client.next()).await {
            heard.push(message);
        }
        heard
    });
    assert_eq!(ended, Ended::Here(Reason::ForcedClose));
    assert_eq!(heard[0], Message::text("before"));
    assert!(matches!(&heard[1], Message::Close(Some(frame)) if frame.reason == "later"));
    assert!(matches!(sender.send(Kind::Text, b"", &Bytes::new()), Err(Closed(_))));
}

#[tokio::test]
async fn a_client_that_says_no_goodbye_is_waited_for_no_longer_than_its_time() {
    let mut port = Port::open(Limits::default()).await;
    let (_silent, socket) = port.raw(b"").await;
    assert_eq!(in_time(socket.close(1000, "")).await, Ended::Here(Reason::ForcedClose));
}

#[tokio::test]
async fn a_client_that_breaks_the_protocol_is_told_why() {
    for (bytes, error, code) in [
        (frame(0xc1, b"x"), Error::Reserved, 1002_u16),
        (frame(0x83, b"x"), Error::Opcode, 1002),
        (frame(0x81, b"\xff"), Error::Utf8, 1007),
        (b"\x82\xff\0\0\0\0\0\x0f\x42\x41\0\0\0\0".to_vec(), Error::TooBig, 1009),
    ] {
        let mut port = Port::open(Limits::default()).await;
        let (mut client, mut socket) = port.raw(&bytes).await;
        // What follows the mistake is not listened to, and does not tear the answer.
        client.write_all(&[0x55; 1000]).await.unwrap();
        let (ended, answer) = tokio::join!(ended(&mut socket), async {
            let answer = read_to_end(&mut client).await.unwrap();
            client.shutdown().await.unwrap();
            answer
        });
        assert_eq!(ended, Ended::Refused(error));
        assert_eq!((answer[0], &answer[2..4]), (0x88, &code.to_be_bytes()[..]), "{error}");
    }
}

#[tokio::test]
async fn a_client_that_breaks_off_is_lost() {
    let mut port = Port::open(Limits::default()).await;
    let (client, mut socket) = port.raw(&frame(0x01, b"half")).await;
    let sender = socket.sender();
    drop(client);
    assert_eq!(ended(&mut socket).await, Ended::Lost);
    drop(socket);
    assert_eq!(sender.send(Kind::Text, b"", &Bytes::new()), Err(Closed(Reason::TransportClose)));
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_cut_off_over_the_bound() {
    let limits = Limits { outbox_bytes: 64 * 1024, ..Limits::default() };
    let mut port = Port::open(limits).await;
    let (mut client, mut socket) = port.raw(b"").await;
    let (sender, body) = (socket.sender(), Bytes::from(vec![b'x'; 16 * 1024]));
    while sender.send(Kind::Text, b"", &body).is_ok() {
        assert!(
            sender.waiting_bytes() <= 64 * 1024 + 17 * 1024,
            "the bound, and the one message that passes it"
        );
    }
    assert_eq!(ended(&mut socket).await, Ended::Here(Reason::SlowReader));
    drop(socket);
    let reset = read_to_end(&mut client).await.unwrap_err();
    assert_eq!(reset.kind(), io::ErrorKind::ConnectionReset, "the kernel holds nothing for it any more");
}

#[tokio::test]
async fn who_writes_again_gets_what_waited_in_order() {
    let mut port = Port::open(Limits { outbox_bytes: 1 << 20, ..Limits::default() }).await;
    let (mut client, mut socket) = port.pair().await;
    let sender = socket.sender();
    let mut sent = 0_u32;
    while sender.waiting_bytes() < 512 * 1024 {
        let body = Bytes::from(format!("{sent} {}", "x".repeat(8_000)));
        sender.send(Kind::Text, b"", &body).unwrap();
        sent += 1;
    }
    let heard = async {
        for number in 0..sent {
            let Message::Text(text) = client.next().await.unwrap().unwrap() else { panic!("a text") };
            assert!(text.starts_with(&format!("{number} ")));
        }
        client.close(None).await.unwrap();
    };
    let (_, ended) = tokio::join!(in_time(heard), ended(&mut socket));
    assert_eq!(ended, Ended::Closed(None));
    assert_eq!(sender.waiting_bytes(), 0);
}

const QUICK: Pulse = Pulse {
    interval: Duration::from_millis(30),
    timeout: Duration::from_millis(50),
    stall: Duration::from_millis(50),
    message: PATIENCE,
};

#[tokio::test]
async fn a_client_that_answers_no_ping_is_told_and_gone() {
    let mut port = Port::open(Limits::default()).await;
    let (mut client, mut socket) = port.raw(b"").await;
    let wheel = Wheel::new(QUICK.interval);
    socket.watch(&wheel, QUICK);
    let (ended, heard) = tokio::join!(ended(&mut socket), async {
        let mut heard = [0; 2 + 2 + 2 + 19];
        in_time(client.read_exact(&mut heard)).await.unwrap();
        heard
    });
    assert_eq!(ended, Ended::Here(Reason::PingTimeout));
    assert_eq!(&heard[..2], b"\x89\0");
    assert_eq!(&heard[4..], b"\x03\xe9no answer to a ping");
}

#[tokio::test]
async fn a_client_that_answers_pings_stays() {
    let mut port = Port::open(Limits::default()).await;
    let (mut client, mut socket) = port.raw(b"").await;
    let wheel = Wheel::new(QUICK.interval);
    socket.watch(&wheel, Pulse { timeout: PATIENCE, ..QUICK });
    let talk = async {
        for _ in 0..3 {
            let mut ping = [0; 2];
            in_time(client.read_exact(&mut ping)).await.unwrap();
            assert_eq!(&ping, b"\x89\0");
            client.write_all(&frame(0x8a, b"")).await.unwrap();
        }
        client.write_all(&frame(0x81, b"here")).await.unwrap();
    };
    let ((), event) = tokio::join!(talk, in_time(socket.next()));
    assert_eq!(event, Event::Text("here".into()));
}

#[tokio::test]
async fn a_client_that_sends_and_never_reads_is_gone() {
    let mut port = Port::open(Limits { outbox_bytes: 64 << 20, ..Limits::default() }).await;
    let (mut client, mut socket) = port.raw(b"").await;
    let wheel = Wheel::new(QUICK.interval);
    socket.watch(&wheel, QUICK);
    let (sender, body) = (socket.sender(), Bytes::from(vec![b'x'; 64 * 1024]));
    while sender.waiting_bytes() == 0 {
        sender.send(Kind::Text, b"", &body).unwrap();
    }
    let chatter = async { while client.write_all(&frame(0x8a, b"")).await.is_ok() {} };
    let ended = tokio::select! {
        ended = ended(&mut socket) => ended,
        () = chatter => ended(&mut socket).await,
    };
    assert_eq!(ended, Ended::Here(Reason::SlowReader));
}

#[tokio::test]
async fn the_silence_of_a_socket_that_is_not_read_says_nothing() {
    let mut port = Port::open(Limits::default()).await;
    let (mut client, mut socket) = port.raw(b"").await;
    let wheel = Wheel::new(QUICK.interval);
    socket.watch(&wheel, QUICK);
    let parked = std::future::poll_fn(|cx| socket.poll_drive(cx));
    let longer = QUICK.interval * 3 + QUICK.timeout * 3;
    assert!(tokio::time::timeout(longer, parked).await.is_err(), "it stays");
    client.write_all(&frame(0x81, b"hello")).await.unwrap();
    assert_eq!(in_time(socket.next()).await, Event::Text("hello".into()));
}

/// A first fragment, and nothing after it but what may come between.
const BEGINNING: [u8; 10] = [0x01, 0x84, 0, 0, 0, 0, b'h', b'a', b'l', b'f'];
const REST: [u8; 10] = [0x80, 0x84, 0, 0, 0, 0, b'h', b'a', b'l', b'f'];

/// A message has this long.
const HURRIED: Pulse =
    Pulse { interval: PATIENCE, timeout: PATIENCE, stall: PATIENCE, message: Duration::from_millis(300) };

#[tokio::test]
async fn a_message_that_is_not_finished_in_time_ends_its_socket_with_words() {
    let mut port = Port::open(Limits::default()).await;
    let wheel = Wheel::new(Duration::from_secs(1));
    let (mut client, mut socket) = port.raw(&BEGINNING).await;
    socket.watch(&wheel, HURRIED);
    // A ping in between is answered, and helps nothing.
    client.write_all(&frame(0x89, b"")).await.unwrap();
    let began = std::time::Instant::now();
    assert_eq!(ended(&mut socket).await, Ended::Here(Reason::TooSlow));
    assert!(began.elapsed() < 5 * HURRIED.message, "{:?}", began.elapsed());
    drop(socket);
    let told = read_to_end(&mut client).await.unwrap();
    let why = b"message not finished in time";
    assert!(told.windows(why.len()).any(|window| window == why), "{told:?}");
}

#[tokio::test]
async fn each_message_has_its_time_and_one_that_nobody_reads_has_more() {
    let mut port = Port::open(Limits::default()).await;
    let wheel = Wheel::new(Duration::from_secs(1));
    let (mut client, mut socket) = port.raw(&BEGINNING).await;
    // Half of it is for a machine that does other things meanwhile.
    let unhurried = Pulse { message: Duration::from_millis(1_200), ..HURRIED };
    socket.watch(&wheel, unhurried);
    let mut beat = tokio::time::interval(unhurried.message / 2);
    beat.tick().await;
    for _ in 0..4 {
        // The rest of one and the beginning of the next: it is never at rest.
        tokio::select! {
            _ = beat.tick() => {}
            event = socket.next() => panic!("{event:?}"),
        }
        client.write_all(&[REST, BEGINNING].concat()).await.unwrap();
        assert_eq!(in_time(socket.next()).await, Event::Text("halfhalf".into()));
    }
    // Nobody reads for longer than a message has.
    for _ in 0..4 {
        beat.tick().await;
    }
    client.write_all(&REST).await.unwrap();
    assert_eq!(in_time(socket.next()).await, Event::Text("halfhalf".into()));
}

#[tokio::test]
async fn a_socket_takes_longer_messages_once_it_is_allowed_to() {
    let mut port = Port::open(Limits::messages(10)).await;
    let (mut client, mut socket) = port.pair().await;
    client.send(Message::text("x".repeat(10))).await.unwrap();
    assert!(matches!(in_time(socket.next()).await, Event::Text(_)));
    socket.allow(20);
    client.send(Message::text("x".repeat(20))).await.unwrap();
    assert!(matches!(in_time(socket.next()).await, Event::Text(_)));
    client.send(Message::text("x".repeat(21))).await.unwrap();
    assert_eq!(ended(&mut socket).await, Ended::Refused(Error::TooBig));
}
