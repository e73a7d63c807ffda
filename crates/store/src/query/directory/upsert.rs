//! Makes a user be as an upsert says.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::{
    Error, Identity, Millis, Result, Revocation, Roles, TenantId, Unique, User, UserId, UserUpsert, What,
    entity::{TenantOwned, identity, user},
    failure::Failure,
    query::{billing, token, users},
    tx::Tx,
};

pub(super) async fn upsert(
    tx: &mut Tx,
    tenant: TenantId,
    new_id: UserId,
    wanted: &UserUpsert,
    at: Millis,
) -> Result<(User, bool), Failure> {
    let found = find(tx, tenant, wanted).await?;
    if found.is_some() && wanted.create_only {
        return Err(Error::AlreadyExists(Unique::User).into());
    }
    let id = UserId(found.as_ref().map_or(new_id.0, |row| row.id));
    if found.is_none() {
        require_welcome(tx, tenant, wanted).await?;
    } else if users::is_being_erased(tx.db(), tenant, id).await? {
        return Err(Error::NotFound(What::User).into());
    }
    if found.as_ref().is_some_and(|row| wanted.takes_rights(Roles(row.roles), row.disabled)) {
        let withdrawn = Revocation::User { tenant, user: id, at };
        token::revoke(tx, &withdrawn, at.saturating_add(token::WITHDRAWAL_KEPT_MS), at).await?;
    }
    require_free_names(tx, tenant, id, wanted).await?;
    let mut new_identities = unowned_identities(tx, tenant, id, wanted).await?;
    let created = found.is_none();
    match found {
        None => {
            let (number, called) = next_number(tx, tenant, wanted).await?;
            create(tx, tenant, id, number, wanted, at).await?;
            new_identities.extend(called);
        }
        Some(row) => change(tx, row, wanted, !new_identities.is_empty(), at).await?,
    }
    add_identities(tx, tenant, id, new_identities).await?;
    if created && wanted.account.is_some() {
        billing::ledger::welcome(tx, tenant, id, at).await?;
    }
    Ok((users::one(tx.db(), tenant, user::Column::Id.eq(id.0)).await?, created))
}

/// Fails if nobody new is wanted, or somebody is let in by a token from before they were erased.
async fn require_welcome(tx: &Tx, tenant: TenantId, wanted: &UserUpsert) -> Result<(), Failure> {
    if wanted.change_only {
        return Err(Error::NotFound(What::User).into());
    }
    let Some(account) = &wanted.account else { return Ok(()) };
    let gone = users::departed_at(tx.db(), tenant, account.mark).await?;
    if gone.is_some_and(|at| account.issued_at <= at) { Err(Error::Withdrawn.into()) } else { Ok(()) }
}

/// By id if one is given, else by the first identity that somebody has.
async fn find(tx: &Tx, tenant: TenantId, wanted: &UserUpsert) -> Result<Option<user::Model>, Failure> {
    let mut id = wanted.id;
    for identity in &wanted.identities {
        if id.is_none() {
            id = users::identity_owner(tx.db(), tenant, identity).await?;
        }
    }
    match id {
        Some(id) => Ok(user::Entity::of(tenant).filter(user::Column::Id.eq(id.0)).one(tx.db()).await?),
        None => Ok(None),
    }
}

/// People sign in by username or by e-mail address. Where both are to be free, neither may be what somebody else signs
/// in with: who takes another's address as a username would be taken for them, since usernames go first.
async fn require_free_names(
    tx: &Tx,
    tenant: TenantId,
    id: UserId,
    wanted: &UserUpsert,
) -> Result<(), Failure> {
    use user::Column::{Email, Username};
    let taken = async |column: user::Column, name: &str| -> Result<bool, Failure> {
        let others = user::Entity::of(tenant).filter(user::Column::Id.ne(id.0));
        Ok(others.filter(column.eq(name)).one(tx.db()).await?.is_some())
    };
    if let Some(email) = wanted.email.as_ref().filter(|_| wanted.unique_names)
        && (taken(Email, email).await? || taken(Username, email).await?)
    {
        return Err(Error::AlreadyExists(Unique::Email).into());
    }
    if let Some(username) = &wanted.username
        && (taken(Username, username).await? || wanted.unique_names && taken(Email, username).await?)
    {
        return Err(Error::AlreadyExists(Unique::Username).into());
    }
    Ok(())
}

