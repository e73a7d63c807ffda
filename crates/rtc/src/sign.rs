//! Keyed hashes, and their comparison in constant time.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha1::Sha1;
use sha2::Sha256;

pub(crate) fn sha256(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    mac256(key, parts).finalize().into_bytes().into()
}

pub(crate) fn is_sha256(key: &[u8], parts: &[&[u8]], signature: &[u8]) -> bool {
    mac256(key, parts).verify_slice(signature).is_ok()
}

pub(crate) fn sha1(key: &[u8], text: &str) -> [u8; 20] {
    mac1(key, text).finalize().into_bytes().into()
}

pub(crate) fn is_sha1(key: &[u8], text: &str, signature: &[u8]) -> bool {
    mac1(key, text).verify_slice(signature).is_ok()
}

fn mac256(key: &[u8], parts: &[&[u8]]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    parts.iter().for_each(|part| mac.update(part));
    mac
}

fn mac1(key: &[u8], text: &str) -> Hmac<Sha1> {
    let mut mac = Hmac::<Sha1>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(text.as_bytes());
    mac
}
