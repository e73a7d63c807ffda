//! The `support` dialect: a customer has a conversation, and every admin who joined hears all of them.
//!
//! So a room is the conversation of one customer: it speaks, and it and the admins hear. The Node server and the floor
//! speak these words too.

use serde_json::{Map, Value, json};

use super::{Person, Role, person::Range, socketio::Words, token};

/// The people, and how they prove who they are.
#[derive(Clone, Debug)]
pub struct Support {
    pub admins: Range,
    pub customers: Range,
    /// The secret that signs the tokens of the shop; without it an identity is only claimed.
    pub secret: Option<String>,
    /// Hearers are customers: for what a server spends on those, where nobody speaks.
    pub customers_only: bool,
    /// The server answers `pid` and offset.
    pub recovers: bool,
}

impl Default for Support {
    fn default() -> Self {
        Self {
            admins: Range { first: 1, last: 1 },
            customers: Range { first: 2, last: 8001 },
            secret: None,
            customers_only: false,
            recovers: false,
        }
    }
}

const DELIVERY: &[u8] = b"[\"message:received\"";
const ADMIN_IS_IN: &[u8] = b"[\"admin:online\"";
/// A customer is told nothing when it joined, so it asks for its conversation, as the shop's page does.
const CUSTOMER_IS_IN: &[u8] = b"[\"customer:myConversation\"";

fn role(person: &Person) -> &'static str {
    match person.role {
        Role::Customer => "CUSTOMER",
        Role::Staff => "ADMIN",
    }
}

impl Support {
    /// What the shop signs for this person.
    #[must_use]
    pub fn token(secret: &str, person: &Person) -> String {
        let Person { number, .. } = person;
        let claims = json!({
            "id": number, "email": format!("user{number}@bench.example"), "role": role(person),
            "iat": token::ISSUED, "exp": token::EXPIRES,
        });
        token::sign(secret, &claims)
    }
}

impl Words for Support {
    fn auth(&self, person: &Person) -> Map<String, Value> {
        let mut auth = Map::new();
        if let Some(secret) = &self.secret {
            auth.insert("token".to_owned(), Value::String(Self::token(secret, person)));
        }
        auth
    }

    fn join(&self, person: &Person) -> Vec<String> {
        let Person { number, .. } = person;
        let role = role(person);
        let join =
            format!(r#"["user:join",{{"userId":{number},"userName":"user {number}","role":"{role}"}}]"#);
        match person.role {
            Role::Staff => vec![join],
            Role::Customer => vec![join, r#"["customer:getMyConversation"]"#.to_owned()],
        }
    }

    fn is_in(&self, person: &Person, event: &[u8]) -> bool {
        event.starts_with(match person.role {
            Role::Staff => ADMIN_IS_IN,
            Role::Customer => CUSTOMER_IS_IN,
        })
    }

    fn is_delivery(&self, event: &[u8]) -> bool {
        event.starts_with(DELIVERY)
    }

    fn say(&self, _room: usize, text: &str) -> String {
        format!(r#"["message:send",{{"message":"{text}","sender":"CUSTOMER"}}]"#)
    }

    fn speaker(&self, room: usize) -> Person {
        Person { role: Role::Customer, number: self.customers.nth(room) }
    }

    fn hearer(&self, _room: usize, nth: usize) -> Person {
        if self.customers_only {
            Person { role: Role::Customer, number: self.customers.nth(nth) }
        } else {
            Person { role: Role::Staff, number: self.admins.nth(nth) }
        }
    }

    fn echoes(&self) -> bool {
        true
    }

    fn hearers_hear_all(&self) -> bool {
        true
    }

    fn recovers(&self) -> bool {
        self.recovers
    }
}
