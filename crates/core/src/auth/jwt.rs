//! A JSON Web Token as it is shown to us: taken apart, with nothing believed. What it may not say is refused here; what
//! its signature proves is decided with a configured key, never with one the token names.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::DecodingKey;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use crate::{Error, Result};

/// Longer tokens are refused before any work; real ones are a tenth of it.
pub const MAX_TOKEN_BYTES: usize = 8 * 1024;

/// Headers that would let a token bring its own key or change the rules.
const FORBIDDEN_HEADERS: [&str; 5] = ["jku", "jwk", "x5u", "x5c", "crit"];

/// How much further than the leeway an `iat` may lie ahead. A token from the future would outlive a withdrawal.
const MAX_CLOCK_SKEW_MS: i64 = 60_000;

/// The algorithms Parlor knows. There is no `none`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Algorithm {
    #[serde(rename = "HS256")]
    Hs256,
    #[serde(rename = "RS256")]
    Rs256,
    #[serde(rename = "ES256")]
    Es256,
    #[serde(rename = "EdDSA")]
    EdDsa,
}

impl Algorithm {
    /// Reads the name of RFC 7518 and 8037.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Hs256, Self::Rs256, Self::Es256, Self::EdDsa].into_iter().find(|known| known.name() == name)
    }

    /// The name of RFC 7518 and 8037.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

impl From<Algorithm> for jsonwebtoken::Algorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Hs256 => Self::HS256,
            Algorithm::Rs256 => Self::RS256,
            Algorithm::Es256 => Self::ES256,
            Algorithm::EdDsa => Self::EdDSA,
        }
    }
}

/// A key that tokens are checked with.
#[derive(Clone, Debug)]
pub(super) struct VerifyingKey {
    /// Its name in token headers.
    pub kid: Option<String>,
    pub algorithm: Algorithm,
    pub key: DecodingKey,
}

/// A token nobody has checked.
#[derive(Debug)]
pub struct Unverified<'t> {
    message: &'t str,
    signature: &'t str,
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
}

/// When a token is good, in milliseconds since 1970, without leeway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Times {
    /// 0 if it does not say.
    pub issued_at: i64,
    pub expires_at: i64,
}

impl<'t> Unverified<'t> {
    /// Takes a token apart.
    pub fn parse(token: &'t str) -> Result<Self> {
        if token.len() > MAX_TOKEN_BYTES {
            return Err(invalid("it is too long"));
        }
        let (message, signature) = token.rsplit_once('.').ok_or_else(|| invalid("it is not a token"))?;
        let (header, claims) = message.split_once('.').ok_or_else(|| invalid("it is not a token"))?;
        if claims.contains('.') {
            return Err(invalid("it is not a token"));
        }
        Ok(Self { message, signature, header: object(header, "header")?, claims: object(claims, "claims")? })
    }

    /// One that came encrypted and was opened, which proves more than any signature of its own.
    pub(super) fn opened(text: &'t str, header: Map<String, Value>, claims: Map<String, Value>) -> Self {
        Self { message: text, signature: "", header, claims }
    }

    /// The algorithm the token names; an error for `none`, for one we do not know, and for headers that bring keys.
    pub fn algorithm(&self) -> Result<Algorithm> {
        if let Some(name) = FORBIDDEN_HEADERS.iter().find(|name| self.header.contains_key(**name)) {
            return Err(invalid(format!("header {name} is not accepted")));
        }
        let name = self.header.get("alg").and_then(Value::as_str).unwrap_or_default();
        Algorithm::parse(name).ok_or_else(|| invalid("its algorithm is not accepted"))
    }

