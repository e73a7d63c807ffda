//! `parlor doctor`: looks at everything an installation needs, changes nothing, and says what to do.

mod database;
mod finding;
mod network;
mod place;

use std::process::ExitCode;

use anyhow::Result;
use clap::Args;

use self::finding::{Finding, State};
use super::{Common, REFUSED, output, reach};

/// Look for what is wrong with this installation, and say what to do
///
/// Looks at the configuration, the data directory and its secrets, the database and how it keeps what is acknowledged, the
/// tables, the ports, the clock and the link between gateway and core. Changes nothing. Works beside a running server.
/// Exit code 3 if something is wrong.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  parlor doctor
  parlor doctor --config parlor.toml --json")]
pub struct Doctor {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Doctor {
    pub async fn run(self, common: &Common) -> Result<ExitCode> {
        let findings = look(common).await;
        if self.json {
            output::json(&findings)?;
        } else {
            for finding in &findings {
                let mark = match finding.state {
                    State::Good => "good    ",
                    State::Doubtful => "doubtful",
                    State::Wrong => "wrong   ",
                };
                output::say(format_args!(
                    "{mark}  {}: {}\n",
                    finding.what,
                    finding.detail.replace('\n', "\n          ")
                ))?;
            }
        }
        let is_ill = findings.iter().any(|finding| finding.state == State::Wrong);
        Ok(if is_ill { ExitCode::from(REFUSED) } else { ExitCode::SUCCESS })
    }
}

async fn look(common: &Common) -> Vec<Finding> {
    let config = match reach::config_as_served(common) {
        Ok(config) => config,
        Err(error) => return vec![Finding::wrong("configuration", format!("{error:#}"))],
    };
    let mut findings =
        vec![place::configuration(&config).await, place::data_directory(&config), place::secrets(&config)];
    findings.push(place::clock(&config));
    if config.role.has_core() {
        findings.extend(database::look(&config).await);
    }
    findings.extend(network::listeners(&config).await);
    findings.extend(network::link(&config).await);
    findings
}
