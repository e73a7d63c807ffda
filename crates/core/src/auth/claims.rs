//! Where an outside token keeps what Parlor wants to know, and the way back for tokens minted in its shape.

use parlor_api::limits;
use parlor_store::Roles;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Longer values are refused for a subject and cut for what people read.
const MAX_SUBJECT_CHARS: usize = 200;
const MAX_NAME_CHARS: usize = limits::NAME_CHARS;
const MAX_EMAIL_CHARS: usize = limits::EMAIL_CHARS;

/// For each thing the paths to look at, in order; a dot goes one object deeper. The first path with a value wins, and a
/// minted token uses the first of each list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ClaimPaths {
    pub subject: Vec<String>,
    pub username: Vec<String>,
    pub name: Vec<String>,
    pub email: Vec<String>,
    pub roles: Vec<String>,
}

impl Default for ClaimPaths {
    fn default() -> Self {
        let list = |paths: &[&str]| paths.iter().map(|path| (*path).to_owned()).collect();
        Self {
            subject: list(&["sub", "user.id", "id"]),
            username: list(&["preferred_username", "user.username", "username"]),
            name: list(&["name", "user.name"]),
            email: list(&["email", "user.email"]),
            roles: list(&["roles", "user.role", "role"]),
        }
    }
}

/// What a token says of its person. Nothing here is verified by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub subject: Option<String>,
    pub username: Option<String>,
    pub name: Option<String>,
    pub email: Option<String>,
    pub roles: Vec<String>,
}

impl ClaimPaths {
    /// Reads a token's claims.
    #[must_use]
    pub fn read(&self, claims: &Map<String, Value>) -> Profile {
        Profile {
            subject: first(claims, &self.subject)
                .and_then(text)
                .filter(|subject| subject.chars().count() <= MAX_SUBJECT_CHARS),
            username: readable(claims, &self.username, MAX_NAME_CHARS),
            name: readable(claims, &self.name, MAX_NAME_CHARS),
            email: readable(claims, &self.email, MAX_EMAIL_CHARS),
            roles: first(claims, &self.roles).map(words).unwrap_or_default(),
        }
    }

    /// Writes claims that `read` would read back; with `numbers`, a subject that is an integer as one.
    #[must_use]
    pub fn write(&self, profile: &Profile, numbers: bool) -> Map<String, Value> {
        let mut claims = Map::new();
        if let (Some(path), Some(subject)) = (self.subject.first(), &profile.subject) {
            let integer = subject.parse::<u64>().ok().filter(|id| numbers && id.to_string() == *subject);
            place(&mut claims, path, integer.map_or_else(|| Value::from(subject.clone()), Value::from));
        }
        let texts =
            [(&self.username, &profile.username), (&self.name, &profile.name), (&self.email, &profile.email)];
        for (paths, value) in texts {
            if let (Some(path), Some(value)) = (paths.first(), value) {
                place(&mut claims, path, Value::String(value.clone()));
            }
        }
        if let (Some(path), Some(role)) = (self.roles.first(), profile.roles.first()) {
            // A path that reads as a plural holds a list.
            let value = if path.ends_with('s') {
                Value::from(profile.roles.clone())
            } else {
                Value::String(role.clone())
            };
            place(&mut claims, path, value);
        }
        claims
    }
}

/// Which of the issuer's role names mean which roles; Parlor's own names if it says nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoleMap(pub Vec<(String, Roles)>);

/// Parlor's own names, strongest first.
const ROLE_NAMES: [(&str, Roles); 4] = [
    ("admin", Roles::ADMIN),
    ("staff", Roles::STAFF),
    ("provider", Roles::PROVIDER),
    ("customer", Roles::CUSTOMER),
];

impl RoleMap {
    /// What the names grant. A person whose names say nothing to us is a customer.
    #[must_use]
    pub fn roles(&self, names: &[String]) -> Roles {
        let granted = names.iter().fold(Roles::default(), |roles, name| roles.with(self.role(name)));
        if granted.is_empty() { Roles::CUSTOMER } else { granted }
    }

    /// The names that grant the roles, strongest first.
    #[must_use]
    pub fn names(&self, roles: Roles) -> Vec<String> {
        let mut names = Vec::new();
        for (own_name, role) in ROLE_NAMES {
            if !roles.contains(role) {
                continue;
            }
            // Never a name that grants more than is meant.
            let fits = |mapped: Roles| mapped.contains(role) && roles.contains(mapped);
            let mapped = self.0.iter().find(|(_, mapped)| fits(*mapped)).map(|(name, _)| name.clone());
            names.extend(if self.0.is_empty() { Some(own_name.to_owned()) } else { mapped });
        }
        names
    }

    fn role(&self, name: &str) -> Roles {
        if self.0.is_empty() {
            return named(name).unwrap_or_default();
        }
        self.0
            .iter()
            .filter(|(mapped, _)| mapped == name)
            .fold(Roles::default(), |roles, (_, role)| roles.with(*role))
    }
}

