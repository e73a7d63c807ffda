//! Our encoder and decoder beside the official parser, on packets that nobody has thought of.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use parlor_socketio::{
    Event,
    packet::{Assembler, Head, Kind, decode},
};
use proptest::{
    collection::{btree_map, vec},
    prelude::*,
    strategy::ValueTree as _,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::{Value, json};

use crate::programs;

/// Enough to meet every branch many times; a second of Node.
const PACKETS: usize = 2000;

const MAX_ATTACHMENTS: usize = 10;

/// A packet as a user thinks of it. Bytes are `{"$bytes": base64}`.
#[derive(Clone, Debug)]
struct Thought {
    ack: bool,
    namespace: String,
    id: Option<u64>,
    data: Vec<Value>,
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z\u{e4}\u{20ac}\u{1f600}\"\\\\ ,/\\[\\]{}\u{1}\u{1e}-]{0,12}".prop_map(Value::from),
        vec(any::<u8>(), 0..8).prop_map(|bytes| json!({ "$bytes": STANDARD.encode(bytes) })),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            // JavaScript sorts keys that are numbers to the front; these stay where they are.
            btree_map("k[a-z\u{fc}]{0,3}", inner, 0..4)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn thoughts() -> impl Strategy<Value = Thought> {
    let namespace = prop_oneof![Just("/".to_owned()), "/[a-z0-9/\u{e4}-]{1,8}"];
    let id = prop::option::of(0..1_000_000_000_000_000_u64);
    (any::<bool>(), namespace, id, "n[a-z\"\u{20ac}]{0,6}", vec(values(), 0..4)).prop_map(
        |(ack, namespace, id, name, mut data)| {
            if !ack {
                data.insert(0, name.into());
            }
            // The number of an acknowledgement is what makes it one.
            Thought { ack, namespace, id: if ack { id.or(Some(0)) } else { id }, data }
        },
    )
}

/// Takes the bytes out, as a sender does.
fn placeholders(value: &Value, bytes: &mut Vec<Bytes>) -> Value {
    match value {
        Value::Object(fields) => match fields.get("$bytes").and_then(Value::as_str) {
            Some(encoded) => {
                bytes.push(STANDARD.decode(encoded).unwrap().into());
                json!({ "_placeholder": true, "num": bytes.len() - 1 })
            }
            None => fields.iter().map(|(key, value)| (key.clone(), placeholders(value, bytes))).collect(),
        },
        Value::Array(values) => values.iter().map(|value| placeholders(value, bytes)).collect(),
        plain => plain.clone(),
    }
}

fn messages(text: String, bytes: &[Bytes]) -> Value {
    let bytes = bytes.iter().map(|bytes| json!({ "$bytes": STANDARD.encode(bytes) }));
    std::iter::once(Value::from(text)).chain(bytes).collect()
}

/// What our encoder makes of it.
fn encoded(thought: &Thought) -> Value {
    let mut bytes = Vec::new();
    let json = placeholders(&Value::from(thought.data.clone()), &mut bytes).to_string();
    let kind = if thought.ack { Kind::Ack } else { Kind::Event };
    let head = Head::new(kind, bytes.len(), &thought.namespace, thought.id);
    // The parser knows nothing of the `4` of Engine.IO.
    let head = std::str::from_utf8(&head.as_bytes()[1..]).unwrap();
    messages(format!("{head}{json}"), &bytes)
}

/// What our decoder makes of messages.
fn decoded(messages: &Value) -> Option<Value> {
    let mut messages = messages.as_array().unwrap().iter();
    let text = Bytes::from(messages.next().unwrap().as_str().unwrap().to_owned());
    let packet = decode(&text, MAX_ATTACHMENTS).ok()?;
    let mut assembler = Assembler::new(&packet);
    for message in messages {
        assembler.push(STANDARD.decode(message["$bytes"].as_str().unwrap()).unwrap().into()).ok()?;
    }
    assert!(assembler.is_complete());
    let (kind, namespace, id) = (packet.kind, packet.namespace.to_owned(), packet.id);
    Some(told(kind, &namespace, id, &assembler.finish().ok()?))
}

fn told(kind: Kind, namespace: &str, id: Option<u64>, event: &Event) -> Value {
    fn filled(value: Value, bytes: &[Bytes]) -> Value {
        match value {
            Value::Object(fields) if fields.get("_placeholder") == Some(&Value::Bool(true)) => {
                let num = usize::try_from(fields["num"].as_u64().unwrap()).unwrap();
                json!({ "$bytes": STANDARD.encode(&bytes[num]) })
            }
            Value::Object(fields) => {
                fields.into_iter().map(|(key, value)| (key, filled(value, bytes))).collect()
            }
            Value::Array(values) => values.into_iter().map(|value| filled(value, bytes)).collect(),
            plain => plain,
        }
    }
    let data = filled(serde_json::from_str(event.text()).unwrap(), &event.attachments);
    let ack = matches!(kind, Kind::Ack | Kind::BinaryAck);
    let mut told = json!({ "type": if ack { 3 } else { 2 }, "nsp": namespace, "data": data });
    if let Some(id) = id {
        told["id"] = id.into();
    }
    told
}

/// The same packets in every run; a new seed is a new campaign.
fn runner() -> TestRunner {
    TestRunner::new_with_rng(Config::default(), TestRng::deterministic_rng(RngAlgorithm::ChaCha))
}

async fn ask(tasks: &[Value]) -> Vec<Value> {
    let input: String = tasks.iter().map(|task| format!("{task}\n")).collect();
    let said = programs::node("socketio_parser.mjs", &[]).answers(input).await;
    let answers: Vec<Value> = said.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(answers.len(), tasks.len());
    answers
}

#[tokio::test]
async fn both_encoders_and_both_decoders_agree() {
    let mut runner = runner();
    let generated = || thoughts().new_tree(&mut runner).unwrap().current();
    let mut thoughts: Vec<_> = std::iter::repeat_with(generated).take(PACKETS).collect();
    thoughts.retain(|thought| encoded(thought).as_array().unwrap().len() <= MAX_ATTACHMENTS + 1);
    assert!(thoughts.len() > PACKETS / 2);

    let tasks: Vec<_> = thoughts
        .iter()
        .flat_map(|thought| {
            let mut encode = json!({
                "type": if thought.ack { 3 } else { 2 }, "nsp": thought.namespace, "data": thought.data,
            });
            if let Some(id) = thought.id {
                encode["id"] = id.into();
            }
            [json!({ "encode": encode }), json!({ "decode": encoded(thought) })]
        })
        .collect();
    for (pair, thought) in ask(&tasks).await.chunks(2).zip(&thoughts) {
        let kind = if thought.ack { Kind::Ack } else { Kind::Event };
        let meant = told(kind, &thought.namespace, thought.id, &Event::from(json!(thought.data).to_string()));
        let ours = encoded(thought);
        assert_eq!(pair[0]["messages"], ours, "encoded");
        assert_eq!(pair[1]["packet"], meant, "ours, decoded by the parser");
        assert_eq!(decoded(&ours), Some(meant), "decoded by us");
    }
}

/// Text that was a packet before something happened to it.
fn damaged() -> impl Strategy<Value = String> {
    let damage = ("[0-9/,\\[\\]{}\"a:-]{0,3}", any::<prop::sample::Index>(), 0..3_usize);
    (thoughts(), vec(damage, 1..3)).prop_map(|(thought, damages)| {
        let mut text: Vec<char> = encoded(&thought)[0].as_str().unwrap().chars().collect();
        for (inserted, place, removed) in damages {
            let at = place.index(text.len() + 1);
            let end = (at + removed).min(text.len());
            text.splice(at..end, inserted.chars());
        }
        text.into_iter().collect()
    })
}

/// Where the parser takes nonsense for a number (no digits at all, or signs and letters that JavaScript reads as one), or
/// a number that it cannot hold, we refuse.
fn is_stricter_here(text: &str) -> bool {
    let mut rest = text;
    if text.starts_with(['5', '6']) {
        let Some((count, after)) = text[1..].split_once('-') else { return false };
        if count.is_empty() || !count.bytes().all(|digit| digit.is_ascii_digit()) {
            return true;
        }
        rest = after;
    }
    rest.bytes().filter(u8::is_ascii_digit).count() > 15 || rest.chars().any(char::is_whitespace)
}

#[tokio::test]
async fn both_decoders_refuse_the_same() {
    let mut runner = runner();
    let generated = || damaged().new_tree(&mut runner).unwrap().current();
    let mut texts: Vec<_> = std::iter::repeat_with(generated).take(PACKETS).collect();
    texts.retain(|text| !is_stricter_here(text));
    let tasks: Vec<_> = texts.iter().map(|text| json!({ "decode": [text] })).collect();
    let (mut taken, mut refused) = (0, 0);
    for (answer, text) in ask(&tasks).await.iter().zip(&texts) {
        let ours = decode(&Bytes::from(text.clone()), MAX_ATTACHMENTS).map(|packet| packet.kind);
        assert_eq!(answer.get("error").is_some(), ours.is_err(), "{text:?}: {answer} and {ours:?}");
        *(if ours.is_ok() { &mut taken } else { &mut refused }) += 1;
    }
    // The damage is such that both happen often.
    assert!(taken > 50 && refused > 50, "{taken} taken, {refused} refused");
}
