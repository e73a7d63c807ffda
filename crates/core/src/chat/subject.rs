//! Conversations as subjects: their events in the words of the contract, and who may hear them.

use parlor_api::v1;
use parlor_store::{ConversationId, SeenBy, Store, StoredEvent, TenantId};
use uuid::Uuid;

use super::{access::Named, convert, find};
use crate::{Error, Result, caller::Principal, subject::Kind};

/// The kind that chat keeps.
#[derive(Clone, Copy, Debug)]
pub struct Conversations;

#[async_trait::async_trait]
impl Kind for Conversations {
    fn tell(&self, stored: &StoredEvent, event: &mut v1::Event) {
        convert::tell(stored, event);
    }

    fn is_for_staff(&self, stored: &StoredEvent) -> bool {
        stored.conversation.as_ref().is_none_or(|of| of.seen_by == SeenBy::Staff)
    }

    async fn may_hear(&self, store: &Store, principal: &Principal, id: Uuid, by_key: bool) -> Result<()> {
        let id = ConversationId(id);
        let named = if by_key { Named::Key { key: String::new(), id } } else { Named::Id(id) };
        match store.chat.conversation(principal.tenant, id).await.map_err(Error::from) {
            Ok(conversation) => find::admit(store, principal, &named, &conversation).await,
            // By its key it need not exist yet.
            Err(Error::NotFound(_)) if by_key => Ok(()),
            Err(error) => Err(error),
        }
    }

    async fn floor(&self, store: &Store, tenant: TenantId, id: Uuid) -> Result<i64> {
        match store.chat.conversation(tenant, ConversationId(id)).await.map_err(Error::from) {
            Ok(conversation) => Ok(conversation.floor_sequence),
            Err(Error::NotFound(_)) => Ok(1),
            Err(error) => Err(error),
        }
    }
}