/// The role with one of Parlor's own names.
#[must_use]
pub fn named(name: &str) -> Option<Roles> {
    ROLE_NAMES.iter().find(|(own, _)| *own == name).map(|(_, role)| *role)
}

/// Parlor's own names of the roles, strongest first.
#[must_use]
pub fn names(roles: Roles) -> Vec<&'static str> {
    ROLE_NAMES.iter().filter(|(_, role)| roles.contains(*role)).map(|(name, _)| *name).collect()
}

fn first<'c>(claims: &'c Map<String, Value>, paths: &[String]) -> Option<&'c Value> {
    paths.iter().find_map(|path| {
        let mut steps = path.split('.');
        let top = claims.get(steps.next()?)?;
        let found = steps.try_fold(top, |value, step| value.as_object()?.get(step))?;
        let says_something = match found {
            Value::Null | Value::Object(_) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Bool(_) | Value::Number(_) => true,
        };
        says_something.then_some(found)
    })
}

/// Ids are often numbers.
fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.contains('\0') => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn readable(claims: &Map<String, Value>, paths: &[String], most_chars: usize) -> Option<String> {
    first(claims, paths).and_then(text).map(|text| text.chars().take(most_chars).collect())
}

fn words(value: &Value) -> Vec<String> {
    match value {
        Value::Array(list) => list.iter().filter_map(text).collect(),
        other => text(other).into_iter().collect(),
    }
}

fn place(claims: &mut Map<String, Value>, path: &str, value: Value) {
    let Some((top, rest)) = path.split_once('.') else {
        claims.insert(path.to_owned(), value);
        return;
    };
    let inner = claims.entry(top).or_insert_with(|| Value::Object(Map::new()));
    if let Value::Object(inner) = inner {
        place(inner, rest, value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(claims: impl std::borrow::Borrow<Value>) -> Profile {
        ClaimPaths::default().read(claims.borrow().as_object().unwrap())
    }

    #[test]
    fn a_nested_user_is_read_and_a_numeric_id_is_text() {
        let profile = read(json!({"user": {"id": 42, "username": "ann", "role": "staff"}}));
        assert_eq!(profile.subject.as_deref(), Some("42"));
        assert_eq!(profile.username.as_deref(), Some("ann"));
        assert_eq!(profile.roles, ["staff"]);
        assert_eq!(read(json!({"id": "7", "sub": ""})).subject.as_deref(), Some("7"));
    }

    #[test]
    fn an_empty_user_has_no_subject() {
        assert_eq!(read(json!({"user": {}})), Profile::default());
        assert_eq!(read(json!({"user": null, "sub": {}})), Profile::default());
        assert_eq!(read(json!({"user": "x"})), Profile::default());
    }

    #[test]
    fn the_longest_subject_is_read_and_one_longer_is_none() {
        let subject = "s".repeat(MAX_SUBJECT_CHARS);
        assert_eq!(read(json!({"sub": subject})).subject, Some(subject.clone()));
        assert_eq!(read(json!({"sub": subject + "s"})).subject, None);
    }

    #[test]
    fn what_is_written_reads_back() {
        let paths = ClaimPaths {
            subject: vec!["user.id".to_owned()],
            username: vec!["user.username".to_owned()],
            name: Vec::new(),
            email: Vec::new(),
            roles: vec!["user.role".to_owned()],
        };
        let profile = Profile {
            subject: Some("504c".to_owned()),
            username: Some("ann".to_owned()),
            roles: vec!["staff".to_owned()],
            ..Profile::default()
        };
        let claims = paths.write(&profile, false);
        assert_eq!(
            Value::from(claims.clone()),
            json!({"user": {"id": "504c", "username": "ann", "role": "staff"}})
        );
        assert_eq!(paths.read(&claims), profile);
    }

    #[test]
    fn an_issuer_of_integers_gets_integers_where_they_are_such() {
        let paths = ClaimPaths { subject: vec!["id".to_owned()], ..ClaimPaths::default() };
        let id = |subject: &str, numbers| {
            let profile = Profile { subject: Some(subject.to_owned()), ..Profile::default() };
            let claims = paths.write(&profile, numbers);
            assert_eq!(paths.read(&claims), profile);
            claims["id"].clone()
        };
        assert_eq!(id("42", true), json!(42));
        assert_eq!(id("42", false), json!("42"));
        for other in ["042", "+42", "504c", "99999999999999999999999"] {
            assert_eq!(id(other, true), json!(other));
        }
    }

    #[test]
    fn mapped_names_grant_only_what_the_map_says() {
        let map = RoleMap(vec![("agent".to_owned(), Roles::STAFF)]);
        assert_eq!(map.roles(&["agent".to_owned()]), Roles::STAFF);
        assert_eq!(map.roles(&["admin".to_owned()]), Roles::CUSTOMER);
        assert_eq!(map.names(Roles::STAFF.with(Roles::ADMIN)), ["agent"]);
        assert_eq!(RoleMap::default().roles(&["admin".to_owned(), "root".to_owned()]), Roles::ADMIN);
        assert_eq!(RoleMap::default().names(Roles::STAFF.with(Roles::CUSTOMER)), ["staff", "customer"]);
    }
}
