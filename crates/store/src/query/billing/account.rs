//! Accounts: where they are, opened when something is first booked on them.

use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter};

use crate::{
    AccountId, AccountKind, Error, Millis, Result, TenantId, UserId, Wallet, WalletId, What,
    entity::{TenantOwned, ledger_account, user},
    failure::Failure,
    ledger::Balances,
    query::{code::Code, users},
    tx::Tx,
};

/// An account, whether it is there yet or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub id: AccountId,
    pub kind: AccountKind,
    pub owner: Option<UserId>,
    pub wallet: Option<WalletId>,
}

impl Place {
    /// An account of somebody's wallet.
    pub fn in_wallet(wallet: &Wallet, kind: AccountKind) -> Self {
        let id = Some(wallet.id());
        Self {
            id: AccountId::of(wallet.tenant, id, kind.code(), &wallet.unit),
            kind,
            owner: Some(wallet.owner),
            wallet: id,
        }
    }

    /// One of the tenant's own.
    pub fn of_tenant(tenant: TenantId, kind: AccountKind, unit: &str) -> Self {
        Self { id: AccountId::of(tenant, None, kind.code(), unit), kind, owner: None, wallet: None }
    }

    /// One that is there.
    pub fn stored(row: &ledger_account::Model) -> Result<Self, Failure> {
        Ok(Self {
            id: AccountId(row.id),
            kind: AccountKind::of_code(row.kind)?,
            owner: row.owner.map(UserId),
            wallet: row.wallet.map(WalletId),
        })
    }

    /// The available one of the same wallet.
    pub fn available(&self, tenant: TenantId, unit: &str) -> Self {
        let kind = AccountKind::Available;
        Self { id: AccountId::of(tenant, self.wallet, kind.code(), unit), kind, ..self.clone() }
    }
}

/// The row of an account, if something was booked on it.
pub(super) async fn find(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    id: AccountId,
) -> Result<Option<ledger_account::Model>, Failure> {
    Ok(ledger_account::Entity::of(tenant).filter(ledger_account::Column::Id.eq(id.0)).one(db).await?)
}

/// The row of an account, and whether it has to be written anew. Nothing is booked for who is not there, or goes.
pub(super) async fn open(
    tx: &Tx,
    tenant: TenantId,
    place: &Place,
    unit: &str,
    at: Millis,
) -> Result<(ledger_account::Model, bool), Failure> {
    if let Some(row) = find(tx.db(), tenant, place.id).await? {
        return Ok((row, false));
    }
    if place.wallet.is_some() {
        let owner = place.owner.ok_or(Error::NotFound(What::User))?;
        require_owner(tx.db(), tenant, owner).await?;
    }
    let row = ledger_account::Model {
        tenant: tenant.0,
        id: place.id.0,
        kind: place.kind.code(),
        owner: place.owner.map(|UserId(owner)| owner),
        wallet: place.wallet.map(|WalletId(wallet)| wallet),
        unit: unit.to_owned(),
        balance: 0,
        last_sequence: 0,
        created_at: at,
    };
    Ok((row, true))
}

/// Sees that an account is there.
pub(super) async fn ensure(
    tx: &Tx,
    tenant: TenantId,
    place: &Place,
    unit: &str,
    at: Millis,
) -> Result<(), Failure> {
    let (row, is_new) = open(tx, tenant, place, unit, at).await?;
    if is_new {
        ledger_account::Entity::insert(row.into_active_model()).exec_without_returning(tx.db()).await?;
    }
    Ok(())
}

/// Fails unless somebody is there, and is not being erased.
pub(super) async fn require_owner(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    owner: UserId,
) -> Result<(), Failure> {
    let row = user::Entity::of(tenant).filter(user::Column::Id.eq(owner.0)).one(db).await?;
    if row.is_none() || users::is_being_erased(db, tenant, owner).await? {
        return Err(Error::NotFound(What::User).into());
    }
    Ok(())
}

/// What is in a wallet; nothing if nothing was ever booked on it.
pub(crate) async fn balances(
    db: &impl ConnectionTrait,
    tenant: TenantId,
    wallet: WalletId,
) -> Result<Balances, Failure> {
    let rows = ledger_account::Entity::of(tenant)
        .filter(ledger_account::Column::Wallet.eq(wallet.0))
        .all(db)
        .await?;
    let mut balances = Balances::default();
    for row in rows {
        if let Some(balance) = balances.of(AccountKind::of_code(row.kind)?) {
            *balance = row.balance;
        }
    }
    Ok(balances)
}
