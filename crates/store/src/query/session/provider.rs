//! Who can be asked for sessions.

use std::{collections::HashSet, sync::Arc};

use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder,
    QuerySelect,
    sea_query::{Expr, Query, SelectStatement},
};
use uuid::Uuid;

use super::Sessions;
use crate::{
    Availability, Error, Millis, Mutation, Provider, ProviderFilter, ProviderUpsert, Rates, Result,
    SessionKind, TenantId, Unique, UserId, What,
    entity::{TenantOwned, presence, presence_lease, provider, reservation},
    failure::Failure,
    query::{
        chat::{change::require_user, join::Named},
        code::Code,
    },
    tx::Tx,
};

impl Sessions {
    /// One provider, as they are now.
    pub async fn provider(&self, tenant: TenantId, user: UserId) -> Result<Provider> {
        Ok(one(&self.db.readers, tenant, user).await?)
    }

    /// Whom an outside catalogue calls so.
    pub async fn provider_by_catalogue_id(&self, tenant: TenantId, id: &str) -> Result<UserId> {
        let row = provider::Entity::of(tenant).filter(provider::Column::CatalogueId.eq(id));
        let row = row.one(&self.db.readers).await?;
        row.map(|row| UserId(row.user_id)).ok_or(Error::NotFound(What::Provider))
    }

    /// Providers in the order of their ids, which is that of their accounts; behind one of them.
    pub async fn list_providers(
        &self,
        tenant: TenantId,
        filter: ProviderFilter,
        after: Option<UserId>,
        limit: u64,
    ) -> Result<Vec<Provider>> {
        use provider::Column;
        let wanted = Condition::all()
            .add_option(filter.offers.map(offers))
            .add_option(filter.available.then(|| available(tenant)))
            .add_option(after.map(|after| Column::UserId.gt(after.0)));
        let rows = provider::Entity::of(tenant)
            .filter(wanted)
            .order_by_asc(Column::UserId)
            .limit(limit)
            .all(&self.db.readers)
            .await?;
        Ok(joined(&self.db.readers, tenant, rows).await?)
    }
}

impl Mutation<Provider> {
    /// Makes somebody a provider, or changes what is known of one.
    pub fn upsert_provider(wanted: ProviderUpsert) -> Self {
        Self::new(wanted.tenant, wanted, |wanted, tx| Box::pin(upsert(tx, wanted)))
    }

    /// Whether a provider can be asked from now on.
    pub fn accept_requests(tenant: TenantId, user: UserId, accepts: bool, at: Millis) -> Self {
        Self::new(tenant, (tenant, user, accepts, at), |(tenant, user, accepts, at), tx| {
            Box::pin(async move {
                let before = row(tx.db(), *tenant, *user).await?;
                let mut changed: provider::ActiveModel = before.into();
                (changed.accepts_requests, changed.updated_at) = (Set(*accepts), Set(*at));
                provider::Entity::update(changed).exec(tx.db()).await?;
                one(tx.db(), *tenant, *user).await
            })
        })
    }
}

async fn upsert(tx: &mut Tx, wanted: &ProviderUpsert) -> Result<Provider, Failure> {
    let (tenant, user) = (wanted.tenant, wanted.user);
    require_user(tx, tenant, user).await?;
    if let Some(id) = &wanted.catalogue_id {
        let other = provider::Entity::of(tenant)
            .filter(provider::Column::CatalogueId.eq(id))
            .filter(provider::Column::UserId.ne(user.0));
        if other.one(tx.db()).await?.is_some() {
            return Err(Error::AlreadyExists(Unique::CatalogueId).into());
        }
    }
    let before = match row(tx.db(), tenant, user).await {
        Err(Failure::Refused(Error::NotFound(_))) => None,
        found => Some(found?),
    };
    let stays = before.as_ref().is_none_or(|row| row.accepts_requests);
    let after = provider::Model {
        tenant: tenant.0,
        user_id: user.0,
        catalogue_id: wanted.catalogue_id.clone(),
        headline: wanted.headline.clone(),
        catalogue: wanted.catalogue.clone(),
        rate_chat: wanted.rates.chat,
        rate_audio: wanted.rates.audio,
        rate_video: wanted.rates.video,
        accepts_requests: wanted.accepts_requests.unwrap_or(stays),
        created_at: before.as_ref().map_or(wanted.at, |row| row.created_at),
        updated_at: wanted.at,
    };
    if before.is_some() {
        provider::Entity::update(after.into_active_model().reset_all()).exec(tx.db()).await?;
    } else {
        provider::Entity::insert(after.into_active_model()).exec_without_returning(tx.db()).await?;
    }
    one(tx.db(), tenant, user).await
}

