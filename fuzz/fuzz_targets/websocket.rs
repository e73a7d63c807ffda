//! Frames of a client: whatever comes is understood or refused, and where it is cut changes neither.

#![no_main]

use libfuzzer_sys::fuzz_target;
use parlor_socketio::websocket::{Error, Limits, Reader, Received};

/// Small, so that the fuzzer finds them.
const LIMITS: Limits = Limits { frame_bytes: 200, message_bytes: 300, outbox_bytes: 0 };

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Received>, Error> {
    let mut reader = Reader::new(LIMITS);
    let mut received = Vec::new();
    for mut piece in pieces {
        while let Some(next) = reader.advance(&mut piece)? {
            received.push(next);
        }
    }
    Ok(received)
}

fuzz_target!(|bytes: &[u8]| {
    let Some((cut, bytes)) = bytes.split_first() else { return };
    let whole = read(std::iter::once(bytes));
    assert_eq!(read(bytes.chunks(usize::from(*cut).max(1))), whole);
    for message in whole.into_iter().flatten() {
        let length = match &message {
            Received::Text(text) => text.as_str().len(),
            Received::Binary(bytes) | Received::Ping(bytes) | Received::Pong(bytes) => bytes.len(),
            Received::Close(close) => close.as_ref().map_or(0, |close| close.reason.len()),
        };
        assert!(length <= LIMITS.message_bytes);
    }
});
