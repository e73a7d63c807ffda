//! What comes in: JSON as JavaScript reads it, session ids, texts, tokens. Judges form only; what is true, the core knows.

use std::borrow::Cow;

use http::HeaderMap;
use jiff::{Timestamp, civil, tz::TimeZone};
use parlor_api::v1::{ConversationRef, conversation_ref::Name};
use serde_json::Value;

/// A session id is a secret: shorter ones can be guessed, longer ones are nobody's.
const SESSION_ID_CHARS_MIN: usize = 16;
const SESSION_ID_CHARS_MAX: usize = 128;

/// The most characters (Unicode scalar values) of a message.
pub(super) const TEXT_CHARS_MAX: usize = 4_000;

/// Before the id of a conversation that has no key. Staff read and write it by this name, and no customer may take such
/// a name for a key: a reply would go astray.
pub(super) const ID_PREFIX: &str = "id:";

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextProblem {
    /// Absent, or nothing but white space.
    Missing,
    /// Over [`TEXT_CHARS_MAX`].
    TooLong,
    /// Not a string, or with a character no store can keep.
    Invalid,
}

/// Reads JSON. A lone surrogate, which JavaScript lets pass and no UTF-8 can hold, is read as U+0000: both make a text
/// invalid, so the one stands for the other.
pub(super) fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&without_lone_surrogates(text)?).ok())
}

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

/// Takes a text if it is one.
pub(super) fn text(value: Option<&Value>) -> Result<&str, TextProblem> {
    let text = match value {
        Some(Value::String(text)) => text,
        value if falsy(value) => return Err(TextProblem::Missing),
        _ => return Err(TextProblem::Invalid),
    };
    if text.chars().all(is_blank) {
        Err(TextProblem::Missing)
    } else if text.chars().count() > TEXT_CHARS_MAX {
        Err(TextProblem::TooLong)
    } else if text.contains('\0') {
        Err(TextProblem::Invalid)
    } else {
        Ok(text)
    }
}

/// What JavaScript's `trim` takes away: white space, and the byte order mark.
fn is_blank(character: char) -> bool {
    character.is_whitespace() || character == '\u{feff}'
}

/// What JavaScript's `!value` says.
pub(super) fn falsy(value: Option<&Value>) -> bool {
    match value {
        None | Some(Value::Null | Value::Bool(false)) => true,
        Some(Value::String(text)) => text.is_empty(),
        Some(Value::Number(number)) => number.as_f64() == Some(0.0),
        Some(Value::Bool(true) | Value::Array(_) | Value::Object(_)) => false,
    }
}

/// The token a request carries: `Authorization: Bearer`, or else `x-auth-token`.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
    let bearer = header("authorization").and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    bearer.or_else(|| header("x-auth-token")).filter(|token| !token.is_empty())
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

/// Replaces each `\uD800`…`\uDFFF` that has no partner; `None` if there is nothing of the kind.
fn without_lone_surrogates(text: &str) -> Option<String> {
    let mut rest = text;
    let mut mended = String::with_capacity(text.len());
    let mut found = false;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        mended.push_str(before);
        let taken = match (unit(escape), escape.get(6..).and_then(unit)) {
            (Some(0xD800..=0xDBFF), Some(0xDC00..=0xDFFF)) => &escape[..12],
            (Some(0xD800..=0xDFFF), _) => "",
            // Any other escape is a backslash and one character.
            _ => &escape[..1 + escape[1..].chars().next().map_or(0, char::len_utf8)],
        };
        if taken.is_empty() {
            found = true;
            mended.push_str("\\u0000");
            rest = &escape[6..];
        } else {
            mended.push_str(taken);
            rest = &escape[taken.len()..];
        }
    }
    mended.push_str(rest);
    found.then_some(mended)
}

/// The UTF-16 unit of the `\uXXXX` a text begins with.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use serde_json::json;

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
    fn a_text_is_judged_by_characters_and_kept_as_it_is() {
        let judge = |value: Value| text(Some(&value)).map(str::len);
        assert_eq!(judge(json!(" <b>hi</b> ")), Ok(11));
        assert_eq!(judge(json!("😀".repeat(4_000))), Ok(16_000));
        assert_eq!(judge(json!("😀".repeat(4_001))), Err(TextProblem::TooLong));
        for missing in
            [json!(null), json!(""), json!(" \n\t "), json!("\u{a0}\u{feff}\u{3000}"), json!(0), json!(false)]
        {
            assert_eq!(judge(missing), Err(TextProblem::Missing));
        }
        for invalid in [json!(1), json!(true), json!([]), json!({"$gt": ""}), json!("a\0b")] {
            assert_eq!(judge(invalid), Err(TextProblem::Invalid));
        }
        assert_eq!(text(None), Err(TextProblem::Missing));
    }

    #[test]
    fn a_lone_surrogate_makes_a_text_invalid_and_leaves_the_rest_readable() {
        let value = json(r#"{"type":"staff_message","content":"a\ud800b"}"#).unwrap();
        assert_eq!(value["type"], "staff_message");
        assert_eq!(text(value.get("content")), Err(TextProblem::Invalid));
        assert_eq!(json(r#""\ud83d\ude00\udc00""#).unwrap(), "😀\0");
        assert_eq!(json(r#""\\ud800""#).unwrap(), "\\ud800");
        assert_eq!(json(r#""\ud8"#), None);
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

    proptest! {
        #[test]
        fn mending_never_panics_and_never_changes_good_json(text in "([a\\\\u0dD8cCfF\"{}]|😀){0,40}") {
            let _ = json(&text);
            let quoted = serde_json::to_string(&text).unwrap();
            prop_assert_eq!(json(&quoted), Some(Value::String(text)));
        }
    }
}
