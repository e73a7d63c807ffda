//! The server that the official protocol test-suites ask for: an Engine.IO echo at `/engine.io/`, and at `/socket.io/` the
//! namespaces and events that their README lists. The example runs it too.

use std::{convert::Infallible, io, net::SocketAddr, time::Duration};

use http::Request;
use hyper::{body::Incoming as Body, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use parlor_socketio::{
    Config, Connection, Cors, Engine, Event, Handler, Incoming, Reason, Socket,
    engine::{Link, Message},
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

/// The settings that the suites' README names.
pub fn config(path: &str) -> Config {
    Config {
        ping_interval: Duration::from_millis(300),
        ping_timeout: Duration::from_millis(200),
        connect_timeout: Duration::from_secs(1),
        allow_v3: true,
        cors: Cors::Any,
        ..Config::new(path)
    }
}

/// Both engines.
#[derive(Clone)]
pub struct Servers {
    pub raw: Engine<Echo>,
    pub socketio: Engine<Suite>,
}

impl Servers {
    /// Serves what the listener accepts, for as long as it is polled.
    pub async fn run(self, listener: TcpListener) -> io::Result<()> {
        let mut connections = JoinSet::new();
        loop {
            let (stream, peer) = listener.accept().await?;
            stream.set_nodelay(true)?;
            while connections.try_join_next().is_some() {}
            connections.spawn(self.clone().serve(stream, peer));
        }
    }

    async fn serve(self, stream: TcpStream, peer: SocketAddr) {
        let service = service_fn(move |request: Request<Body>| {
            let servers = self.clone();
            async move {
                let peer = Some(peer.ip());
                Ok::<_, Infallible>(if request.uri().path().starts_with("/engine.io") {
                    servers.raw.serve(request, peer).await
                } else {
                    servers.socketio.serve(request, peer).await
                })
            }
        });
        let builder = auto::Builder::new(TokioExecutor::new());
        // A client that goes away is no error of this server.
        let _ = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await;
    }
}

/// Where the ends of connections are told, if anybody wants to know.
pub type Ends = Option<mpsc::Sender<Reason>>;

fn tell(ends: &Ends, reason: Reason) {
    if let Some(ends) = ends {
        // Who does not listen misses it.
        let _ = ends.try_send(reason);
    }
}

/// Sends back what it gets, without Socket.IO.
pub struct Echo {
    pub ends: Ends,
}

impl Handler for Echo {
    #[expect(clippy::disallowed_methods, reason = "the task ends with its connection")]
    fn connected(&self, connection: Connection) {
        tokio::spawn(echo(connection.into_link(), self.ends.clone()));
    }
}

async fn echo(mut link: Link, ends: Ends) {
    loop {
        // If the connection has ended, the next message says so.
        let _ = match link.next().await {
            Message::Text(text) => link.send_text(&text),
            Message::Binary(bytes) => link.send_binary(&bytes),
            Message::Ended(reason) => return tell(&ends, reason),
        };
    }
}

/// The namespaces `/` and `/custom`, and their events.
pub struct Suite {
    pub ends: Ends,
}

impl Handler for Suite {
    #[expect(clippy::disallowed_methods, reason = "the task ends with its connection")]
    fn connected(&self, connection: Connection) {
        tokio::spawn(serve(connection, self.ends.clone()));
    }
}

async fn serve(mut connection: Connection, ends: Ends) {
    connection.take_request();
    let mut sockets: Vec<Socket> = Vec::new();
    loop {
        match connection.next().await {
            Incoming::Connect { namespace, auth } if matches!(&*namespace, "/" | "/custom") => {
                let socket = connection.accept(&namespace, None);
                let auth = auth.as_deref().map_or("{}", |auth| std::str::from_utf8(auth).unwrap_or("{}"));
                let _ = socket.emit(&Event::new("auth", &[auth]));
                sockets.retain(|socket| *socket.namespace() != *namespace);
                sockets.push(socket);
            }
            Incoming::Connect { namespace, .. } => connection.refuse(&namespace, "Invalid namespace", None),
            Incoming::Event { namespace, event, ack } => {
                if let Some(socket) = sockets.iter().find(|socket| *socket.namespace() == *namespace) {
                    answer(socket, &event, ack);
                }
            }
            Incoming::Oversized { namespace, event, .. } => {
                if let Some(socket) = sockets.iter().find(|socket| *socket.namespace() == *namespace) {
                    let _ = socket.emit(&Event::new("too-long", &event.args().collect::<Vec<_>>()));
                }
            }
            Incoming::Ack { namespace, event, .. } => {
                // The suites never get this far: it is for clients that try acknowledgements the other way.
                if let Some(socket) = sockets.iter().find(|socket| *socket.namespace() == *namespace) {
                    let args: Vec<_> = event.elements().collect();
                    let _ = socket.emit(&with_bytes(Event::new("acked", &args), &event));
                }
            }
            Incoming::Leave { namespace } => sockets.retain(|socket| *socket.namespace() != *namespace),
            Incoming::Ended(reason) => return tell(&ends, reason),
        }
    }
}

fn with_bytes(event: Event, of: &Event) -> Event {
    event.with_attachments(of.attachments.to_vec())
}

fn answer(socket: &Socket, event: &Event, ack: Option<u64>) {
    let args: Vec<_> = event.args().collect();
    // A connection that has ended says so by itself.
    let _ = match (event.name().as_deref(), ack) {
        (Some("message"), _) if *socket.namespace() == *"/" => {
            socket.emit(&with_bytes(Event::new("message-back", &args), event))
        }
        (Some("message-with-ack"), Some(ack)) => {
            socket.ack(ack, &with_bytes(Event::from(format!("[{}]", args.join(","))), event))
        }
        (Some("ask"), _) => socket.emit_with_ack(&with_bytes(Event::new("asked", &args), event)).map(drop),
        (Some("leave"), _) => {
            socket.leave();
            Ok(())
        }
        _ => Ok(()),
    };
}
