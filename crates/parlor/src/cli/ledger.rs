//! `parlor ledger`: that the books are right.

use anyhow::Result;
use clap::Subcommand;
use parlor_api::v1;
use serde::Serialize;

use super::{Common, exit::Declined, output, reach::Reach};
use crate::contract::{Contract, Refusal};

#[derive(Debug, Subcommand)]
pub enum Ledger {
    /// Prove a tenant's ledger: sums, balances and holds; ends with 3 and the first row that is wrong if one is
    #[command(after_help = "Examples:
  parlor ledger verify --tenant demo
  parlor ledger verify --tenant demo --json")]
    Verify {
        /// The tenant's slug
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: String,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
}

/// What was proven.
#[derive(Serialize)]
struct Proof {
    sound: bool,
    wrong_row: String,
    problem: String,
    transactions: u64,
    entries: u64,
    accounts: u64,
    holds: u64,
}

impl Ledger {
    pub async fn run(self, common: &Common) -> Result<()> {
        let Self::Verify { tenant, json, reach } = self;
        let reached = reach.tenant(common, &tenant).await?;
        let proof = prove(&reached.contract, &tenant).await;
        reached.leave().await;
        let v1::VerifyLedgerResponse { sound, wrong_row, problem, transactions, entries, accounts, holds } =
            proof?;
        let wrong = format!("the ledger is wrong at {wrong_row}: {problem}");
        let proof = Proof { sound, wrong_row, problem, transactions, entries, accounts, holds };
        if json {
            output::json(&proof)?;
        } else {
            let counted = [transactions, entries, accounts, holds].map(|number| number.to_string());
            let result = if sound { "sound" } else { "WRONG" }.to_owned();
            let head = ["RESULT", "TRANSACTIONS", "ENTRIES", "ACCOUNTS", "HOLDS"];
            output::table(&head, &[[vec![result], counted.to_vec()].concat()])?;
        }
        if sound { Ok(()) } else { Err(Declined(wrong).into()) }
    }
}

async fn prove(contract: &Contract, tenant: &str) -> Result<v1::VerifyLedgerResponse> {
    let request = contract.request_in(tenant, v1::VerifyLedgerRequest {})?;
    Ok(contract.billing().verify_ledger(request).await.map_err(Refusal::from)?.into_inner())
}
