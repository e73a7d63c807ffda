//! Wallets as subjects: their events in the words of the contract, and who may hear them.

use parlor_api::v1;
use parlor_store::{EventBody, Store, StoredEvent, WalletId, ledger::WalletChange};
use uuid::Uuid;

use super::convert;
use crate::{Error, Result, caller::Principal, subject::Kind};

/// The kind that billing keeps.
#[derive(Clone, Copy, Debug)]
pub struct Wallets;

#[async_trait::async_trait]
impl Kind for Wallets {
    fn tell(&self, stored: &StoredEvent, event: &mut v1::Event) {
        let EventBody::Encoded { bytes, .. } = &stored.body else { return };
        match WalletChange::decode(bytes) {
            Ok(change) => {
                let changed = convert::changed(WalletId(stored.subject.id), change);
                event.payload = Some(v1::event::Payload::WalletChanged(changed));
            }
            Err(error) => tracing::error!(%error, "an event of a wallet cannot be read"),
        }
    }

    /// What somebody has is not told to all staff, unasked; they may ask for it.
    fn is_for_staff(&self, _stored: &StoredEvent) -> bool {
        false
    }

    async fn may_hear(&self, store: &Store, principal: &Principal, id: Uuid, _by_key: bool) -> Result<()> {
        let id = WalletId(id);
        let owner = store.billing.wallet_owner(principal.tenant, id).await?;
        let Some(own) = principal.user_id() else {
            return if principal.is_staff() { Ok(()) } else { Err(Error::NotOwner) };
        };
        let is_own = match owner {
            Some(owner) => owner == own,
            // Nothing was booked on it yet.
            None => {
                let unit = store.billing.policy(principal.tenant).await?.unit;
                WalletId::of(principal.tenant, own, &unit) == id
            }
        };
        if is_own || principal.is_staff() { Ok(()) } else { Err(Error::NotOwner) }
    }
}
