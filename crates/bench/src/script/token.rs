//! JSON Web Tokens with HS256, as the systems whose dialects we speak issue them.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

/// Times that are always over and never: a measurement shall not depend on the day.
pub const ISSUED: u64 = 1_700_000_000;
pub const EXPIRES: u64 = 4_102_444_800;

/// A token of these claims.
#[must_use]
pub fn sign(secret: &str, claims: &Value) -> String {
    let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let signed = format!("{}.{}", part(r#"{"alg":"HS256","typ":"JWT"}"#), part(&claims.to_string()));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_what_another_implementation_makes_of_it() {
        // node -e 'crypto.createHmac("sha256","key").update(head + "." + body).digest("base64url")'
        let token = sign("key", &serde_json::json!({"id": 1}));
        assert_eq!(
            token,
            "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJpZCI6MX0.UOSQej1qNXTIkOMU-elrO-LzmSdd17TPGw1aeRkRkLA"
        );
    }
}
