//! What is stored of money, as the contract writes it.

use parlor_api::v1;
use parlor_store::{
    AccountKind, TransactionKind, Wallet, WalletId,
    ledger::{Balances, Entry, Policy, Sum, Transaction, Verdict, WalletChange},
    meter::Rounding,
};

use crate::wire::{timestamp, unsigned};

const KINDS: [(TransactionKind, v1::TransactionKind); 7] = [
    (TransactionKind::Credit, v1::TransactionKind::Credit),
    (TransactionKind::Debit, v1::TransactionKind::Debit),
    (TransactionKind::WelcomeBonus, v1::TransactionKind::WelcomeBonus),
    (TransactionKind::Hold, v1::TransactionKind::Hold),
    (TransactionKind::Release, v1::TransactionKind::Release),
    (TransactionKind::Charge, v1::TransactionKind::Charge),
    (TransactionKind::Refund, v1::TransactionKind::Refund),
];

/// A kind of the contract's; `None` if none was named.
pub fn stored_kind(named: v1::TransactionKind) -> Option<TransactionKind> {
    KINDS.iter().find(|(_, kind)| *kind == named).map(|(stored, _)| *stored)
}

fn kind(stored: TransactionKind) -> i32 {
    KINDS.iter().find(|(kind, _)| *kind == stored).map_or(0, |(_, named)| (*named).into())
}

fn account(kind: AccountKind) -> i32 {
    let named = match kind {
        AccountKind::Available => v1::LedgerAccount::Available,
        AccountKind::Held => v1::LedgerAccount::Held,
        AccountKind::Earnings => v1::LedgerAccount::Earnings,
        AccountKind::Issued => v1::LedgerAccount::Issued,
        AccountKind::Revenue => v1::LedgerAccount::Revenue,
    };
    named.into()
}

/// What is in somebody's wallet.
pub fn wallet(of: &Wallet, balances: Balances) -> v1::Wallet {
    v1::Wallet {
        id: of.id().to_string(),
        user_id: of.owner.to_string(),
        unit: of.unit.clone(),
        available: balances.available,
        held: balances.held,
        earnings: balances.earnings,
    }
}

/// What an event says of a wallet.
pub fn changed(id: WalletId, change: WalletChange) -> v1::WalletChanged {
    v1::WalletChanged {
        wallet: Some(v1::Wallet {
            id: id.to_string(),
            user_id: String::new(),
            unit: change.unit,
            available: change.available,
            held: change.held,
            earnings: change.earnings,
        }),
        transaction_id: change.transaction.to_string(),
    }
}

/// A transaction, with the entries that it has here.
pub fn transaction(row: &Transaction) -> v1::LedgerTransaction {
    v1::LedgerTransaction {
        id: row.id.to_string(),
        kind: kind(row.kind),
        unit: row.unit.clone(),
        amount: row.amount,
        note: row.note.clone(),
        refunds: row.refunds.map(|id| id.to_string()).unwrap_or_default(),
        time: Some(timestamp(row.at)),
        made_by: row.made_by.clone(),
        entries: row.entries.iter().map(|row| entry(row, None)).collect(),
    }
}

/// An entry, and the transaction that it is of where that is not around it.
pub fn entry(row: &Entry, of: Option<&Transaction>) -> v1::LedgerEntry {
    v1::LedgerEntry {
        account: account(row.account_kind),
        wallet_id: row.wallet.map(|id| id.to_string()).unwrap_or_default(),
        amount: row.amount,
        balance: row.balance,
        sequence: unsigned(row.sequence),
        transaction: of.map(transaction),
    }
}

/// A sum of a statement.
pub fn sum(row: &Sum) -> v1::StatementSum {
    v1::StatementSum {
        account: account(row.account),
        kind: kind(row.kind),
        entries: unsigned(row.entries),
        credited: row.credited,
        debited: row.debited,
    }
}

/// Rules of billing.
pub fn policy(row: &Policy) -> v1::BillingPolicy {
    let rounding = match row.rounding {
        Rounding::Second => v1::Rounding::Second,
        Rounding::StartedMinute => v1::Rounding::StartedMinute,
    };
    v1::BillingPolicy {
        version: row.version,
        unit: row.unit.clone(),
        rounding: rounding.into(),
        minimum_amount: row.minimum_amount,
        free_seconds: row.free_seconds,
        warn_seconds: row.warn_seconds,
        hold_seconds: row.hold_seconds,
        commission: row.commission,
        welcome_bonus: row.welcome_bonus,
        create_time: Some(timestamp(row.created_at)).filter(|_| row.version > 0),
        note: row.note.clone(),
        made_by: row.made_by.clone(),
    }
}

/// What a proof came to.
pub fn verdict(verdict: Verdict) -> v1::VerifyLedgerResponse {
    let sound = verdict.wrong.is_none();
    let (wrong_row, problem) = verdict.wrong.map(|wrong| (wrong.row, wrong.problem)).unwrap_or_default();
    v1::VerifyLedgerResponse {
        sound,
        wrong_row,
        problem,
        transactions: unsigned(verdict.transactions),
        entries: unsigned(verdict.entries),
        accounts: unsigned(verdict.accounts),
        holds: unsigned(verdict.holds),
    }
}
