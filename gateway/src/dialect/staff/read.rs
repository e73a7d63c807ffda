//! What comes in: session ids, tokens, times. Judges form only; what is true, the core knows.

use std::borrow::Cow;

use http::HeaderMap;
use jiff::{Timestamp, civil, tz::TimeZone};
use parlor_api::v1::{ConversationRef, conversation_ref::Name};

pub(super) use crate::dialect::javascript::{TextProblem, falsy, json, text};
use crate::dialect::who::bearer;

/// A session id is a secret: shorter ones can be guessed, longer ones are nobody's.
const SESSION_ID_CHARS_MIN: usize = 16;
const SESSION_ID_CHARS_MAX: usize = 128;

/// Before the id of a conversation that has no key. Staff read and write it by this name, and no customer may take such
/// a name for a key: a reply would go astray.
pub(super) const ID_PREFIX: &str = "id:";

/// Takes a session id if it is one.
pub(super) fn session_id(value: &str) -> Option<&str> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:-".contains(&byte);
    let length = SESSION_ID_CHARS_MIN..=SESSION_ID_CHARS_MAX;
    (length.contains(&value.len()) && value.bytes().all(allowed)).then_some(value)
}

/// Takes the session id of a customer, who may not use what stands for an id.
pub(super) fn customer_session_id(value: &str) -> Option<&str> {
    session_id(value).filter(|value| named_id(value).is_none())
}

/// The token a request carries: `Authorization: Bearer`, or else `x-auth-token`.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let other = || headers.get("x-auth-token").and_then(|value| value.to_str().ok()).map(str::trim);
    bearer(headers).or_else(other).filter(|token| !token.is_empty())
}

/// A query parameter, decoded; the last one of that name.
pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name).map(|(_, value)| value).last()
}

/// A time as clients of old write one: with or without an offset, or a date alone, which is midnight in UTC.
pub(super) fn time(text: &str) -> Option<Timestamp> {
    let date =
        || text.parse::<civil::Date>().ok()?.to_zoned(TimeZone::UTC).ok().map(|zoned| zoned.timestamp());
    text.parse().ok().or_else(date)
}

/// The conversation a customer means.
pub(super) fn by_key(session_id: &str) -> ConversationRef {
    ConversationRef { name: Some(Name::Key(session_id.to_owned())) }
}

/// The conversation somebody of the staff means.
pub(super) fn by_name(session_id: &str) -> ConversationRef {
    named_id(session_id)
        .map_or_else(|| by_key(session_id), |id| ConversationRef { name: Some(Name::Id(id.to_owned())) })
}

fn named_id(session_id: &str) -> Option<&str> {
    session_id.strip_prefix(ID_PREFIX).filter(|id| uuid::Uuid::try_parse(id).is_ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_session_id_has_sixteen_to_a_hundred_and_twenty_eight_plain_characters() {
        for good in
            ["session_1795206390007_yemuse1b4", "0123456789abcdef", &"x".repeat(128), "a.b:c-d_e.f:g-h_i"]
        {
            assert_eq!(session_id(good), Some(good));
        }
        for bad in [
            "",
            "0123456789abcde",
            &"x".repeat(129),
            "0123456789abcde/",
            "0123456789 abcdef",
            "ääääääääääääääää",
        ] {
            assert_eq!(session_id(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_time_is_a_moment_or_a_day() {
        let midnight = "2026-11-20T00:00:00Z".parse().ok();
        for good in ["2026-11-20T00:00:00.000Z", "2026-11-20T02:00:00+02:00", "2026-11-20"] {
            assert_eq!(time(good), midnight, "{good}");
        }
        for bad in ["", "abc", "undefined", "null", "2026-13-01", "1795206390007"] {
            assert_eq!(time(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_token_comes_in_either_header() {
        let with = |name: &'static str, value: &'static str| {
            HeaderMap::from_iter([(http::HeaderName::from_static(name), HeaderValue::from_static(value))])
        };
        assert_eq!(token(&with("authorization", "Bearer abc")), Some("abc"));
        assert_eq!(token(&with("authorization", "bearer  abc ")), Some("abc"));
        assert_eq!(token(&with("x-auth-token", "abc")), Some("abc"));
        assert_eq!(token(&with("authorization", "Basic abc")), None);
        assert_eq!(token(&with("authorization", "Bearer ")), None);
        assert_eq!(token(&HeaderMap::new()), None);
    }

    #[test]
    fn staff_name_a_conversation_without_a_key_by_its_id() {
        let id = "0190a000-0000-7000-8000-000000000000";
        assert_eq!(by_name(&format!("id:{id}")).name, Some(Name::Id(id.to_owned())));
        assert_eq!(by_name("id:0190a000-nothing").name, Some(Name::Key("id:0190a000-nothing".to_owned())));
        assert_eq!(session_id(&format!("id:{id}")), Some(format!("id:{id}").as_str()));
        assert_eq!(customer_session_id(&format!("id:{id}")), None);
    }
}