    /// The name of the key that is said to have signed it.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.header.get("kid").and_then(Value::as_str)
    }

    /// True if this key signed it with this algorithm.
    #[must_use]
    pub fn is_signed_by(&self, key: &DecodingKey, algorithm: Algorithm) -> bool {
        let verdict =
            jsonwebtoken::crypto::verify(self.signature, self.message.as_bytes(), key, algorithm.into());
        verdict.unwrap_or(false)
    }

    /// What is signed, and the signature as it is written.
    #[must_use]
    pub fn signed_parts(&self) -> (&'t str, &'t str) {
        (self.message, self.signature)
    }

    /// Stands for a token without an id of its own: what is signed of it. Its signature may be written in several ways,
    /// since (r, s) of ECDSA is as good as (r, n - s).
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let digest = Sha256::digest(self.message.as_bytes());
        format!("sha256:{}", URL_SAFE_NO_PAD.encode(digest))
    }

    /// The id that its maker gave it, if every store can keep it.
    #[must_use]
    pub fn id(&self) -> Option<&str> {
        self.usable("jti")
    }

    /// The session at its issuer that it is of, if it names one.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        self.usable("sid")
    }

    fn usable(&self, claim: &str) -> Option<&str> {
        let usable =
            |id: &&str| !id.is_empty() && !id.contains('\0') && id.chars().count() <= MAX_TOKEN_ID_CHARS;
        self.text(claim).filter(usable)
    }

    /// A claim that is text.
    #[must_use]
    pub fn text(&self, claim: &str) -> Option<&str> {
        self.claims.get(claim).and_then(Value::as_str)
    }

    /// Checks the times: `exp` is required and over at its second, `nbf` is honoured, `iat` is not in the future.
    pub fn times(&self, leeway_ms: i64, now_ms: i64) -> Result<Times> {
        let times = self.span(leeway_ms, now_ms)?;
        if is_ahead(times.issued_at, leeway_ms, now_ms) {
            return Err(invalid("it was issued in the future"));
        }
        Ok(times)
    }

    /// As `times`, whatever `iat` says: one that lies ahead counts as none, or the token would outlive a withdrawal.
    pub(super) fn span(&self, leeway_ms: i64, now_ms: i64) -> Result<Times> {
        let expires_at = self.moment("exp")?.ok_or_else(|| invalid("it has no exp"))?;
        if now_ms >= expires_at.saturating_add(leeway_ms) {
            return Err(Error::CredentialExpired);
        }
        if self.moment("nbf")?.is_some_and(|from| now_ms.saturating_add(leeway_ms) < from) {
            return Err(invalid("it is not good yet"));
        }
        let issued_at = self.moment("iat")?.unwrap_or_default();
        Ok(Times { issued_at, expires_at })
    }

    /// A NumericDate of RFC 7519, in milliseconds.
    pub fn moment(&self, claim: &str) -> Result<Option<i64>> {
        let Some(value) = self.claims.get(claim) else { return Ok(None) };
        if let Some(seconds) = value.as_i64() {
            return Ok(Some(seconds.saturating_mul(1000)));
        }
        let seconds = value.as_f64().ok_or_else(|| invalid(format!("{claim} is not a number")))?;
        #[allow(clippy::cast_possible_truncation, reason = "a float saturates, and no date is near the ends")]
        Ok(Some((seconds * 1000.0) as i64))
    }
}

/// True if nothing could be issued at that moment by now.
pub(super) fn is_ahead(issued_at: i64, leeway_ms: i64, now_ms: i64) -> bool {
    issued_at > now_ms.saturating_add(leeway_ms).saturating_add(MAX_CLOCK_SKEW_MS)
}

/// Signs nothing itself: joins the parts the way RFC 7515 wants them signed.
#[must_use]
pub fn message(header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}", part(header), part(claims))
}

/// Longer ids stand for nothing; that of any real issuer is shorter.
pub const MAX_TOKEN_ID_CHARS: usize = parlor_api::limits::NAME_CHARS;

pub(super) fn invalid(problem: impl Into<String>) -> Error {
    Error::CredentialInvalid(problem.into())
}

fn object(part: &str, name: &str) -> Result<Map<String, Value>> {
    let problem = || invalid(format!("its {name} cannot be read"));
    let bytes = URL_SAFE_NO_PAD.decode(part).map_err(|_| problem())?;
    serde_json::from_slice(&bytes).map_err(|_| problem())
}
