//! What fan-out does: one event, made once, given to many sockets from anywhere.

use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Empty, Full};
use parlor_socketio::{
    Burst, Closed, Config, Connection, Engine, Event, Handler, Incoming, Reason, Sent, Socket,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, mpsc},
    task::JoinSet,
};

use crate::{
    client::{Came, Client, Ws, soon},
    server::polling,
};

/// Gives every socket that joins to the test, and then does nothing until it is told to.
struct Joiner {
    sockets: mpsc::Sender<Socket>,
    go_on: Arc<Notify>,
}

impl Handler for Joiner {
    #[expect(clippy::disallowed_methods, reason = "the task ends with its connection")]
    fn connected(&self, mut connection: Connection) {
        let (sockets, go_on) = (self.sockets.clone(), Arc::clone(&self.go_on));
        tokio::spawn(async move {
            let Incoming::Connect { namespace, .. } = connection.next().await else { return };
            sockets.send(connection.accept(&namespace, Some("a pid"))).await.unwrap();
            go_on.notified().await;
            while !matches!(connection.next().await, Incoming::Ended(_)) {}
        });
    }
}

struct World {
    client: Client,
    sockets: mpsc::Receiver<Socket>,
    go_on: Arc<Notify>,
    _server: JoinSet<()>,
}

impl World {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client(listener.local_addr().unwrap());
        let (sender, sockets) = mpsc::channel(16);
        let go_on = Arc::new(Notify::new());
        let config = Config { allow_v3: true, ..Config::new("/socket.io") };
        let engine = Engine::new(config, Joiner { sockets: sender, go_on: Arc::clone(&go_on) });
        let mut server = JoinSet::new();
        server.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                connections.spawn(serve(engine.clone(), stream));
            }
        });
        Self { client, sockets, go_on, _server: server }
    }

    async fn join(&mut self, namespace: &str) -> (Ws, Socket) {
        let mut ws = self.client.websocket("/socket.io/?EIO=4&transport=websocket").await.unwrap();
        ws.text().await;
        ws.send(&format!("40{namespace}")).await;
        let socket = soon(self.sockets.recv()).await.unwrap();
        let answer = ws.text().await;
        assert!(answer.contains(&format!("\"sid\":\"{}\",\"pid\":\"a pid\"", socket.id())), "{answer}");
        (ws, socket)
    }
}

async fn serve(engine: Engine<Joiner>, stream: TcpStream) {
    let service = hyper::service::service_fn(move |request| {
        let engine = engine.clone();
        async move { Ok::<_, std::convert::Infallible>(engine.serve(request, None).await) }
    });
    let io = hyper_util::rt::TokioIo::new(stream);
    let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).with_upgrades().await;
}

#[tokio::test]
async fn one_event_goes_to_all_at_once_and_nobody_keeps_it() {
    let mut world = World::start().await;
    let (mut one, first) = world.join("").await;
    let (mut two, second) = world.join("/support").await;
    let event = Event::new("message", &["1"]).with_attachments(vec![Bytes::from(vec![7; 10])]);
    // Their tasks do not run: what is sent is written by whoever sends it.
    for socket in [&first, &second] {
        socket.emit(&event).unwrap();
        assert_eq!(socket.waiting_bytes(), 0);
    }
    assert!(event.json.is_unique(), "nobody holds the text any more");
    assert_eq!(one.text().await, "451-[\"message\",1]");
    assert_eq!(one.next().await, Came::Binary(vec![7; 10]));
    assert_eq!(two.text().await, "451-/support,[\"message\",1]");
    assert_eq!(two.next().await, Came::Binary(vec![7; 10]));
}

#[tokio::test]
async fn a_burst_waits_until_it_is_flushed_and_keeps_its_order() {
    let mut world = World::start().await;
    let (mut ws, socket) = world.join("").await;
    for number in 0..64 {
        socket.queue(&Event::new("n", &[number.to_string()])).unwrap();
    }
    assert!(socket.waiting_bytes() > 0);
    socket.flush();
    assert_eq!(socket.waiting_bytes(), 0);
    for number in 0..64 {
        assert_eq!(ws.text().await, format!("42[\"n\",{number}]"));
    }
}

