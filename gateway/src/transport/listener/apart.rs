//! What is left of an upgraded connection when HTTP is over: the bare stream, and its place among the listener's.

use std::{
    io::{self, IoSlice},
    sync::Arc,
    task::{Context, Poll},
};

use hyper::upgrade::Upgraded;
use hyper_util::{rt::TokioIo, server::conn::auto::upgrade};
use parlor_socketio::{Stream, stream::tls::Tls, websocket::Taken};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::{guarded::Guarded, place::Place};

/// Takes a connection of a listener apart, so that nothing of HTTP stays with it.
///
/// # Errors
/// If it is no connection of a listener.
pub(crate) fn take_apart(upgraded: Upgraded) -> io::Result<Taken> {
    let upgraded = match unwrap::<TcpStream>(upgraded) {
        Ok((stream, place, read)) => return Ok(Taken::new(Placed { stream, _place: place }, &read)),
        Err(upgraded) => upgraded,
    };
    match unwrap::<TlsStream<TcpStream>>(upgraded) {
        Ok((stream, place, read)) => {
            Ok(Taken::new(Placed { stream: Tls::new(stream), _place: place }, &read))
        }
        Err(_unknown) => Err(io::Error::other("the upgraded connection is none of a listener's")),
    }
}

type Unwrapped<S> = (S, Arc<Place>, bytes::Bytes);

fn unwrap<S>(upgraded: Upgraded) -> Result<Unwrapped<S>, Upgraded>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let parts = upgrade::downcast::<TokioIo<Guarded<S>>>(upgraded)?;
    let (stream, place) = parts.io.into_inner().into_parts();
    Ok((stream, place, parts.read_buf))
}

/// A stream that holds its place.
struct Placed<S> {
    stream: S,
    _place: Arc<Place>,
}

impl<S: Stream> Stream for Placed<S> {
    fn poll_read_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_read_ready(cx)
    }

    fn poll_write_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_write_ready(cx)
    }

    fn try_read(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.try_read(buffer)
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        self.stream.try_write_vectored(slices)
    }

    fn try_flush(&self) -> io::Result<()> {
        self.stream.try_flush()
    }

    fn finish(&self) {
        self.stream.finish();
    }

    fn abort(&self) {
        self.stream.abort();
    }
}
