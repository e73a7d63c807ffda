//! LiveKit's tokens, as the package livekit-server-sdk makes them: a JWT with HS256, whose grants say what it opens.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{MAX_TOKEN_BYTES, Problem, Role, Unfit, Wanted, sign};

/// What the package writes.
const HEADER: &str = r#"{"alg":"HS256"}"#;
/// Names of rooms and people are short; LiveKit itself keeps to as many.
pub const MAX_NAME_BYTES: usize = 256;

/// A key of a LiveKit server.
#[derive(Clone, Copy)]
pub struct Key<'a> {
    pub name: &'a str,
    pub secret: &'a str,
}

/// What a token shall say.
#[derive(Clone, Copy)]
pub struct Pass<'a> {
    pub room: &'a str,
    /// Whom it lets in.
    pub identity: &'a str,
    /// What others see; left out if empty.
    pub name: &'a str,
    pub role: Role,
    /// When it begins.
    pub begins: i64,
    /// When it ends.
    pub ends: i64,
}

/// In the order in which the package writes them.
#[derive(Serialize)]
struct Claims<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    video: Grant<'a>,
    iss: &'a str,
    exp: i64,
    nbf: i64,
    sub: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Grant<'a> {
    room_join: bool,
    room: &'a str,
    can_publish: bool,
    can_subscribe: bool,
    can_publish_data: bool,
}

/// Makes a token.
pub fn mint(key: Key<'_>, pass: &Pass<'_>) -> Result<String, Unfit> {
    if key.name.is_empty() || key.secret.is_empty() {
        return Err(Unfit("key", "must have a name and a secret"));
    }
    if pass.room.is_empty() || pass.room.len() > MAX_NAME_BYTES {
        return Err(Unfit("room", "must have 1 to 256 bytes"));
    }
    if pass.identity.is_empty() || pass.identity.len() > MAX_NAME_BYTES {
        return Err(Unfit("identity", "must have 1 to 256 bytes"));
    }
    if pass.name.len() > MAX_NAME_BYTES {
        return Err(Unfit("name", "must have at most 256 bytes"));
    }
    let publishes = pass.role == Role::Publisher;
    let claims = Claims {
        name: pass.name,
        video: Grant {
            room_join: true,
            room: pass.room,
            can_publish: publishes,
            can_subscribe: true,
            can_publish_data: publishes,
        },
        iss: key.name,
        exp: pass.ends,
        nbf: pass.begins,
        sub: pass.identity,
    };
    let claims = serde_json::to_string(&claims).expect("texts and numbers are always written");
    let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(claims));
    let signature = sign::sha256(key.secret.as_bytes(), &[message.as_bytes()]);
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// A token that was taken apart.
#[derive(Clone, Debug, PartialEq)]
pub struct Parsed {
    message: String,
    signature: Vec<u8>,
    header: Map<String, Value>,
    claims: Map<String, Value>,
}

/// Takes a token apart.
pub fn parse(token: &str) -> Result<Parsed, Problem> {
    if token.len() > MAX_TOKEN_BYTES {
        return Err(Problem::TooLong);
    }
    let parts = token.rsplit_once('.').and_then(|(message, signature)| {
        message.split_once('.').map(|(header, claims)| (message, header, claims, signature))
    });
    let (message, header, claims, signature) = parts.ok_or(Problem::Malformed("it is no JWT"))?;
    let decode =
        |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| Problem::Malformed("it is no base64url"));
    let object = |part: &str| -> Result<Map<String, Value>, Problem> {
        serde_json::from_slice(&decode(part)?)
            .map_err(|_| Problem::Malformed("a part of it is no JSON object"))
    };
    let (header, claims, signature) = (object(header)?, object(claims)?, decode(signature)?);
    Ok(Parsed { message: message.to_owned(), signature, header, claims })
}

impl Parsed {
    /// The name of the key that is said to have signed it.
    #[must_use]
    pub fn key_name(&self) -> &str {
        self.text("iss")
    }

    /// Whom it lets in.
    #[must_use]
    pub fn identity(&self) -> &str {
        self.text("sub")
    }

    /// When it ends, if it says.
    #[must_use]
    pub fn ends(&self) -> Option<i64> {
        self.claims.get("exp").and_then(Value::as_i64)
    }

    /// True if it grants anything of LiveKit's.
    #[must_use]
    pub fn is_one(&self) -> bool {
        self.claims.get("video").is_some_and(Value::is_object)
    }

    /// Names all that is wrong.
    #[must_use]
    pub fn check(&self, key: Key<'_>, wanted: &Wanted<'_>) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.key_name() != key.name {
            problems.push(Problem::OtherApp);
        }
        let is_signed = sign::is_sha256(key.secret.as_bytes(), &[self.message.as_bytes()], &self.signature);
        // The header only says what it must: it does not choose how it is checked.
        if self.header.get("alg").and_then(Value::as_str) != Some("HS256") || !is_signed {
            problems.push(Problem::BadSignature);
        }
        match self.ends() {
            Some(at) => problems.extend(wanted.end("the token", at)),
            None => problems.push(Problem::Malformed("it has no exp")),
        }
        match self.claims.get("nbf").map(Value::as_i64) {
            Some(Some(at)) => problems.extend(wanted.beginning(at)),
            Some(None) => problems.push(Problem::Malformed("its nbf is no whole number")),
            None => {}
        }
        let grant = |name: &str| self.claims.get("video").and_then(|video| video.get(name));
        if grant("roomJoin").and_then(Value::as_bool) != Some(true) {
            problems.push(Problem::NoJoin);
        }
        let room = grant("room").and_then(Value::as_str).unwrap_or_default();
        problems.extend(wanted.channel.filter(|name| *name != room).map(|_| Problem::OtherChannel));
        problems.extend(wanted.uid.filter(|name| *name != self.identity()).map(|_| Problem::OtherUid));
        problems
    }

    /// What it says, for people.
    #[must_use]
    pub fn json(&self) -> Value {
        json!(self.claims)
    }

    fn text(&self, claim: &str) -> &str {
        self.claims.get(claim).and_then(Value::as_str).unwrap_or_default()
    }
}
