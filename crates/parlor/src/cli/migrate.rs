//! `parlor migrate`: the database's tables.

use anyhow::{Context, Result, bail};
use clap::Subcommand;

use super::{
    Common,
    reach::{require_core, require_installation},
};
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
  parlor migrate down --steps 1 --config parlor.toml         what that would take back
  parlor migrate down --steps 1 --config parlor.toml --yes   take it back")]
    Down {
        /// How many steps
        #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
        steps: u32,
        /// Really: what is stored in their tables is gone then
        #[arg(long)]
        yes: bool,
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
        require_core(&config)?;
        if !matches!(self, Self::Up) {
            require_installation(&config)?;
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
            Self::Down { steps, yes } => {
                if !yes {
                    refuse_to_lose(&url, steps).await?;
                }
                let taken_back = parlor_migration::down(&url, steps).await.context(UNREACHED)?;
                super::output::say(format_args!("{taken_back} taken back\n"))?;
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

/// Says what would go, unless nothing would.
async fn refuse_to_lose(url: &str, steps: u32) -> Result<()> {
    let known = parlor_migration::status(url).await.context(UNREACHED)?;
    let applied = known.into_iter().rev().filter(|(_, applied)| *applied);
    let lost: Vec<String> = applied.take(usize::try_from(steps)?).map(|(name, _)| name).collect();
    if !lost.is_empty() {
        let lost = lost.join("\n  ");
        bail!(
            "this takes back, with everything that is stored in their tables:\n  {lost}\nif that is meant, add --yes"
        );
    }
    Ok(())
}
