//! `parlor wallet`: what people have.

use anyhow::Result;
use clap::Subcommand;
use parlor_api::v1;
use serde::Serialize;

use super::{Common, output, person::find, reach::Reach};
use crate::contract::{Contract, Refusal};

#[derive(Debug, Subcommand)]
pub enum Wallet {
    /// Show what a person has
    #[command(after_help = "Examples:
  parlor wallet show --tenant demo ada
  parlor wallet show --tenant demo ada --json")]
    Show {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// A username, or an id (UUID)
        user: String,
        /// What is counted; the tenant's unit by default
        #[arg(long, default_value = "")]
        unit: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Put an amount into what a person can spend
    #[command(after_help = "Examples:
  parlor wallet credit --tenant demo ada 100 --note 'paid at the desk'
  parlor wallet credit --tenant demo ada 100 --request-id payment-4711   # safe to repeat: booked once")]
    Credit {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// A username, or an id (UUID)
        user: String,
        /// How much, in the unit's smallest part
        #[arg(value_parser = clap::value_parser!(i64).range(1..))]
        amount: i64,
        /// Why; the person sees it
        #[arg(long, default_value = "")]
        note: String,
        /// What it is booked once for, such as the id of a payment
        #[arg(long)]
        request_id: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
}

/// A wallet, as commands show one.
#[derive(Serialize)]
struct WalletRow {
    id: String,
    user_id: String,
    unit: String,
    available: i64,
    held: i64,
    earnings: i64,
}

impl From<v1::Wallet> for WalletRow {
    fn from(wallet: v1::Wallet) -> Self {
        let v1::Wallet { id, user_id, unit, available, held, earnings } = wallet;
        Self { id, user_id, unit, available, held, earnings }
    }
}

impl WalletRow {
    const HEAD: [&str; 5] = ["UNIT", "AVAILABLE", "HELD", "EARNINGS", "ID"];

    fn print(&self, json: bool) -> Result<()> {
        if json {
            return output::json(self);
        }
        let [available, held, earnings] =
            [self.available, self.held, self.earnings].map(|amount| amount.to_string());
        output::table(&Self::HEAD, &[vec![self.unit.clone(), available, held, earnings, self.id.clone()]])
    }
}

impl Wallet {
    pub async fn run(self, common: &Common) -> Result<()> {
        match self {
            Self::Show { tenant, user, unit, json, reach } => {
                let reached = reach.tenant(common, &tenant).await?;
                let wallet = show(&reached.contract, &tenant, &user, unit).await;
                reached.leave().await;
                wallet?.print(json)
            }
            Self::Credit { tenant, user, amount, note, request_id, json, reach } => {
                let request_id = request_id.unwrap_or_else(|| uuid::Uuid::new_v4().to_string());
                let order = v1::CreditWalletRequest { amount, note, request_id, ..Default::default() };
                let reached = reach.tenant(common, &tenant).await?;
                let wallet = credit(&reached.contract, &tenant, &user, order).await;
                reached.leave().await;
                wallet?.print(json)
            }
        }
    }
}

async fn show(contract: &Contract, tenant: &str, user: &str, unit: String) -> Result<WalletRow> {
    let user_id = find(contract, tenant, user).await?.id;
    let request = contract.request_in(tenant, v1::GetWalletRequest { user_id, unit })?;
    let answer = contract.billing().get_wallet(request).await.map_err(Refusal::from)?;
    Ok(answer.into_inner().wallet.unwrap_or_default().into())
}

/// Books, and shows what there is then.
async fn credit(
    contract: &Contract,
    tenant: &str,
    user: &str,
    order: v1::CreditWalletRequest,
) -> Result<WalletRow> {
    let user_id = find(contract, tenant, user).await?.id;
    let request = contract.request_in(tenant, v1::CreditWalletRequest { user_id, ..order })?;
    let answer = contract.billing().credit_wallet(request).await.map_err(Refusal::from)?;
    let unit = answer.into_inner().transaction.unwrap_or_default().unit;
    show(contract, tenant, user, unit).await
}
