//! Sessions as subjects: their events in the words of the contract, and who may hear them.

use parlor_api::v1;
use parlor_store::{SessionId, SessionKind, Store, StoredEvent, Subject, SubjectKind, TenantId, UserId};
use uuid::Uuid;

use super::{convert, may_see};
use crate::{Result, caller::Principal, subject::Kind};

/// The kind that this service keeps.
#[derive(Clone, Copy, Debug)]
pub struct SessionEvents;

#[async_trait::async_trait]
impl Kind for SessionEvents {
    fn tell(&self, stored: &StoredEvent, event: &mut v1::Event) {
        convert::tell(stored, event);
    }

    fn is_for_staff(&self, stored: &StoredEvent) -> bool {
        stored.session.as_ref().is_some_and(|session| session.kind == SessionKind::Invitation)
    }

    fn told_to(&self, stored: &StoredEvent) -> Vec<UserId> {
        let parties = stored.session.as_ref().map(|session| [session.payer_id, session.provider_id]);
        parties.into_iter().flatten().flatten().collect()
    }

    async fn may_hear(&self, store: &Store, principal: &Principal, id: Uuid, _by_key: bool) -> Result<()> {
        let session = store.sessions.session(principal.tenant, SessionId(id)).await?;
        may_see(principal, &session)
    }

    async fn floor(&self, store: &Store, tenant: TenantId, id: Uuid) -> Result<i64> {
        Ok(store.log.oldest(tenant, Subject { kind: SubjectKind::SESSION, id }).await?)
    }
}
