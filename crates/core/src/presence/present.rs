//! A connection that counts for its person's presence.

use std::{sync::Arc, time::Duration};

use parlor_store::{TenantId, User, UserId};

use super::{keeper::Presence, roster::Counted};
use crate::Result;

/// Counts a connection for its person's presence, until it is dropped.
pub struct Present {
    presence: Presence,
    tenant: TenantId,
    user: UserId,
    counted: Counted,
    /// How long its person is shown online after it, if it was the last.
    pub linger: Duration,
    stays: bool,
}

impl Present {
    /// Counts a connection of this person.
    pub async fn count(
        presence: &Presence,
        tenant: TenantId,
        user: &Arc<User>,
        counted: Counted,
        linger: Duration,
    ) -> Result<Self> {
        // Guarded before it is counted: whatever ends this future takes the count back.
        let (guard, name) = (presence.clone(), counted.clone());
        let present = Self { presence: guard, tenant, user: user.id, counted: name, linger, stays: false };
        if let Err(error) = presence.connect(tenant, user, counted).await {
            // Nothing was counted; an earlier attach of this connection still is, under the same name.
            present.stay();
            return Err(error);
        }
        Ok(present)
    }

    /// Leaves the person as they are: this core goes down, and the gateway goes on.
    pub fn stay(mut self) {
        self.stays = true;
    }
}

impl Drop for Present {
    fn drop(&mut self) {
        if !self.stays {
            self.presence.disconnect(self.tenant, self.user, &self.counted, self.linger);
        }
    }
}
