//! The session cookie of NextAuth v4: claims that nobody but who has the site's secret can read or write. A JWE (RFC 7516)
//! in compact form, `dir` with `A256GCM`, whose key is derived from the secret.
//!
//! Being opened by a key is the proof; the header chooses nothing.

use aes_gcm::{
    Aes256Gcm, Nonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hkdf::Hkdf;
use serde_json::{Map, Value};
use sha2::Sha256;

use super::jwt::{Unverified, invalid};
use crate::Result;

/// A cookie may come in several pieces of 4 KiB; heads of requests are shorter than many of them, and so is what is
/// exchanged.
pub const MAX_COOKIE_BYTES: usize = 16 * 1024;

/// What next-auth/jwt says of the key.
const KEY_INFO: &[u8] = b"NextAuth.js Generated Encryption Key";
const KEY_BYTES: usize = 32;
/// RFC 7518, section 5.3.
const NONCE_BYTES: usize = 12;
const TAG_BYTES: usize = 16;

/// The clock tolerance of next-auth/jwt, whatever that of the issuer's other tokens is.
pub const LEEWAY_MS: i64 = 15_000;

/// A cookie that nobody has opened.
pub struct Sealed<'c> {
    text: &'c str,
    protected: &'c str,
    header: Map<String, Value>,
    nonce: [u8; NONCE_BYTES],
    /// The tag is at its end.
    cipher: Vec<u8>,
}

/// What a secret opens cookies with.
pub(super) struct SessionKey(Aes256Gcm);

impl std::fmt::Debug for SessionKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SessionKey")
    }
}

impl<'c> Sealed<'c> {
    /// Takes a cookie apart; `None` if the text has not the five parts of one.
    pub fn parse(text: &'c str) -> Option<Result<Self>> {
        let mut parts = text.split('.');
        let five = (parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if parts.next().is_some() {
            return None;
        }
        Some(Self::of_parts(text, five))
    }

    fn of_parts(text: &'c str, parts: (&'c str, &str, &str, &str, &str)) -> Result<Self> {
        if text.len() > MAX_COOKIE_BYTES {
            return Err(invalid("it is too long"));
        }
        let unreadable = || invalid("it is no session cookie");
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| unreadable());
        let (protected, key, nonce, cipher, tag) = parts;
        let header: Map<String, Value> =
            serde_json::from_slice(&decode(protected)?).map_err(|_| unreadable())?;
        let is = |member: &str, wanted: &str| header.get(member).and_then(Value::as_str) == Some(wanted);
        if !is("alg", "dir") || !is("enc", "A256GCM") || !key.is_empty() {
            return Err(invalid("its encryption is not accepted"));
        }
        if ["zip", "crit"].iter().any(|member| header.contains_key(*member)) {
            return Err(invalid("its header asks for more than is accepted"));
        }
        let nonce = decode(nonce)?.try_into().map_err(|_| unreadable())?;
        let (mut cipher, tag) = (decode(cipher)?, decode(tag)?);
        if tag.len() != TAG_BYTES {
            return Err(unreadable());
        }
        cipher.extend_from_slice(&tag);
        Ok(Self { text, protected, header, nonce, cipher })
    }
}

impl SessionKey {
    /// Derives it from the site's secret.
    pub fn new(secret: &[u8]) -> Self {
        Self(Aes256Gcm::new(&derive(secret).into()))
    }

    /// What the cookie says, if it was made with this key.
    pub fn open<'c>(&self, sealed: &Sealed<'c>) -> Option<Unverified<'c>> {
        let payload = Payload { msg: &sealed.cipher, aad: sealed.protected.as_bytes() };
        let plain = self.0.decrypt(&Nonce::from(sealed.nonce), payload).ok()?;
        let claims = serde_json::from_slice(&plain).ok()?;
        Some(Unverified::opened(sealed.text, sealed.header.clone(), claims))
    }

    /// Makes a cookie, as the site would.
    #[cfg(test)]
    pub fn seal(&self, nonce: [u8; NONCE_BYTES], claims: &Value) -> String {
        let protected = URL_SAFE_NO_PAD.encode(r#"{"alg":"dir","enc":"A256GCM"}"#);
        let plain = claims.to_string();
        let payload = Payload { msg: plain.as_bytes(), aad: protected.as_bytes() };
        let sealed = self.0.encrypt(&Nonce::from(nonce), payload).unwrap();
        let (cipher, tag) = sealed.split_at(sealed.len() - TAG_BYTES);
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        format!("{protected}..{}.{}.{}", encode(&nonce), encode(cipher), encode(tag))
    }
}

fn derive(secret: &[u8]) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    let hkdf = Hkdf::<Sha256>::new(None, secret);
    hkdf.expand(KEY_INFO, &mut key).expect("32 bytes are fewer than 255 hashes");
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_is_the_one_that_next_auth_derives() {
        let key = derive(b"parlor-test-nextauth-secret");
        let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "d68ba22dfaca418191ff2edbbacbe36f49f045409c72182395323e3cb5112d71");
    }
}
