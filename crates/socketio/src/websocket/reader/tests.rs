//! Frames as a client sends them, cut anywhere.

use proptest::prelude::*;

use super::*;
use crate::websocket::close::{NORMAL, PROTOCOL_ERROR};

/// The masked frame of a client.
fn frame(last: bool, opcode: u8, payload: &[u8], key: [u8; 4]) -> Vec<u8> {
    let mut frame = vec![u8::from(last) << 7 | opcode];
    match payload.len() {
        length @ 0..=125 => frame.push(0x80 | u8::try_from(length).unwrap()),
        length @ 126..=65_535 => {
            frame.push(0x80 | 126);
            frame.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            frame.push(0x80 | 127);
            frame.extend((length as u64).to_be_bytes());
        }
    }
    frame.extend(key);
    frame.extend(payload.iter().zip(key.iter().cycle()).map(|(byte, key)| byte ^ key));
    frame
}

const KEY: [u8; 4] = [0x12, 0x34, 0x56, 0x78];

fn limits(bytes: usize) -> Limits {
    Limits::messages(bytes)
}

/// All that comes of the pieces, or what is wrong with them.
fn read<'a>(limits: Limits, pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Received>, Error> {
    let mut reader = Reader::new(limits);
    let mut received = Vec::new();
    for mut piece in pieces {
        while let Some(next) = reader.advance(&mut piece)? {
            received.push(next);
        }
        assert!(piece.is_empty());
    }
    Ok(received)
}

fn whole(bytes: &[u8]) -> Result<Vec<Received>, Error> {
    read(limits(1 << 20), [bytes])
}

#[test]
fn a_message_at_the_limit_passes_and_one_byte_over_does_not() {
    let received = read(limits(300), [&*frame(true, 2, &[7; 300], KEY)]).unwrap();
    assert_eq!(received, [Received::Binary(vec![7; 300].into())]);
    let over = frame(true, 2, &[7; 301], KEY);
    assert_eq!(read(limits(300), [&over[..8]]), Err(Error::TooBig), "its header is enough");

    let halves = [frame(false, 2, &[7; 150], KEY), frame(true, 0, &[7; 150], KEY)].concat();
    assert_eq!(read(limits(300), [&*halves]).unwrap().len(), 1);
    let halves = [frame(false, 2, &[7; 150], KEY), frame(true, 0, &[7; 151], KEY)].concat();
    assert_eq!(read(limits(300), [&*halves]), Err(Error::TooBig));
}

#[test]
fn a_frame_at_its_own_limit_passes_and_one_byte_over_does_not() {
    let limits = Limits { frame_bytes: 100, ..limits(300) };
    assert_eq!(read(limits, [&*frame(true, 2, &[7; 100], KEY)]).unwrap().len(), 1);
    assert_eq!(read(limits, [&*frame(true, 2, &[7; 101], KEY)]), Err(Error::TooBig));
}

#[test]
fn a_length_that_no_memory_has_is_refused_by_its_header() {
    let header = [0x82, 0xff, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4];
    assert_eq!(whole(&header), Err(Error::TooBig));
}

#[test]
fn a_message_of_65536_fragments_is_a_message_like_others() {
    let mut bytes = frame(false, 2, b"x", KEY);
    for _ in 0..65_534 {
        bytes.extend(frame(false, 0, b"x", KEY));
    }
    bytes.extend(frame(true, 0, b"x", KEY));
    assert_eq!(whole(&bytes).unwrap(), [Received::Binary(vec![b'x'; 65_536].into())]);
}

#[test]
fn what_a_header_promises_takes_no_memory() {
    let mut reader = Reader::new(limits(1 << 30));
    let promise = [0x82, 0xff, 0, 0, 0, 0, 0x20, 0, 0, 0, 1, 2, 3, 4, 5];
    assert_eq!(reader.advance(&mut &promise[..]), Ok(None));
    assert_eq!(reader.message.capacity(), 1);
}

#[test]
fn between_messages_nothing_is_held() {
    let mut reader = Reader::new(limits(1 << 20));
    let bytes = [frame(false, 1, b"on", KEY), frame(true, 9, b"hm", KEY), frame(true, 0, b"e", KEY)].concat();
    let mut input = &*bytes;
    assert_eq!(reader.advance(&mut input), Ok(Some(Received::Ping(Bytes::from_static(b"hm")))));
    assert!(!reader.is_at_rest());
    assert_eq!(reader.advance(&mut input), Ok(Some(Received::Text("one".into()))));
    assert!(reader.is_at_rest());
    assert_eq!((reader.message.capacity(), reader.control.capacity()), (0, 0));
}

#[test]
fn fragments_out_of_place_are_refused() {
    assert_eq!(whole(&frame(true, 0, b"x", KEY)), Err(Error::Continuation));
    let nested = [frame(false, 1, b"x", KEY), frame(true, 1, b"y", KEY)].concat();
    assert_eq!(whole(&nested), Err(Error::Interrupted));
    assert_eq!(Error::Interrupted.code(), PROTOCOL_ERROR);
}

