//! The `staff` dialect over a raw WebSocket: staff write to the session of a customer, whose sockets hear it.
//!
//! So a room is a session, its speaker somebody of the staff, who hears no echo, and its hearers are sockets that
//! registered that session. Each speaker has a connection of its own; where tokens are signed, it is a person of its own too.

use serde_json::json;

use super::{Heard, Memory, Person, Preparation, Role, Script, Upgrade, token};

/// The mount, and who writes.
#[derive(Clone, Debug)]
pub struct Staff {
    /// The path of the mount, empty for the root.
    pub path: String,
    pub proof: Proof,
    /// Tells the sessions of one run from those of another.
    pub run: u16,
}

/// How somebody proves to be of the staff.
#[derive(Clone, Debug)]
pub enum Proof {
    /// With this token, whoever it is.
    Token(String),
    /// With a token of their own that this secret signs.
    Secret(String),
}

impl Proof {
    fn token(&self, person: &Person) -> String {
        match self {
            Self::Token(token) => token.clone(),
            Self::Secret(secret) => sign(secret, person.number),
        }
    }
}

/// A token as the system this dialect comes from would sign it, for the nth of the staff.
#[must_use]
pub fn sign(secret: &str, nth: u64) -> String {
    let id = format!("64b0000000000000{nth:08x}");
    let user = json!({"id": id, "username": format!("agent-{nth}"), "role": "staff"});
    token::sign(secret, &json!({"user": user, "iat": token::ISSUED, "exp": token::EXPIRES}))
}

impl Staff {
    fn session(&self, room: usize) -> String {
        format!("session_bench_{:04x}_{room:08}", self.run)
    }
}

impl Script for Staff {
    fn upgrade(&self, _person: &Person) -> Upgrade {
        Upgrade { target: format!("{}/", self.path), headers: Vec::new() }
    }

    fn greet(&self, person: &Person) -> Vec<String> {
        let register = match person.role {
            Role::Staff => {
                json!({"type": "register_admin", "userId": "bench", "token": self.proof.token(person)})
            }
            Role::Customer => {
                let session = self.session(usize::try_from(person.number).unwrap_or_default());
                json!({"type": "register", "sessionId": session})
            }
        };
        vec![register.to_string()]
    }

    fn hear<'a>(
        &self,
        _person: &Person,
        text: &'a [u8],
        _memory: &mut Memory,
        _answers: &mut Vec<String>,
    ) -> Heard<'a> {
        if text.starts_with(b"{\"type\":\"staff_reply\"") {
            Heard::Delivery(text)
        } else if text.starts_with(b"{\"type\":\"registered\"")
            || text.starts_with(b"{\"type\":\"admin_registered\"")
        {
            Heard::Joined
        } else if text.starts_with(b"{\"type\":\"error\"") {
            Heard::Refused(String::from_utf8_lossy(text).into_owned())
        } else {
            Heard::Nothing
        }
    }

    fn say(&self, room: usize, text: &str) -> String {
        json!({"type": "staff_message", "sessionId": self.session(room), "content": text}).to_string()
    }

    fn prepare(&self, room: usize) -> Option<Preparation> {
        let json = json!({"sessionId": self.session(room)}).to_string();
        Some(Preparation { path: format!("{}/chat/staff/connect", self.path), json })
    }

    fn speaker(&self, room: usize) -> Person {
        Person { role: Role::Staff, number: room as u64 }
    }

    fn hearer(&self, room: usize, _nth: usize) -> Person {
        Person { role: Role::Customer, number: room as u64 }
    }

    fn echoes(&self) -> bool {
        false
    }

    fn hearers_hear_all(&self) -> bool {
        false
    }

    fn recovers(&self) -> bool {
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_prepared_registered_and_written_to() {
        let script = Staff { path: "/staff".to_owned(), proof: Proof::Token("t".to_owned()), run: 7 };
        let session = "session_bench_0007_00000003";
        let prepared = script.prepare(3).unwrap();
        assert_eq!(prepared.path, "/staff/chat/staff/connect");
        assert!(prepared.json.contains(session));
        assert!(script.greet(&script.hearer(3, 0))[0].contains(session));
        assert!(script.say(3, "x").contains(session));
        let hear = |text: &'static [u8]| {
            script.hear(&script.speaker(0), text, &mut Memory::default(), &mut Vec::new())
        };
        assert_eq!(hear(b"{\"type\":\"admin_registered\",\"userId\":\"1\"}"), Heard::Joined);
        assert!(matches!(hear(b"{\"type\":\"staff_reply\",\"message\":\"x\"}"), Heard::Delivery(_)));
        assert!(matches!(hear(b"{\"type\":\"error\",\"message\":\"no\"}"), Heard::Refused(_)));
    }

    #[test]
    fn each_speaker_is_a_person_where_a_secret_signs() {
        let proof = Proof::Secret("a secret".to_owned());
        let script = Staff { path: String::new(), proof, run: 7 };
        let greeted = |room| script.greet(&script.speaker(room))[0].clone();
        assert_ne!(greeted(0), greeted(1));
        assert_eq!(greeted(1), greeted(1));
    }
}