pub(super) fn rates(row: &provider::Model) -> Rates {
    Rates { chat: row.rate_chat, audio: row.rate_audio, video: row.rate_video }
}

pub(super) async fn row(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    user: UserId,
) -> Result<provider::Model, Failure> {
    let row = provider::Entity::of(tenant).filter(provider::Column::UserId.eq(user.0)).one(db).await?;
    Ok(row.ok_or(Error::NotFound(What::Provider))?)
}

async fn one(db: &impl ConnectionTrait, tenant: TenantId, user: UserId) -> Result<Provider, Failure> {
    let row = row(db, tenant, user).await?;
    Ok(joined(db, tenant, vec![row]).await?.pop().ok_or(Error::NotFound(What::Provider))?)
}

fn offers(kind: SessionKind) -> Condition {
    use provider::Column;
    let rate = match kind {
        SessionKind::Chat => Column::RateChat,
        SessionKind::Audio => Column::RateAudio,
        SessionKind::Video => Column::RateVideo,
        // Nobody offers to be invited.
        SessionKind::Invitation => return Condition::all().add(Expr::val(false)),
    };
    Condition::all().add(rate.is_not_null())
}

/// A request would reach them, and they could accept it.
fn available(tenant: TenantId) -> Condition {
    use provider::Column;
    Condition::all()
        .add(Column::AcceptsRequests.eq(true))
        .add(Column::UserId.in_subquery(there(tenant)))
        .add(Column::UserId.not_in_subquery(elsewhere(tenant)))
        .add(Column::UserId.not_in_subquery(reserved(tenant)))
}

/// Who is online.
fn there(tenant: TenantId) -> SelectStatement {
    use presence_lease::Column;
    let mut ids = Query::select();
    ids.column(Column::UserId).from(presence_lease::Entity).and_where(Column::Tenant.eq(tenant.0));
    ids
}

/// Who has chosen to be busy or off.
fn elsewhere(tenant: TenantId) -> SelectStatement {
    use presence::Column;
    let mut ids = Query::select();
    ids.column(Column::UserId)
        .from(presence::Entity)
        .and_where(Column::Tenant.eq(tenant.0))
        .and_where(Column::Availability.ne(Availability::Available.code()));
    ids
}

/// Who is in an exclusive session.
fn reserved(tenant: TenantId) -> SelectStatement {
    use reservation::Column;
    let mut ids = Query::select();
    ids.column(Column::PersonId).from(reservation::Entity).and_where(Column::Tenant.eq(tenant.0));
    ids
}

/// Providers in the order of their rows, as they are now.
async fn joined(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    rows: Vec<provider::Model>,
) -> Result<Vec<Provider>, Failure> {
    let mut named = Named::default();
    rows.iter().for_each(|row| named.add(row.tenant, Some(row.user_id)));
    let people = named.fetch(db).await?;
    let ids: Vec<Uuid> = rows.iter().map(|row| row.user_id).collect();
    let busy = reservation::Entity::of(tenant).filter(reservation::Column::PersonId.is_in(ids.clone()));
    let busy: HashSet<Uuid> = busy.all(db).await?.into_iter().map(|row| row.person_id).collect();
    let leases = presence_lease::Entity::of(tenant)
        .filter(presence_lease::Column::UserId.is_in(ids))
        .filter(presence_lease::Column::UserId.not_in_subquery(elsewhere(tenant)));
    let present: HashSet<Uuid> = leases.all(db).await?.into_iter().map(|row| row.user_id).collect();
    let value = |row: provider::Model| {
        Some(Provider {
            user: Arc::clone(&people.find(row.tenant, Some(row.user_id))?),
            rates: rates(&row),
            catalogue_id: row.catalogue_id,
            headline: row.headline,
            catalogue: row.catalogue,
            accepts_requests: row.accepts_requests,
            busy: busy.contains(&row.user_id),
            present: present.contains(&row.user_id),
            created_at: row.created_at,
            updated_at: row.updated_at,
        })
    };
    Ok(rows.into_iter().filter_map(value).collect())
}
