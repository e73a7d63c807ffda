//! JSON as text: whether it is any, and where the elements of an array begin and end. Nothing is built.

/// What JSON calls white space.
pub(super) const WHITESPACE: [char; 4] = [' ', '\t', '\n', '\r'];

/// Whether the text is one JSON value. Depth is no matter: nothing recurses.
pub(super) fn is_json(text: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

/// The elements of a JSON array, each as its text without white space around it.
pub(super) fn elements(array: &str) -> Elements<'_> {
    let inner = array.trim_matches(WHITESPACE);
    let inner = inner.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or("");
    Elements { rest: inner }
}

/// See [`elements`]. The text must be JSON.
#[derive(Clone, Debug)]
pub struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Elements<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.trim_start_matches(WHITESPACE);
        if text.is_empty() {
            return None;
        }
        let end = end_of_value(text.as_bytes());
        let (value, rest) = text.split_at(end);
        self.rest = rest.strip_prefix(',').unwrap_or("");
        Some(value.trim_end_matches(WHITESPACE))
    }
}

/// Where the value that the text begins with ends: at the comma behind it, or with the text.
fn end_of_value(text: &[u8]) -> usize {
    let mut depth = 0usize;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => at = end_of_string(text, at),
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            b',' if depth == 0 => return at,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

/// The place of the quote that closes the string that opens at `start`.
pub(super) fn end_of_string(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() {
        match text[at] {
            b'"' => return at,
            b'\\' => at += 1,
            _ => {}
        }
        at += 1;
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(array: &str) -> Vec<&str> {
        elements(array).collect()
    }

    #[test]
    fn elements_are_cut_at_their_own_commas() {
        assert_eq!(all("[]"), Vec::<&str>::new());
        assert_eq!(all(" [ ] "), Vec::<&str>::new());
        assert_eq!(
            all(r#"["a,b", [1,2 ],{"x":"]"} , "\"," ,null]"#),
            vec![r#""a,b""#, "[1,2 ]", r#"{"x":"]"}"#, r#""\",""#, "null"]
        );
        assert_eq!(all(r#"["\\",1]"#), vec![r#""\\""#, "1"]);
    }

    #[test]
    fn depth_is_no_matter() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(is_json(&deep));
        assert_eq!(all(&deep).len(), 1);
    }
}
