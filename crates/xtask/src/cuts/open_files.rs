//! The limit of open files: what we may, we raise; what we may not, we name. Those whom we start inherit it.

use anyhow::{Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Of a client in the process that plays it: its writer's socket, its reader's, and a road of a listener and two ends. The
/// server has fewer of it, and the clients may be in more than one process.
const EACH: u64 = 5;

/// Everything else a process has open.
const OTHERS: u64 = 500;

pub fn raise(clients: usize) -> Result<()> {
    let needed = clients as u64 * EACH + OTHERS;
    let limit = getrlimit(Resource::Nofile);
    // Without a number there is no limit.
    if limit.current.is_none_or(|current| current >= needed) {
        return Ok(());
    }
    if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < needed) {
        bail!(
            "{clients} clients need {needed} open files, and no more than {maximum} are allowed here: raise the hard limit \
             (ulimit -Hn {needed}, as root), or take fewer --clients"
        );
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum })?;
    Ok(())
}
