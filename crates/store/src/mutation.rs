//! Changes that are not yet made, and how a repeated request makes them once.
//!
//! Every change but a message is a [`Mutation`]: a value that the writer runs inside its transaction, as often as a lost
//! race demands. `Store::create_tenant(…)` and its like are `apply(Mutation::create_tenant(…))`.
//!
//! A request that carries a request id goes through [`Store::apply_once`]. In one transaction, under the tenant's lock, it
//! looks up the first answer to the same (tenant, principal, method, request id), and either gives that back, or refuses
//! because the payload was another, or makes the change, encodes its result and records it. So there is no moment at which
//! the change is made and the answer is not recorded. Answers are kept for [`REQUEST_LIFETIME_MS`].

use futures::future::BoxFuture;
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, Statement,
    sea_query::OnConflict,
};

use crate::{
    Error, Millis, Result, Store, TenantId,
    entity::{TenantOwned, idempotency},
    failure::Failure,
    writer::Tx,
};

/// For so long a repetition gets the first answer: longer than any client retries, short enough to keep the table small.
pub const REQUEST_LIFETIME_MS: Millis = 24 * 60 * 60 * 1_000;
/// So many expired answers are removed at once, so that no batch waits long for the removal.
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

/// The encoded answer to a request that may have been a repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    pub response: Vec<u8>,
    pub replayed: bool,
}

/// A change that is not yet made, and what it answers.
#[must_use = "a mutation does nothing until it is applied"]
pub struct Mutation<T> {
    pub(crate) tenant: TenantId,
    pub(crate) change: Box<dyn Change<T>>,
    pub(crate) refuses_first: bool,
}

/// Makes a change inside a transaction. Run again if the transaction has to be; so it keeps what it was given.
pub(crate) trait Change<T>: Send + Sync {
    fn make<'t>(&'t self, tx: &'t mut Tx) -> BoxFuture<'t, Result<T, Failure>>;
}

/// A function of the transaction, and what to call it with.
struct Step<A, T> {
    args: A,
    make: MakeFn<A, T>,
}

pub(crate) type MakeFn<A, T> = for<'t> fn(&'t A, &'t mut Tx) -> BoxFuture<'t, Result<T, Failure>>;

impl<A: Send + Sync, T> Change<T> for Step<A, T> {
    fn make<'t>(&'t self, tx: &'t mut Tx) -> BoxFuture<'t, Result<T, Failure>> {
        (self.make)(&self.args, tx)
    }
}

impl<T: 'static> Mutation<T> {
    pub(crate) fn new<A: Send + Sync + 'static>(tenant: TenantId, args: A, make: MakeFn<A, T>) -> Self {
        Self { tenant, change: Box::new(Step { args, make }), refuses_first: false }
    }

    /// What it refuses, it refuses before it has written anything: it needs no savepoint.
    pub(crate) fn refuses_first(self) -> Self {
        Self { refuses_first: true, ..self }
    }
}

impl Store {
    /// Makes a change, and answers when it is durable.
    pub async fn apply<T: Send + 'static>(&self, mutation: Mutation<T>) -> Result<T> {
        self.writer.change(mutation).await
    }

    /// Makes a change unless it was made by the same request before, and answers the encoded result of the first time.
    pub async fn apply_once<T: Send + 'static>(
        &self,
        key: RequestKey,
        mutation: Mutation<T>,
        encode: impl Fn(&T) -> Vec<u8> + Send + Sync + 'static,
    ) -> Result<Once> {
        let recorded = Recorded { key, change: mutation.change, encode: Box::new(encode) };
        let once = Mutation { tenant: mutation.tenant, change: Box::new(recorded), refuses_first: false };
        self.writer.change(once).await
    }

    /// The first answer to a request, if there was one; for callers that can spare themselves the work before a change.
    pub async fn replay(&self, key: &RequestKey) -> Result<Option<Vec<u8>>> {
        Ok(first_answer(&self.readers, key).await?)
    }
}

/// A change that happens once for its request.
struct Recorded<T> {
    key: RequestKey,
    change: Box<dyn Change<T>>,
    encode: Encode<T>,
}

type Encode<T> = Box<dyn Fn(&T) -> Vec<u8> + Send + Sync>;

impl<T: Send> Change<Once> for Recorded<T> {
    fn make<'t>(&'t self, tx: &'t mut Tx) -> BoxFuture<'t, Result<Once, Failure>> {
        Box::pin(async move {
            tx.lock([self.key.tenant]).await?;
            if let Some(response) = first_answer(tx.db(), &self.key).await? {
                return Ok(Once { response, replayed: true });
            }
            let response = (self.encode)(&self.change.make(tx).await?);
            record(tx.db(), &self.key, response.clone()).await?;
            tx.purge_at(self.key.at);
            Ok(Once { response, replayed: false })
        })
    }
}

async fn first_answer(db: &impl ConnectionTrait, key: &RequestKey) -> Result<Option<Vec<u8>>, Failure> {
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

async fn record(db: &impl ConnectionTrait, key: &RequestKey, response: Vec<u8>) -> Result<(), Failure> {
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
