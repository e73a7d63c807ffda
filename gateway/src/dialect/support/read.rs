//! What comes in over the socket: the events there are, and the forms their arguments may have. Judges form only; what is
//! true, the core knows.

use parlor_api::{
    hex_id::MAX_NUMBER,
    v1::{ConversationRef, OwnConversation, conversation_ref::Name},
};
use serde_json::Value;

use crate::dialect::{SocketEvent, javascript};

/// What a conversation of this dialect is for. It shows no others.
pub(super) const KIND: &str = "support";

/// What a client asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Asked {
    /// `None` if it is no claim.
    Join(Option<Claim>),
    /// `None` if it is no message.
    Send(Option<Sending>),
    /// The admins' list.
    List,
    /// The messages of a conversation; `None` if no conversation has such an id.
    Messages(Option<u64>),
    MarkRead(Option<u64>),
    /// The customer's own conversation.
    Own,
}

/// Who somebody claims to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) user_id: u64,
    pub(super) role: Role,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    Customer,
    Admin,
}

/// A message to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sending {
    pub(super) place: Place,
    pub(super) text: String,
    /// Whom it says it is from.
    pub(super) sender: Sender,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Nowhere in particular: a customer's own.
    Unsaid,
    Number(u64),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sender {
    Unsaid,
    Is(Role),
}

impl Asked {
    /// Reads an event. `None` for what no client of this dialect says; that is not answered.
    pub(super) fn read(event: &SocketEvent) -> Option<Self> {
        let (name, arguments) = event.parts()?;
        let argument = || arguments.first().and_then(|raw| javascript::json(raw.get()));
        Some(match &*name {
            "user:join" => Self::Join(argument().and_then(|value| claim(&value))),
            "message:send" => Self::Send(argument().and_then(|value| sending(&value))),
            "admin:getConversations" => Self::List,
            "conversation:getMessages" => Self::Messages(argument().and_then(|value| conversation(&value))),
            "conversation:markAsRead" => Self::MarkRead(argument().and_then(|value| conversation(&value))),
            "customer:getMyConversation" => Self::Own,
            _ => return None,
        })
    }

    /// Its name in metrics.
    pub(super) fn name(&self) -> &'static str {
        match self {
            Self::Join(_) => "user:join",
            Self::Send(_) => "message:send",
            Self::List => "admin:getConversations",
            Self::Messages(_) => "conversation:getMessages",
            Self::MarkRead(_) => "conversation:markAsRead",
            Self::Own => "customer:getMyConversation",
        }
    }
}

impl Place {
    /// The conversation as the core is told of it.
    pub(super) fn named(self) -> ConversationRef {
        let name = match self {
            Self::Unsaid => Name::Own(OwnConversation { kind: KIND.to_owned() }),
            Self::Number(number) => Name::Number(number),
        };
        ConversationRef { name: Some(name) }
    }
}

fn claim(value: &Value) -> Option<Claim> {
    Some(Claim { user_id: id(value.get("userId")?)?, role: role(value.get("role")?)? })
}

fn role(value: &Value) -> Option<Role> {
    match value.as_str()? {
        "CUSTOMER" => Some(Role::Customer),
        "ADMIN" => Some(Role::Admin),
        _ => None,
    }
}

fn sending(value: &Value) -> Option<Sending> {
    let place = match value.get("conversationId") {
        named if javascript::falsy(named) => Place::Unsaid,
        named => Place::Number(named.and_then(id)?),
    };
    let sender = match value.get("sender") {
        None | Some(Value::Null) => Sender::Unsaid,
        Some(sender) => Sender::Is(role(sender)?),
    };
    let text = javascript::text(value.get("message")).ok()?.to_owned();
    Some(Sending { place, text, sender })
}

/// A conversation's number, bare or in an object.
fn conversation(value: &Value) -> Option<u64> {
    id(value.get("conversationId").unwrap_or(value))
}

