//! Users with what the issuers call them, as everything that names a user joins them.

use std::{collections::HashMap, ops::Range};

use sea_orm::{ColumnTrait, ConnectionTrait, DbBackend, EntityTrait, JoinType, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::{
    Error, Identity, Millis, Result, Roles, TenantId, User, UserId, What, bulk,
    connection::{Gave, Script},
    entity::{TenantOwned, departed, erasure, identity, user},
    failure::Failure,
};

/// The user that this is true of.
pub(crate) async fn one(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    which: sea_orm::sea_query::SimpleExpr,
) -> Result<User, Failure> {
    // One statement: everybody who connects is looked up.
    let identities = user::Entity::belongs_to(identity::Entity)
        .from((user::Column::Tenant, user::Column::Id))
        .to((identity::Column::Tenant, identity::Column::UserId));
    let rows = user::Entity::of(tenant)
        .filter(which)
        .join(JoinType::LeftJoin, identities.into())
        .select_also(identity::Entity)
        .all(db)
        .await?;
    let (mut users, identities): (Vec<_>, Vec<_>) = rows.into_iter().unzip();
    let row = users.pop().ok_or(Error::NotFound(What::User))?;
    Ok(with(row, identities.into_iter().flatten().collect()))
}

/// Who it is whom an issuer knows as a subject.
pub(crate) async fn identity_owner(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    wanted: &Identity,
) -> Result<Option<UserId>, Failure> {
    let row = identity::Entity::of(tenant)
        .filter(identity::Column::Issuer.eq(&wanted.issuer))
        .filter(identity::Column::Subject.eq(&wanted.subject))
        .one(db)
        .await?;
    Ok(row.map(|row| UserId(row.user_id)))
}

/// True if somebody is being erased.
pub(crate) async fn is_being_erased(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    id: UserId,
) -> Result<bool, Failure> {
    let row = erasure::Entity::of(tenant).filter(erasure::Column::UserId.eq(id.0)).one(db).await?;
    Ok(row.is_some())
}

/// When an outside account was erased, by what stands for it.
pub(crate) async fn departed_at(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    mark: [u8; 32],
) -> Result<Option<Millis>, Failure> {
    let row = departed::Entity::of(tenant).filter(departed::Column::Mark.eq(mark.to_vec())).one(db).await?;
    Ok(row.map(|row| row.at))
}

/// Fails if nobody acts as somebody any more.
pub(crate) async fn require_standing(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    id: UserId,
) -> Result<(), Failure> {
    let row = user::Entity::of(tenant).filter(user::Column::Id.eq(id.0)).one(db).await?;
    if row.is_some_and(|row| !row.disabled) { Ok(()) } else { Err(Error::Withdrawn.into()) }
}

/// Users by (tenant, id), in no order. The keys differ from each other.
pub(crate) async fn by_key(db: &impl ConnectionTrait, keys: Vec<(i64, Uuid)>) -> Result<Vec<User>, Failure> {
    let keys = keys.into_iter().map(|(tenant, id)| [tenant.into(), id.into()]).collect();
    let rows = bulk::select::<user::Entity, 2>(db, [user::Column::Tenant, user::Column::Id], keys).await?;
    with_identities(db, rows).await
}

pub(crate) async fn with_identities(
    db: &impl ConnectionTrait,
    rows: Vec<user::Model>,
) -> Result<Vec<User>, Failure> {
    let keys = rows.iter().map(|row| [row.tenant.into(), row.id.into()]).collect();
    let columns = [identity::Column::Tenant, identity::Column::UserId];
    let known = bulk::select::<identity::Entity, 2>(db, columns, keys).await?;
    Ok(joined(rows, known))
}

/// Reads users by (tenant, id) with other things. The keys differ from each other.
pub(crate) struct Reading {
    users: Range<usize>,
    identities: Range<usize>,
}

impl Reading {
    pub(crate) fn by_key(backend: DbBackend, script: &mut Script, keys: Vec<(i64, Uuid)>) -> Self {
        let keys: Vec<_> = keys.into_iter().map(|(tenant, id)| [tenant.into(), id.into()]).collect();
        let users = [user::Column::Tenant, user::Column::Id];
        let identities = [identity::Column::Tenant, identity::Column::UserId];
        Self {
            users: script.read(bulk::selection::<user::Entity, 2>(backend, users, &keys)),
            identities: script.read(bulk::selection::<identity::Entity, 2>(backend, identities, &keys)),
        }
    }

    pub(crate) fn of(self, gave: &Gave) -> Result<Vec<User>, Failure> {
        Ok(joined(gave.rows(self.users)?, gave.rows(self.identities)?))
    }
}

fn joined(rows: Vec<user::Model>, known: Vec<identity::Model>) -> Vec<User> {
    let mut identities: HashMap<(i64, Uuid), Vec<identity::Model>> = HashMap::new();
    for row in known {
        identities.entry((row.tenant, row.user_id)).or_default().push(row);
    }
    let joined = rows.into_iter().map(|row| {
        let own = identities.remove(&(row.tenant, row.id)).unwrap_or_default();
        with(row, own)
    });
    joined.collect()
}

/// A user with what the issuers call them, in the order in which that became known.
fn with(row: user::Model, mut identities: Vec<identity::Model>) -> User {
    identities.sort_unstable_by_key(|row| row.ordinal);
    let identities = identities.into_iter();
    User {
        tenant: TenantId(row.tenant),
        id: UserId(row.id),
        number: row.number,
        identities: identities.map(|row| Identity { issuer: row.issuer, subject: row.subject }).collect(),
        display_name: row.display_name,
        username: row.username,
        email: row.email,
        avatar_url: row.avatar_url,
        roles: Roles(row.roles),
        created_at: row.created_at,
        updated_at: row.updated_at,
        disabled: row.disabled,
    }
}
