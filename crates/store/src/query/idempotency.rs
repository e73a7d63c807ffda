//! First answers to requests that may be repeated: found, recorded, and forgotten when no client retries any more.

use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement,
    sea_query::OnConflict,
};

use crate::{
    Error, Millis, Result, TenantId, UserId,
    entity::{TenantOwned, idempotency},
    failure::Failure,
};

/// The time in which a repetition gets the first answer: longer than any client retries, short enough to keep the table
/// small.
pub const REQUEST_LIFETIME_MS: Millis = 24 * 60 * 60 * 1_000;
/// Expired answers that are removed at once, so that no batch waits long for the removal.
const PURGE_ROWS_MAX: u64 = 1_000;

/// The name of a repeatable request. What belongs to no tenant has [`TenantId::INSTALLATION`].
#[derive(Clone, Debug)]
pub struct RequestKey {
    pub tenant: TenantId,
    pub principal: String,
    pub method: &'static str,
    pub request_id: String,
    pub payload_hash: [u8; 32],
    pub at: Millis,
}

impl RequestKey {
    /// Whose request it is, if that is a person.
    pub(crate) fn person(&self) -> Option<UserId> {
        let id = self.principal.strip_prefix(PERSON)?;
        UserId::parse(id.split('/').next()?)
    }
}

/// How the scope of a person's requests begins; their id follows, and what else tells requests apart behind a '/'.
pub(crate) const PERSON: &str = "user:";

pub(crate) async fn first_answer(
    db: &impl ConnectionTrait,
    key: &RequestKey,
) -> Result<Option<Vec<u8>>, Failure> {
    let row = idempotency::Entity::of(key.tenant)
        .filter(idempotency::Column::Principal.eq(&key.principal))
        .filter(idempotency::Column::Method.eq(key.method))
        .filter(idempotency::Column::RequestId.eq(&key.request_id))
        .filter(idempotency::Column::ExpiresAt.gt(key.at))
        .one(db)
        .await?;
    match row {
        Some(row) if row.payload_hash != key.payload_hash => Err(Error::RequestIdReused.into()),
        Some(row) => Ok(Some(row.response)),
        None => Ok(None),
    }
}

pub(crate) async fn record(
    db: &impl ConnectionTrait,
    key: &RequestKey,
    response: Vec<u8>,
) -> Result<(), Failure> {
    use idempotency::Column;
    let row = idempotency::ActiveModel {
        tenant: Set(key.tenant.0),
        principal: Set(key.principal.clone()),
        method: Set(key.method.to_owned()),
        request_id: Set(key.request_id.clone()),
        payload_hash: Set(key.payload_hash.to_vec()),
        response: Set(response),
        expires_at: Set(key.at.saturating_add(REQUEST_LIFETIME_MS)),
    };
    // There is a row only if it has expired and is not purged yet.
    let replace = OnConflict::columns([Column::Tenant, Column::Principal, Column::Method, Column::RequestId])
        .update_columns([Column::PayloadHash, Column::Response, Column::ExpiresAt])
        .to_owned();
    idempotency::Entity::insert(row).on_conflict(replace).exec_without_returning(db).await?;
    Ok(())
}

/// Removes expired answers; true if some may be left.
pub(crate) async fn purge(db: &impl ConnectionTrait, at: Millis) -> Result<bool, Failure> {
    let sql = "DELETE FROM idempotency WHERE (tenant, principal, method, request_id) IN \
               (SELECT tenant, principal, method, request_id FROM idempotency WHERE expires_at <= $1 LIMIT $2)";
    let limit = i64::try_from(PURGE_ROWS_MAX).expect("the limit is small");
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, [at.into(), limit.into()]);
    Ok(db.execute_raw(statement).await?.rows_affected() >= PURGE_ROWS_MAX)
}
