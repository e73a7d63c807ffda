//! The server under test as a process: what it has spent and what it holds, from `/proc`; and which core it runs on.

use std::{fs, path::PathBuf, time::Duration};

use anyhow::{Context as _, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// A process on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Process(pub u32);

impl Process {
    fn file(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }

    /// User and system time of all its threads, also of those that have ended.
    pub fn cpu(self) -> Result<Cpu> {
        let path = self.file("stat");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        // The name, in parentheses, may hold anything; fields are counted from behind its end.
        let fields = text.rsplit_once(')').map_or("", |(_, rest)| rest);
        let mut fields = fields.split_whitespace().skip(11);
        let mut ticks = || fields.next().and_then(|field| field.parse::<u64>().ok());
        let (user, system) =
            ticks().zip(ticks()).with_context(|| format!("{} is not understood", path.display()))?;
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        let time = |ticks: u64| Duration::from_secs_f64(ticks as f64 / per_second);
        Ok(Cpu { user: time(user), system: time(system) })
    }

    /// What it holds in memory, in bytes. Buffers of the kernel for its sockets are not in this.
    pub fn rss(self) -> Result<u64> {
        let path = self.file("status");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
        Ok(kib.with_context(|| format!("{} is not understood", path.display()))? * 1024)
    }

    /// How many sockets it has open; none if its descriptors are not ours to see.
    #[must_use]
    pub fn sockets(self) -> Option<usize> {
        let entries = fs::read_dir(self.file("fd")).ok()?;
        let links = entries.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        Some(links.filter(|link| link.to_string_lossy().starts_with("socket:")).count())
    }
}

/// Time that a process has spent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    pub user: Duration,
    pub system: Duration,
}

impl Cpu {
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self {
            user: self.user.saturating_sub(earlier.user),
            system: self.system.saturating_sub(earlier.system),
        }
    }

    #[must_use]
    pub fn total(self) -> Duration {
        self.user + self.system
    }
}

/// The cores this thread may use, so that it can be put on one of them and later on all again. What it starts inherits
/// the place it has at that moment.
#[derive(Clone, Debug)]
pub struct Cores(Vec<usize>);

impl Cores {
    #[must_use]
    pub fn of_this_thread() -> Self {
        let allowed = sched_getaffinity(None).unwrap_or_default();
        Self((0..CpuSet::MAX_CPU).filter(|core| allowed.is_set(*core)).collect())
    }

    /// Only with two cores can server and generator be kept apart.
    #[must_use]
    pub fn are_enough(&self) -> bool {
        self.0.len() >= 2
    }

    /// Puts this thread on the nth core, if there are enough.
    pub fn pin(&self, nth: usize) {
        if self.are_enough() {
            place(&self.0[nth % self.0.len()..][..1]);
        }
    }

    /// Lets this thread use all of them.
    pub fn release(&self) {
        place(&self.0);
    }
}

fn place(cores: &[usize]) {
    let mut set = CpuSet::new();
    cores.iter().for_each(|core| set.set(*core));
    // A thread that may not be moved stays where it is, and measures all the same.
    let _ = sched_setaffinity(None, &set);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_measured() {
        let own = Process(std::process::id());
        let before = own.cpu().unwrap();
        assert!(own.rss().unwrap() > 100_000);
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(own.sockets().unwrap() >= 1);
        drop(listener);
        assert!(own.cpu().unwrap().since(before).total() < Duration::from_secs(60));
        assert!(Process(u32::MAX).cpu().is_err());
    }
}
