//! Money: what is booked, held, read and proven.
//!
//! Other services' mutations call `ledger::hold`, `extend`, `extend_up_to`, `capture`, `settle`, `release`, `credit`, `debit`,
//! `refund` and `welcome` in their own transaction, under their tenant's lock, with an [`Order`] that names them. Each
//! books, keeps the hold, and tells the wallets that it changed; what it refuses has changed nothing once the mutation is
//! taken back. The same, each as a mutation of its own, are the constructors here.

mod account;
mod erase;
mod hold;
mod moves;
mod policy;
mod post;
mod read;
mod verify;

use std::sync::Arc;

pub use self::read::EntryFilter;
pub(crate) use self::{
    erase::{disown, forget, naming},
    read::{booked, wallets},
};
use crate::{
    AccountKind, Mutation, Subject, TenantId, TransactionId, UserId, Wallet,
    database::Database,
    ledger::{Earner, Order, Policy, Posted, Settled},
};

/// What a mutation of another service does with money.
pub(crate) mod ledger {
    pub(crate) use super::{
        account::balances,
        hold::{capture, extend, extend_up_to, hold, of_subject, release, settle},
        moves::{credit, debit, refund, welcome},
        policy::{current as current_policy, version as policy},
    };
}

/// Who orders what nobody orders.
pub(crate) const SYSTEM: &str = "system";

/// Money. Cloning is cheap.
#[derive(Clone)]
pub struct Billing {
    pub(crate) db: Arc<Database>,
}

impl Mutation<Posted> {
    /// Puts an amount into a wallet.
    pub fn credit(order: Order, wallet: Wallet, amount: i64) -> Self {
        Self::new(order.cause.tenant, (order, wallet, amount), |(order, wallet, amount), tx| {
            Box::pin(ledger::credit(tx, order, wallet, *amount))
        })
    }

    /// Takes an amount out of a wallet: of what is available, or of earnings.
    pub fn debit(order: Order, wallet: Wallet, from: AccountKind, amount: i64) -> Self {
        Self::new(order.cause.tenant, (order, wallet, from, amount), |(order, wallet, from, amount), tx| {
            Box::pin(ledger::debit(tx, order, wallet, *from, *amount))
        })
    }

    /// Takes a whole transaction back.
    pub fn refund(order: Order, id: TransactionId) -> Self {
        Self::new(order.cause.tenant, (order, id), |(order, id), tx| Box::pin(ledger::refund(tx, order, *id)))
    }

    /// Holds more for the order's subject.
    pub fn extend_hold(order: Order, amount: i64) -> Self {
        Self::new(order.cause.tenant, (order, amount), |(order, amount), tx| {
            Box::pin(ledger::extend(tx, order, *amount))
        })
    }

    /// Holds more for the order's subject, as far as there is.
    pub fn extend_hold_up_to(order: Order, amount: i64) -> Self {
        Self::new(order.cause.tenant, (order, amount), |(order, amount), tx| {
            Box::pin(ledger::extend_up_to(tx, order, *amount))
        })
    }

    /// Charges an amount of what is held.
    pub fn capture(order: Order, amount: i64, earner: Earner) -> Self {
        Self::new(order.cause.tenant, (order, amount, earner), |(order, amount, earner), tx| {
            Box::pin(ledger::capture(tx, order, *amount, *earner))
        })
    }
}

impl Mutation<Settled> {
    /// Charges what is still to be charged, gives the rest back, and ends the hold.
    pub fn settle(order: Order, amount: i64, earner: Earner) -> Self {
        Self::new(order.cause.tenant, (order, amount, earner), |(order, amount, earner), tx| {
            Box::pin(ledger::settle(tx, order, *amount, *earner))
        })
    }

    /// Gives all that is held back, and ends the hold.
    pub fn release(order: Order) -> Self {
        Self::new(order.cause.tenant, order, |order, tx| Box::pin(ledger::release(tx, order)))
    }
}

impl Mutation<Option<Posted>> {
    /// Begins to hold an amount for the order's subject.
    pub fn hold(order: Order, payer: Wallet, amount: i64) -> Self {
        Self::new(order.cause.tenant, (order, payer, amount), |(order, payer, amount), tx| {
            Box::pin(ledger::hold(tx, order, payer, *amount))
        })
    }

    /// Gives somebody the tenant's welcome bonus, unless they had it or there is none.
    pub fn welcome(tenant: TenantId, owner: UserId, at: crate::Millis) -> Self {
        Self::new(tenant, (tenant, owner, at), |(tenant, owner, at), tx| {
            Box::pin(ledger::welcome(tx, *tenant, *owner, *at))
        })
    }
}

impl Mutation<Policy> {
    /// Makes these a tenant's rules from now on, as its next version.
    pub fn set_policy(tenant: TenantId, policy: Policy) -> Self {
        Self::new(tenant, (tenant, policy), |(tenant, wanted), tx| Box::pin(policy::set(tx, *tenant, wanted)))
    }
}

impl Billing {
    /// A tenant's rules; those of who has said nothing if there are none.
    pub async fn policy(&self, tenant: TenantId) -> crate::Result<Policy> {
        Ok(ledger::current_policy(&self.db.readers, tenant).await?)
    }

    /// A version of a tenant's rules.
    pub async fn policy_version(&self, tenant: TenantId, version: i64) -> crate::Result<Policy> {
        Ok(ledger::policy(&self.db.readers, tenant, version).await?)
    }

    /// What is or was held for a subject.
    pub async fn hold(
        &self,
        tenant: TenantId,
        subject: Subject,
    ) -> crate::Result<Option<crate::ledger::Hold>> {
        Ok(ledger::of_subject(&self.db.readers, tenant, subject).await?)
    }
}
