//! API keys: the secret is 32 random bytes behind a mark, shown once, and kept as a hash.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parlor_api::limits::SECRET_PREFIX_CHARS;
use parlor_store::{ApiKey, ApiKeyKind, Roles, TenantId};
use sha2::{Digest as _, Sha256};

use crate::caller::Actor;

/// What every key begins with, so that scanners find leaked ones.
pub const MARK: &str = "plk_";

const SECRET_BYTES: usize = 32;
/// 32 bytes in base64url without padding.
const SECRET_CHARS: usize = 43;

/// A new secret.
#[must_use]
pub fn generate() -> String {
    let bytes: [u8; SECRET_BYTES] = rand::random();
    format!("{MARK}{}", URL_SAFE_NO_PAD.encode(bytes))
}

/// True if it has the form of a key; others need no look-up.
#[must_use]
pub fn is_well_formed(secret: &str) -> bool {
    secret.strip_prefix(MARK).is_some_and(|rest| {
        rest.len() == SECRET_CHARS
            && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
    })
}

/// What is stored and looked up. The secret has 256 random bits, so a plain hash cannot be searched.
#[must_use]
pub fn hash(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// What a person recognises it by: the mark and the first characters, too few to guess the rest.
#[must_use]
pub fn prefix(secret: &str) -> String {
    secret.chars().take(SECRET_PREFIX_CHARS).collect()
}

/// True if the key opens the tenant.
#[must_use]
pub fn opens(key: &ApiKey, tenant: TenantId) -> bool {
    key.all_tenants || key.tenants.contains(&tenant)
}

/// Who calls with such a key, and with which rights.
#[must_use]
pub fn actor(key: &ApiKey) -> (Actor, Roles) {
    match key.kind {
        ApiKeyKind::Widget => (Actor::Guest, Roles::CUSTOMER),
        ApiKeyKind::Admin if key.all_tenants => (Actor::Operator, Roles::ADMIN),
        ApiKeyKind::Admin | ApiKeyKind::Service => (Actor::Key(key.id), Roles::ADMIN),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_well_formed_and_no_other_is() {
        let secret = generate();
        assert!(is_well_formed(&secret));
        assert_ne!(secret, generate());
        assert_eq!(prefix(&secret).len(), SECRET_PREFIX_CHARS);
        for wrong in ["", "plk_", &secret[1..], &format!("{secret}x"), &secret.replace(MARK, "sk__")] {
            assert!(!is_well_formed(wrong), "{wrong}");
        }
    }
}
