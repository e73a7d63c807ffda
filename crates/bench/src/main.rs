//! `parlor-bench`: the scenarios, the floor, and the comparison of servers in one run.

mod compare;

use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

use anyhow::Result;
use clap::{Parser, Subcommand};
use parlor_bench::{cli::Bench, floor};

/// Measurements of realtime servers: Parlor, a Node server that does the same, and the floor under both.
#[derive(Debug, Parser)]
#[command(name = "parlor-bench", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run one scenario against a server; the same as `parlor bench`
    Run(Bench),
    /// Serve as the floor does: the same frames, and nothing else; with a log, as the ceiling does
    Floor(Floor),
    /// Run scenarios against several servers in turn, and print a table
    Compare(compare::Compare),
}

#[derive(Debug, clap::Args)]
struct Floor {
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The Socket.IO namespace
    #[arg(long, default_value = "/")]
    namespace: String,
    /// Append every message to this file and flush it to the disk before it is delivered; what waits while it is
    /// flushed goes with the next flush together
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Run(bench) => bench.run(),
        Command::Floor(floor) => floor.serve().map(|()| true),
        Command::Compare(compare) => compare.run(),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

impl Floor {
    fn serve(&self) -> Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options = floor::Options { namespace: self.namespace.clone(), log: self.log.clone() };
        tokio::task::LocalSet::new().block_on(&runtime, async {
            let listener = floor::listen(self.listen)?;
            println!("listening on http://{}", listener.local_addr()?);
            Ok(floor::serve(listener, &options).await?)
        })
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_line_of_its_help_fits() {
        Cli::command().debug_assert();
        let mut command = Cli::command();
        command.build();
        let run = command.find_subcommand_mut("run").unwrap();
        let help = run.render_long_help().to_string();
        assert!(help.lines().all(|line| line.chars().count() <= 100), "{help}");
    }
}
