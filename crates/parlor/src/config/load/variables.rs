//! Which variables of the environment are settings.
//!
//! A name that is like a key's is a misspelt key, and refused with the nearest one. A name that is like none is left
//! alone and told: others make such variables too. Kubernetes makes PARLOR_PORT, PARLOR_SERVICE_HOST and more for a
//! Service named "parlor", in each pod of its namespace.

use toml::{Table, Value};

use super::{DEFAULT_TOML, Refusal};

/// Lists that are commented out in the manual.
const LISTS: [&str; 2] = ["mount", "issuer"];

/// What begins each name.
pub(super) const PREFIX: &str = "PARLOR_";

/// Names, in small letters and without what begins each.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Variables {
    /// Keys, or tables, or what is below a key and will be refused there.
    pub settings: Vec<String>,
    pub misspelt: Vec<Refusal>,
    /// What is no setting, and no reason not to start.
    pub strays: Vec<Refusal>,
}

pub(super) fn sort(names: impl Iterator<Item = String>) -> Variables {
    let known = known();
    let mut variables = Variables::default();
    for name in names {
        if known.iter().any(|key| is_along(key, &name) || is_along(&name, key)) {
            variables.settings.push(name);
            continue;
        }
        let (variable, nearest) = (variable(&name), nearest(&known, &name));
        if is_of_kubernetes(&name) {
            let problem = "is no setting, and is left alone: Kubernetes makes such variables for a Service of that name \
                           (enableServiceLinks: false in the pod's specification keeps them away)";
            variables.strays.push(Refusal { key: variable, problem: problem.to_owned() });
        } else if name.contains("__") || begins_like(&known, &name) || is_near(nearest, &name) {
            let key = nearest.replace("__", ".");
            let problem = format!(
                "there is no such key (in the environment); the nearest is {key}: {}",
                self::variable(nearest)
            );
            variables.misspelt.push(Refusal { key: variable, problem });
        } else {
            let problem = "is no setting, and is left alone; the settings: parlor config print --defaults";
            variables.strays.push(Refusal { key: variable, problem: problem.to_owned() });
        }
    }
    variables
}

fn variable(name: &str) -> String {
    format!("{PREFIX}{}", name.to_ascii_uppercase())
}

/// Every key, as its variable has it.
fn known() -> Vec<String> {
    let manual: Table = DEFAULT_TOML.parse().expect("the manual is TOML");
    let mut known: Vec<String> = LISTS.map(str::to_owned).into();
    collect(&manual, "", &mut known);
    known
}

fn collect(table: &Table, path: &str, known: &mut Vec<String>) {
    for (key, value) in table {
        let path = if path.is_empty() { key.clone() } else { format!("{path}__{key}") };
        match value {
            Value::Table(below) => collect(below, &path, known),
            _ => known.push(path),
        }
    }
}

/// It is the other, or above it.
fn is_along(above: &str, name: &str) -> bool {
    name.strip_prefix(above).is_some_and(|below| below.is_empty() || below.starts_with("__"))
}

/// <https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>, for a Service whose name
/// begins with "parlor".
fn is_of_kubernetes(name: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let of_a_port = |three: &[&str]| {
        three[0] == "port" && is_number(three[1]) && matches!(three[2], "tcp" | "udp" | "sctp")
    };
    !name.contains("__")
        && (words.ends_with(&["port"])
            || words.ends_with(&["service", "host"])
            || words.windows(2).any(|two| two == ["service", "port"])
            || words.windows(3).any(of_a_port))
}

/// Its first word is a key's.
fn begins_like(known: &[String], name: &str) -> bool {
    let first = |name: &str| name.split('_').next().unwrap_or_default().to_owned();
    known.iter().any(|key| first(key) == first(name))
}

fn nearest<'known>(known: &'known [String], name: &str) -> &'known str {
    known.iter().min_by_key(|key| distance(key, name)).map_or("", String::as_str)
}

/// Somebody may have meant it: one slip in a short name, two in a longer one.
fn is_near(key: &str, name: &str) -> bool {
    distance(key, name) <= if name.len() < 6 { 1 } else { 2 }
}

/// How many letters are missing, too many, other ones or swapped with the next. Underscores count once.
fn distance(one: &str, other: &str) -> usize {
    let letters = |name: &str| name.replace("__", "_").into_bytes();
    let (one, other) = (letters(one), letters(other));
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, &letter) in one.iter().enumerate() {
        let mut next = vec![at + 1];
        for (place, &wanted) in other.iter().enumerate() {
            let changed = row[place] + usize::from(letter != wanted);
            let mut least = changed.min(row[place + 1] + 1).min(next[place] + 1);
            let is_swapped = at > 0 && place > 0 && letter == other[place - 1] && one[at - 1] == wanted;
            if is_swapped {
                least = least.min(before[place - 1] + 1);
            }
            next.push(least);
        }
        before = std::mem::replace(&mut row, next);
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(names: &[&str]) -> Variables {
        sort(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn keys_tables_and_what_is_below_a_key_are_settings() {
        let names =
            ["role", "data_dir", "log__filter", "database", "listener", "mount", "listener__0__address"];
        let variables = sorted(&names);
        assert_eq!(variables.settings, names);
        assert_eq!((variables.misspelt, variables.strays), (vec![], vec![]));
    }

    #[test]
    fn what_is_near_to_no_key_is_a_stray() {
        let names =
            ["image", "home", "version", "uid", "port", "core_port_8081_tcp_addr", "service_port_grpc"];
        let variables = sorted(&names);
        assert_eq!(variables.strays.len(), names.len(), "{variables:?}");
    }

    #[test]
    fn what_is_near_to_a_key_is_refused_with_it() {
        for (name, nearest) in [
            ("rol", "role"),
            ("log_filter", "log.filter"),
            ("database__port", "database."),
            ("port__x", ""),
            ("secrets__edgekey", "secrets.edge_key"),
        ] {
            let refused = sorted(&[name]).misspelt;
            assert!(refused[0].problem.contains(&format!("the nearest is {nearest}")), "{refused:?}");
        }
    }

    #[test]
    fn a_slip_is_a_distance_of_one() {
        for (one, other, far) in [
            ("role", "role", 0),
            ("role", "roel", 1),
            ("role", "rle", 1),
            ("role", "rolex", 1),
            ("", "ab", 2),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (far, far), "{one} {other}");
        }
    }
}
