//! The soak at a size of one's own: `cargo xtask soak` builds and runs it.
//!
//! The server and the clients are two processes, and each connection takes a file of both: the limit of open files is raised
//! as far as it may be.

#![allow(clippy::unwrap_used, reason = "a panic with its place is what a test wants")]

use std::time::Duration;

use parlor_tests::soak::{self, Sizes};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;

/// Files beside those of the connections.
const OTHERS: usize = 1_000;

fn main() {
    let sizes = sizes(std::env::args().skip(1));
    raise(sizes.hostile + 2 * sizes.honest + OTHERS);
    let runtime = Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async { soak::play(sizes).await.check() });
}

fn sizes(mut words: impl Iterator<Item = String>) -> Sizes {
    let mut sizes = Sizes::campaign();
    while let Some(name) = words.next() {
        let value = words.next().and_then(|value| value.parse::<usize>().ok());
        let value = value.unwrap_or_else(|| panic!("{name} needs a number"));
        let seconds = Duration::from_secs(value as u64);
        match name.as_str() {
            "--hostile" => sizes.hostile = value,
            "--addresses" => sizes.addresses = value,
            "--honest" => sizes.honest = value,
            "--calm" => sizes.calm = seconds,
            "--seconds" => sizes.attack = seconds,
            _ => {
                panic!("there is no {name}; there are --hostile, --addresses, --honest, --calm and --seconds")
            }
        }
    }
    sizes
}

/// Whom we start inherits it.
fn raise(needed: usize) {
    let (needed, limit) = (needed as u64, getrlimit(Resource::Nofile));
    if limit.current.is_none_or(|current| current >= needed) {
        return;
    }
    if let Some(maximum) = limit.maximum.filter(|maximum| *maximum < needed) {
        panic!(
            "it needs {needed} open files, and no more than {maximum} are allowed here: raise the hard limit (ulimit -Hn \
             {needed}, as root), or take fewer --hostile"
        );
    }
    setrlimit(Resource::Nofile, Rlimit { current: Some(needed), maximum: limit.maximum }).unwrap();
}
