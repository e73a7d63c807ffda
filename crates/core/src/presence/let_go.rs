//! Those whom earlier lives left online, and who do not come back within the linger, leave: some hundreds with one change,
//! so that who writes meanwhile gets a turn, and each is told of.

use std::{collections::HashMap, sync::Arc};

use parlor_store::{Revised, TenantId, User, UserId};

use super::{keeper::Presence, seen::unseen};
use crate::Result;

/// People who leave with one change. The writer takes as many changes at a time.
const TOGETHER_MAX: usize = 256;

impl Presence {
    /// Waits for the linger, and lets everybody go who stayed away.
    pub(super) async fn let_go_who_stays_away(self) {
        if !self.waits(self.life.restart_linger()).await {
            return;
        }
        loop {
            // The guard must be gone before the await below.
            let some = self.roster().who_stays_away(TOGETHER_MAX);
            let Some((tenant, ids)) = some else { return };
            let users = async || Ok(self.store.directory.users(tenant, &ids).await?);
            let Some(users) = self.until_done(users).await else { return };
            // Whoever comes back from now on waits until they have left.
            let going = self.roster().begin_to_go(tenant, &ids, users);
            let leaving: Vec<UserId> = going.iter().map(|user| user.id).collect();
            let Some(revisions) = self.until_done(|| self.leave_together(tenant, &leaving)).await else {
                return;
            };
            let newest = revisions.last().copied();
            if let Err(error) = self.tell_of(tenant, &leaving, going.into_iter().zip(revisions)).await {
                newest.into_iter().for_each(|newest| self.tell(tenant, newest, Err(&error)));
            }
            let back = self.roster().gone(tenant, &leaving);
            for key in back {
                self.tasks.spawn(self.clone().settle(key));
            }
        }
    }

    /// Tries until it can be done; `None` if it never can.
    async fn until_done<T, F: Future<Output = Result<T>>>(&self, work: impl Fn() -> F) -> Option<T> {
        loop {
            match work().await {
                Ok(done) => return Some(done),
                Err(error) if self.may_try_again(&error).await => {}
                Err(_) => return None,
            }
        }
    }

    async fn leave_together(&self, tenant: TenantId, leaving: &[UserId]) -> Result<Vec<Revised>> {
        let (node, epoch) = (self.life.node(), self.life.epoch());
        Ok(self.store.presence.let_go(tenant, leaving.to_vec(), node, epoch).await?)
    }

    /// Tells of them as they are at their revisions.
    async fn tell_of(
        &self,
        tenant: TenantId,
        ids: &[UserId],
        people: impl Iterator<Item = (Arc<User>, Revised)>,
    ) -> Result<()> {
        let rows = self.store.presence.of_people(tenant, ids).await?;
        let mut rows: HashMap<UserId, _> = rows.into_iter().map(|row| (row.user_id, row)).collect();
        for (user, revised) in people {
            let row = rows.remove(&user.id).unwrap_or_else(|| unseen(tenant, user.id));
            self.tell(tenant, revised, Ok(&self.seen(user, row)));
        }
        Ok(())
    }
}