#[test]
fn a_text_fails_at_its_first_bad_byte() {
    let mut bad = frame(false, 1, b"good \xff", KEY);
    assert_eq!(whole(&bad), Err(Error::Utf8), "before the message ends");
    bad = frame(true, 1, &[b'x'; 200], KEY);
    bad[8 + 10] ^= 0xff;
    assert_eq!(read(limits(1 << 20), [&bad[..8 + 11]]), Err(Error::Utf8), "before the frame ends");
    assert_eq!(
        whole(&frame(true, 1, &"€".as_bytes()[..2], KEY)),
        Err(Error::Utf8),
        "an unfinished character"
    );
    let text = "€".as_bytes();
    let halves = [frame(false, 1, &text[..2], KEY), frame(true, 0, &text[2..], KEY)].concat();
    assert_eq!(whole(&halves), Ok(vec![Received::Text("€".into())]));
}

#[test]
fn a_close_has_its_code_and_reason() {
    let close = Close { code: NORMAL, reason: "done".into() };
    assert_eq!(whole(&frame(true, 8, b"\x03\xe8done", KEY)), Ok(vec![Received::Close(Some(close))]));
    assert_eq!(whole(&frame(true, 8, b"", KEY)), Ok(vec![Received::Close(None)]));
    assert_eq!(whole(&frame(true, 8, b"\x03", KEY)), Err(Error::Close));
}

/// A message or a control frame, and the frames that carry it.
fn message() -> impl Strategy<Value = (Received, Vec<Vec<u8>>)> {
    let bytes = proptest::collection::vec(any::<u8>(), 0..400);
    let data = (bytes, any::<bool>(), proptest::collection::vec(0_usize..400, 0..4), any::<[u8; 4]>());
    let data = data.prop_map(|(bytes, text, mut cuts, key)| {
        let bytes = if text { String::from_utf8_lossy(&bytes).into_owned().into_bytes() } else { bytes };
        cuts.iter_mut().for_each(|cut| *cut = (*cut).min(bytes.len()));
        cuts.sort_unstable();
        cuts.push(bytes.len());
        let (mut from, count) = (0, cuts.len());
        let frames = cuts.iter().enumerate().map(|(index, to)| {
            let opcode = if index > 0 {
                0
            } else if text {
                1
            } else {
                2
            };
            let piece = &bytes[from..*to];
            from = *to;
            frame(index + 1 == count, opcode, piece, key)
        });
        let frames = frames.collect();
        let received = if text {
            Received::Text(Text::try_from(Bytes::from(bytes)).unwrap())
        } else {
            Received::Binary(bytes.into())
        };
        (received, frames)
    });
    let control = (proptest::collection::vec(any::<u8>(), 0..=125), any::<bool>(), any::<[u8; 4]>());
    let control = control.prop_map(|(payload, ping, key)| {
        let frame = frame(true, if ping { 9 } else { 10 }, &payload, key);
        let payload = payload.into();
        (if ping { Received::Ping(payload) } else { Received::Pong(payload) }, vec![frame])
    });
    prop_oneof![data, control]
}

proptest! {
    /// Wherever the bytes are cut, the same messages come of them.
    #[test]
    fn a_cut_changes_nothing(
        messages in proptest::collection::vec(message(), 1..6),
        cuts in proptest::collection::vec(1_usize..60, 1..12),
    ) {
        let bytes: Vec<u8> = messages.iter().flat_map(|(_, frames)| frames.concat()).collect();
        let expected: Vec<Received> = messages.into_iter().map(|(received, _)| received).collect();
        prop_assert_eq!(&whole(&bytes).unwrap(), &expected);
        prop_assert_eq!(&read(limits(1 << 20), bytes.chunks(1)).unwrap(), &expected);
        let mut pieces = Vec::new();
        let mut left = &*bytes;
        for cut in cuts.iter().cycle() {
            let (piece, rest) = left.split_at((*cut).min(left.len()));
            pieces.push(piece);
            left = rest;
            if left.is_empty() {
                break;
            }
        }
        prop_assert_eq!(&read(limits(1 << 20), pieces).unwrap(), &expected);
    }

    /// Whatever comes, and however it is cut, it is understood or refused in the same way.
    #[test]
    fn no_input_panics_and_no_cut_changes_the_answer(
        mut bytes in proptest::collection::vec(any::<u8>(), 0..200),
        plausible in any::<bool>(),
    ) {
        if plausible && bytes.len() > 1 {
            bytes[0] &= 0x8f;
            bytes[1] = 0x80 | (bytes[1] & 0x1f);
        }
        let cut = read(limits(1_000), bytes.chunks(1));
        prop_assert_eq!(read(limits(1_000), [&*bytes]), cut);
    }
}
