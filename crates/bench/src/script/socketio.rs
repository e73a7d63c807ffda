//! Engine.IO 4 and Socket.IO 5 over WebSocket, as far as a measured connection speaks them.
//!
//! It answers pings, connects to one namespace with an auth payload and, where a mount recovers, with the `pid` and
//! offset of its last life. What is said inside is the business of `Words`.

use serde_json::{Map, Value, json};

use super::{Heard, Memory, Person, Script, Upgrade};

/// What is said inside a namespace.
pub trait Words {
    /// The auth payload of CONNECT.
    fn auth(&self, person: &Person) -> Map<String, Value>;
    /// The events to say once connected, each as `["name",…]`.
    fn join(&self, person: &Person) -> Vec<String>;
    /// True if this event (`["name",…]`) tells the person that it is in.
    fn is_in(&self, person: &Person, event: &[u8]) -> bool;
    /// True if this event brings a message.
    fn is_delivery(&self, event: &[u8]) -> bool;
    /// A message as an event.
    fn say(&self, room: usize, text: &str) -> String;
    fn speaker(&self, room: usize) -> Person;
    fn hearer(&self, room: usize, nth: usize) -> Person;
    fn echoes(&self) -> bool;
    fn hearers_hear_all(&self) -> bool;
    fn recovers(&self) -> bool;
}

/// A server that is spoken to over Socket.IO.
pub struct SocketIo<W> {
    /// The path of Engine.IO, `/socket.io/` for most.
    pub path: String,
    /// `/` or `/name`.
    pub namespace: String,
    /// Where the connection says it comes from, if a server wants to know.
    pub origin: Option<String>,
    pub words: W,
}

impl<W> SocketIo<W> {
    /// A packet of this namespace.
    fn packet(&self, kind: &str, data: &str) -> String {
        match self.namespace.as_str() {
            "/" => format!("4{kind}{data}"),
            namespace => format!("4{kind}{namespace},{data}"),
        }
    }

    /// What a packet holds beside its kind, namespace and number, if it is of this namespace.
    fn data<'a>(&self, packet: &'a [u8]) -> Option<&'a [u8]> {
        let rest = match self.namespace.as_str() {
            "/" => packet,
            namespace => {
                let rest = packet.strip_prefix(namespace.as_bytes())?;
                rest.strip_prefix(b",").or_else(|| rest.is_empty().then_some(rest))?
            }
        };
        let number = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        Some(&rest[number..])
    }
}

impl<W: Words> SocketIo<W> {
    fn connect(&self, person: &Person, memory: &Memory) -> String {
        let mut auth = self.words.auth(person);
        if let (true, Some(pid)) = (self.words.recovers(), &memory.pid) {
            auth.insert("pid".to_owned(), json!(pid));
            auth.insert("offset".to_owned(), json!(memory.offset));
        }
        let auth = if auth.is_empty() { String::new() } else { Value::Object(auth).to_string() };
        self.packet("0", &auth)
    }

    fn connected(
        &self,
        person: &Person,
        data: &[u8],
        memory: &mut Memory,
        answers: &mut Vec<String>,
    ) -> Heard<'static> {
        let told: Value = serde_json::from_slice(data).unwrap_or_default();
        memory.pid = told["pid"].as_str().map(str::to_owned);
        let join = self.words.join(person);
        if join.is_empty() {
            return Heard::Joined;
        }
        answers.extend(join.iter().map(|event| self.packet("2", event)));
        Heard::Nothing
    }

    fn event<'a>(&self, person: &Person, event: &'a [u8], memory: &mut Memory) -> Heard<'a> {
        if self.words.recovers()
            && let Some(last) = last_string(event)
        {
            memory.offset = Some(last.to_owned());
        }
        if self.words.is_delivery(event) {
            Heard::Delivery(event)
        } else if self.words.is_in(person, event) {
            Heard::Joined
        } else {
            Heard::Nothing
        }
    }
}

impl<W: Words> Script for SocketIo<W> {
    fn upgrade(&self, _person: &Person) -> Upgrade {
        let headers = self.origin.iter().map(|origin| format!("Origin: {origin}")).collect();
        Upgrade { target: format!("{}?EIO=4&transport=websocket", self.path), headers }
    }

