//! The floor: the least a program can do that accepts the same connections and delivers the same frames.
//!
//! It answers the upgrade, Engine.IO's open, Socket.IO's CONNECT and the join from constants, makes each message's frame
//! once from a template, and writes it once to each socket that hears it, one write for each frame. It checks nothing,
//! keeps nothing and pings nobody: what a server spends beyond this is what it spends on being a server.

mod wire;

use std::{cell::RefCell, io, net::SocketAddr, rc::Rc};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpSocket, TcpStream},
    task::JoinSet,
};

use crate::frame;

/// One read; a burst of messages from one speaker fits.
const SCRATCH: usize = 64 * 1024;

thread_local! {
    static SHARED: RefCell<Vec<u8>> = RefCell::new(vec![0; SCRATCH]);
}

/// Everybody who is in.
#[derive(Default)]
struct Hall {
    staff: RefCell<Vec<Rc<TcpStream>>>,
    messages: RefCell<u64>,
    /// The namespace with which packets begin: empty, or `/name,`.
    head: String,
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
pub async fn serve(listener: TcpListener, namespace: &str) -> io::Result<()> {
    let head = if namespace == "/" { String::new() } else { format!("{namespace},") };
    let hall = Rc::new(Hall { head, ..Hall::default() });
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let hall = hall.clone();
        connections.spawn_local(async move {
            // How a connection ends is nobody's concern here: the generator notices what it lacks.
            let _ = attend(&hall, stream).await;
        });
        while connections.try_join_next().is_some() {}
    }
}

async fn attend(hall: &Rc<Hall>, mut stream: TcpStream) -> io::Result<()> {
    let answer = wire::upgrade(&read_request(&mut stream).await?);
    stream.write_all(&answer).await?;
    let stream = Rc::new(stream);
    let mut rest = Vec::new();
    let ended = loop {
        if let Err(error) = stream.readable().await {
            break error;
        }
        let done = SHARED.with_borrow_mut(|scratch| {
            let length = match stream.try_read(scratch) {
                Ok(0) => return Err(io::ErrorKind::ConnectionAborted.into()),
                Ok(length) => length,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            };
            rest.extend_from_slice(&scratch[..length]);
            hall.hear(&stream, &mut rest)
        });
        if let Err(error) = done {
            break error;
        }
    };
    hall.staff.borrow_mut().retain(|there| !Rc::ptr_eq(there, &stream));
    Err(ended)
}

/// The head of the request. Nothing of it matters but the key.
async fn read_request(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(512);
    while !bytes.ends_with(b"\r\n\r\n") {
        if stream.read_buf(&mut bytes).await? == 0 || bytes.len() > SCRATCH {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    Ok(bytes)
}

impl Hall {
    fn hear(&self, stream: &Rc<TcpStream>, bytes: &mut Vec<u8>) -> io::Result<()> {
        let mut at = 0;
        while let Some(found) = frame::find(&bytes[at..]).map_err(io::Error::other)? {
            let payload = &mut bytes[at + found.start..at + found.end];
            if let Some(mask) = found.mask {
                frame::unmask(payload, mask);
            }
            self.answer(stream, payload)?;
            at += found.end;
        }
        bytes.drain(..at);
        if bytes.is_empty() {
            *bytes = Vec::new();
        }
        Ok(())
    }

    fn answer(&self, stream: &Rc<TcpStream>, text: &[u8]) -> io::Result<()> {
        match wire::Word::of(text) {
            wire::Word::Connect => write(stream, &wire::connected(&self.head)),
            wire::Word::JoinStaff => {
                self.staff.borrow_mut().push(stream.clone());
                write(stream, &wire::event(&self.head, wire::ADMIN_ONLINE))
            }
            wire::Word::AskOwn => write(stream, &wire::event(&self.head, wire::OWN_CONVERSATION)),
            wire::Word::Say(content) => self.deliver(stream, content),
            wire::Word::Other => Ok(()),
        }
    }

    /// To everybody of the staff, and to whoever said it.
    fn deliver(&self, speaker: &Rc<TcpStream>, content: &str) -> io::Result<()> {
        let number = self.messages.replace_with(|number| *number + 1) + 1;
        let frame = wire::message(&self.head, number, content);
        for stream in self.staff.borrow().iter() {
            // A socket that cannot take it loses it: to wait is no floor's work, and the generator counts what is missing.
            let _ = write(stream, &frame);
        }
        write(speaker, &frame)
    }
}

/// One write. What is cut short cannot be repaired, so it ends the connection.
fn write(stream: &TcpStream, frame: &[u8]) -> io::Result<()> {
    match stream.try_write(frame)? {
        length if length == frame.len() => Ok(()),
        _ => Err(io::ErrorKind::WriteZero.into()),
    }
}
