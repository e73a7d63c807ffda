//! Outside people become users on first sight, and follow what their tokens say of them.
//!
//! A user is found by (issuer, subject) only. A token that calls itself by the name of somebody who is here already does
//! not become them: it goes without a username.

use std::sync::Arc;

use parlor_store::{Error as StoreError, Identity, OutsideAccount, Store, TenantId, User, UserUpsert, What};

use super::{claims::Profile, issuer::Issuer, jwt::invalid, records::enabled};
use crate::{Error, Result, field};

/// The user whom a verified token names.
pub async fn user(
    store: &Store,
    tenant: TenantId,
    issuer: &Issuer,
    subject: &str,
    profile: &Profile,
    account: OutsideAccount,
    now_ms: i64,
) -> Result<Arc<User>> {
    let known = known(store, tenant, issuer, subject).await?.map(enabled).transpose()?;
    if let Some(user) = &known
        // A token that is younger than the person was never somebody else's.
        && account.issued_at <= user.created_at
        && let Some(erased_at) = store.persons.departed_at(tenant, account.mark).await?
        && account.issued_at <= erased_at
    {
        return Err(Error::CredentialRevoked);
    }
    let profile = &unclaimed(store, tenant, known.as_ref(), profile).await?;
    match known {
        Some(user) if follows(&user, profile) => Ok(Arc::new(user)),
        Some(user) => {
            let change = UserUpsert { id: Some(user.id), change_only: true, ..said(profile) };
            write(store, tenant, change, now_ms).await.map(Arc::new)
        }
        None => {
            let identity = identity(issuer, subject);
            let newcomer = UserUpsert {
                identities: vec![identity.clone()],
                create_only: true,
                account: Some(account),
                ..said(profile)
            };
            match write(store, tenant, newcomer, now_ms).await {
                // Somebody was quicker with the same person.
                Err(Error::AlreadyExists(_)) => {
                    Ok(Arc::new(store.directory.user_by_identity(tenant, &identity).await?))
                }
                other => other.map(Arc::new),
            }
        }
    }
}

/// What a token says of its person, names as they are stored; without an address that somebody else signs in with, or they
/// could do so no more.
async fn unclaimed(
    store: &Store,
    tenant: TenantId,
    known: Option<&User>,
    profile: &Profile,
) -> Result<Profile> {
    let mut profile = profile.clone();
    profile.username = profile.username.as_deref().map(field::sign_in_name);
    profile.email = profile.email.as_deref().map(field::address);
    let is_new = |email: &&String| known.is_none_or(|user| user.email != **email);
    if let Some(email) = profile.email.as_ref().filter(is_new) {
        match store.directory.user_signing_in_by_email(tenant, email).await {
            Ok(_) => profile.email = None,
            Err(StoreError::NotFound(_)) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(profile)
}

/// Who is known by the subject; none if the issuer's strangers are let in.
pub async fn known(store: &Store, tenant: TenantId, issuer: &Issuer, subject: &str) -> Result<Option<User>> {
    match store.directory.user_by_identity(tenant, &identity(issuer, subject)).await {
        Ok(user) => Ok(Some(user)),
        Err(StoreError::NotFound(_)) if issuer.options().provision => Ok(None),
        Err(StoreError::NotFound(_)) => Err(invalid("its subject is unknown here")),
        Err(error) => Err(error.into()),
    }
}

fn identity(issuer: &Issuer, subject: &str) -> Identity {
    Identity { issuer: issuer.options().name.clone(), subject: subject.to_owned() }
}

fn said(profile: &Profile) -> UserUpsert {
    UserUpsert {
        display_name: profile.name.clone(),
        username: profile.username.clone(),
        email: profile.email.clone(),
        ..UserUpsert::default()
    }
}

fn follows(user: &User, profile: &Profile) -> bool {
    let same = |said: &Option<String>, stored: &str| said.as_deref().is_none_or(|said| said == stored);
    same(&profile.name, &user.display_name)
        && same(&profile.email, &user.email)
        && same(&profile.username, user.username.as_deref().unwrap_or_default())
}

/// Writes, and once more without the username if that is somebody else's.
async fn write(store: &Store, tenant: TenantId, upsert: UserUpsert, now_ms: i64) -> Result<User> {
    match store.directory.upsert_user(tenant, upsert.clone(), now_ms).await {
        Err(StoreError::AlreadyExists(_)) if upsert.username.is_some() => {
            let nameless = UserUpsert { username: None, ..upsert };
            Ok(store.directory.upsert_user(tenant, nameless, now_ms).await?.0)
        }
        // They were erased since they were looked up.
        Err(StoreError::NotFound(What::User)) => Err(Error::CredentialRevoked),
        other => Ok(other?.0),
    }
}