/// A positive integer that JavaScript keeps exactly, as a number or as its digits.
fn id(value: &Value) -> Option<u64> {
    match value {
        Value::Number(number) => in_range(number.as_u64()?),
        Value::String(digits) => id_of_digits(digits),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The integer that a text of digits is, if it is one on this wire.
pub(super) fn id_of_digits(text: &str) -> Option<u64> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    plain.then(|| text.parse().ok().and_then(in_range))?
}

fn in_range(id: u64) -> Option<u64> {
    (1..=MAX_NUMBER).contains(&id).then_some(id)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(event: &Value) -> Option<Asked> {
        Asked::read(&SocketEvent::from(event.to_string()))
    }

    #[test]
    fn a_conversation_is_named_by_an_integer_its_digits_or_an_object() {
        for named in [json!(7), json!("7"), json!({"conversationId": 7}), json!({"conversationId": "7"})] {
            assert_eq!(read(&json!(["conversation:getMessages", named])), Some(Asked::Messages(Some(7))));
            assert_eq!(read(&json!(["conversation:markAsRead", named])), Some(Asked::MarkRead(Some(7))));
        }
        let none = Some(Asked::Messages(None));
        assert_eq!(read(&json!(["conversation:getMessages"])), none);
        for bad in [
            json!(0),
            json!(-1),
            json!(1.5),
            json!("07"),
            json!("+7"),
            json!(""),
            json!(null),
            json!([7]),
            json!({}),
            json!({"id": 7}),
            json!(true),
            json!(MAX_NUMBER + 1),
            json!("9007199254740992"),
        ] {
            assert_eq!(read(&json!(["conversation:getMessages", bad])), none, "{bad}");
        }
        assert_eq!(
            read(&json!(["conversation:getMessages", MAX_NUMBER])),
            Some(Asked::Messages(Some(MAX_NUMBER)))
        );
    }

    #[test]
    fn a_claim_needs_an_id_and_a_role() {
        let claim = |value: Value| read(&json!(["user:join", value]));
        let good = Claim { user_id: 2, role: Role::Customer };
        assert_eq!(
            claim(json!({"userId": 2, "userName": "Ann", "role": "CUSTOMER"})),
            Some(Asked::Join(Some(good)))
        );
        assert_eq!(claim(json!({"userId": "2", "role": "CUSTOMER"})), Some(Asked::Join(Some(good))));
        for bad in [
            json!(null),
            json!({}),
            json!({"userId": 2}),
            json!({"role": "ADMIN"}),
            json!({"userId": 2, "role": "admin"}),
            json!({"userId": {"$gt": 0}, "role": "ADMIN"}),
        ] {
            assert_eq!(claim(bad.clone()), Some(Asked::Join(None)), "{bad}");
        }
        assert_eq!(read(&json!(["user:join"])), Some(Asked::Join(None)));
    }

    #[test]
    fn a_message_is_verbatim_and_within_its_length() {
        let text = |value: Value| match read(&json!(["message:send", {"message": value}])) {
            Some(Asked::Send(sending)) => sending.map(|sending| sending.text),
            other => panic!("{other:?}"),
        };
        assert_eq!(text(json!("  <b>hi</b>\n")).as_deref(), Some("  <b>hi</b>\n"));
        assert_eq!(text(json!("😀".repeat(4_000))).map(|text| text.chars().count()), Some(4_000));
        for bad in
            [json!("😀".repeat(4_001)), json!(""), json!(" \u{feff}\n"), json!("a\0"), json!(5), json!({})]
        {
            assert_eq!(text(bad), None);
        }
        let lone = SocketEvent::from(r#"["message:send",{"message":"\ud800"}]"#.to_owned());
        assert_eq!(Asked::read(&lone), Some(Asked::Send(None)));
    }

    #[test]
    fn a_message_goes_to_a_number_or_nowhere_in_particular() {
        let place =
            |value: Value| match read(&json!(["message:send", {"conversationId": value, "message": "x"}])) {
                Some(Asked::Send(sending)) => sending.map(|sending| sending.place),
                other => panic!("{other:?}"),
            };
        assert_eq!(place(json!(7)), Some(Place::Number(7)));
        for unsaid in [json!(null), json!(0), json!(""), json!(false)] {
            assert_eq!(place(unsaid), Some(Place::Unsaid));
        }
        for bad in [json!(-1), json!(1.5), json!("x"), json!({}), json!(true)] {
            assert_eq!(place(bad.clone()), None, "{bad}");
        }
    }

    #[test]
    fn what_nobody_says_is_not_answered() {
        for other in [json!(["typing", {}]), json!([5]), json!([]), json!(["disconnect"])] {
            assert_eq!(read(&other), None, "{other}");
        }
    }
}
