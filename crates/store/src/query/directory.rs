//! Tenants and users.

mod password;
mod upsert;

use sea_orm::{
    ActiveValue::{NotSet, Set},
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};
use std::sync::Arc;
use uuid::Uuid;

use crate::{
    Error, Identity, Millis, Mutation, Result, Roles, Tenant, TenantId, Unique, User, UserId, UserUpsert,
    What,
    database::Database,
    entity::{Strings, TenantOwned, identity, tenant, tenant_counter, user},
    failure::Failure,
    query::users,
    tx::Tx,
};

/// Tenants and users. Cloning is cheap.
#[derive(Clone)]
pub struct Directory {
    pub(crate) db: Arc<Database>,
}

impl Directory {
    /// [`Mutation::create_tenant`], applied.
    pub async fn create_tenant(&self, tenant: Tenant) -> Result<Tenant> {
        self.db.apply(Mutation::create_tenant(tenant)).await
    }

    /// [`Mutation::update_tenant`], applied.
    pub async fn update_tenant(&self, tenant: Tenant) -> Result<Tenant> {
        self.db.apply(Mutation::update_tenant(tenant)).await
    }

    /// The tenant of a slug.
    pub async fn tenant(&self, slug: &str) -> Result<Tenant> {
        let row = tenant::Entity::find().filter(tenant::Column::Slug.eq(slug)).one(&self.db.readers).await;
        row?.map(Tenant::from).ok_or(Error::NotFound(What::Tenant))
    }

    /// The tenant of an id.
    pub async fn tenant_by_id(&self, id: TenantId) -> Result<Tenant> {
        let row = tenant::Entity::find_by_id(id.0).one(&self.db.readers).await?;
        row.map(Tenant::from).ok_or(Error::NotFound(What::Tenant))
    }

    /// Tenants by slug, above `after_slug`.
    pub async fn list_tenants(&self, after_slug: &str, limit: u64) -> Result<Vec<Tenant>> {
        let rows = tenant::Entity::find()
            .filter(tenant::Column::Slug.gt(after_slug))
            .order_by_asc(tenant::Column::Slug)
            .limit(limit)
            .all(&self.db.readers)
            .await?;
        Ok(rows.into_iter().map(Tenant::from).collect())
    }

    /// [`Mutation::upsert_user`], applied.
    pub async fn upsert_user(&self, tenant: TenantId, user: UserUpsert, at: Millis) -> Result<(User, bool)> {
        self.db.apply(Mutation::upsert_user(tenant, user, at)).await
    }

    /// One user.
    pub async fn user(&self, tenant: TenantId, id: UserId) -> Result<User> {
        Ok(users::one(&self.db.readers, tenant, user::Column::Id.eq(id.0)).await?)
    }

    /// Those of the users that are there, in no order.
    pub async fn users(&self, tenant: TenantId, ids: &[UserId]) -> Result<Vec<User>> {
        let distinct: std::collections::BTreeSet<Uuid> = ids.iter().map(|id| id.0).collect();
        let keys = distinct.into_iter().map(|id| (tenant.0, id)).collect();
        Ok(users::by_key(&self.db.readers, keys).await?)
    }

    /// The user of a tenant-scoped number.
    pub async fn user_by_number(&self, tenant: TenantId, number: i64) -> Result<User> {
        Ok(users::one(&self.db.readers, tenant, user::Column::Number.eq(number)).await?)
    }

    /// The user whom an issuer knows as a subject.
    pub async fn user_by_identity(&self, tenant: TenantId, identity: &Identity) -> Result<User> {
        Ok(users::one(&self.db.readers, tenant, user::Column::Id.in_subquery(owner_of(tenant, identity)))
            .await?)
    }

    /// The user of a username.
    pub async fn user_by_username(&self, tenant: TenantId, username: &str) -> Result<User> {
        Ok(users::one(&self.db.readers, tenant, user::Column::Username.eq(username)).await?)
    }

    /// The user who alone has an e-mail address.
    pub async fn user_by_email(&self, tenant: TenantId, email: &str) -> Result<User> {
        let holders = user::Entity::of(tenant).filter(user::Column::Email.eq(email)).limit(2);
        let rows = holders.all(&self.db.readers).await?;
        let [row] = rows.as_slice() else { return Err(Error::NotFound(What::User)) };
        self.user(tenant, UserId(row.id)).await
    }

    /// Whom an e-mail address means to whoever signs in by it: who alone has it of those with a password. An issuer's people
    /// say of themselves which address they have.
    pub async fn user_signing_in_by_email(&self, tenant: TenantId, email: &str) -> Result<User> {
        let holders = user::Entity::of(tenant)
            .filter(user::Column::Email.eq(email))
            .filter(user::Column::PasswordHash.is_not_null())
            .limit(2);
        let rows = holders.all(&self.db.readers).await.map_err(Failure::from)?;
        let [row] = rows.as_slice() else { return Err(Error::NotFound(What::User)) };
        self.user(tenant, UserId(row.id)).await
    }

