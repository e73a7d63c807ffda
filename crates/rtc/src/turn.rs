//! Credentials of a TURN relay that shares a secret with us (draft-uberti-behave-turn-rest): the username says when they
//! end, the password is its HMAC-SHA1.

use base64::{Engine as _, engine::general_purpose::STANDARD};

use crate::{Problem, Unfit, Wanted, sign};

/// Relays take usernames of at most 513 bytes (RFC 8489, section 14.3).
pub const MAX_USERNAME_BYTES: usize = 513;
/// What the end and the colon take of it.
const END_BYTES: usize = 21;

/// What a relay asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pair {
    pub username: String,
    pub password: String,
}

/// Makes a pair.
pub fn mint(secret: &str, user: &str, ends: i64) -> Result<Pair, Unfit> {
    if secret.is_empty() {
        return Err(Unfit("secret", "must not be empty"));
    }
    if user.len() > MAX_USERNAME_BYTES - END_BYTES {
        return Err(Unfit("user", "must have at most 492 bytes"));
    }
    let username = format!("{ends}:{user}");
    let password = STANDARD.encode(sign::sha1(secret.as_bytes(), &username));
    Ok(Pair { username, password })
}

/// When a username ends, and whose it is.
pub fn parse(username: &str) -> Result<(i64, &str), Problem> {
    if username.len() > MAX_USERNAME_BYTES {
        return Err(Problem::TooLong);
    }
    let (ends, user) = username.split_once(':').unwrap_or((username, ""));
    let ends =
        ends.parse().map_err(|_| Problem::Malformed("the username does not begin with when it ends"))?;
    Ok((ends, user))
}

/// Names all that is wrong with a pair. A relay knows no channel.
#[must_use]
pub fn check(username: &str, password: &str, secret: &str, wanted: &Wanted<'_>) -> Vec<Problem> {
    let mut problems = Vec::new();
    match parse(username) {
        Ok((ends, user)) => {
            problems.extend(wanted.end("the username", ends));
            problems.extend(wanted.uid.filter(|uid| *uid != user).map(|_| Problem::OtherUid));
        }
        Err(problem) => return vec![problem],
    }
    let signature = STANDARD.decode(password).unwrap_or_default();
    if !sign::is_sha1(secret.as_bytes(), username, &signature) {
        problems.push(Problem::BadSignature);
    }
    problems
}
