//! The soak at a size of one's own: `cargo xtask soak` builds and runs it.
//!
//! The server and the clients are two processes, and each connection takes a file of both: the limit of open files is raised
//! as far as it may be. Of the hostile no more are connected at a time than there are files for, and the listener takes no more than
//! 10,000; the others wait or are refused.

#![allow(clippy::unwrap_used, reason = "a panic with its place is what a test wants")]

use std::time::Duration;

use parlor_tests::soak::{self, Sizes, TAKEN};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::runtime::Builder;

/// Files beside those of the connections.
const OTHERS: usize = 1_000;

fn main() {
    let mut sizes = sizes(std::env::args().skip(1));
    let others = 2 * sizes.honest + OTHERS;
    let files = raise(others + sizes.hostile, others + sizes.hostile.min(TAKEN));
    sizes.at_once = sizes.hostile.min(files - others);
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

/// Raises the limit of open files to what is wanted, or as far as it may be, and gives it. Whom we start inherits it.
fn raise(wanted: usize, needed: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let maximum = limit.maximum.unwrap_or(u64::MAX);
    let files = (wanted as u64).min(maximum);
    assert!(
        files >= needed as u64,
        "it needs {needed} open files, and no more than {maximum} are allowed here: raise the hard limit (ulimit -Hn {needed}, as \
         root), or take fewer --hostile"
    );
    if limit.current.is_some_and(|current| current < files) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(files), maximum: limit.maximum }).unwrap();
    }
    usize::try_from(files).unwrap()
}
