//! Whether the placeholders of a binary packet point at its attachments. The text is walked, not read: what JavaScript
//! lets pass (half of a surrogate pair, numbers without end, any depth) is no business of ours.

use super::scan;

/// Whether every placeholder points at one of so many attachments. The text must be JSON.
pub(super) fn all_point_inside(json: &str, attachments: usize) -> bool {
    // A name can be written with escapes.
    if !json.contains("_placeholder") && !json.contains("\\u") {
        return true;
    }
    let text = json.as_bytes();
    let mut open: Vec<Value> = Vec::new();
    let mut field = Field::Other;
    let mut at = 0;
    while at < text.len() {
        let end = match text[at] {
            b'"' => scan::end_of_string(text, at) + 1,
            b',' | b':' | b'[' | b']' | b'{' | b'}' | b' ' | b'\t' | b'\n' | b'\r' => at + 1,
            _ => end_of_word(text, at),
        };
        let token = &json[at..end];
        at = end;
        match token {
            "," | ":" | " " | "\t" | "\n" | "\r" => {}
            "[" | "{" => {
                set(open.last_mut(), &mut field, token, attachments);
                open.push(Value::default());
            }
            "]" | "}" => {
                let lies = open.pop().is_some_and(|value| value.lies());
                if let Some(around) = open.last_mut() {
                    around.holds_lies |= lies;
                } else if lies {
                    return false;
                }
            }
            name if name.starts_with('"') && is_before_colon(&text[at..]) => field = Field::named(name),
            scalar => set(open.last_mut(), &mut field, scalar, attachments),
        }
    }
    true
}

/// An object, as far as it matters; an array is one without fields. As small as can be: it is there for each level.
#[derive(Clone, Copy, Default)]
struct Value {
    is_placeholder: bool,
    points_inside: bool,
    holds_lies: bool,
}

impl Value {
    /// What is in a placeholder besides is dropped with it.
    fn lies(self) -> bool {
        if self.is_placeholder { !self.points_inside } else { self.holds_lies }
    }
}

/// Whose value comes next.
enum Field {
    Placeholder,
    Num,
    Other,
}

impl Field {
    /// By its name as JSON.
    fn named(name: &str) -> Self {
        let decoded;
        let name = if name.contains('\\') {
            // What no Rust string can be is none of the names either.
            decoded = serde_json::from_str::<String>(name).unwrap_or_default();
            &decoded
        } else {
            &name[1..name.len() - 1]
        };
        match name {
            "_placeholder" => Self::Placeholder,
            "num" => Self::Num,
            _ => Self::Other,
        }
    }
}

/// Of a field that comes twice the last counts.
fn set(object: Option<&mut Value>, field: &mut Field, token: &str, attachments: usize) {
    let Some(object) = object else { return };
    match std::mem::replace(field, Field::Other) {
        Field::Placeholder => object.is_placeholder = token == "true",
        Field::Num => object.points_inside = token.parse().is_ok_and(|num: usize| num < attachments),
        Field::Other => {}
    }
}

fn is_before_colon(text: &[u8]) -> bool {
    text.trim_ascii_start().first() == Some(&b':')
}

fn end_of_word(text: &[u8], start: usize) -> usize {
    let rest = &text[start..];
    let length =
        rest.iter().position(|byte| matches!(byte, b',' | b']' | b'}' | b' ' | b'\t' | b'\n' | b'\r'));
    start + length.unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_only_javascript_can_read_is_passed_on() {
        let placeholder = r#"{"_placeholder":true,"num":0}"#;
        for odd in [r#""\ud83d""#, r#"{"\ud83d":1}"#, "1e999", "-1e-999", r#""_placeholder""#, r#"["num",7]"#]
        {
            assert!(all_point_inside(&format!("[\"a\",{odd},{placeholder}]"), 1), "{odd}");
            assert!(!all_point_inside(&format!("[\"a\",{odd},{placeholder}]"), 0), "{odd}");
        }
    }

    #[test]
    fn depth_is_no_matter() {
        for (opens, closes) in [("[", "]"), ("{\"a\":", "}")] {
            let (before, after) = (opens.repeat(100_000), closes.repeat(100_000));
            let deep = |num| format!(r#"{before}{{"_placeholder":true,"num":{num}}}{after}"#);
            assert!(all_point_inside(&deep(0), 1));
            assert!(!all_point_inside(&deep(1), 1));
        }
    }

    #[test]
    fn what_is_no_field_of_its_object_is_none() {
        for (json, inside) in [
            (r#"{ "_placeholder" : true , "num" : 0 }"#, true),
            (r#"{"num":0,"_placeholder":true,"num":1}"#, false),
            (r#"{"_placeholder":true,"num":1,"num":0}"#, true),
            (r#"{"_placeholder":true,"num":[0]}"#, false),
            (r#"{"_placeholder":[true],"num":7}"#, true),
            (r#"{"_placeholder":"true","num":7}"#, true),
            (r#"{"_placeholder":true,"x":{"num":0}}"#, false),
            (r#"{"_placeholder":{"num":0},"num":1}"#, true),
            (r#"{"_placeholder":true,"num":0,"x":{"_placeholder":true,"num":7}}"#, true),
            (r#"{"num":0,"x":{"_placeholder":true,"num":7}}"#, false),
            (r#"{"\u005fplaceholder":true,"n\u0075m":7}"#, false),
            (r#"{"x\"_placeholder":true,"num":7}"#, true),
        ] {
            assert_eq!(all_point_inside(&format!("[\"a\",{json}]"), 1), inside, "{json}");
        }
    }
}