#[tokio::test]
async fn a_burst_is_encoded_once_and_each_takes_it_in_its_way() {
    let mut world = World::start().await;
    let (mut main, first) = world.join("").await;
    let (mut side, second) = world.join("/support").await;
    let burst = Burst::new((0..3).map(|number| Event::new("n", &[number.to_string()])).collect());
    first.queue(&Event::new("before", &["0"])).unwrap();
    for socket in [&first, &second] {
        assert_eq!(socket.emit_all(&burst), Ok(Sent::Left));
    }
    assert_eq!(main.text().await, "42[\"before\",0]");
    for number in 0..3 {
        assert_eq!(main.text().await, format!("42[\"n\",{number}]"));
        assert_eq!(side.text().await, format!("42/support,[\"n\",{number}]"));
    }
    let attached = Event::new("a", &["1"]).with_attachments(vec![Bytes::from_static(b"x")]);
    assert_eq!(first.emit_all(&Burst::new(vec![attached])), Ok(Sent::Left));
    assert_eq!(main.text().await, "451-[\"a\",1]");
    assert_eq!(main.next().await, Came::Binary(b"x".to_vec()));
    first.leave();
    assert!(first.emit_all(&burst).is_err());
}

/// Threads that send to one socket at once do not mix their packets: bytes follow their own text.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn bytes_follow_their_own_text_whoever_else_sends() {
    let mut world = World::start().await;
    let (mut ws, socket) = world.join("").await;
    let mut senders = JoinSet::new();
    for sender in 0..4_u8 {
        let socket = socket.clone();
        senders.spawn(async move {
            for number in 0..50_u8 {
                let bytes = vec![Bytes::from(vec![sender, number]), Bytes::from(vec![number, sender])];
                let event = Event::new("b", &[format!("[{sender},{number}]")]).with_attachments(bytes);
                socket.emit(&event).unwrap();
                tokio::task::yield_now().await;
            }
        });
    }
    let mut last = [None; 4];
    for _ in 0..200 {
        let text = ws.text().await;
        let numbers: Vec<u8> =
            serde_json::from_str::<(String, Vec<u8>)>(text.trim_start_matches("452-")).unwrap().1;
        assert_eq!(ws.next().await, Came::Binary(numbers.clone()));
        assert_eq!(ws.next().await, Came::Binary(numbers.iter().rev().copied().collect()));
        assert!(
            last[usize::from(numbers[0])].replace(numbers[1]).is_none_or(|before| before + 1 == numbers[1])
        );
    }
    senders.join_all().await;
}

#[tokio::test]
async fn sending_to_who_is_gone_says_why() {
    let mut world = World::start().await;
    let (mut ws, socket) = world.join("").await;
    world.go_on.notify_one();
    let event = Event::new::<&str>("late", &[]);
    socket.leave();
    assert_eq!(ws.text().await, "41");
    assert_eq!(socket.emit(&event), Err(Closed(Reason::ServerNamespaceDisconnect)));
    socket.close(Reason::ForcedClose);
    ws.closed().await;
    let (mut ws, socket) = world.join("").await;
    world.go_on.notify_one();
    socket.close(Reason::ForcedClose);
    assert_eq!(socket.emit(&event), Err(Closed(Reason::ForcedClose)));
    assert_eq!(socket.ended(), Some(Reason::ForcedClose));
    ws.closed().await;
}

#[tokio::test]
async fn acknowledgements_of_a_socket_are_numbered() {
    let mut world = World::start().await;
    let (mut ws, socket) = world.join("/a").await;
    let event = Event::new::<&str>("ask", &[]);
    assert_eq!(socket.emit_with_ack(&event), Ok(0));
    assert_eq!(socket.emit_with_ack(&event), Ok(1));
    assert_eq!(ws.text().await, "42/a,0[\"ask\"]");
    assert_eq!(ws.text().await, "42/a,1[\"ask\"]");
}

/// The longest name of a namespace makes a head that is longer than the line takes.
#[tokio::test]
async fn a_long_namespace_is_no_different() {
    let mut world = World::start().await;
    let name = format!("/{}", "n".repeat(199));
    let (mut ws, socket) = world.join(&format!("{name},")).await;
    socket.emit(&Event::new("message", &["1"])).unwrap();
    assert_eq!(ws.text().await, format!("42{name},[\"message\",1]"));
}

