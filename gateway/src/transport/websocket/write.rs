//! Writing to a socket: what is written together goes out together, and no more waits at a time than may.

use std::{
    future::poll_fn,
    sync::Arc,
    task::{Context, Poll, ready},
};

use parlor_socketio::{
    Closed, Reason, Sent,
    outbox::Line as Stream,
    websocket::{Ended, Sender, Socket},
};

use crate::{
    driver::Out,
    outbox::{Ending, Outbox, Run, Wire},
};

/// Bytes written at once; what waits behind them still counts in the outbox.
pub(super) const PIECE_BYTES: usize = 64 * 1024;

/// Where fan-out's frames go straight to.
pub(super) struct Line(pub Sender);

impl Wire for Line {
    fn send(&self, run: &Run) -> Result<Sent, Ending> {
        self.0.send_joined(run.joined()).map_err(closed)
    }

    fn waiting_bytes(&self) -> usize {
        self.0.waiting_bytes()
    }

    fn counted_bytes(&self) -> usize {
        self.0.counted_bytes()
    }

    fn dropped_bytes(&self) -> usize {
        self.0.dropped_bytes()
    }
}

/// Writes what the connection's own task has to say.
pub(super) struct Writer {
    sender: Sender,
    stream: Stream,
    outbox: Arc<Outbox>,
    piece_bytes: usize,
}

impl Writer {
    pub fn new(socket: &Socket, outbox: &Arc<Outbox>, outbox_bytes: usize) -> Self {
        let piece_bytes = PIECE_BYTES.min(outbox_bytes / 2);
        let (sender, stream) = (socket.sender(), Arc::clone(socket.line()));
        Self { sender, stream, outbox: Arc::clone(outbox), piece_bytes }
    }

    /// Writes all frames, as many together as a piece holds. Where the kernel does not take a piece it is waited for, so
    /// that who answers much at once is not cut off for it.
    pub async fn write(&self, out: &mut Vec<Out>) -> Result<(), Ending> {
        for out in out.drain(..) {
            // There are no namespaces and no acknowledgements on a raw WebSocket.
            let Out::Frame(frame) = out else { continue };
            let (kind, body) = frame.message();
            if self.sender.waiting_bytes() + frame.bytes() > self.piece_bytes {
                self.sender.flush();
                self.flushed().await?;
            }
            self.sender.queue(kind, b"", body).map_err(closed)?;
        }
        self.sender.flush();
        Ok(())
    }

    async fn flushed(&self) -> Result<(), Ending> {
        poll_fn(|cx| match self.outbox.poll_ended(cx) {
            Poll::Ready(ending) => Poll::Ready(Err(ending)),
            Poll::Pending => self.poll_flushed(cx),
        })
        .await
    }

    /// Writes what waits; ready when nothing does, or the connection has ended.
    pub fn poll_flushed(&self, cx: &mut Context<'_>) -> Poll<Result<(), Ending>> {
        let flushed = ready!(self.stream.poll_flushed(cx)).map_err(closed);
        self.outbox.has_left();
        Poll::Ready(flushed)
    }
}

fn closed(Closed(reason): Closed) -> Ending {
    ending(&Ended::Here(reason))
}

/// What is made known of how a socket ended.
pub(super) fn ending(ended: &Ended) -> Ending {
    match ended {
        Ended::Refused(error) => Ending { code: error.code(), reason: error.reason() },
        Ended::Here(Reason::SlowReader) => Ending::SLOW_READER,
        Ended::Here(Reason::PingTimeout) => Ending::SILENT,
        Ended::Here(Reason::TooSlow) => Ending::TOO_SLOW,
        Ended::Here(_) | Ended::Closed(_) | Ended::Lost => Ending::GONE,
    }
}
