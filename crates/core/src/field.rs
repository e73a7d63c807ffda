//! What services ask of the fields of requests, and how they say what a field must be.

use unicode_normalization::UnicodeNormalization as _;

use crate::{Error, Result};

/// Checks the length of a text in Unicode scalar values, and that every store can keep it.
pub fn text(field: &'static str, value: &str, least: usize, most: usize) -> Result<()> {
    let chars = value.chars().count();
    if chars < least || chars > most {
        return Err(Error::field(field, format!("must have {least} to {most} characters, and has {chars}")));
    }
    storable(field, value)
}

/// The longest DNS label, so that the slug of a tenant can be one.
const MAX_SLUG_CHARS: usize = 63;
const MIN_SLUG_CHARS: usize = 2;

/// True for what can be the slug of a tenant.
#[must_use]
pub fn is_slug(slug: &str) -> bool {
    (MIN_SLUG_CHARS..=MAX_SLUG_CHARS).contains(&slug.len())
        && slug.starts_with(|first: char| first.is_ascii_lowercase())
        && slug.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
}

/// Checks that every store can look a text up.
pub fn storable(field: &'static str, value: &str) -> Result<()> {
    if value.contains('\0') { Err(Error::field(field, "must not contain U+0000")) } else { Ok(()) }
}

/// An e-mail address the one way that it is stored and looked up: without spaces around it, in NFC (RFC 6532) and in lower
/// case, which tells no two mailboxes apart anywhere.
#[must_use]
pub fn address(text: &str) -> String {
    text.trim().nfc().collect::<String>().to_lowercase()
}

/// A name to sign in with, as it is stored: one that is an address, as addresses are.
#[must_use]
pub fn sign_in_name(text: &str) -> String {
    if text.contains('@') { address(text) } else { text.to_owned() }
}

/// Reads an id, by the `parse` of its type.
pub fn id<T>(field: &'static str, text: &str, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
    parse(text).ok_or_else(|| Error::field(field, "must be a UUID"))
}

/// Reads an id that may be left out.
pub fn some_id<T>(
    field: &'static str,
    text: &str,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>> {
    if text.is_empty() { Ok(None) } else { id(field, text, parse).map(Some) }
}

/// What cannot be left out.
pub fn given<T>(field: &'static str, value: Option<T>) -> Result<T> {
    value.ok_or_else(|| Error::field(field, "must be given"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_written_one_way() {
        for spelt in ["ann@shop.example", " Ann@SHOP.example\n", "ANN@shop.example"] {
            assert_eq!(address(spelt), "ann@shop.example");
        }
        assert_eq!(address("Jose\u{301}@shop.example"), "jos\u{e9}@shop.example");
        assert_eq!((sign_in_name("Ann"), sign_in_name("Ann@A")), ("Ann".into(), "ann@a".into()));
    }

    #[test]
    fn slugs_are_dns_labels() {
        for good in ["ab", "shop-2", &"a".repeat(MAX_SLUG_CHARS)] {
            assert!(is_slug(good), "{good}");
        }
        for bad in ["a", "", "2ab", "-ab", "Ab", "a_b", "a b", "a\0b", &"a".repeat(MAX_SLUG_CHARS + 1)] {
            assert!(!is_slug(bad), "{bad}");
        }
    }

    #[test]
    fn lengths_are_counted_in_characters_and_both_ends_are_allowed() {
        assert!(text("name", "éé", 2, 2).is_ok());
        assert!(text("name", "é", 2, 3).is_err());
        assert!(text("name", "éééé", 2, 3).is_err());
        assert!(text("name", "a\0", 0, 3).is_err());
    }
}
