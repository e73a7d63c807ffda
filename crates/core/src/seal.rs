//! What leaves the house and comes back: page tokens and handles. Nobody outside can read one, make one, or use one of
//! another purpose.
//!
//! AES-256-GCM-SIV with a constant nonce: the scheme is made so that equal texts under one key are all that a repeated
//! nonce shows, and that they are sealed alike is what lets caches find them. The purpose is authenticated beside the text.

use aes_gcm_siv::{
    Aes256GcmSiv, Key, Nonce,
    aead::{Aead as _, KeyInit as _, Payload},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;

/// What authentication adds to a text.
#[cfg(test)]
const TAG_BYTES: usize = 16;

/// Longer ones are refused before any work: a handle holds a few names of at most 200 characters.
const MAX_SEALED_CHARS: usize = 8 * 1024;

/// Seals under one key of the installation.
#[derive(Clone)]
pub struct Seal {
    cipher: Aes256GcmSiv,
}

impl Seal {
    /// Derives a key from the installation's secret and a name that separates its uses.
    #[must_use]
    pub fn new(secret: &[u8], name: &str) -> Self {
        Self { cipher: Aes256GcmSiv::new(&key(secret, name)) }
    }

    /// Seals for a purpose; only the same purpose opens it.
    #[must_use]
    pub fn seal(&self, purpose: &[&str], plain: &[u8]) -> String {
        let payload = Payload { msg: plain, aad: &associated(purpose) };
        let sealed = self.cipher.encrypt(&Nonce::default(), payload);
        URL_SAFE_NO_PAD.encode(sealed.expect("what is sealed is far below the 64 GiB of the scheme"))
    }

    /// Opens what was sealed for the purpose; `None` for anything else.
    #[must_use]
    pub fn open(&self, purpose: &[&str], sealed: &str) -> Option<Vec<u8>> {
        if sealed.len() > MAX_SEALED_CHARS {
            return None;
        }
        let cipher = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        self.cipher.decrypt(&Nonce::default(), Payload { msg: &cipher, aad: &associated(purpose) }).ok()
    }
}

/// A key for one use of the installation's secret, by the name of that use.
#[must_use]
pub fn key(secret: &[u8], name: &str) -> Key<Aes256GcmSiv> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(name.as_bytes());
    mac.finalize().into_bytes()
}

/// The parts of a purpose, each behind its length, so that no two purposes read alike.
fn associated(purpose: &[&str]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for part in purpose {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part.as_bytes());
    }
    bytes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_sealed_opens_for_its_purpose_only(
            plain in proptest::collection::vec(any::<u8>(), 0..200),
            purpose in "[a-z]{0,8}",
            other in "[a-z]{0,8}",
        ) {
            let seal = Seal::new(b"the installation's secret", "test");
            let sealed = seal.seal(&["list", &purpose], &plain);
            prop_assert_eq!(seal.open(&["list", &purpose], &sealed), Some(plain.clone()));
            prop_assert_eq!(&seal.seal(&["list", &purpose], &plain), &sealed);
            prop_assert_eq!(seal.open(&["list", &purpose, ""], &sealed), None);
            prop_assert_eq!(Seal::new(b"another secret", "test").open(&["list", &purpose], &sealed), None);
            prop_assert_eq!(Seal::new(b"the installation's secret", "else").open(&["list", &purpose], &sealed), None);
            if other != purpose {
                prop_assert_eq!(seal.open(&["list", &other], &sealed), None);
            }
        }

        #[test]
        fn a_changed_byte_is_refused(
            plain in proptest::collection::vec(any::<u8>(), 0..80),
            at in any::<proptest::sample::Index>(),
            flip in 1u8..,
        ) {
            let seal = Seal::new(b"the installation's secret", "test");
            let mut bytes = URL_SAFE_NO_PAD.decode(seal.seal(&["list"], &plain)).unwrap();
            let index = at.index(bytes.len());
            bytes[index] ^= flip;
            prop_assert_eq!(seal.open(&["list"], &URL_SAFE_NO_PAD.encode(bytes)), None);
        }

        #[test]
        fn noise_is_refused(text in "\\PC{0,100}") {
            prop_assert_eq!(Seal::new(b"the installation's secret", "test").open(&[], &text), None);
        }
    }

    #[test]
    fn a_purpose_is_not_its_parts_run_together() {
        let seal = Seal::new(b"the installation's secret", "test");
        let sealed = seal.seal(&["ab", "c"], b"");
        assert_eq!(seal.open(&["a", "bc"], &sealed), None);
        assert_eq!(seal.open(&["ab", "c"], &sealed), Some(Vec::new()));
    }

    #[test]
    fn the_longest_is_opened_and_one_longer_is_not() {
        let seal = Seal::new(b"the installation's secret", "test");
        let longest = vec![7; MAX_SEALED_CHARS / 4 * 3 - TAG_BYTES];
        let sealed = seal.seal(&[], &longest);
        assert_eq!(sealed.len(), MAX_SEALED_CHARS);
        assert_eq!(seal.open(&[], &sealed), Some(longest.clone()));
        let longer = [longest, vec![7]].concat();
        assert_eq!(seal.open(&[], &seal.seal(&[], &longer)), None);
    }
}
