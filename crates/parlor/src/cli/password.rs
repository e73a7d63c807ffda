//! Reads a password from standard input: without echo from a terminal, as one line from a pipe. Never from the command
//! line, where everybody on the machine could read it.

use std::io::{BufRead, IsTerminal, Write};

use anyhow::{Context, Result, bail};
use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};

/// Asks for a password.
pub fn ask(prompt: &str) -> Result<String> {
    let stdin = std::io::stdin();
    let _quiet = if stdin.is_terminal() {
        eprint!("{prompt}: ");
        std::io::stderr().flush()?;
        Some(Quiet::begin()?)
    } else {
        None
    };
    let mut line = String::new();
    stdin.lock().read_line(&mut line).context("cannot read the password from standard input")?;
    let password = line.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        bail!("no password was given; type one, or pipe it in as one line");
    }
    Ok(password.to_owned())
}

/// A terminal that shows nothing of what is typed, until this is dropped.
struct Quiet(Termios);

impl Quiet {
    fn begin() -> Result<Self> {
        let before = tcgetattr(std::io::stdin()).context("cannot ask the terminal")?;
        let mut quiet = before.clone();
        quiet.local_modes.remove(LocalModes::ECHO);
        tcsetattr(std::io::stdin(), OptionalActions::Flush, &quiet).context("cannot silence the terminal")?;
        Ok(Self(before))
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Flush, &self.0);
        eprintln!();
    }
}
