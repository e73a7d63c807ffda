//! Payloads of a client, of both versions: whatever comes is cut into packets or refused, and nothing follows a refusal.

#![no_main]

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use parlor_socketio::engine::{
    packet::{Malformed, Packet},
    payload::Payload,
    v3::{BinaryPayload, TextPayload},
};

fn orderly(packets: impl Iterator<Item = Result<Packet, Malformed>>, length: usize) {
    let packets: Vec<_> = packets.collect();
    let malformed = packets.iter().position(Result::is_err);
    assert!(malformed.is_none_or(|at| at + 1 == packets.len()));
    let bytes: usize = packets.iter().flatten().map(|packet| packet.data.len()).sum();
    assert!(bytes <= length);
}

fuzz_target!(|bytes: &[u8]| {
    let bytes = Bytes::copy_from_slice(bytes);
    orderly(BinaryPayload::new(bytes.clone()), bytes.len());
    orderly(TextPayload::new(bytes.clone()), bytes.len());
    orderly(Payload::new(bytes.clone()), bytes.len());
});
