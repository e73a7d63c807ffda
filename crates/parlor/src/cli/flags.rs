//! The flags that every command takes.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::config::{Config, Flags};

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct Common {
    /// The configuration file; without one, everything is as for `serve --dev`
    #[arg(long, global = true, value_name = "FILE", env = "PARLOR_CONFIG")]
    pub config: Option<PathBuf>,
    /// Where the database, generated secrets and the lock live (the setting data_dir)
    #[arg(long, global = true, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
}

impl Common {
    pub fn load(&self) -> Result<Config> {
        self.load_with(&Flags::default())
    }

    pub fn load_with(&self, flags: &Flags) -> Result<Config> {
        crate::config::load(&Flags {
            file: self.config.clone(),
            data_dir: self.data_dir.clone(),
            ..flags.clone()
        })
    }
}