/// Who waits for the last packets of a polling client that never fetches them is let go.
#[tokio::test]
async fn waiting_for_a_client_that_never_fetches_has_an_end() {
    let (sender, mut connections) = mpsc::channel(1);
    let engine = Engine::new(Config::new("/socket.io"), Keeper(sender));
    open_polling(&engine).await;
    let mut connection = soon(connections.recv()).await.unwrap();
    let socket = connection.accept("/", None);
    assert!(socket.waiting_bytes() > 0);
    socket.close(Reason::ForcedClose);
    soon(std::future::poll_fn(|cx| connection.poll_flushed(cx))).await;
    assert_eq!(engine.sessions(), 0);
}

/// Opens a session by polling, without a server around the engine, and gives the target of its requests.
async fn open_polling(engine: &Engine<Keeper>) -> String {
    let opened = engine.serve(get("/socket.io/?EIO=4&transport=polling"), None).await;
    let opened = opened.into_body().collect().await.unwrap().to_bytes();
    let open: serde_json::Value = serde_json::from_slice(&opened[1..]).unwrap();
    polling("/socket.io/", 4, open["sid"].as_str().unwrap())
}

fn get(target: &str) -> http::Request<Empty<Bytes>> {
    http::Request::get(target).body(Empty::new()).unwrap()
}

fn post(target: &str, body: &'static str) -> http::Request<Full<Bytes>> {
    http::Request::post(target).body(Full::new(Bytes::from_static(body.as_bytes()))).unwrap()
}

/// What a request has brought whole is not lost in silence while its user is behind: either the user gets it, or the
/// client has to begin anew.
#[tokio::test]
async fn a_request_that_goes_away_while_the_user_is_behind_ends_its_session() {
    let (sender, mut connections) = mpsc::channel(1);
    let engine = Engine::new(Config::new("/socket.io"), Keeper(sender));
    let target = open_polling(&engine).await;
    assert_eq!(engine.serve(post(&target, "40"), None).await.status(), 200);
    let mut held = Box::pin(engine.serve(post(&target, "42[\"lost\"]"), None));
    assert!(futures::poll!(&mut held).is_pending(), "the user has not even taken what was before");
    drop(held);
    let mut connection = soon(connections.recv()).await.unwrap();
    assert!(matches!(soon(connection.next()).await, Incoming::Connect { .. }));
    assert_eq!(soon(connection.next()).await, Incoming::Ended(Reason::TransportError));
}

/// A polling client is not heard while much waits for it, but only if it could fetch that.
#[tokio::test]
async fn what_waits_for_its_flush_holds_no_client_back() {
    let (sender, mut connections) = mpsc::channel(1);
    let config = Config { outbox_bytes: 1000, ..Config::new("/socket.io") };
    let engine = Engine::new(config, Keeper(sender));
    let target = open_polling(&engine).await;
    let mut connection = soon(connections.recv()).await.unwrap();
    let socket = connection.accept("/", None);
    assert_eq!(engine.serve(get(&target), None).await.status(), 200);
    socket.queue(&Event::new("burst", &[format!("\"{}\"", "x".repeat(800))])).unwrap();
    assert_eq!(engine.serve(post(&target, "42[\"first\"]"), None).await.status(), 200);
    assert!(matches!(soon(connection.next()).await, Incoming::Event { .. }));
    socket.flush();
    assert_eq!(engine.serve(post(&target, "42[\"second\"]"), None).await.status(), 200);
    {
        let mut next = Box::pin(connection.next());
        assert!(futures::poll!(&mut next).is_pending(), "it has to fetch first");
        assert_eq!(engine.serve(get(&target), None).await.status(), 200);
        assert!(matches!(soon(next).await, Incoming::Event { .. }));
    }
}

/// Gives its connections to the test.
struct Keeper(mpsc::Sender<Connection>);

impl Handler for Keeper {
    fn connected(&self, connection: Connection) {
        assert!(self.0.try_send(connection).is_ok());
    }
}
