//! Tokens as an issuer, or somebody who is not one, would make them.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

use crate::{
    Error, Result,
    auth::{Context, IssuerOptions, RawCredential, jwt, jwt::Algorithm},
    caller::Principal,
    testing::{SECRET, World},
};

pub const RSA: &[u8] = include_bytes!("../testdata/rsa.pem");
pub const RSA_PUBLIC: &str = include_str!("../testdata/rsa.pub.pem");
pub const EC: &[u8] = include_bytes!("../testdata/ec.pem");
pub const EC_PUBLIC: &str = include_str!("../testdata/ec.pub.pem");

/// A token with this header and these claims, signed by the key with the algorithm, whatever the header says.
pub fn signed(header: &Value, claims: &Value, key: &EncodingKey, algorithm: Algorithm) -> String {
    let message = jwt::message(header, claims);
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), key, algorithm.into()).unwrap();
    format!("{message}.{signature}")
}

/// A good HS256 token of the issuer `legacy` but for its claims.
pub fn hs256(claims: &Value) -> String {
    let key = EncodingKey::from_secret(SECRET);
    signed(&json!({"alg": "HS256", "typ": "JWT"}), claims, &key, Algorithm::Hs256)
}

/// A token that nobody has signed.
pub fn unsigned(header: &Value, claims: &Value) -> String {
    format!("{}.{}", jwt::message(header, claims), URL_SAFE_NO_PAD.encode([0; 32]))
}

pub async fn world(issuers: Vec<IssuerOptions>) -> World {
    World::with(|options| options.auth.issuers = issuers).await
}

impl World {
    pub fn now_seconds(&self) -> i64 {
        self.clock.now() / 1000
    }

    /// Claims of a person that are good for an hour.
    pub fn good(&self, subject: &str) -> Value {
        json!({"sub": subject, "iat": self.now_seconds(), "exp": self.now_seconds() + 3600})
    }

    pub async fn resolve(&self, token: &str) -> Result<Arc<Principal>> {
        self.core.auth().resolve(&RawCredential::Bearer(token.to_owned()), &Context::default()).await
    }

    /// Why a token is refused, in words; panics if it is not.
    pub async fn refusal(&self, token: &str) -> String {
        match self.resolve(token).await.unwrap_err() {
            Error::CredentialInvalid(problem) => problem,
            other => other.to_string(),
        }
    }
}
