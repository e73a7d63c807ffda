//! The clients: as many Node processes with the official library as it takes for none of them to be the bottleneck.

use std::{
    io::{BufRead as _, BufReader, Lines},
    net::SocketAddr,
    process::{Child, ChildStdout, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::{server::SECRET, sizes::Sizes};
use crate::command::{command, root};

/// Clients that one process plays.
const EACH: usize = 500;

/// What a client waits before it first tries to come back: as the library has it by default. A thousand that come back at
/// once after a kill are let in over some seconds by this, in a deployment as here.
const DELAY_MS: u32 = 1000;

/// How often it is looked whether they still play.
const LOOK: Duration = Duration::from_millis(20);

/// What a process says when all its clients are in.
const IN: &str = "everybody is in";

/// Processes that play. Dropping them ends them.
pub struct Players(Vec<Player>);

struct Player {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

/// Whom the processes play, each by the number of its first.
fn firsts(clients: usize) -> impl Iterator<Item = usize> {
    (0..clients).step_by(EACH)
}

/// The staff, one for each process, as `tests/js/native_cuts.mjs` calls them.
pub fn staff(clients: usize) -> Vec<String> {
    firsts(clients).map(|first| format!("staff-{first}")).collect()
}

impl Players {
    pub fn start(address: SocketAddr, sizes: &Sizes) -> Result<Self> {
        let mut players = Self(Vec::new());
        for first in firsts(sizes.clients) {
            let clients = EACH.min(sizes.clients - first);
            players.0.push(Player::start(address, sizes, first, clients)?);
        }
        Ok(players)
    }

    pub fn wait_until_all_are_in(&mut self) -> Result<()> {
        for player in &mut self.0 {
            let line = player.line()?;
            if line != IN {
                bail!("the players say: {line}");
            }
        }
        Ok(())
    }

    /// Lets them play for so long.
    pub fn play_for(&mut self, time: Duration) -> Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < time {
            for player in &mut self.0 {
                if let Some(status) = player.child.try_wait()? {
                    bail!("the players ended with {status} before their time");
                }
            }
            std::thread::park_timeout(LOOK);
        }
        Ok(())
    }

    /// Waits for what each of them tells at its end.
    pub fn finish(&mut self) -> Result<Vec<Value>> {
        self.0.iter_mut().map(Player::finish).collect()
    }
}

impl Drop for Players {
    fn drop(&mut self) {
        for player in &mut self.0 {
            // Both fail only if it has ended by itself.
            let _ = player.child.kill();
            let _ = player.child.wait();
        }
    }
}

impl Player {
    fn start(address: SocketAddr, sizes: &Sizes, first: usize, clients: usize) -> Result<Self> {
        let mut node = command("node");
        node.arg(root().join("tests/js/native_cuts.mjs"));
        for (name, value) in [
            ("--base", format!("http://{address}")),
            ("--secret", SECRET.to_owned()),
            ("--clients", clients.to_string()),
            ("--first", first.to_string()),
            ("--seconds", sizes.seconds.to_string()),
            ("--every", (sizes.every * 1000).to_string()),
            ("--away", (sizes.away * 1000).to_string()),
            ("--pace", sizes.pace.to_string()),
            ("--delay", DELAY_MS.to_string()),
        ] {
            node.args([name, &value]);
        }
        let mut child = node.stdout(Stdio::piped()).spawn().context("cannot start node")?;
        let said = child.stdout.take().context("its output is piped")?;
        Ok(Self { child, said: BufReader::new(said).lines() })
    }

    fn line(&mut self) -> Result<String> {
        match self.said.next() {
            Some(line) => Ok(line?),
            None => bail!("the players ended with {}", self.child.wait()?),
        }
    }

    /// Its exit code says no more than what it tells: whether there are faults.
    fn finish(&mut self) -> Result<Value> {
        let line = self.line()?;
        let told = serde_json::from_str(&line).with_context(|| format!("the players say: {line}"))?;
        self.child.wait()?;
        Ok(told)
    }
}
