//! `parlor migrate`: the database's tables.

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use super::Common;
use crate::{data_dir::DataDir, server::UNREACHED};

#[derive(Debug, Subcommand)]
pub enum Migrate {
    /// Apply every step that is missing
    #[command(after_help = "Example:
  parlor migrate up --config parlor.toml")]
    Up,
    /// Show every step, and whether it is applied
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Take back the newest steps, and everything that is stored in their tables
    #[command(after_help = "Example:
  parlor migrate down --steps 1 --config parlor.toml")]
    Down {
        /// How many steps
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
    },
}

/// A step, as `--json` shows it.
#[derive(serde::Serialize)]
struct Step {
    name: String,
    applied: bool,
}

impl Migrate {
    pub async fn run(self, common: &Common) -> Result<()> {
        let config = common.load()?;
        if !config.role.has_core() {
            bail!("role \"gateway\" has no database; run this where the core's configuration is");
        }
        // Tables must not change under a server's feet. Looking at them is free.
        let _held = match self {
            Self::Up | Self::Down { .. } => Some(DataDir::hold(&config.data_dir)?),
            Self::Status { .. } => None,
        };
        let url = config.database_url();
        match self {
            Self::Up => {
                parlor_migration::up(&url).await.context(UNREACHED)?;
                super::output::say(format_args!("the tables are up to date\n"))?;
            }
            Self::Down { steps } => {
                parlor_migration::down(&url, steps).await.context(UNREACHED)?;
                super::output::say(format_args!("{steps} taken back\n"))?;
            }
            Self::Status { json } => {
                let steps = parlor_migration::status(&url).await.context(UNREACHED)?;
                if json {
                    let steps: Vec<Step> =
                        steps.into_iter().map(|(name, applied)| Step { name, applied }).collect();
                    return super::output::json(&steps);
                }
                for (name, applied) in steps {
                    super::output::say(format_args!(
                        "{}  {name}\n",
                        if applied { "applied" } else { "missing" }
                    ))?;
                }
            }
        }
        Ok(())
    }
}
