//! API keys and withdrawals.

use std::collections::HashMap;
use std::sync::Arc;

use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{OnConflict, Query},
};
use uuid::Uuid;

use crate::{
    ApiKey, ApiKeyId, ApiKeyKind, Error, Millis, Mutation, Result, Revocation, TenantId, Unique, UserId,
    What,
    database::Database,
    entity::{TenantOwned, api_key, api_key_tenant, revocation, user},
    failure::Failure,
    query::code::Code,
    tx::Tx,
};

/// Kinds of `revocation`.
const TOKEN: i16 = 1;
pub(crate) const USER: i16 = 2;

/// Withdrawals are remembered this long where nobody knows when the token ends: no sane token lives longer.
pub const WITHDRAWAL_KEPT_MS: Millis = 400 * 24 * 60 * 60 * 1_000;

/// API keys and withdrawals. Cloning is cheap.
#[derive(Clone)]
pub struct Tokens {
    pub(crate) db: Arc<Database>,
}

impl Tokens {
    /// [`Mutation::create_api_key`], applied.
    pub async fn create_api_key(&self, key: ApiKey, secret_hash: [u8; 32]) -> Result<ApiKey> {
        self.db.apply(Mutation::create_api_key(key, secret_hash)).await
    }

    /// The key of a secret, also if it is revoked: the caller looks at `revoked_at`.
    pub async fn api_key_by_hash(&self, secret_hash: [u8; 32]) -> Result<ApiKey> {
        Ok(one(&self.db.readers, api_key::Column::SecretHash.eq(secret_hash.to_vec())).await?)
    }

    /// One key.
    pub async fn api_key(&self, id: ApiKeyId) -> Result<ApiKey> {
        Ok(one(&self.db.readers, api_key::Column::Id.eq(id.0)).await?)
    }

    /// Keys by id, above `after`: those that open this tenant by name, or every key (for operators).
    pub async fn list_api_keys(
        &self,
        tenant: Option<TenantId>,
        after: Option<ApiKeyId>,
        limit: u64,
    ) -> Result<Vec<ApiKey>> {
        let mut wanted = api_key::Entity::find();
        if let Some(tenant) = tenant {
            let of_tenant = Query::select()
                .column(api_key_tenant::Column::ApiKeyId)
                .from(api_key_tenant::Entity)
                .and_where(api_key_tenant::Column::Tenant.eq(tenant.0))
                .to_owned();
            wanted = wanted.filter(api_key::Column::Id.in_subquery(of_tenant));
        }
        if let Some(ApiKeyId(after)) = after {
            wanted = wanted.filter(api_key::Column::Id.gt(after));
        }
        let ordered = wanted.order_by_asc(api_key::Column::Id).limit(limit);
        let rows = ordered.all(&self.db.readers).await?;
        Ok(with_tenants(&self.db.readers, rows).await?)
    }

    /// [`Mutation::revoke_api_key`], applied.
    pub async fn revoke_api_key(&self, id: ApiKeyId, at: Millis) -> Result<ApiKey> {
        self.db.apply(Mutation::revoke_api_key(id, at)).await
    }

    /// [`Mutation::revoke`], applied.
    pub async fn revoke(&self, revocation: Revocation, keep_until: Millis, at: Millis) -> Result<()> {
        self.db.apply(Mutation::revoke(revocation, keep_until, at)).await
    }

    /// The moment up to which everything of a user is withdrawn.
    pub async fn withdrawn_up_to(&self, tenant: TenantId, user: UserId) -> Result<Option<Millis>> {
        let row = revocation::Entity::of(tenant)
            .filter(revocation::Column::Kind.eq(USER))
            .filter(revocation::Column::Subject.eq(user.to_string()))
            .one(&self.db.readers)
            .await;
        Ok(row.map_err(Failure::from)?.map(|row| row.at))
    }

    /// When a token was withdrawn, and until when that is remembered.
    pub async fn withdrawn_token(
        &self,
        tenant: TenantId,
        token_id: &str,
    ) -> Result<Option<(Millis, Millis)>> {
        let row = revocation::Entity::of(tenant)
            .filter(revocation::Column::Kind.eq(TOKEN))
            .filter(revocation::Column::Subject.eq(token_id))
            .one(&self.db.readers)
            .await;
        Ok(row.map_err(Failure::from)?.map(|row| (row.at, row.keep_until)))
    }

