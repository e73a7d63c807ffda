//! What clients in JavaScript mean: their JSON, what is falsy, what is blank, what is a text, and how they write a time.

use parlor_api::limits::TEXT_CHARS;
use prost_types::Timestamp;
use serde_json::Value;

/// Why a text is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextProblem {
    /// Absent, or nothing but white space.
    Missing,
    /// Over [`TEXT_CHARS`].
    TooLong,
    /// Not a string, or with a character no store can keep.
    Invalid,
}

/// Reads JSON. A lone surrogate, which JavaScript lets pass and no UTF-8 can hold, is read as U+0000: both make a text
/// invalid, so the one stands for the other.
pub(super) fn json(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok().or_else(|| serde_json::from_str(&without_lone_surrogates(text)?).ok())
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
    } else if text.chars().count() > TEXT_CHARS {
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

/// ISO 8601 in UTC with milliseconds; empty for a time that is not set or beyond the calendar.
pub(super) fn iso(time: Option<&Timestamp>) -> String {
    time.and_then(|time| jiff::Timestamp::new(time.seconds, time.nanos).ok())
        .map(|time| time.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string())
        .unwrap_or_default()
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

/// The UTF-16 unit of the escape a text begins with: `\u` and four digits.
fn unit(text: &str) -> Option<u16> {
    let digits = text.strip_prefix("\\u")?.get(..4)?;
    digits.bytes().all(|byte| byte.is_ascii_hexdigit()).then(|| u16::from_str_radix(digits, 16).ok())?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::{json, *};

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
    fn a_time_has_three_decimals_whatever_it_was() {
        let at = |seconds, nanos| iso(Some(&Timestamp { seconds, nanos }));
        assert_eq!(at(1_795_206_390, 0), "2026-11-20T20:26:30.000Z");
        assert_eq!(at(1_795_206_390, 7_999_999), "2026-11-20T20:26:30.007Z");
        assert_eq!(at(i64::MAX, 0), "");
        assert_eq!(iso(None), "");
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
