//! An event or the arguments of an acknowledgement: JSON text that is made once and shared by all who receive it.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;

use super::scan::{self, Elements};

/// `["name",arg,…]`, or `[arg,…]` for an acknowledgement, with its attachments in their order.
///
/// A binary value stands in the text as `{"_placeholder":true,"num":N}`. A clone shares all bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// A JSON array, UTF-8.
    pub json: Bytes,
    pub attachments: Arc<[Bytes]>,
}

/// The text is no JSON array.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an event is a JSON array")]
pub struct InvalidEvent;

impl Event {
    /// An event of a name and arguments that are JSON already.
    pub fn new<A: AsRef<str>>(name: &str, args: &[A]) -> Self {
        let mut json = String::from("[");
        json.push_str(&quoted(name));
        for arg in args {
            json.push(',');
            json.push_str(arg.as_ref());
        }
        json.push(']');
        Self::from(json)
    }

    /// Checks text from outside.
    pub fn parse(json: impl Into<Bytes>) -> Result<Self, InvalidEvent> {
        let json = json.into();
        let text = std::str::from_utf8(&json).map_err(|_| InvalidEvent)?;
        if !text.trim_start_matches(scan::WHITESPACE).starts_with('[') || !scan::is_json(text) {
            return Err(InvalidEvent);
        }
        Ok(Self { json, attachments: Arc::default() })
    }

    /// The same with attachments, which must be those of its placeholders.
    #[must_use]
    pub fn with_attachments(mut self, attachments: Vec<Bytes>) -> Self {
        self.attachments = attachments.into();
        self
    }

    /// The whole text.
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.json).unwrap_or("[]")
    }

    /// The first element if it is a string: the name of an event.
    pub fn name(&self) -> Option<Cow<'_, str>> {
        let first = self.elements().next()?;
        let plain = first.strip_prefix('"')?.strip_suffix('"')?;
        if plain.contains('\\') {
            return serde_json::from_str(first).ok().map(Cow::Owned);
        }
        Some(Cow::Borrowed(plain))
    }

    /// All elements, each as its JSON text: for an acknowledgement, its arguments.
    pub fn elements(&self) -> Elements<'_> {
        scan::elements(self.text())
    }

    /// The elements after the name.
    pub fn args(&self) -> Elements<'_> {
        let mut elements = self.elements();
        elements.next();
        elements
    }
}

/// Text that the server itself has made.
impl From<String> for Event {
    fn from(json: String) -> Self {
        Self { json: json.into(), attachments: Arc::default() }
    }
}

/// A JSON string.
pub(crate) fn quoted(text: &str) -> String {
    serde_json::to_string(text).expect("a string is always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_arguments_are_borrowed_from_the_text() {
        let event = Event::new("user:\"join\"", &["1", r#"{"a":[1,2]}"#, "\"x\""]);
        assert_eq!(event.text(), r#"["user:\"join\"",1,{"a":[1,2]},"x"]"#);
        assert_eq!(event.name().unwrap(), "user:\"join\"");
        assert_eq!(event.args().collect::<Vec<_>>(), vec!["1", r#"{"a":[1,2]}"#, "\"x\""]);
        let bare = Event::new::<&str>("ping", &[]);
        assert_eq!(bare.text(), "[\"ping\"]");
        assert!(matches!(bare.name(), Some(Cow::Borrowed("ping"))));
        assert_eq!(bare.args().count(), 0);
    }

    #[test]
    fn only_an_array_is_an_event() {
        for bad in ["", "{}", "[", "[1]x", "\"a\"", "[1,]"] {
            assert_eq!(Event::parse(bad), Err(InvalidEvent), "{bad}");
        }
        assert_eq!(Event::parse(&b"[\"\xff\"]"[..]), Err(InvalidEvent));
        assert_eq!(Event::parse("[1,2]").unwrap().elements().count(), 2);
        assert_eq!(Event::parse("[1]").unwrap().name(), None);
    }
}
