//! From a request to a socket: the handshake is answered, and the upgraded connection is taken apart to its bare stream,
//! so that nothing of HTTP stays with it.

use std::{io, sync::Arc};

use bytes::Bytes;
use http::{Request, Response};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::{rt::TokioIo, server::conn::auto};
use tokio::net::TcpStream;

use super::{Limits, handshake, rejection::Rejection, socket::Socket};
use crate::{outbox::Outbox, stream::Stream};

/// The bare stream of an upgraded connection, and what had been read of it already.
pub struct Taken {
    line: Arc<Outbox>,
    read: Bytes,
}

impl Taken {
    /// `read` is copied: however short, it would keep the whole buffer that HTTP read into.
    pub fn new(stream: impl Stream, read: &[u8]) -> Self {
        let read = Bytes::copy_from_slice(read);
        Self { line: Arc::new(Outbox::new(stream, 0)), read }
    }
}

/// Takes an upgraded connection apart. A server that wraps its streams gives its own function; [`plain`] is for those that
/// do not.
///
/// # Errors
/// If the connection is of a kind that it does not know.
pub type TakeApart = fn(Upgraded) -> io::Result<Taken>;

/// Takes apart what a server over plain TCP gives, served by hyper itself or by hyper-util's automatic one.
///
/// # Errors
/// If there is something else between HTTP and TCP.
pub fn plain(upgraded: Upgraded) -> io::Result<Taken> {
    let upgraded = match auto::upgrade::downcast::<TokioIo<TcpStream>>(upgraded) {
        Ok(parts) => return Ok(Taken::new(parts.io.into_inner(), &parts.read_buf)),
        Err(upgraded) => upgraded,
    };
    match upgraded.downcast::<TokioIo<TcpStream>>() {
        Ok(parts) => Ok(Taken::new(parts.io.into_inner(), &parts.read_buf)),
        Err(_unknown) => Err(io::Error::other("the upgraded connection is no plain tcp stream")),
    }
}

/// Answers a request for a WebSocket. The response has to be sent for the socket to come: the future waits for that.
///
/// # Errors
/// If the request opens no WebSocket; [`Rejection::response`] is the answer.
pub fn accept<B>(
    request: &mut Request<B>,
    limits: Limits,
    take_apart: TakeApart,
) -> Result<(Response<()>, impl Future<Output = io::Result<Socket>> + Send + use<B>), Rejection> {
    let response = handshake::answer(request)?;
    let upgrade = request.extensions_mut().remove::<OnUpgrade>().ok_or(Rejection::NotUpgradable)?;
    let opening = async move {
        let upgraded = upgrade.await.map_err(io::Error::other)?;
        let Taken { mut line, read } = take_apart(upgraded)?;
        let unshared = Arc::get_mut(&mut line).expect("nobody else has the line yet");
        unshared.set_bytes_max(limits.outbox_bytes);
        Ok(Socket::new(line, read, limits))
    };
    Ok((response, opening))
}
