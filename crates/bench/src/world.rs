//! One server under test, as all scenarios see it.

use std::{cell::Cell, rc::Rc};

use anyhow::Result;

use crate::{member::Opening, process::Process, script::Shared, tally::Tally, target::Url};

/// The server, its words, and its process if it runs on this machine and is known.
pub struct World {
    pub url: Url,
    pub script: Shared,
    pub server: Option<Process>,
    /// Tells the messages of this run from those of earlier ones.
    run: Cell<u16>,
}

impl World {
    #[must_use]
    pub fn new(url: Url, script: Shared, server: Option<Process>) -> Self {
        Self { url, script, server, run: Cell::new(a_run()) }
    }

    /// A new tally, and how to connect with it.
    pub async fn open(&self) -> Result<(Rc<Tally>, Opening)> {
        let run = self.run.replace(self.run.get().wrapping_add(1));
        let tally = Rc::new(Tally::new(run));
        let opening = Opening {
            address: self.url.resolve().await?,
            host: self.url.authority.clone(),
            script: self.script.clone(),
            tally: tally.clone(),
        };
        Ok((tally, opening))
    }

    /// The memory of the server in bytes, if it is known.
    pub fn rss(&self) -> Result<Option<u64>> {
        self.server.map(Process::rss).transpose()
    }
}

/// Hardly the same in two runs against one server: the number of our process and the time since the machine began.
#[must_use]
pub fn a_run() -> u16 {
    let since = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    let mixed = (since.tv_nsec as u64 / 1000) ^ u64::from(std::process::id()).wrapping_mul(0x9e37);
    mixed as u16
}
