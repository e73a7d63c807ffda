//! Parlor's own access tokens: short-lived, signed with Ed25519, verifiable by anybody who fetches the key set.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signature, Signer as _, SigningKey, VerifyingKey};
use parlor_store::Roles;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{
    claims,
    jwt::{self, Algorithm, Times, Unverified, invalid},
    provenance::{self, Provenance},
};
use crate::Result;

/// The name of Parlor as an issuer: the `iss` of its tokens, and what a mount lists to accept them.
pub const OWN_ISSUER: &str = "parlor";

/// Common rule 3, for tokens of our own.
pub(super) const OWN_LEEWAY_MS: i64 = 5_000;

/// Signs and verifies. Keys of before verify only, so that a key can be changed while its tokens live.
pub struct Access {
    signing: SigningKey,
    kid: String,
    verifying: Vec<(String, VerifyingKey)>,
    jwks_json: String,
}

/// Who an access token speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub tenant: String,
    /// A user's id, or the id of an API key behind one of the marks below.
    pub subject: String,
    pub roles: Roles,
    /// The outside issuer whose token it was traded for: it is accepted where that issuer is, and its roles stand unless
    /// our records hold them.
    pub origin: Option<String>,
    pub made: Provenance,
}

/// Marks the subject of a token that a key was traded for, and of a guest's.
pub const KEY_SUBJECT: &str = "key:";
pub const GUEST_SUBJECT: &str = "guest:";

impl Access {
    /// The signing key, and the public halves of earlier ones.
    pub fn new(seed: &[u8; 32], earlier: &[[u8; 32]]) -> Result<Self, String> {
        let signing = SigningKey::from_bytes(seed);
        let mut verifying = vec![(kid_of(&signing.verifying_key()), signing.verifying_key())];
        for public in earlier {
            let key =
                VerifyingKey::from_bytes(public).map_err(|_| "an earlier signing key cannot be read")?;
            verifying.push((kid_of(&key), key));
        }
        let jwks_json = jwks_json(&verifying);
        Ok(Self { kid: verifying[0].0.clone(), signing, verifying, jwks_json })
    }

    /// Signs a token; its times are in seconds, and what is below them of its beginning is told apart.
    #[must_use]
    pub fn mint(&self, grant: &Grant, expires_at_ms: i64) -> String {
        let header = json!({"alg": Algorithm::EdDsa.name(), "typ": "JWT", "kid": self.kid});
        let mut body = json!({
            "iss": OWN_ISSUER,
            "tenant": grant.tenant,
            "sub": grant.subject,
            "roles": claims::names(grant.roles),
            "jti": grant.made.id,
            "iat": grant.made.issued_at / 1000,
            "exp": expires_at_ms / 1000,
        });
        body[provenance::MEMBER] = grant.made.write();
        if let Some(origin) = &grant.origin {
            body["origin"] = Value::from(origin.clone());
        }
        let message = jwt::message(&header, &body);
        let signature = URL_SAFE_NO_PAD.encode(self.signing.sign(message.as_bytes()).to_bytes());
        format!("{message}.{signature}")
    }

    /// True if the token says it is one of ours; nothing is proven by it.
    #[must_use]
    pub fn claims_to_be_ours(&self, token: &Unverified<'_>) -> bool {
        token.text("iss") == Some(OWN_ISSUER) && token.kid().is_some_and(|kid| self.key(kid).is_some())
    }

    /// Reads a token of ours.
    pub fn verify(&self, token: &Unverified<'_>, leeway_ms: i64, now_ms: i64) -> Result<(Grant, Times)> {
        if token.algorithm()? != Algorithm::EdDsa {
            return Err(invalid("its algorithm is not accepted"));
        }
        let key = token.kid().and_then(|kid| self.key(kid)).ok_or_else(|| invalid("its key is unknown"))?;
        let (message, signature) = token.signed_parts();
        let bytes = URL_SAFE_NO_PAD.decode(signature).map_err(|_| invalid("its signature is wrong"))?;
        let signature = Signature::from_slice(&bytes).map_err(|_| invalid("its signature is wrong"))?;
        key.verify_strict(message.as_bytes(), &signature).map_err(|_| invalid("its signature is wrong"))?;

        let mut times = token.times(leeway_ms, now_ms)?;
        let text =
            |claim| token.text(claim).map(str::to_owned).ok_or_else(|| invalid(format!("it has no {claim}")));
        let names = token.claims.get("roles").and_then(Value::as_array).into_iter().flatten();
        let roles =
            names.filter_map(Value::as_str).filter_map(claims::named).fold(Roles::default(), Roles::with);
        let origin = token.text("origin").map(str::to_owned);
        let made = Provenance::read(token.claims.get(provenance::MEMBER), times.issued_at);
        // A token of before says its id and no more.
        let made = Provenance { id: text("jti")?, ..made.unwrap_or_default() };
        times.issued_at = times.issued_at.max(made.issued_at);
        let grant = Grant { tenant: text("tenant")?, subject: text("sub")?, roles, origin, made };
        Ok((grant, times))
    }

    /// The public keys as a JSON Web Key Set.
    #[must_use]
    pub fn jwks_json(&self) -> &str {
        &self.jwks_json
    }

    fn key(&self, kid: &str) -> Option<&VerifyingKey> {
        self.verifying.iter().find(|(own, _)| own == kid).map(|(_, key)| key)
    }
}

/// A key is named by its hash, so every node names it alike.
fn kid_of(key: &VerifyingKey) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(key.as_bytes())[..12])
}

fn jwks_json(keys: &[(String, VerifyingKey)]) -> String {
    let keys: Vec<Value> = keys
        .iter()
        .map(|(kid, key)| {
            json!({
                "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": Algorithm::EdDsa.name(), "kid": kid,
                "x": URL_SAFE_NO_PAD.encode(key.as_bytes()),
            })
        })
        .collect();
    json!({ "keys": keys }).to_string()
}
