//! How a token that Parlor has made came to be: when, from what, and whose word its roles are. It stands in the token, under
//! the signature: among the claims of an access token, and in the header of one in an issuer's shape, whose claims are read
//! by others.
//!
//! What withdraws a credential withdraws what was made from it, so a token names those before it. The list is bounded: where
//! it would grow longer, a new token bears the id of the one that it was traded for, and both are withdrawn together.

use parlor_store::ApiKeyId;
use serde_json::{Value, json};
use uuid::Uuid;

use super::revocation::key_of;
use crate::caller::Principal;

/// Where it stands, in claims or header.
pub(super) const MEMBER: &str = "parlor";

/// Names that a token bears: its own and those before it. A credential is traded once or twice on its way.
const MAX_NAMES: usize = 10;

const MILLIS_PER_SECOND: i64 = 1000;

/// How a token came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Provenance {
    /// The token's own id.
    pub id: String,
    /// The names of what it was traded for or made with, the nearest first.
    pub from: Vec<String>,
    /// The API key that it was made with.
    pub made_with: Option<ApiKeyId>,
    /// Its roles are those of our records, or fewer: one that is taken away there is gone here.
    pub held: bool,
    /// In milliseconds since 1970.
    pub issued_at: i64,
}

impl Provenance {
    /// Of a token that is made for, or by, a principal who was proven at or after this moment.
    #[must_use]
    pub fn after(parent: &Principal, issued_at: i64, held: bool) -> Self {
        let names = &parent.proof.names;
        let (id, from) = match names.as_slice() {
            [own, before @ ..] if names.len() >= MAX_NAMES => (own.clone(), before.to_vec()),
            _ => (Uuid::new_v4().to_string(), names.clone()),
        };
        Self { id, from, made_with: key_of(parent), held, issued_at }
    }

    /// What withdrawals may call it by.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        std::iter::once(&self.id).chain(&self.from).cloned().collect()
    }

    /// As it stands in a token that says its id elsewhere.
    pub(super) fn write(&self) -> Value {
        let mut written = json!({"ms": self.issued_at.rem_euclid(MILLIS_PER_SECOND)});
        if !self.from.is_empty() {
            written["from"] = Value::from(self.from.clone());
        }
        if let Some(key) = self.made_with {
            written["key"] = Value::from(key.to_string());
        }
        if self.held {
            written["held"] = Value::from(true);
        }
        written
    }

    /// As it stands in a token that has no other place for its id.
    pub(super) fn write_with_id(&self) -> Value {
        let mut written = self.write();
        written["id"] = Value::from(self.id.clone());
        written
    }

    /// From a token whose signature is good; `issued_at` is what the token says in seconds. `None` if it says nothing. The id
    /// is empty where it stands elsewhere.
    pub(super) fn read(written: Option<&Value>, issued_at: i64) -> Option<Self> {
        let written = written?.as_object()?;
        let names = written.get("from").and_then(Value::as_array).into_iter().flatten();
        let ms = written.get("ms").and_then(Value::as_i64).filter(|ms| (0..MILLIS_PER_SECOND).contains(ms));
        Some(Self {
            id: written.get("id").and_then(Value::as_str).unwrap_or_default().to_owned(),
            from: names.filter_map(Value::as_str).map(str::to_owned).collect(),
            made_with: written.get("key").and_then(Value::as_str).and_then(ApiKeyId::parse),
            held: written.get("held").and_then(Value::as_bool).unwrap_or_default(),
            issued_at: issued_at.saturating_add(ms.unwrap_or_default()),
        })
    }
}
