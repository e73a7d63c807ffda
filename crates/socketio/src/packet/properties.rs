//! Laws of the packets: nothing that comes breaks the decoder, and what is written is read.

use bytes::Bytes;
use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use super::{Assembler, Event, Head, Kind, MAX_NAMESPACE_BYTES, decode, placeholder};

/// Text that is nearly a packet.
fn nearly() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        "[0-7]",
        "[0-9]{1,3}-",
        "/[a-z?=&]{0,5},?",
        "[0-9]{1,25}",
        Just("[\"a\",".to_owned()),
        Just("{\"_placeholder\":true,\"num\":0}".to_owned()),
        Just("]".to_owned()),
        "\\PC{0,6}",
    ];
    vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((".{0,3}", inner), 0..3).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// JSON whose objects are placeholders now and then.
fn with_placeholders() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0..4).prop_map(Value::from),
        ".{0,4}".prop_map(Value::from)
    ];
    let name = prop_oneof![Just("_placeholder".to_owned()), Just("num".to_owned()), ".{0,3}"];
    leaf.prop_recursive(4, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((name.clone(), inner), 0..4).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn points_inside(value: &Value, attachments: u64) -> bool {
    match value {
        Value::Object(fields) if fields.get("_placeholder") == Some(&Value::Bool(true)) => {
            fields.get("num").and_then(Value::as_u64).is_some_and(|num| num < attachments)
        }
        Value::Object(fields) => fields.values().all(|value| points_inside(value, attachments)),
        Value::Array(values) => values.iter().all(|value| points_inside(value, attachments)),
        _ => true,
    }
}

proptest! {
    #[test]
    fn the_placeholders_are_those_that_a_parser_finds(value in with_placeholders(), attachments in 0..4_u8, pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let found = placeholder::all_point_inside(&text.unwrap(), attachments.into());
        prop_assert_eq!(found, points_inside(&value, attachments.into()), "{}", value);
    }

    #[test]
    fn no_input_breaks_the_decoder(text in prop_oneof![nearly(), any::<String>()], bytes in vec(any::<u8>(), 0..64)) {
        let _ = decode(&Bytes::from(bytes), 10);
        let text = Bytes::from(text);
        if let Ok(packet) = decode(&text, 10) {
            prop_assert!(packet.namespace.starts_with('/') && packet.namespace.len() <= MAX_NAMESPACE_BYTES);
            prop_assert!(packet.attachments <= 10);
            prop_assert!(packet.data.is_empty() || serde_json::from_slice::<Value>(&packet.data).is_ok());
            let mut assembler = Assembler::new(&packet);
            for _ in 0..packet.attachments {
                prop_assert!(!assembler.is_complete());
                assembler.push(Bytes::new()).unwrap();
            }
            prop_assert!(assembler.is_complete() && assembler.push(Bytes::new()).is_err());
            if let Ok(event) = assembler.finish() {
                let _ = (event.name(), event.args().count());
            }
        }
    }

    #[test]
    fn what_is_written_is_read(
        ack: bool,
        attachments in 0..=10_usize,
        namespace in prop_oneof![Just("/".to_owned()), "/[^,]{1,40}"],
        id in prop::option::of(any::<u64>()),
        args in vec(json(), 0..5),
    ) {
        let args: Vec<_> = args.iter().map(Value::to_string).collect();
        let event = if ack { Event::from(format!("[{}]", args.join(","))) } else { Event::new("name", &args) };
        let kind = if ack { Kind::Ack } else { Kind::Event };
        let head = Head::new(kind, attachments, &namespace, id);
        let text = Bytes::from([&head.as_bytes()[1..], &event.json].concat());
        let packet = decode(&text, 10).unwrap();
        prop_assert_eq!(packet.kind.is_binary(), attachments > 0);
        prop_assert_eq!((packet.namespace, packet.id, packet.attachments), (&*namespace, id, attachments));
        prop_assert_eq!(packet.data, event.json);
    }

    #[test]
    fn the_elements_of_an_array_are_those_that_a_parser_finds(values in vec(json(), 0..6), pretty: bool) {
        let value = Value::from(values.clone());
        let text = if pretty { serde_json::to_string_pretty(&value) } else { serde_json::to_string(&value) };
        let event = Event::parse(text.unwrap()).unwrap();
        let found: Vec<Value> = event.elements().map(|text| serde_json::from_str(text).unwrap()).collect();
        let name = event.name();
        prop_assert_eq!(name.as_deref(), values.first().and_then(Value::as_str));
        prop_assert_eq!(found, values);
    }
}
