//! The log: to standard error, for people or for machines. Standard output belongs to what commands print.

use std::io::IsTerminal as _;

use anyhow::{Context, Result};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Installs the log of this process. Only the program does; tests bring their own.
pub fn install(log: &Log) -> Result<()> {
    let filter: EnvFilter = log
        .filter
        .parse()
        .with_context(|| format!("log.filter: \"{}\" is no filter; give one such as \"info\"", log.filter))?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal());
    let installed = match log.format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    installed.map_err(|error| anyhow::anyhow!("cannot install the log: {error}"))
}