    /// The keys with an admin's rights that were made with a key, at whatever remove.
    pub async fn made_with(&self, id: ApiKeyId) -> Result<Vec<ApiKeyId>> {
        Ok(made_with(&self.db.readers, id).await?)
    }

    /// The withdrawals that still concern some token.
    pub async fn revocations(&self, at: Millis) -> Result<Vec<Revocation>> {
        let rows = revocation::Entity::find()
            .filter(revocation::Column::KeepUntil.gt(at))
            .all(&self.db.readers)
            .await?;
        rows.into_iter().map(of_row).collect()
    }
}

impl Mutation<ApiKey> {
    /// Creates a key under the id it brings. `NotFound` for a tenant that is not there.
    pub fn create_api_key(key: ApiKey, secret_hash: [u8; 32]) -> Self {
        Self::new(TenantId::INSTALLATION, (key, secret_hash), |(key, hash), tx| {
            Box::pin(create_api_key(tx, key, *hash))
        })
    }

    /// Revokes a key, and the keys with an admin's rights that were made with it. One that is revoked keeps its first
    /// moment.
    pub fn revoke_api_key(id: ApiKeyId, at: Millis) -> Self {
        Self::new(TenantId::INSTALLATION, (id, at), |(id, at), tx| Box::pin(revoke_api_key(tx, *id, *at)))
    }
}

impl Mutation<()> {
    /// Remembers a withdrawal until no token that it can concern is valid any more. The latest moment of a user counts.
    /// Withdrawals that nobody needs any more are removed.
    pub fn revoke(revocation: Revocation, keep_until: Millis, at: Millis) -> Self {
        let tenant = match &revocation {
            Revocation::Token { tenant, .. } | Revocation::User { tenant, .. } => *tenant,
        };
        Self::new(tenant, (revocation, keep_until, at), |(revocation, keep_until, at), tx| {
            Box::pin(revoke(tx, revocation, *keep_until, *at))
        })
    }
}

async fn create_api_key(tx: &mut Tx, key: &ApiKey, secret_hash: [u8; 32]) -> Result<ApiKey, Failure> {
    tx.lock(key.tenants.iter().copied()).await?;
    for tenant in &key.tenants {
        tx.counters(*tenant)?;
    }
    let taken = Condition::any()
        .add(api_key::Column::Id.eq(key.id.0))
        .add(api_key::Column::SecretHash.eq(secret_hash.to_vec()));
    if api_key::Entity::find().filter(taken).one(tx.db()).await?.is_some() {
        return Err(Error::AlreadyExists(Unique::ApiKey).into());
    }
    let row = api_key::Model {
        id: key.id.0,
        display_name: key.display_name.clone(),
        kind: key.kind.code(),
        all_tenants: key.all_tenants,
        prefix: key.prefix.clone(),
        secret_hash: secret_hash.to_vec(),
        created_at: key.created_at,
        revoked_at: key.revoked_at,
        made_by: key.made_by.map(|ApiKeyId(id)| id),
    };
    api_key::Entity::insert(row.into_active_model()).exec_without_returning(tx.db()).await?;
    for tenant in &key.tenants {
        let opened = api_key_tenant::ActiveModel { tenant: Set(tenant.0), api_key_id: Set(key.id.0) };
        api_key_tenant::Entity::insert(opened).exec_without_returning(tx.db()).await?;
    }
    one(tx.db(), api_key::Column::Id.eq(key.id.0)).await
}

async fn revoke_api_key(tx: &mut Tx, id: ApiKeyId, at: Millis) -> Result<ApiKey, Failure> {
    let mut ids = vec![id.0];
    ids.extend(made_with(tx.db(), id).await?.into_iter().map(|ApiKeyId(id)| id));
    api_key::Entity::update_many()
        .set(api_key::ActiveModel { revoked_at: Set(Some(at)), ..Default::default() })
        .filter(api_key::Column::Id.is_in(ids))
        .filter(api_key::Column::RevokedAt.is_null())
        .exec(tx.db())
        .await?;
    one(tx.db(), api_key::Column::Id.eq(id.0)).await
}

