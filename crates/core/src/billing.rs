//! Money: whose wallets are seen by whom, who books on them, and by which rules.
//!
//! A person sees their own wallet, staff see anybody's, and admins and service keys book. What is booked carries who ordered it
//! and why, is durable when it is answered, and happens once for its request id, for ever: the ledger's own key holds that,
//! not the answers that are kept for a day.

mod convert;
mod decode;
mod rpc;
pub mod subject;
mod watch;

#[cfg(test)]
mod tests;

use parlor_store::{
    Mutation, Store, TenantId, TransactionId, UserId, Wallet,
    ledger::{Order, Policy, Posted},
};

pub use self::{rpc::BillingRpc, watch::Ears};
use crate::{
    Error, Result,
    caller::{Caller, Principal},
    clock::Clock,
    field,
};

/// How keys of requests begin; those of services never do.
const REQUEST: &str = "request:";

/// The rules of money. Cloning is cheap.
#[derive(Clone)]
struct Billing {
    store: Store,
    clock: Clock,
}

impl Billing {
    /// The wallet that a request means, if the principal may see it: their own, or for staff anybody's.
    async fn seen(&self, principal: &Principal, user_id: &str, unit: &str) -> Result<Wallet> {
        let owner = match field::some_id("user_id", user_id, UserId::parse)? {
            Some(owner) => owner,
            None => principal.user_id().ok_or_else(|| Error::field("user_id", "must be given"))?,
        };
        if principal.user_id() != Some(owner) {
            if !principal.is_staff() {
                return Err(Error::NotFound(parlor_store::What::User));
            }
            self.store.directory.user(principal.tenant, owner).await?;
        }
        let unit = if unit.is_empty() {
            self.store.billing.policy(principal.tenant).await?.unit
        } else {
            decode::unit("unit", unit)?
        };
        Ok(Wallet { tenant: principal.tenant, owner, unit })
    }

    /// The wallet on which something is to be booked: of the tenant's unit.
    async fn booked(&self, tenant: TenantId, user_id: &str, unit: &str) -> Result<Wallet> {
        let owner = field::id("user_id", user_id, UserId::parse)?;
        let policy = self.store.billing.policy(tenant).await?;
        if !unit.is_empty() && unit != policy.unit {
            return Err(Error::UnitMismatch { unit: policy.unit });
        }
        Ok(Wallet { tenant, owner, unit: policy.unit })
    }

    /// What the caller orders.
    fn order(&self, caller: &Caller, request_id: &str, note: &str) -> Result<Order> {
        if request_id.is_empty() {
            return Err(Error::field("request_id", "must be given: by it money is booked once"));
        }
        Ok(Order {
            cause: caller.cause(&self.clock)?,
            made_by: caller.principal()?.key(),
            key: format!("{REQUEST}{request_id}"),
            subject: None,
            note: note.to_owned(),
        })
    }

    async fn book(&self, booking: Mutation<Posted>) -> Result<(Posted, i64)> {
        Ok(self.store.apply(booking.positioned()).await?)
    }

    async fn refund(&self, order: Order, id: TransactionId) -> Result<(Posted, i64)> {
        self.book(Mutation::refund(order, id)).await
    }

    /// The rules, of a version or of now.
    async fn policy(&self, tenant: TenantId, version: Option<i64>) -> Result<Policy> {
        Ok(match version {
            Some(version) => self.store.billing.policy_version(tenant, version).await?,
            None => self.store.billing.policy(tenant).await?,
        })
    }
}
