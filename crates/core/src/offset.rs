//! Offsets: what leaves the house as a position in a tenant's order. Nobody reads from one how much a tenant stores, and
//! nobody makes one up.
//!
//! One block of AES-256 over (tenant, position): the same event has the same offset everywhere and for ever, so that an
//! event is encoded once for all who are shown it. Deriving it costs some nanoseconds. What was never given out opens to
//! another tenant, with all but certainty.

use std::sync::Arc;

use aes_gcm_siv::aes::{
    Aes256, Block,
    cipher::{BlockCipherDecrypt as _, BlockCipherEncrypt as _, KeyInit as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use parlor_store::TenantId;

use crate::seal;

/// Gives out offsets and reads them, under one key of the installation. Cloning is cheap.
#[derive(Clone)]
pub struct Offsets {
    cipher: Arc<Aes256>,
}

impl Offsets {
    /// Under the installation's secret.
    #[must_use]
    pub fn new(secret: &[u8]) -> Self {
        Self { cipher: Arc::new(Aes256::new(&seal::key(secret, "offset"))) }
    }

    /// The offset of a position.
    #[must_use]
    pub fn of(&self, tenant: TenantId, position: i64) -> String {
        let mut block = Block::default();
        block[..8].copy_from_slice(&tenant.0.to_be_bytes());
        block[8..].copy_from_slice(&position.to_be_bytes());
        self.cipher.encrypt_block(&mut block);
        URL_SAFE_NO_PAD.encode(block)
    }

    /// The position of an offset of this tenant; `None` for anything else.
    #[must_use]
    pub fn open(&self, tenant: TenantId, offset: &str) -> Option<i64> {
        let bytes: [u8; 16] = URL_SAFE_NO_PAD.decode(offset).ok()?.try_into().ok()?;
        let mut block = Block::from(bytes);
        self.cipher.decrypt_block(&mut block);
        let (of, position) = block.split_at(8);
        let position = i64::from_be_bytes(position.try_into().ok()?);
        (of == tenant.0.to_be_bytes() && position >= 0).then_some(position)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// What the contract promises of it.
    const MAX_CHARS: usize = 32;

    proptest! {
        #[test]
        fn an_offset_opens_to_its_position_in_its_tenant_only(tenant in 1..i64::MAX, position in 0..i64::MAX) {
            let offsets = Offsets::new(b"the installation's secret");
            let offset = offsets.of(TenantId(tenant), position);
            prop_assert!(offset.len() <= MAX_CHARS);
            prop_assert_eq!(offsets.open(TenantId(tenant), &offset), Some(position));
            prop_assert_eq!(offsets.open(TenantId(tenant - 1), &offset), None);
            prop_assert_eq!(Offsets::new(b"another secret").open(TenantId(tenant), &offset), None);
        }

        #[test]
        fn noise_opens_to_nothing(text in "[A-Za-z0-9_-]{0,30}|\\PC{0,30}") {
            prop_assert_eq!(Offsets::new(b"the installation's secret").open(TenantId(1), &text), None);
        }
    }

    #[test]
    fn neighbours_do_not_look_like_it() {
        let offsets = Offsets::new(b"the installation's secret");
        let (one, two) = (offsets.of(TenantId(1), 1), offsets.of(TenantId(1), 2));
        let alike = one.bytes().zip(two.bytes()).filter(|(one, two)| one == two).count();
        assert!(alike < one.len() / 2, "{one} {two}");
    }
}