    fn hear<'a>(
        &self,
        person: &Person,
        text: &'a [u8],
        memory: &mut Memory,
        answers: &mut Vec<String>,
    ) -> Heard<'a> {
        match text {
            [b'4', b'2', rest @ ..] => {
                self.data(rest).map_or(Heard::Nothing, |event| self.event(person, event, memory))
            }
            [b'2', ..] => {
                answers.push("3".to_owned());
                Heard::Nothing
            }
            [b'0', ..] => {
                answers.push(self.connect(person, memory));
                Heard::Nothing
            }
            [b'4', b'0', rest @ ..] => {
                self.data(rest).map_or(Heard::Nothing, |data| self.connected(person, data, memory, answers))
            }
            [b'4', b'4' | b'1', ..] => Heard::Refused(String::from_utf8_lossy(text).into_owned()),
            _ => Heard::Nothing,
        }
    }

    fn say(&self, room: usize, text: &str) -> String {
        self.packet("2", &self.words.say(room, text))
    }

    fn speaker(&self, room: usize) -> Person {
        self.words.speaker(room)
    }

    fn hearer(&self, room: usize, nth: usize) -> Person {
        self.words.hearer(room, nth)
    }

    fn echoes(&self) -> bool {
        self.words.echoes()
    }

    fn hearers_hear_all(&self) -> bool {
        self.words.hearers_hear_all()
    }

    fn recovers(&self) -> bool {
        self.words.recovers()
    }
}

/// The string that ends an event, if one does. Offsets hold no escapes, so none is undone.
fn last_string(event: &[u8]) -> Option<&str> {
    let rest = event.strip_suffix(b"\"]")?;
    let begin = rest.iter().rposition(|byte| *byte == b'"')?;
    std::str::from_utf8(&rest[begin + 1..]).ok().filter(|_| begin > 1)
}

#[cfg(test)]
mod tests {
    use super::{super::support::Support, *};

    fn script(namespace: &str) -> SocketIo<Support> {
        SocketIo {
            path: "/socket.io/".to_owned(),
            namespace: namespace.to_owned(),
            origin: None,
            words: Support::default(),
        }
    }

    #[test]
    fn a_connection_comes_in_step_by_step() {
        for (namespace, head) in [("/", ""), ("/support", "/support,")] {
            let script = script(namespace);
            let person = script.hearer(0, 0);
            let (mut memory, mut answers) = (Memory::default(), Vec::new());
            let mut hear = |text: &str| {
                answers.clear();
                let heard = script.hear(&person, text.as_bytes(), &mut memory, &mut answers);
                (matches!(heard, Heard::Joined), answers.clone())
            };
            assert_eq!(hear("0{\"sid\":\"x\"}"), (false, vec![format!("40{head}")]));
            let join = r#"["user:join",{"userId":1,"userName":"user 1","role":"ADMIN"}]"#;
            assert_eq!(hear(&format!("40{head}{{\"sid\":\"y\"}}")), (false, vec![format!("42{head}{join}")]));
            assert_eq!(hear("2"), (false, vec!["3".to_owned()]));
            assert_eq!(hear(&format!("42{head}[\"admin:online\"]")), (true, Vec::new()));
        }
    }

    #[test]
    fn a_refusal_is_one_and_another_namespace_is_not_heard() {
        let script = script("/support");
        let person = script.speaker(0);
        let hear = |text: &'static [u8]| script.hear(&person, text, &mut Memory::default(), &mut Vec::new());
        assert!(matches!(hear(b"44/support,{\"message\":\"no\"}"), Heard::Refused(_)));
        let told = b"42/support,17[\"message:received\",{}]";
        assert_eq!(hear(told), Heard::Delivery(&told[13..]));
        assert_eq!(hear(b"42[\"message:received\",{}]"), Heard::Nothing);
    }

    #[test]
    fn only_a_string_at_the_end_is_an_offset() {
        assert_eq!(last_string(br#"["e",{"a":"b"},"offset"]"#), Some("offset"));
        assert_eq!(last_string(br#"["e",{"a":"b"}]"#), None);
        assert_eq!(last_string(br#"["e"]"#), None);
    }
}
