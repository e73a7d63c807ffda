//! `parlor seed`: a seed file, applied.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{Common, reach::Reach};

/// Apply a seed file: tenants, people, API keys and what is in wallets
///
/// What the file names is made, or brought in line with it; nothing is ever removed, so it may be applied again and again.
/// Passwords and their hashes are set when a person is made and left alone afterwards. The secrets of keys that are made are printed, once.
#[derive(Debug, Args)]
#[command(after_help = "Example of a file:
  [[tenant]]
  slug = \"shop\"
  display_name = \"The Shop\"
  origins = [\"https://shop.example\"]

  [[user]]
  tenant = \"shop\"
  username = \"ada\"
  name = \"Ada\"
  roles = [\"admin\"]                    # customer, staff, admin, provider
  password = \"at least 8 characters\"
  identities = { shop = \"42\" }         # what the issuer \"shop\" calls her

  [[user]]
  tenant = \"shop\"
  username = \"bob@shop.example\"
  password_hash = '$2b$10$7/f07vdmWccRnG423V8eo.zNVM/TACX/SKXu1vQ9SbBPaRVZ2pkwC'   # bcrypt or Argon2

  [[api_key]]
  display_name = \"nightly import\"
  kind = \"service\"                     # widget, admin, service
  tenants = [\"shop\"]                   # or all_tenants = true

  [[wallet]]
  tenant = \"shop\"
  username = \"bob@shop.example\"
  amount = 100                         # given once, however often the file is applied")]
pub struct Seed {
    /// The seed file
    file: PathBuf,
    #[command(flatten)]
    reach: Reach,
}

impl Seed {
    pub async fn run(self, common: &Common) -> Result<()> {
        let seed = crate::seed::Seed::read(&self.file)?;
        let reached = self.reach.contract_or_make(common).await?;
        let applied = seed.apply(&reached.contract).await;
        reached.leave().await;
        let applied = applied?;
        super::output::say(format_args!(
            "{} of {} tenants, {} of {} people and {} of {} keys are new\n",
            applied.tenants_created,
            seed.tenant.len(),
            applied.users_created,
            seed.user.len(),
            applied.keys_created.len(),
            seed.api_key.len()
        ))?;
        for (name, secret) in applied.keys_created {
            super::output::say(format_args!("key \"{name}\": {secret}\n"))?;
        }
        Ok(())
    }
}
