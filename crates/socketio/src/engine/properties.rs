//! Laws of the payloads: nothing that comes breaks a decoder, and what is written is read.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};

use super::{
    packet::{Kind, Malformed, Packet},
    payload::{self, Payload},
    sid::{Origin, Sids},
    v3::{self, BinaryPayload, TextPayload},
};

type Packets = Vec<Result<Packet, Malformed>>;

/// Messages as a server sends them: text in a head and a body, or bytes.
fn messages() -> impl Strategy<Value = Vec<(bool, String, Vec<u8>)>> {
    let text = ("[a-z\u{e4}\u{20ac}\u{1f600}]{0,4}", "[^\u{1e}]{0,12}")
        .prop_map(|(head, body)| (false, format!("4{head}"), body.into_bytes()));
    let bytes = vec(any::<u8>(), 0..12).prop_map(|body| (true, String::new(), body));
    vec(prop_oneof![text, bytes], 1..6)
}

fn meant(messages: &[(bool, String, Vec<u8>)]) -> Packets {
    let packet = |(binary, head, body): &(bool, String, Vec<u8>)| {
        let data = [head.as_bytes().get(1..).unwrap_or_default(), body].concat();
        Ok(Packet { kind: Kind::Message, binary: *binary, data: data.into() })
    };
    messages.iter().map(packet).collect()
}

fn written(messages: &[(bool, String, Vec<u8>)], append: fn(&mut Vec<u8>, bool, &[u8], &[u8])) -> Bytes {
    let mut bytes = Vec::new();
    for (binary, head, body) in messages {
        append(&mut bytes, *binary, head.as_bytes(), body);
    }
    bytes.into()
}

/// At most one malformed packet, and nothing behind it.
fn is_orderly(packets: &Packets) -> bool {
    packets.iter().rev().skip(1).all(Result::is_ok)
}

proptest! {
    #[test]
    fn what_is_written_is_read(messages in messages()) {
        let meant = meant(&messages);
        prop_assert_eq!(&Payload::new(written(&messages, payload::append)).collect::<Packets>(), &meant);
        prop_assert_eq!(&TextPayload::new(written(&messages, v3::append_text)).collect::<Packets>(), &meant);
        prop_assert_eq!(&BinaryPayload::new(written(&messages, v3::append_binary)).collect::<Packets>(), &meant);
    }

    #[test]
    fn no_input_breaks_a_decoder(
        text in prop_oneof![any::<String>(), "([0-9]{0,11}:[b0-7]{0,2}\\PC{0,4}\u{1e}?){0,4}"],
        bytes in vec(prop_oneof![any::<u8>(), 0..10_u8, Just(255)], 0..64),
    ) {
        let text = Bytes::from(text);
        prop_assert!(is_orderly(&Payload::new(text.clone()).collect()));
        prop_assert!(is_orderly(&TextPayload::new(text).collect()));
        let bytes = Bytes::from(bytes);
        prop_assert!(is_orderly(&BinaryPayload::new(bytes.clone()).collect()));
        // Nobody gives a text decoder what is no text, but it must not break on it either.
        prop_assert!(is_orderly(&TextPayload::new(bytes.clone()).collect()));
        prop_assert!(is_orderly(&Payload::new(bytes.clone()).collect()));
        for v3 in [false, true] {
            let _ = Packet::from_binary(&bytes, v3);
        }
    }

    #[test]
    fn no_sid_is_guessed(sid in "[A-Za-z0-9_-]{0,140}") {
        prop_assert_eq!(Sids::new("node", [1; 32]).read(&sid), Origin::Unknown);
    }
}
