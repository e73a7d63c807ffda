//! A connection proves who it is: its credential, its person's presence, and what it may have missed.

use std::sync::Arc;

use parlor_api::{
    limits::CREDENTIAL_BYTES,
    v1::{self, link_attach::Credential},
};
use parlor_store::{Roles, UserId};

use super::{
    connection::{Attached, Earlier, Redelivery},
    hear,
    shared::Shared,
};
use crate::{
    Error, Result,
    auth::{Context, RawCredential},
    caller::Principal,
    presence::{Counted, Present, linger},
    wire::role,
};

/// Proves a connection and counts it under a name that is unique among all gateways.
pub(super) async fn attach(
    shared: &Shared,
    counted: Counted,
    number: u64,
    request: v1::LinkAttach,
    earlier: Option<Earlier>,
) -> Result<Attached> {
    let as_what = request.as_role();
    let mount = request.mount.unwrap_or_default();
    let by_handle = matches!(request.credential, Some(Credential::Handle(_)));
    let principal = proven(shared, &mount, shown(request.credential)?, as_what).await?;
    let linger = linger("linger", request.linger)?.unwrap_or_default();
    let dropped = match &earlier {
        Some(earlier) => hear::without_right(shared, &principal, earlier).await?,
        None => Vec::new(),
    };
    let mut attached = Attached::new(Arc::clone(&principal), request.peer.into(), dropped);
    let Some(user) = principal.user() else { return Ok(attached) };
    let head = shared.past.head(principal.tenant).await?;
    attached.name(&shared.past, &mount.name, &request.recover, head);
    if request.present {
        let present = Present::count(&shared.presence, principal.tenant, user, counted, linger);
        attached.connection.present = Some(present.await?);
    }
    // Last: what is taken for a connection that comes to nothing would have to be put back.
    let past = Recall { number, head, by_handle, redelivers: request.redelivers };
    attached.connection.redelivery = recall(shared, &principal, user.id, past, earlier).await?;
    Ok(attached)
}

/// What a client showed.
fn shown(credential: Option<Credential>) -> Result<RawCredential> {
    let credential = match credential {
        Some(Credential::Bearer(token)) => RawCredential::Bearer(token),
        Some(Credential::ApiKey(key)) => RawCredential::ApiKey(key),
        Some(Credential::Guest(true)) => RawCredential::Guest,
        Some(Credential::Handle(handle)) => RawCredential::Handle(handle),
        Some(Credential::Claim(claim)) => {
            let role = role(claim.role()).ok_or_else(|| Error::field("claim.role", "must be named"))?;
            RawCredential::Claim { subject: claim.subject, role }
        }
        Some(Credential::Guest(false)) | None => return Err(Error::CredentialMissing),
    };
    if let RawCredential::Bearer(text) | RawCredential::ApiKey(text) | RawCredential::Handle(text) =
        &credential
        && text.len() > CREDENTIAL_BYTES
    {
        return Err(Error::CredentialInvalid("it is too long".to_owned()));
    }
    Ok(credential)
}

/// Who that is on this mount.
async fn proven(
    shared: &Shared,
    mount: &v1::MountContext,
    credential: RawCredential,
    as_what: v1::Role,
) -> Result<Arc<Principal>> {
    let context = Context {
        tenant: Some(mount.tenant.clone()).filter(|slug| !slug.is_empty()),
        issuers: mount.issuers.clone(),
        guests: matches!(credential, RawCredential::Guest),
        claims: mount.claims,
    };
    let principal = as_role(shared.rights.resolve(&credential, &context).await?, as_what)?;
    if principal.tenant == Principal::NO_TENANT {
        return Err(Error::field("mount.tenant", "the credential opens several tenants: name one"));
    }
    Ok(principal)
}

/// What an attach says of the past.
struct Recall {
    number: u64,
    head: i64,
    by_handle: bool,
    redelivers: bool,
}

/// What a redelivering connection is told.
async fn recall(
    shared: &Shared,
    principal: &Principal,
    user: UserId,
    recall: Recall,
    earlier: Option<Earlier>,
) -> Result<Option<Box<Redelivery>>> {
    let Recall { number, head, by_handle, redelivers } = recall;
    if !redelivers {
        return Ok(None);
    }
    let key = (principal.tenant, user);
    let is_same = |was: &Principal| (was.tenant, was.user_id()) == (key.0, Some(user));
    let earlier = earlier.filter(|earlier| is_same(&earlier.principal));
    let missed = match earlier.and_then(|earlier| earlier.redelivery) {
        // The answer to the first may have been lost with the link; a new proof of who is here already misses nothing.
        Some(told) if told.number == number => return Ok(Some(told)),
        Some(told) => return Ok(Some(Box::new(Redelivery { number, missed: None, ..*told }))),
        None if by_handle => {
            shared.past.never_left(key);
            None
        }
        None => shared.past.take(key).await?,
    };
    Ok(Some(Box::new(Redelivery { number, missed, began: head })))
}

/// The principal as what it comes.
fn as_role(principal: Arc<Principal>, role: v1::Role) -> Result<Arc<Principal>> {
    match role {
        v1::Role::Unspecified => Ok(principal),
        v1::Role::Customer if principal.user().is_none() || !principal.is_staff() => Ok(principal),
        v1::Role::Customer => {
            Ok(Arc::new(Principal { roles: Roles::CUSTOMER, ..Arc::unwrap_or_clone(principal) }))
        }
        v1::Role::Staff | v1::Role::Admin | v1::Role::Provider => {
            Err(Error::field("as_role", "must be CUSTOMER or unspecified"))
        }
    }
}
