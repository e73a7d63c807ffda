//! The command line. Each command is a file; this one says what there is, and how a process ends.
//!
//! Exit codes: 0 done; 1 failed; 2 the command line is wrong; 3 refused or unhealthy (a configuration that cannot be
//! meant, a database that another core serves, a backup that is damaged or in the way, a call the server declined, a doctor's finding, a server that cannot be
//! reached).

mod backup;
mod bench;
mod config;
mod doctor;
mod erase;
mod exit;
mod export;
mod flags;
mod held;
mod key;
mod ledger;
mod migrate;
mod output;
mod password;
mod person;
mod postgres;
mod reach;
mod restore;
mod seed;
mod serve;
mod session;
mod token;
mod user;
mod wallet;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use self::{
    exit::{FAILED, REFUSED, code_of},
    flags::Common,
};

/// A realtime backend: chat and presence behind one port, spoken to in gRPC, grpc-web and the dialects of existing
/// front-ends.
///
/// Without a command it is `parlor serve --dev`: a development server on 127.0.0.1:8080 with sample people, everything
/// kept in ./parlor-data.
#[derive(Debug, Parser)]
#[command(name = "parlor", version, after_help = AFTER_HELP)]
pub struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

const AFTER_HELP: &str = "\
Examples:
  parlor                                        a development server
  parlor config print --defaults > parlor.toml  the manual of every setting, to start a file from
  parlor config check --config parlor.toml      what is wrong with that file
  parlor serve --config parlor.toml             serve it
  parlor doctor                                 what is wrong with this installation

Exit codes: 0 done, 1 failed, 2 wrong command line, 3 refused or unhealthy.
Settings also come from the environment: PARLOR_LOG__FILTER=debug is log.filter; PARLOR_CONFIG is --config.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve until SIGINT or SIGTERM
    Serve(serve::Serve),
    /// Bring the database's tables up to date, or look at where they are
    #[command(subcommand)]
    Migrate(migrate::Migrate),
    /// Apply a seed file: tenants, people, API keys and what is in wallets
    Seed(seed::Seed),
    /// Write all that is stored into a file, while a server runs or not
    Backup(backup::Backup),
    /// Put a backup in the database's place, while no server runs
    Restore(restore::Restore),
    /// Make tokens
    #[command(subcommand)]
    Token(token::Token),
    /// People: list, show, add, password, disable, export, erase
    #[command(subcommand)]
    User(user::User),
    /// Sessions between people: list, end
    #[command(subcommand)]
    Session(session::Session),
    /// API keys: list, create, revoke
    #[command(subcommand)]
    Key(key::Key),
    /// What people have: show, credit
    #[command(subcommand)]
    Wallet(wallet::Wallet),
    /// That the books are right: verify
    #[command(subcommand)]
    Ledger(ledger::Ledger),
    /// Look at the configuration
    #[command(subcommand)]
    Config(config::Show),
    /// Look for what is wrong with this installation, and say what to do
    Doctor(doctor::Doctor),
    /// Put a server under load and tell what it did: any server that speaks one of the dialects, here or elsewhere
    Bench(bench::Bench),
    /// Print the version
    Version,
}

/// Reads the command line, does what it says, and tells how it went.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: cannot start the runtime: {error}");
            return ExitCode::from(FAILED);
        }
    };
    match runtime.block_on(run(cli)) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(code_of(&error))
        }
    }
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let Cli { common, command } = cli;
    let command = command.unwrap_or_else(|| Command::Serve(serve::Serve::development()));
    match command {
        Command::Serve(serve) => Box::pin(serve.run(&common)).await?,
        Command::Migrate(migrate) => Box::pin(migrate.run(&common)).await?,
        Command::Seed(seed) => Box::pin(seed.run(&common)).await?,
        Command::Backup(backup) => Box::pin(backup.run(&common)).await?,
        Command::Restore(restore) => Box::pin(restore.run(&common)).await?,
        Command::Token(token) => Box::pin(token.run(&common)).await?,
        Command::User(user) => Box::pin(user.run(&common)).await?,
        Command::Session(session) => Box::pin(session.run(&common)).await?,
        Command::Key(key) => Box::pin(key.run(&common)).await?,
        Command::Wallet(wallet) => Box::pin(wallet.run(&common)).await?,
        Command::Ledger(ledger) => Box::pin(ledger.run(&common)).await?,
        Command::Config(show) => show.run(&common).await?,
        Command::Doctor(doctor) => return Box::pin(doctor.run(&common)).await,
        Command::Bench(bench) => return bench.run().await,
        Command::Version => output::say(format_args!("parlor {}\n", env!("CARGO_PKG_VERSION")))?,
    }
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound_and_every_command_has_help() {
        let mut command = Cli::command();
        command.build();
        command.clone().debug_assert();
        let mut waiting = vec![command];
        while let Some(mut command) = waiting.pop() {
            let help = command.render_long_help().to_string();
            assert!(command.get_about().is_some(), "{} has no about", command.get_name());
            assert!(help.contains("Usage:"), "{help}");
            waiting.extend(command.get_subcommands().filter(|below| below.get_name() != "help").cloned());
        }
    }
}
