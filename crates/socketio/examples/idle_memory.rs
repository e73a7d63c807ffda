//! What one idle connection costs: opens WebSockets to a server in a process of its own, lets each join a namespace, and
//! prints the server's resident memory per connection. `cargo run --release -p parlor-socketio --example idle_memory -- 8000`

use std::{
    convert::Infallible,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
};

use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use parlor_socketio::{Config, Connection, Engine, Event, Handler, Incoming, Socket};
use tokio::net::TcpListener;

/// The argument that makes the program the server.
const SERVE: &str = "serve";

fn main() -> io::Result<()> {
    let argument = std::env::args().nth(1).unwrap_or_else(|| "8000".into());
    if argument == SERVE { serve() } else { measure(argument.parse().map_err(io::Error::other)?) }
}

/// Counts what the server holds before and with so many connections.
fn measure(connections: usize) -> io::Result<()> {
    let program = std::env::current_exe()?;
    let mut server = Command::new(program).arg(SERVE).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("it is piped")).read_line(&mut line)?;
    let address: SocketAddr = line.trim().parse().map_err(io::Error::other)?;
    // What the server allocates once is no cost of a connection.
    let warm = open(address, 100)?;
    let before = resident(server.id())?;
    let open = open(address, connections)?;
    let after = resident(server.id())?;
    let each = (after - before) / connections;
    println!("{connections} connections: {before} B before, {after} B with them, {each} B each");
    drop((warm, open));
    server.kill()
}

fn open(address: SocketAddr, connections: usize) -> io::Result<Vec<TcpStream>> {
    (0..connections).map(|_| join(address)).collect()
}

/// A client as small as it can be: upgrades, joins the main namespace, and waits until it is in.
fn join(address: SocketAddr) -> io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.write_all(
        b"GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nhost: x\r\nuser-agent: idle\r\norigin: http://x\r\n\
          connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n\
          sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
    )?;
    // A masked frame of two bytes with an empty mask: `40`.
    stream.write_all(&[0x81, 0x82, 0, 0, 0, 0, b'4', b'0'])?;
    let mut came = Vec::new();
    while !came.windows(9).any(|bytes| bytes == b"[\"hello\"]") {
        let mut buffer = [0; 1024];
        let read = stream.read(&mut buffer)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        came.extend_from_slice(&buffer[..read]);
    }
    Ok(stream)
}

fn resident(process: u32) -> io::Result<usize> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kilobytes: usize = line.trim_end_matches("kB").trim().parse().map_err(io::Error::other)?;
    Ok(kilobytes * 1024)
}

fn serve() -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
        println!("{}", listener.local_addr()?);
        eprintln!("a connection is {} B, a socket {} B", size_of::<Connection>(), size_of::<Socket>());
        let config = Config { sessions_max: 0, sessions_per_address: 0, ..Config::new("/socket.io") };
        let engine = Engine::new(config, Idle);
        let mut connections = tokio::task::JoinSet::new();
        loop {
            let (stream, peer) = listener.accept().await?;
            while connections.try_join_next().is_some() {}
            let engine = engine.clone();
            connections.spawn(async move {
                let service = service_fn(move |request| {
                    let engine = engine.clone();
                    async move { Ok::<_, Infallible>(engine.serve(request, Some(peer.ip())).await) }
                });
                let server = hyper::server::conn::http1::Builder::new();
                // A client that goes away is no error of this server.
                let _ = server.serve_connection(TokioIo::new(stream), service).with_upgrades().await;
            });
        }
    })
}

struct Idle;

impl Handler for Idle {
    #[expect(clippy::disallowed_methods, reason = "the task ends with its connection")]
    fn connected(&self, connection: Connection) {
        tokio::spawn(idle(connection));
    }
}

/// The least that a user does.
async fn idle(mut connection: Connection) {
    connection.take_request();
    let mut socket = None;
    loop {
        match connection.next().await {
            Incoming::Connect { namespace, .. } => {
                let joined = connection.accept(&namespace, None);
                let _ = joined.emit(&Event::new::<&str>("hello", &[]));
                socket = Some(joined);
            }
            Incoming::Ended(_) => break,
            Incoming::Event { .. }
            | Incoming::Oversized { .. }
            | Incoming::Ack { .. }
            | Incoming::Leave { .. } => {}
        }
    }
    drop(socket);
}
