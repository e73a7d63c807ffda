//! The floor: the least a program can do that accepts the same connections and delivers the same frames.
//!
//! It answers the upgrade, Engine.IO's open, Socket.IO's CONNECT and the join from constants, makes each message's frame
//! once from a template, and writes it once to each socket that hears it, one write for each frame. It checks nothing,
//! keeps nothing and pings nobody: what a server spends beyond this is what it spends on being a server.
//!
//! Who asks for `/socket.io/` is spoken to over Socket.IO, in the words of `support`; everybody else over a raw
//! WebSocket, in those of `staff`. With a file for a log (`log`) every message is on disk before it is delivered: then it is
//! the ceiling of what a server can do that keeps messages.

mod hall;
mod log;
mod request;
mod staff;
mod support;

use std::{io, net::SocketAddr, path::PathBuf, rc::Rc};

use tokio::{
    io::AsyncWriteExt as _,
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

use hall::{Hall, Words};
use request::Asked;

/// What the floor is told.
#[derive(Clone, Debug)]
pub struct Options {
    /// The Socket.IO namespace: `/` or `/name`.
    pub namespace: String,
    /// The file that every message is appended to before it is delivered.
    pub log: Option<PathBuf>,
}

/// Connections that may wait to be accepted: more than the generator has on their way at a time.
const BACKLOG: u32 = 1024;

/// A listener as a server has it.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Serves until it is dropped. Call it within a `LocalSet`.
pub async fn serve(listener: TcpListener, options: &Options) -> io::Result<()> {
    let hall = Rc::new(Hall::new(&options.namespace, options.log.is_some()));
    match &options.log {
        Some(path) => {
            tokio::select! {
                ended = accept(&listener, &hall) => ended,
                error = hall.keep(path) => Err(error),
            }
        }
        None => accept(&listener, &hall).await,
    }
}

async fn accept(listener: &TcpListener, hall: &Rc<Hall>) -> io::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let hall = Rc::clone(hall);
        connections.spawn_local(async move {
            // How a connection ends is nobody's concern here: the generator notices what it lacks.
            let _ = attend(&hall, stream).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn attend(hall: &Rc<Hall>, mut stream: TcpStream) -> io::Result<()> {
    let request = request::read(&mut stream).await?;
    let words = match request::asked(&request) {
        Asked::SocketIo => Words::Support,
        Asked::WebSocket => Words::Staff,
        // Whatever is prepared: nothing has to be.
        Asked::Post => return stream.write_all(request::DONE).await,
    };
    let mut answer = request::upgraded(&request);
    if words == Words::Support {
        answer.extend(support::open());
    }
    stream.write_all(&answer).await?;
    hall.attend(words, Rc::new(stream)).await
}
