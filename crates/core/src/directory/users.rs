//! People: made and changed by admins and service keys, seen by staff and by themselves.

use parlor_store::{Error as StoreError, Mutation, TenantId, User, UserId, UserUpsert, What};

use super::{Directory, decode};
use crate::{Error, Result, caller::Principal, password::Client};

/// An admin is nobody who floods.
const TRUSTED: Client = Client { network: None, is_known: true };

impl Directory {
    /// What makes or changes somebody; the password is set if it is not empty.
    pub(super) async fn upserting(
        &self,
        tenant: TenantId,
        mut wanted: UserUpsert,
        password: String,
    ) -> Result<Mutation<(User, bool)>> {
        if !password.is_empty() {
            decode::password("password", &password)?;
            wanted.password_hash = Some(self.passwords.hash(TRUSTED, password).await?);
        }
        if wanted.id.is_none() {
            wanted.id = self.found_by_name(tenant, &wanted).await?;
        }
        Ok(Mutation::upsert_user(tenant, wanted, self.clock.now()))
    }

    /// The store finds a user by id and by identity, and refuses a name that is taken. Here, where an admin speaks, the
    /// holder of the name is who is meant.
    async fn found_by_name(&self, tenant: TenantId, wanted: &UserUpsert) -> Result<Option<UserId>> {
        for identity in &wanted.identities {
            match self.store.directory.user_by_identity(tenant, identity).await {
                Ok(_) => return Ok(None),
                Err(StoreError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Some(username) = &wanted.username else { return Ok(None) };
        match self.store.directory.user_by_username(tenant, username).await {
            Ok(user) => Ok(Some(user.id)),
            Err(StoreError::NotFound(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// A user as far as the principal may see them. Whoever may not does not learn that there is one.
pub(super) fn shown(principal: &Principal, user: User) -> Result<User> {
    if principal.is_staff() || principal.user_id() == Some(user.id) {
        Ok(user)
    } else {
        Err(Error::NotFound(What::User))
    }
}
