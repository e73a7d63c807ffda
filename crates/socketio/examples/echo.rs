//! Says back what it hears: `cargo run -p parlor-socketio --example echo -- 127.0.0.1:9001`.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
    time::Duration,
};

use hyper::{Request, Response, body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use parlor_socketio::{
    websocket::{self, Event, Kind, Limits, Pulse, Socket},
    wheel::Wheel,
};
use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
};

/// What the longest message of the usual conformance suite needs.
const MESSAGE_BYTES: usize = 16 * 1024 * 1024;

const PULSE: Pulse = Pulse {
    interval: Duration::from_secs(25),
    timeout: Duration::from_secs(20),
    stall: Duration::from_secs(20),
    message: Duration::from_secs(20),
};

#[tokio::main]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:9001".to_owned());
    let address: SocketAddr = address.parse().map_err(io::Error::other)?;
    let listener = TcpListener::bind(address).await?;
    println!("listening on {}", listener.local_addr()?);
    let server = Arc::new(Server { wheel: Wheel::new(PULSE.timeout), tasks: Mutex::default() });
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        server.spawn(serve(Arc::clone(&server), stream));
    }
}

/// Owns everything that runs.
struct Server {
    wheel: Wheel,
    tasks: Mutex<JoinSet<()>>,
}

impl Server {
    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let mut tasks = self.tasks.lock().expect("nothing panics while it holds the tasks");
        while tasks.try_join_next().is_some() {}
        tasks.spawn(task);
    }
}

async fn serve(server: Arc<Server>, stream: TcpStream) {
    let answer = service_fn(|request| {
        let response = answer(&server, request);
        async { Ok::<_, Infallible>(response) }
    });
    let http = auto::Builder::new(TokioExecutor::new());
    // A client that breaks off before it has a socket is no news.
    let _ = http.serve_connection_with_upgrades(TokioIo::new(stream), answer).await;
}

fn answer(server: &Arc<Server>, mut request: Request<Incoming>) -> Response<String> {
    let accepted = websocket::accept(&mut request, Limits::messages(MESSAGE_BYTES), websocket::plain);
    let (response, opening) = match accepted {
        Ok(accepted) => accepted,
        Err(rejection) => return rejection.response(),
    };
    // A task of its own: the one of the request ends with it, and gives its memory back.
    let wheel = server.wheel.clone();
    server.spawn(async move {
        if let Ok(mut socket) = opening.await {
            socket.watch(&wheel, PULSE);
            echo(socket).await;
        }
    });
    response.map(|()| String::new())
}

async fn echo(mut socket: Socket) {
    let sender = socket.sender();
    loop {
        let sent = match socket.next().await {
            Event::Text(text) => sender.send(Kind::Text, b"", text.as_bytes()),
            Event::Binary(bytes) => sender.send(Kind::Binary, b"", &bytes),
            Event::Ended(_) => return,
        };
        // A client that does not read its echoes is read no further until it has.
        if sent.is_err() || (sender.waiting_bytes() > 0 && socket.flushed().await.is_err()) {
            return;
        }
    }
}