    /// Users by number, above `after_number`; with `role`, those who have all of these roles.
    pub async fn list_users(
        &self,
        tenant: TenantId,
        role: Option<Roles>,
        after_number: i64,
        limit: u64,
    ) -> Result<Vec<User>> {
        let mut wanted = user::Entity::of(tenant).filter(user::Column::Number.gt(after_number));
        if let Some(Roles(bits)) = role {
            wanted = wanted.filter(Expr::col(user::Column::Roles).bit_and(bits).eq(bits));
        }
        let ordered = wanted.order_by_asc(user::Column::Number).limit(limit);
        let rows = ordered.all(&self.db.readers).await?;
        Ok(users::with_identities(&self.db.readers, rows).await?)
    }
}

impl Mutation<Tenant> {
    /// Creates a tenant; the id is ignored, and given by the store. `AlreadyExists` for a slug or a number that is taken.
    pub fn create_tenant(tenant: Tenant) -> Self {
        Self::new(TenantId::INSTALLATION, tenant, |tenant, tx| Box::pin(create_tenant(tx, tenant)))
    }

    /// Sets the number, the display name and the origins of the tenant with this id. The slug never changes.
    pub fn update_tenant(tenant: Tenant) -> Self {
        Self::new(TenantId::INSTALLATION, tenant, |tenant, tx| Box::pin(update_tenant(tx, tenant)))
    }
}

impl Mutation<(User, bool)> {
    /// Creates a user, or changes the one with this id, or else with one of these identities. Answers true if created.
    /// `AlreadyExists` for a username or an identity that another user has. New users without roles are customers.
    pub fn upsert_user(tenant: TenantId, user: UserUpsert, at: Millis) -> Self {
        // Made here, so that the change can be repeated.
        let new_id = user.id.unwrap_or_default();
        Self::new(tenant, (tenant, new_id, user, at), |(tenant, new_id, user, at), tx| {
            Box::pin(upsert::upsert(tx, *tenant, *new_id, user, *at))
        })
    }
}

impl From<tenant::Model> for Tenant {
    fn from(row: tenant::Model) -> Self {
        Self {
            id: TenantId(row.id),
            slug: row.slug,
            number: row.number,
            display_name: row.display_name,
            origins: row.origins.0,
            created_at: row.created_at,
        }
    }
}

async fn create_tenant(tx: &mut Tx, new: &Tenant) -> Result<Tenant, Failure> {
    if tenant::Entity::find().filter(tenant::Column::Slug.eq(&new.slug)).one(tx.db()).await?.is_some() {
        return Err(Error::AlreadyExists(Unique::Tenant).into());
    }
    require_free_number(tx, new).await?;
    let row = tenant::ActiveModel {
        id: NotSet,
        slug: Set(new.slug.clone()),
        number: Set(new.number),
        display_name: Set(new.display_name.clone()),
        origins: Set(Strings(new.origins.clone())),
        created_at: Set(new.created_at),
    };
    let row = tenant::Entity::insert(row).exec_with_returning(tx.db()).await?;
    let counters = tenant_counter::ActiveModel { tenant: Set(row.id), ..Default::default() };
    tenant_counter::Entity::insert(counters).exec_without_returning(tx.db()).await?;
    Ok(row.into())
}

async fn update_tenant(tx: &mut Tx, wanted: &Tenant) -> Result<Tenant, Failure> {
    let row =
        tenant::Entity::find_by_id(wanted.id.0).one(tx.db()).await?.ok_or(Error::NotFound(What::Tenant))?;
    require_free_number(tx, wanted).await?;
    let changed = tenant::ActiveModel {
        number: Set(wanted.number),
        display_name: Set(wanted.display_name.clone()),
        origins: Set(Strings(wanted.origins.clone())),
        ..row.into()
    };
    Ok(tenant::Entity::update(changed).exec(tx.db()).await?.into())
}

async fn require_free_number(tx: &Tx, wanted: &Tenant) -> Result<(), Failure> {
    let Some(number) = wanted.number else { return Ok(()) };
    let holder = tenant::Entity::find().filter(tenant::Column::Number.eq(number)).one(tx.db()).await?;
    match holder {
        Some(holder) if holder.id != wanted.id.0 => Err(Error::AlreadyExists(Unique::TenantNumber).into()),
        _ => Ok(()),
    }
}

/// Whom an issuer knows as a subject.
fn owner_of(tenant: TenantId, wanted: &Identity) -> SelectStatement {
    use identity::Column;
    let mut owner = Query::select();
    owner
        .column(Column::UserId)
        .from(identity::Entity)
        .and_where(Column::Tenant.eq(tenant.0))
        .and_where(Column::Issuer.eq(&wanted.issuer))
        .and_where(Column::Subject.eq(&wanted.subject));
    owner
}
