//! Writing to a socket: several frames with one flush, and never longer than a reader may take.

use std::{error::Error as _, time::Duration};

use axum::extract::ws::{CloseFrame, Message, WebSocket};
use futures::SinkExt as _;

use crate::{
    dialect::Frame,
    outbox::{Ending, Outbox},
};

/// So much is written with one flush; what waits behind it still counts in the outbox.
pub(super) const PIECE_BYTES: usize = 64 * 1024;

/// How long a client has to take the goodbye and say its own.
const GOODBYE: Duration = Duration::from_secs(1);

/// The reason of a close has at most so many bytes (RFC 6455 section 5.5).
const REASON_BYTES_MAX: usize = 123;

/// Writes all frames and flushes once.
pub(super) async fn frames(
    socket: &mut WebSocket,
    frames: &mut Vec<Frame>,
    outbox: &Outbox,
    within: Duration,
) -> Result<(), Ending> {
    if frames.is_empty() {
        return Ok(());
    }
    let writing = async {
        for frame in frames.drain(..) {
            let message = match frame {
                Frame::Text(text) => Message::Text(text),
                Frame::Binary(bytes) => Message::Binary(bytes),
            };
            socket.feed(message).await?;
        }
        socket.flush().await
    };
    bounded(writing, outbox, within).await
}

pub(super) async fn ping(socket: &mut WebSocket, outbox: &Outbox, within: Duration) -> Result<(), Ending> {
    bounded(socket.send(Message::Ping(bytes::Bytes::new())), outbox, within).await
}

/// Gives up when the reader takes too long, or its outbox ran over meanwhile.
async fn bounded(
    writing: impl Future<Output = Result<(), axum::Error>>,
    outbox: &Outbox,
    within: Duration,
) -> Result<(), Ending> {
    tokio::select! {
        biased;
        written = writing => written.map_err(|_broken| Ending::GONE),
        () = outbox.ended() => Err(outbox.ending().unwrap_or(Ending::GONE)),
        () = tokio::time::sleep(within) => {
            outbox.end(Ending::SLOW_READER);
            Err(Ending::SLOW_READER)
        }
    }
}

/// Sends the reason and waits a little for the client's own close, so that the reason is not lost with the connection.
/// To a client that closed first, the library has the answer ready: without it the client's close would not be clean.
pub(super) async fn say_goodbye(mut socket: WebSocket, ending: Ending) {
    debug_assert!(ending.reason.len() <= REASON_BYTES_MAX);
    let goodbye = async {
        if ending == Ending::GONE {
            let _ = socket.flush().await;
            return;
        }
        let close = CloseFrame { code: ending.code, reason: ending.reason.into() };
        if socket.send(Message::Close(Some(close))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    let _ = tokio::time::timeout(GOODBYE, goodbye).await;
}

/// What a client that cannot be understood is told.
pub(super) fn read_ending(error: &axum::Error) -> Ending {
    use tungstenite::Error;

    let found = error.source().and_then(|source| source.downcast_ref::<Error>());
    match found {
        Some(Error::Capacity(_)) => Ending::TOO_BIG,
        Some(Error::Utf8(_)) => Ending::BAD_TEXT,
        Some(Error::Protocol(_)) => Ending::BAD_FRAME,
        Some(_) | None => Ending::GONE,
    }
}
