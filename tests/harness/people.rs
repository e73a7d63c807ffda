//! People with credentials of the world's own issuer, in the shape the legacy back-end made.

use jsonwebtoken::{EncodingKey, Header, encode};
use serde_json::{Value, json};
use uuid::Uuid;

/// Somebody who can prove who they are.
#[derive(Clone, Debug)]
pub struct Person {
    /// What the issuer calls them: 24 hexadecimal digits.
    pub subject: String,
    pub username: String,
    /// An HS256 token of the world's issuer.
    pub token: String,
}

impl Person {
    /// A new person with this role, whose token lives for so many seconds from `now`.
    pub(crate) fn new(secret: &str, role: &str, now_s: i64, lives_s: i64) -> Self {
        let subject = Uuid::new_v4().simple().to_string()[..24].to_owned();
        let username = format!("{role}-{}", &subject[..8]);
        let token = legacy_token(secret, &subject, &username, role, now_s, lives_s);
        Self { subject, username, token }
    }
}

/// A token as the legacy back-end signed it.
pub(crate) fn legacy_token(
    secret: &str,
    subject: &str,
    username: &str,
    role: &str,
    now_s: i64,
    lives_s: i64,
) -> String {
    let claims = json!({
        "user": {"id": subject, "username": username, "role": role},
        "iat": now_s,
        "exp": now_s + lives_s,
    });
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// A token as the shop's back-end signed it.
#[must_use]
pub fn shop_token(secret: &str, id: u64, email: &str, role: &str, now_s: i64) -> String {
    let claims = json!({"id": id, "email": email, "role": role, "iat": now_s, "exp": now_s + 3600});
    encode(&Header::default(), &claims, &EncodingKey::from_secret(secret.as_bytes())).unwrap()
}

/// A field of a JSON object as text.
pub fn text_of<'a>(value: &'a Value, field: &str) -> &'a str {
    value[field].as_str().unwrap_or_else(|| panic!("{value} has no text {field}"))
}
