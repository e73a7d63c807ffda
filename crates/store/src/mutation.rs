//! Changes that are not yet made, and how a repeated request makes them once.
//!
//! Every change but a message is a [`Mutation`]: a value that the writer runs inside its transaction, as often as a lost
//! race demands. `store.directory.create_tenant(…)` and its like are `store.apply(Mutation::create_tenant(…))`.
//!
//! A request that carries a request id is made by [`Mutation::once`]. In one transaction, under the tenant's lock, it
//! looks up the first answer to the same (tenant, principal, method, request id), and either gives that back, or refuses
//! because the payload was another, or makes the change, encodes its result and records it. So there is no moment at which
//! the change is made and the answer is not recorded. Answers are kept for [`crate::REQUEST_LIFETIME_MS`].

use futures::future::BoxFuture;

use crate::{
    Result, TenantId,
    failure::Failure,
    query::{
        idempotency::{self, RequestKey},
        users,
    },
    tx::{Change, Tx},
};

/// The encoded answer to a request that may have been a repetition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    pub response: Vec<u8>,
    pub replayed: bool,
    /// The tenant's position after it.
    pub position: i64,
}

/// A change that is not yet made, and what it answers.
#[must_use = "a mutation does nothing until it is applied"]
pub struct Mutation<T> {
    pub(crate) tenant: TenantId,
    pub(crate) change: Box<dyn Change<T>>,
    pub(crate) refuses_first: bool,
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

    /// Answers with its tenant's position as well: nothing that was stored so far is above it.
    pub fn positioned(self) -> Mutation<(T, i64)>
    where
        T: Send,
    {
        let Self { tenant, change, refuses_first } = self;
        Mutation { tenant, change: Box::new(Positioned { tenant, change }), refuses_first }
    }

    /// Makes it unless it was made by the same request before, and answers the encoded result of the first time.
    pub fn once(
        self,
        key: RequestKey,
        encode: impl Fn(&T) -> Vec<u8> + Send + Sync + 'static,
    ) -> Mutation<Once>
    where
        T: Send,
    {
        let recorded = Recorded { key, change: self.change, encode: Box::new(encode) };
        Mutation { tenant: self.tenant, change: Box::new(recorded), refuses_first: false }
    }

    /// What it refuses, it refuses before it has written anything: it needs no savepoint.
    pub(crate) fn refuses_first(self) -> Self {
        Self { refuses_first: true, ..self }
    }
}

/// A change that answers where its tenant is then.
struct Positioned<T> {
    tenant: TenantId,
    change: Box<dyn Change<T>>,
}

impl<T: Send> Change<(T, i64)> for Positioned<T> {
    fn make<'t>(&'t self, tx: &'t mut Tx) -> BoxFuture<'t, Result<(T, i64), Failure>> {
        Box::pin(async move { Ok((self.change.make(tx).await?, tx.position(self.tenant))) })
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
            if let Some(response) = idempotency::first_answer(tx.db(), &self.key).await? {
                return Ok(Once { response, replayed: true, position: tx.position(self.key.tenant) });
            }
            if let Some(person) = self.key.person() {
                // What was under way when they were erased leaves no trace of their request.
                users::require_standing(tx.db(), self.key.tenant, person).await?;
            }
            let response = (self.encode)(&self.change.make(tx).await?);
            idempotency::record(tx.db(), &self.key, response.clone()).await?;
            tx.purge_at(self.key.at);
            Ok(Once { response, replayed: false, position: tx.position(self.key.tenant) })
        })
    }
}