/// Each is younger than the key that made it, so this comes to an end.
async fn made_with(db: &impl ConnectionTrait, id: ApiKeyId) -> Result<Vec<ApiKeyId>, Failure> {
    let (mut found, mut makers) = (Vec::new(), vec![id.0]);
    while !makers.is_empty() {
        let made = api_key::Entity::find()
            .filter(api_key::Column::MadeBy.is_in(makers))
            .filter(api_key::Column::Kind.ne(ApiKeyKind::Widget.code()))
            .all(db)
            .await?;
        makers = made.into_iter().map(|row| row.id).collect();
        found.extend(makers.iter().copied().map(ApiKeyId));
    }
    Ok(found)
}

async fn one(db: &impl ConnectionTrait, which: sea_orm::sea_query::SimpleExpr) -> Result<ApiKey, Failure> {
    let row = api_key::Entity::find().filter(which).one(db).await?.ok_or(Error::NotFound(What::ApiKey))?;
    let keys = with_tenants(db, vec![row]).await?;
    keys.into_iter().next().ok_or(Error::NotFound(What::ApiKey).into())
}

async fn with_tenants(db: &impl ConnectionTrait, rows: Vec<api_key::Model>) -> Result<Vec<ApiKey>, Failure> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let opened = api_key_tenant::Entity::find()
        .filter(api_key_tenant::Column::ApiKeyId.is_in(ids))
        .order_by_asc(api_key_tenant::Column::Tenant)
        .all(db)
        .await?;
    let mut tenants: HashMap<Uuid, Vec<TenantId>> = HashMap::new();
    for row in opened {
        tenants.entry(row.api_key_id).or_default().push(TenantId(row.tenant));
    }
    rows.into_iter()
        .map(|row| {
            Ok(ApiKey {
                id: ApiKeyId(row.id),
                kind: Code::of_code(row.kind)?,
                tenants: tenants.remove(&row.id).unwrap_or_default(),
                display_name: row.display_name,
                all_tenants: row.all_tenants,
                prefix: row.prefix,
                created_at: row.created_at,
                revoked_at: row.revoked_at,
                made_by: row.made_by.map(ApiKeyId),
            })
        })
        .collect()
}

pub(crate) async fn revoke(
    tx: &mut Tx,
    withdrawn: &Revocation,
    keep_until: Millis,
    at: Millis,
) -> Result<(), Failure> {
    use revocation::Column;
    let (tenant, kind, subject, moment) = match withdrawn {
        Revocation::Token { tenant, token_id } => (*tenant, TOKEN, token_id.clone(), at),
        Revocation::User { tenant, user, at } => (*tenant, USER, user.to_string(), *at),
    };
    revocation::Entity::delete_many().filter(Column::KeepUntil.lte(at)).exec(tx.db()).await?;
    if let Revocation::User { user, .. } = withdrawn
        && user::Entity::of(tenant).filter(user::Column::Id.eq(user.0)).one(tx.db()).await?.is_none()
    {
        // Nothing that names nobody is taken, and nothing is to name who was erased.
        return Ok(());
    }
    let stored = revocation::Entity::of(tenant)
        .filter(Column::Kind.eq(kind))
        .filter(Column::Subject.eq(&subject))
        .one(tx.db())
        .await?;
    let (at, keep_until) =
        stored.map_or((moment, keep_until), |row| (moment.max(row.at), keep_until.max(row.keep_until)));
    let row = revocation::Model { tenant: tenant.0, kind, subject, at, keep_until };
    let replace = OnConflict::columns([Column::Tenant, Column::Kind, Column::Subject])
        .update_columns([Column::At, Column::KeepUntil])
        .to_owned();
    revocation::Entity::insert(row.into_active_model())
        .on_conflict(replace)
        .exec_without_returning(tx.db())
        .await?;
    Ok(())
}

fn of_row(row: revocation::Model) -> Result<Revocation> {
    let tenant = TenantId(row.tenant);
    match row.kind {
        TOKEN => Ok(Revocation::Token { tenant, token_id: row.subject }),
        USER => {
            let user = UserId::parse(&row.subject)
                .ok_or_else(|| Error::Defect("a revocation of no user".to_owned()))?;
            Ok(Revocation::User { tenant, user, at: row.at })
        }
        unknown => Err(Error::Defect(format!("revocation of kind {unknown}"))),
    }
}
