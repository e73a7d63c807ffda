//! The stream of a client, guarded while HTTP has it: against one that sends next to nothing, and one that takes nothing.
//!
//! Hyper's own time-out begins when it knows the version of HTTP; until then it would wait for ever. HTTP/2 asks its peers
//! whether they live and sockets have a time-out of their own, but an HTTP/1 client that does not read its answer would
//! keep its place, and the answer, until the kernel gives up.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

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

/// A stream that counts what it reads, up to the little that matters, and whose writes make progress, or fail.
pub(super) struct Guarded<S> {
    stream: S,
    begun: Arc<Begun>,
    /// Its place among the listener's connections, for as long as there is a stream.
    place: Arc<Place>,
    write_within: Duration,
    /// Set only while a write waits, so that a connection at rest has no timer.
    over: Option<Pin<Box<Sleep>>>,
}

impl<S: Unpin> Guarded<S> {
    pub fn new(stream: S, begun: Arc<Begun>, place: Arc<Place>, write_within: Duration) -> Self {
        Self { stream, begun, place, write_within, over: None }
    }

    /// What goes on when HTTP ends: the stream by itself, and its place.
    pub fn into_parts(self) -> (S, Arc<Place>) {
        (self.stream, self.place)
    }

    fn poll<T>(
        &mut self,
        cx: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut S>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(written) = write(Pin::new(&mut self.stream), cx) {
            self.over = None;
            return Poll::Ready(written);
        }
        let over = self.over.get_or_insert_with(|| Box::pin(tokio::time::sleep(self.write_within)));
        over.as_mut().poll(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Guarded<S> {
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll(cx, |stream, cx| stream.poll_write(cx, bytes))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, AsyncWrite::poll_flush)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll(cx, AsyncWrite::poll_shutdown)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll(cx, |stream, cx| stream.poll_write_vectored(cx, slices))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
