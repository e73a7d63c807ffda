//! A Rust source without its comments and strings, and the paths it names.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders that hold no sources of the package they lie in.
const FOREIGN_FOLDERS: [&str; 3] = ["target", "node_modules", "fuzz"];

/// Words after which a path may begin at the root of all crates.
const BEFORE_A_PATH: [&str; 8] = ["use", "as", "dyn", "impl", "in", "mut", "return", "where"];

/// One source file.
pub struct Source {
    pub path: PathBuf,
    /// Its text, with comments, strings and white space taken out, so that a path is one word.
    code: String,
}

impl Source {
    pub fn new(path: PathBuf, text: &str) -> Self {
        Self { path, code: tighten(&bare(text)) }
    }

    /// Reads every source below a folder, in order of path.
    pub fn read_all(folder: &Path, sources: &mut Vec<Self>) {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        entries.sort();
        for path in entries {
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            if path.is_dir() && !FOREIGN_FOLDERS.contains(&name) && !path.join("Cargo.toml").exists() {
                Self::read_all(&path, sources);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                sources.push(Self::new(path, &text));
            }
        }
    }

    /// Whether a path in it begins with this crate.
    pub fn names(&self, library: &str) -> bool {
        self.occurrences(library).any(|(before, after)| {
            let starts = !before.is_some_and(|c| is_word(c) || c == ':') || self.is_absolute(library);
            let is_path = after.starts_with("::") || after.starts_with(';') || after.starts_with(" as ");
            starts && is_path
        })
    }

    /// Which of these crates it names, in words.
    pub fn named(&self, libraries: &[&str]) -> Vec<String> {
        let named = libraries.iter().filter(|library| self.names(library));
        named.map(|library| format!("{} names {library}", self.path.display())).collect()
    }

    /// The modules named right after `crate::`, groups in braces opened, each once.
    pub fn crate_modules(&self) -> Vec<String> {
        let mut found: Vec<String> = self
            .occurrences("crate")
            .filter(|(before, _)| !before.is_some_and(is_word))
            .filter_map(|(_, after)| after.strip_prefix("::"))
            .flat_map(first_segments)
            .collect();
        found.sort();
        found.dedup();
        found
    }

    /// Each place where the word stands: the character before it and the text after it.
    fn occurrences<'a>(&'a self, word: &'a str) -> impl Iterator<Item = (Option<char>, &'a str)> {
        self.code.match_indices(word).filter_map(move |(at, _)| {
            let after = &self.code[at + word.len()..];
            let whole = !after.starts_with(is_word) && !self.code[..at].ends_with(is_word);
            whole.then(|| (self.code[..at].chars().next_back(), after))
        })
    }

    /// Whether it is written as `::library`, from the root of all crates.
    fn is_absolute(&self, library: &str) -> bool {
        let absolute = format!("::{library}");
        self.code.match_indices(&absolute).any(|(at, _)| {
            let before = &self.code[..at];
            let word = before.rsplit(|c| !is_word(c)).next().unwrap_or_default();
            !before.ends_with(['>', ':']) && (word.is_empty() || BEFORE_A_PATH.contains(&word))
        })
    }
}

/// The first segments of what follows `crate::`: one, or each of a group.
fn first_segments(after: &str) -> Vec<String> {
    let Some(group) = after.strip_prefix('{') else {
        return vec![leading_word(after)];
    };
    let mut depth = 0_i32;
    let mut segments = Vec::new();
    let mut at_start = true;
    for (at, c) in group.char_indices() {
        if at_start && is_word(c) {
            segments.push(leading_word(&group[at..]));
            at_start = false;
        }
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => at_start = true,
            _ => {}
        }
    }
    segments
}

fn leading_word(text: &str) -> String {
    text.chars().take_while(|c| is_word(*c)).collect()
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The text without comments, strings and character literals.
fn bare(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let skipped = comment_length(rest).or_else(|| literal_length(rest, &out));
        match skipped {
            Some(length) => {
                out.push(' ');
                rest = &rest[length..];
            }
            None => {
                out.push(c);
                rest = &rest[c.len_utf8()..];
            }
        }
    }
    out
}

fn comment_length(rest: &str) -> Option<usize> {
    if rest.starts_with("//") {
        return Some(rest.find('\n').unwrap_or(rest.len()));
    }
    if !rest.starts_with("/*") {
        return None;
    }
    let mut depth = 0_usize;
    let bytes = rest.as_bytes();
    for at in 0..bytes.len().saturating_sub(1) {
        match &bytes[at..at + 2] {
            b"/*" => depth += 1,
            b"*/" if depth == 1 => return Some(at + 2),
            b"*/" => depth -= 1,
            _ => {}
        }
    }
    Some(rest.len())
}

fn literal_length(rest: &str, before: &str) -> Option<usize> {
    if let Some(text) = rest.strip_prefix('"') {
        let mut escaped = false;
        let end = text.find(|c| {
            let closes = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            closes
        });
        return Some(end.map_or(rest.len(), |end| end + 2));
    }
    if rest.starts_with('r') && !before.ends_with(is_word) {
        let hashes = rest[1..].chars().take_while(|c| *c == '#').count();
        if rest[1 + hashes..].starts_with('"') {
            let close = format!("\"{}", "#".repeat(hashes));
            let body = 2 + hashes;
            return Some(rest[body..].find(&close).map_or(rest.len(), |end| body + end + close.len()));
        }
    }
    let character = rest.strip_prefix('\'')?;
    let length = if character.starts_with('\\') {
        character[2..].find('\'')? + 2
    } else {
        character.chars().next()?.len_utf8()
    };
    character[length..].starts_with('\'').then_some(length + 2)
}

/// Takes white space out, except between two words.
fn tighten(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for word in text.split_whitespace() {
        if out.ends_with(is_word) && word.starts_with(is_word) {
            out.push(' ');
        }
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new(PathBuf::from("it.rs"), text)
    }

    #[test]
    fn a_library_is_named_by_use_by_path_and_from_the_root() {
        for text in [
            "use sqlx::Row;",
            "fn f() -> sqlx::Error {}",
            "use ::sqlx::Row;",
            "use sqlx;",
            "use sqlx as s;",
            "use {tokio::x, sqlx::Row};",
            "pub use sqlx :: Row;",
        ] {
            assert!(source(text).names("sqlx"), "{text}");
        }
    }

    #[test]
    fn comments_strings_other_words_and_inner_modules_are_not_libraries() {
        for text in [
            "// use sqlx::Row;",
            "/* a /* nested */ sqlx::Row */",
            "const S: &str = \"sqlx::Row\";",
            "const S: &str = r#\"sqlx::\"quoted\" sqlx::Row\"#;",
            "use mysqlx::Row;",
            "use crate::sqlx::Row;",
            "let sqlx = 1;",
            "'\"'; let a = \"sqlx::Row\";",
        ] {
            assert!(!source(text).names("sqlx"), "{text}");
        }
    }

    #[test]
    fn every_first_segment_of_a_crate_path_is_found() {
        let text = "
            use crate::{chat::{self, Chat}, hub::Hub, status::{Error, Result}};
            use crate::clock::Clock;
            fn f(_: &crate::auth::Auth) { let lifetime: &'static str = \"crate::presence\"; }
            // crate::edge
            pub(crate) fn g() {}
        ";
        assert_eq!(source(text).crate_modules(), ["auth", "chat", "clock", "hub", "status"]);
    }
}