/// The wanted identities that nobody has yet. One that somebody else has is an error.
async fn unowned_identities(
    tx: &Tx,
    tenant: TenantId,
    id: UserId,
    wanted: &UserUpsert,
) -> Result<Vec<Identity>, Failure> {
    let mut unowned: Vec<Identity> = Vec::new();
    for identity in &wanted.identities {
        match users::identity_owner(tx.db(), tenant, identity).await? {
            Some(owner) if owner != id => return Err(Error::AlreadyExists(Unique::Identity).into()),
            Some(_) => {}
            None if unowned.contains(identity) => {}
            None => unowned.push(identity.clone()),
        }
    }
    Ok(unowned)
}

/// The number of somebody new, and what they are called by it. A number that would call them like another is left out.
async fn next_number(
    tx: &mut Tx,
    tenant: TenantId,
    wanted: &UserUpsert,
) -> Result<(i64, Option<Identity>), Failure> {
    loop {
        let counters = tx.counters(tenant)?;
        counters.user_number += 1;
        let number = counters.user_number;
        let Some(numbered) = &wanted.numbered else { return Ok((number, None)) };
        let identity = numbered.identity(number);
        let beside = Identity { issuer: numbered.beside.clone(), ..identity.clone() };
        let is_free = async |identity| -> Result<bool, Failure> {
            Ok(users::identity_owner(tx.db(), tenant, identity).await?.is_none())
        };
        if is_free(&identity).await? && is_free(&beside).await? {
            return Ok((number, Some(identity)));
        }
    }
}

async fn create(
    tx: &Tx,
    tenant: TenantId,
    id: UserId,
    number: i64,
    wanted: &UserUpsert,
    at: Millis,
) -> Result<(), Failure> {
    let row = user::Model {
        tenant: tenant.0,
        id: id.0,
        number,
        display_name: wanted.display_name.clone().unwrap_or_default(),
        username: wanted.username.clone(),
        email: wanted.email.clone().unwrap_or_default(),
        avatar_url: wanted.avatar_url.clone().unwrap_or_default(),
        roles: wanted.roles.unwrap_or(Roles::CUSTOMER).0,
        password_hash: wanted.password_hash.clone(),
        created_at: at,
        updated_at: at,
        disabled: wanted.disabled.unwrap_or_default(),
    };
    user::Entity::insert(row.into_active_model()).exec_without_returning(tx.db()).await?;
    Ok(())
}

async fn change(
    tx: &mut Tx,
    row: user::Model,
    wanted: &UserUpsert,
    more_identities: bool,
    at: Millis,
) -> Result<(), Failure> {
    let mut changed = row.clone();
    let texts = [
        (&mut changed.display_name, &wanted.display_name),
        (&mut changed.email, &wanted.email),
        (&mut changed.avatar_url, &wanted.avatar_url),
    ];
    for (stored, wanted) in texts {
        if let Some(wanted) = wanted {
            stored.clone_from(wanted);
        }
    }
    changed.username = wanted.username.clone().or(changed.username);
    changed.password_hash = wanted.password_hash.clone().or(changed.password_hash);
    changed.disabled = wanted.disabled.unwrap_or(changed.disabled);
    changed.roles = wanted.roles.map_or(changed.roles, |Roles(bits)| bits);
    if changed == row && !more_identities {
        return Ok(());
    }
    // Later than before in any case: whoever holds a copy compares it.
    changed.updated_at = at.max(row.updated_at + 1);
    tx.counters(TenantId(row.tenant))?.people_revision += 1;
    user::Entity::update_many()
        .set(changed.into_active_model().reset_all())
        .filter(user::Column::Tenant.eq(row.tenant))
        .filter(user::Column::Id.eq(row.id))
        .exec(tx.db())
        .await?;
    Ok(())
}

async fn add_identities(tx: &Tx, tenant: TenantId, id: UserId, new: Vec<Identity>) -> Result<(), Failure> {
    let known = identity::Entity::of(tenant).filter(identity::Column::UserId.eq(id.0)).all(tx.db()).await?;
    let first = known.iter().map(|row| row.ordinal + 1).max().unwrap_or(0);
    for (ordinal, identity) in (first..).zip(new) {
        let row = identity::ActiveModel {
            tenant: Set(tenant.0),
            issuer: Set(identity.issuer),
            subject: Set(identity.subject),
            user_id: Set(id.0),
            ordinal: Set(ordinal),
        };
        identity::Entity::insert(row).exec_without_returning(tx.db()).await?;
    }
    Ok(())
}
