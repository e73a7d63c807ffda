//! `parlor config`: what is in force, and whether it can be meant.

use anyhow::Result;
use clap::Subcommand;

use super::Common;
use crate::{config::DEFAULT_TOML, data_dir, development, secrets::Kept, server};

#[derive(Debug, Subcommand)]
pub enum Show {
    /// Print the configuration in force, secrets left out
    #[command(after_help = "Examples:
  parlor config print --config parlor.toml      file, environment and defaults taken together
  parlor config print --defaults > parlor.toml  the commented manual of every setting, to start a file from")]
    Print {
        /// Print the built-in defaults instead, with their comments
        #[arg(long)]
        defaults: bool,
    },
    /// Say everything that is wrong with the configuration; exit code 3 if something is
    #[command(after_help = "Example:
  parlor config check --config parlor.toml && echo good")]
    Check,
}

impl Show {
    pub async fn run(self, common: &Common) -> Result<()> {
        match self {
            Self::Print { defaults: true } => super::output::say(DEFAULT_TOML)?,
            Self::Print { defaults: false } => super::output::say(common.load()?.print()?)?,
            Self::Check => {
                let mut config = common.load()?;
                if config.dev || config.secrets.generate {
                    // Looking must not make anything: secrets that would be made count as they would be.
                    let kept = Kept::read(&config.data_dir)?.map_or_else(Kept::draw, Ok)?;
                    development::complete_with(&mut config, &kept);
                }
                config.check()?;
                server::check_certificates(&config).await?;
                for doubt in config.doubts() {
                    super::output::say(format_args!("doubtful: {}: {}\n", doubt.key, doubt.problem))?;
                }
                super::output::say(format_args!("the configuration is good\n"))?;
                if data_dir::is_held(&config.data_dir) {
                    super::output::say(format_args!(
                        "a server is running on {}; it keeps what it has read\n",
                        config.data_dir.display()
                    ))?;
                }
            }
        }
        Ok(())
    }
}
