//! Money, as values: accounts, what was booked on them, what is held, and by which rules.
//!
//! Amounts are whole numbers of a unit's smallest part, such as coins or cents. Whoever pays has a wallet for each unit: what
//! is available, what is held for something under way, and what was earned, each an account. The tenant has what was issued, of
//! which all money comes and to which it goes, and its revenue. Every booking is a transaction whose entries sum to zero.

use uuid::Uuid;

use crate::{AccountId, Cause, Millis, Subject, TenantId, TransactionId, UserId, WalletId, meter};

/// The largest amount of a transaction, and the largest balance: the largest whole number that every JSON reader keeps.
pub const AMOUNT_MAX: i64 = (1 << 53) - 1;

/// The unit of a tenant that has said nothing.
pub const DEFAULT_UNIT: &str = "coin";

/// What an account is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccountKind {
    /// A person's, to spend.
    Available,
    /// A person's, held for what is under way.
    Held,
    /// A provider's, to be paid out.
    Earnings,
    /// The tenant's: all money comes from here, so it is below zero by what there is.
    Issued,
    /// The tenant's own share.
    Revenue,
}

/// What a transaction does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TransactionKind {
    Credit,
    Debit,
    /// What a person is given when they are first seen.
    WelcomeBonus,
    /// From what is available to what is held.
    Hold,
    /// Back again.
    Release,
    /// From what is held to whoever earns it.
    Charge,
    /// Takes another transaction back.
    Refund,
}

impl TransactionKind {
    /// As records call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Credit => "credit",
            Self::Debit => "debit",
            Self::WelcomeBonus => "welcome_bonus",
            Self::Hold => "hold",
            Self::Release => "release",
            Self::Charge => "charge",
            Self::Refund => "refund",
        }
    }
}

/// Whose money, in which unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Wallet {
    pub tenant: TenantId,
    pub owner: UserId,
    pub unit: String,
}

/// Who books something, when and why. An order is carried out once for its key, for ever: whoever repeats it gets the first
/// transaction again, and whoever uses the key for something else is refused.
#[derive(Clone, Debug)]
pub struct Order {
    pub cause: Cause,
    /// Who orders it, as audits name them: the key of a principal, or "system".
    pub made_by: String,
    /// Unique in the tenant. Keys of services begin with their name, such as "session:", and never with "request:".
    pub key: String,
    /// What it is about; that of a hold is what it is held for.
    pub subject: Option<Subject>,
    pub note: String,
}

/// Who gets what is charged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Earner {
    /// `None` for the tenant itself.
    pub provider: Option<UserId>,
    /// The tenant's share, in parts of [`meter::SHARE_WHOLE`].
    pub commission: i64,
}

/// A transaction that is booked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    pub id: TransactionId,
    /// Gapless in the tenant.
    pub number: i64,
    pub kind: TransactionKind,
    pub unit: String,
    pub amount: i64,
    pub subject: Option<Subject>,
    /// The one that it takes back.
    pub refunds: Option<TransactionId>,
    pub note: String,
    pub made_by: String,
    pub at: Millis,
    pub entries: Vec<Entry>,
}

/// A line of a transaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    pub line: i16,
    pub account: AccountId,
    pub account_kind: AccountKind,
    /// The wallet that the account is part of; `None` for the tenant's own.
    pub wallet: Option<WalletId>,
    /// Gapless in the account.
    pub sequence: i64,
    pub amount: i64,
    /// Of the account after it.
    pub balance: i64,
}

/// What was booked, now or by the same order before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Posted {
    pub transaction: Transaction,
    pub replayed: bool,
}

/// What a hold came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// All that was charged of it.
    pub charged: i64,
    /// All that went back.
    pub released: i64,
    pub replayed: bool,
}

/// What is held for a subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hold {
    pub subject: Subject,
    pub unit: String,
    pub remaining: i64,
    pub charged: i64,
    pub released: i64,
    pub is_ended: bool,
}

/// What is in a wallet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Balances {
    pub available: i64,
    pub held: i64,
    pub earnings: i64,
}

impl Balances {
    /// Of one of its accounts; those of the tenant are in no wallet.
    pub fn of(&mut self, kind: AccountKind) -> Option<&mut i64> {
        match kind {
            AccountKind::Available => Some(&mut self.available),
            AccountKind::Held => Some(&mut self.held),
            AccountKind::Earnings => Some(&mut self.earnings),
            AccountKind::Issued | AccountKind::Revenue => None,
        }
    }
}

/// What was booked on a wallet in a time, by account and kind of transaction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statement {
    pub opening: Balances,
    pub sums: Vec<Sum>,
    pub closing: Balances,
}

/// What one kind of transactions did to one account of a wallet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sum {
    pub account: AccountKind,
    pub kind: TransactionKind,
    pub entries: i64,
    /// Of what came in.
    pub credited: i64,
    /// Of what went out; not negative.
    pub debited: i64,
}

/// A tenant's rules of billing. Each change is a new version, and versions never change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// 0 for a tenant that has said nothing.
    pub version: i64,
    pub unit: String,
    pub rounding: meter::Rounding,
    pub minimum_amount: i64,
    pub free_seconds: i64,
    /// A payer is warned so long before the balance runs out.
    pub warn_seconds: i64,
    /// So much time is held at a time.
    pub hold_seconds: i64,
    /// The tenant's share of what is charged, in parts of [`meter::SHARE_WHOLE`].
    pub commission: i64,
    /// What whoever is first seen is given.
    pub welcome_bonus: i64,
    pub note: String,
    pub made_by: String,
    pub created_at: Millis,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            version: 0,
            unit: DEFAULT_UNIT.to_owned(),
            rounding: meter::Rounding::Second,
            minimum_amount: 0,
            free_seconds: 0,
            warn_seconds: 60,
            hold_seconds: 60,
            commission: 0,
            welcome_bonus: 0,
            note: String::new(),
            made_by: String::new(),
            created_at: 0,
        }
    }
}

impl Policy {
    /// What time costs by these rules at a rate.
    #[must_use]
    pub fn tariff(&self, rate_per_minute: i64) -> meter::Tariff {
        meter::Tariff {
            rounding: self.rounding,
            rate_per_minute,
            minimum_amount: self.minimum_amount,
            free_seconds: u64::try_from(self.free_seconds).unwrap_or_default(),
        }
    }
}

/// What `VerifyLedger` found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    pub transactions: i64,
    pub entries: i64,
    pub accounts: i64,
    pub holds: i64,
    /// The first row that is wrong, and how; `None` if none is.
    pub wrong: Option<Wrong>,
}

/// A row that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// Its table and key, such as "`ledger_entry` 7/2".
    pub row: String,
    pub problem: String,
}

impl Wallet {
    /// Its id, known before anything is booked on it.
    #[must_use]
    pub fn id(&self) -> WalletId {
        WalletId::of(self.tenant, self.owner, &self.unit)
    }
}

impl From<WalletId> for Subject {
    fn from(WalletId(id): WalletId) -> Self {
        Self { kind: crate::SubjectKind::WALLET, id }
    }
}

/// What an event of a wallet says: that it changed, by what, and to what.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct WalletChange {
    pub unit: String,
    pub available: i64,
    pub held: i64,
    pub earnings: i64,
    /// The last transaction that changed it.
    pub transaction: Uuid,
}

impl WalletChange {
    /// What an event of a wallet says.
    pub fn decode(bytes: &[u8]) -> crate::Result<Self> {
        crate::event::from_json(bytes)
    }
}
