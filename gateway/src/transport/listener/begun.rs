//! How a connection has begun: a client that sends next to nothing is told from one that is merely quiet.
//!
//! Hyper's own time-out begins when it knows the version of HTTP; until then it would wait for ever.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::place::Place;

/// What tells HTTP/2 from HTTP/1 is so long; a client that has not sent it in time sends nothing.
const PREFACE_BYTES: usize = 24;

/// What has come so far.
#[derive(Debug, Default)]
pub(super) struct Begun {
    bytes: AtomicUsize,
    request: AtomicBool,
}

impl Begun {
    /// A request came.
    pub fn requested(&self) {
        self.request.store(true, Ordering::Relaxed);
    }

    /// True if neither a request came nor what tells the version.
    pub fn is_silent(&self) -> bool {
        !self.request.load(Ordering::Relaxed) && self.bytes.load(Ordering::Relaxed) < PREFACE_BYTES
    }
}

/// A stream that counts what it reads, up to the little that matters.
pub(super) struct Counted<S> {
    stream: S,
    begun: Arc<Begun>,
    /// Its place among the listener's connections, for as long as there is a stream.
    place: Arc<Place>,
}

impl<S> Counted<S> {
    pub fn new(stream: S, begun: Arc<Begun>, place: Arc<Place>) -> Self {
        Self { stream, begun, place }
    }

    /// What goes on when HTTP ends: the stream, and its place.
    pub fn into_parts(self) -> (S, Arc<Place>) {
        (self.stream, self.place)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        let bytes = self.begun.bytes.load(Ordering::Relaxed);
        if bytes < PREFACE_BYTES {
            self.begun.bytes.store(bytes + buffer.filled().len() - before, Ordering::Relaxed);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
