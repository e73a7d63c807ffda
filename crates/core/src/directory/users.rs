//! People: made and changed by admins and service keys, seen by staff and by themselves.

use parlor_store::{Error as StoreError, Mutation, TenantId, User, UserUpsert, What};

use super::{Directory, decode};
use crate::{Error, Result, caller::Principal, password::Client};

/// An admin is nobody who floods.
const TRUSTED: Client = Client { network: None, is_known: true };

/// What somebody is to sign in with from now on: a password, or what another server has stored of one, or neither.
pub(super) struct NewSecret {
    pub password: String,
    pub hash: String,
}

impl NewSecret {
    fn check(&self) -> Result<()> {
        match (self.password.is_empty(), self.hash.is_empty()) {
            (false, false) => {
                Err(Error::field("password_hash", "must be left out where a password is given"))
            }
            (false, true) => decode::password("password", &self.password),
            (true, _) => Ok(()),
        }
    }
}

impl Directory {
    /// What makes or changes somebody, and whether they have less then, or another password; it is set if it is not empty.
    pub(super) async fn upserting(
        &self,
        tenant: TenantId,
        mut wanted: UserUpsert,
        secret: NewSecret,
    ) -> Result<(Mutation<(User, bool)>, bool)> {
        secret.check()?;
        let before = self.meant(tenant, &wanted).await?;
        wanted.id = wanted.id.or(before.as_ref().map(|user| user.id));
        wanted.password_hash = if secret.hash.is_empty() {
            self.changed_password(before.as_ref(), secret.password).await?
        } else {
            self.changed_hash(tenant, before.as_ref(), secret.hash).await?
        };
        let takes_rights = before.is_some_and(|before| wanted.takes_rights(before.roles, before.disabled));
        Ok((Mutation::upsert_user(tenant, wanted, self.clock.now()), takes_rights))
    }

    /// The hash to store of a password that is given; `None` if it is the one that somebody has.
    async fn changed_password(&self, before: Option<&User>, password: String) -> Result<Option<String>> {
        if password.is_empty() {
            return Ok(None);
        }
        if let Some(user) = before {
            let stored = self.store.directory.password_hash(user.tenant, user.id).await?;
            if let Some(stored) = stored
                && self.passwords.is_same(TRUSTED, password.clone(), stored).await?
            {
                return Ok(None);
            }
        }
        self.passwords.hash(TRUSTED, password).await.map(Some)
    }

    /// A hash of another server's making, to store; `None` if it is stored.
    async fn changed_hash(
        &self,
        tenant: TenantId,
        before: Option<&User>,
        hash: String,
    ) -> Result<Option<String>> {
        self.passwords.admit(&self.store, tenant, &hash).await?;
        let stored = match before {
            Some(user) => self.store.directory.password_hash(user.tenant, user.id).await?,
            None => None,
        };
        Ok(Some(hash).filter(|hash| stored.as_ref() != Some(hash)))
    }

    /// The store finds a user by id and by identity, and refuses a name that is taken. Here, where an admin speaks, the
    /// holder of the name is who is meant.
    async fn meant(&self, tenant: TenantId, wanted: &UserUpsert) -> Result<Option<User>> {
        let directory = &self.store.directory;
        if let Some(id) = wanted.id {
            return found(directory.user(tenant, id).await);
        }
        for identity in &wanted.identities {
            if let Some(user) = found(directory.user_by_identity(tenant, identity).await)? {
                return Ok(Some(user));
            }
        }
        match &wanted.username {
            Some(username) => found(directory.user_by_username(tenant, username).await),
            None => Ok(None),
        }
    }
}

/// Who is there, if anybody is.
pub(crate) fn found(user: Result<User, StoreError>) -> Result<Option<User>> {
    match user {
        Ok(user) => Ok(Some(user)),
        Err(StoreError::NotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
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
