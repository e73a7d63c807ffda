//! `parlor key`: API keys.

use anyhow::Result;
use clap::Subcommand;
use parlor_api::v1;

use super::{
    Common,
    output::{self, KeyRow},
    reach::Reach,
};
use crate::{
    contract::{Contract, Refusal},
    seed::KeyKind,
};

/// How many keys are asked for at once.
const PAGE: i32 = 1_000;

#[derive(Debug, Subcommand)]
pub enum Key {
    /// List API keys, without their secrets
    #[command(after_help = "Examples:
  parlor key list
  parlor key list --tenant demo --json")]
    List {
        /// Only those of this tenant
        #[arg(long, env = "PARLOR_TENANT")]
        tenant: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        reach: Reach,
    },
    /// Create an API key and print its secret, which is shown this once
    #[command(after_help = "Examples:
  parlor key create --tenant demo --kind service --name 'nightly import'
  parlor key create --all-tenants --kind admin --name operator")]
    Create {
        /// A tenant it opens; may be repeated
        #[arg(long = "tenant", value_name = "TENANT", required_unless_present = "all_tenants")]
        tenants: Vec<String>,
        /// It opens every tenant, also those made later
        #[arg(long, conflicts_with = "tenants")]
        all_tenants: bool,
        /// What it may do
        #[arg(long, value_enum)]
        kind: KeyKind,
        /// What it is for
        #[arg(long)]
        name: String,
        #[command(flatten)]
        reach: Reach,
    },
    /// Withdraw an API key at once; connections that used it are cut
    #[command(after_help = "Example:
  parlor key revoke 0190d6c2-7f3a-7cc1-9a1e-3f1a2b3c4d5e")]
    Revoke {
        /// The key's id, as `parlor key list` shows it
        id: String,
        #[command(flatten)]
        reach: Reach,
    },
}

impl Key {
    pub async fn run(self, common: &Common) -> Result<()> {
        match self {
            Self::List { tenant, json, reach } => {
                let reached = match &tenant {
                    Some(tenant) => reach.tenant(common, tenant).await?,
                    None => reach.contract(common).await?,
                };
                let keys = list(&reached.contract, tenant.as_deref()).await;
                reached.leave().await;
                let rows: Vec<KeyRow> = keys?.into_iter().map(KeyRow::from).collect();
                if json {
                    return output::json(&rows);
                }
                output::table(&KeyRow::HEAD, &rows.iter().map(KeyRow::cells).collect::<Vec<_>>())
            }
            Self::Create { tenants, all_tenants, kind, name, reach } => {
                let api_key = v1::ApiKey {
                    display_name: name,
                    kind: kind.to_api().into(),
                    tenants,
                    all_tenants,
                    ..v1::ApiKey::default()
                };
                let create = v1::CreateApiKeyRequest { api_key: Some(api_key), request_id: String::new() };
                let reached = reach.contract(common).await?;
                let request = reached.contract.request(create);
                let created = reached.contract.directory().create_api_key(request).await;
                reached.leave().await;
                let created = created.map_err(Refusal::from)?.into_inner();
                output::say(format_args!("{}\n", created.secret))?;
                eprintln!(
                    "id {}; the secret is stored nowhere, so keep it",
                    created.api_key.unwrap_or_default().id
                );
                Ok(())
            }
            Self::Revoke { id, reach } => {
                let reached = reach.contract(common).await?;
                let request = reached.contract.request(v1::RevokeApiKeyRequest { id });
                let revoked = reached.contract.directory().revoke_api_key(request).await;
                reached.leave().await;
                let key = revoked.map_err(Refusal::from)?.into_inner().api_key.unwrap_or_default();
                output::say(format_args!(
                    "key {} \"{}\" was withdrawn at {}\n",
                    key.id,
                    key.display_name,
                    output::time(key.revoke_time)
                ))?;
                Ok(())
            }
        }
    }
}

async fn list(contract: &Contract, tenant: Option<&str>) -> Result<Vec<v1::ApiKey>> {
    let (mut keys, mut page_token) = (Vec::new(), String::new());
    loop {
        let list = v1::ListApiKeysRequest { page_size: PAGE, page_token };
        let request = match tenant {
            Some(tenant) => contract.request_in(tenant, list)?,
            None => contract.request(list),
        };
        let page = contract.directory().list_api_keys(request).await.map_err(Refusal::from)?.into_inner();
        keys.extend(page.api_keys);
        if page.next_page_token.is_empty() {
            return Ok(keys);
        }
        page_token = page.next_page_token;
    }
}
