//! `parlor bench`: the load generator's scenarios against any URL.

use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::Args;

use super::FAILED;

/// The scenarios are the load generator's own; here they only get a thread, since they bring their own runtime.
#[derive(Debug, Args)]
#[group(skip)]
pub(super) struct Bench {
    #[command(flatten)]
    bench: parlor_bench::cli::Bench,
}

impl Bench {
    /// Fails if a delivery was missing, came twice or out of order: then no number says what it seems to say.
    pub(super) async fn run(self) -> Result<ExitCode> {
        let done = tokio::task::spawn_blocking(move || self.bench.run()).await;
        let sound = done.context("the load generator broke")??;
        Ok(if sound { ExitCode::SUCCESS } else { ExitCode::from(FAILED) })
    }
}
