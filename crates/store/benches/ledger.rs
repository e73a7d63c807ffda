//! A long storm over the ledger: random orders with crashes in between, each wallet compared with a reckoning after each
//! round, and all of it proven at the end.
//!
//! `cargo bench -p parlor-store --bench ledger`, with `-- sqlite` or `-- postgres` for one of the two, and `-- orders=1000`
//! for another number than 100,000, `-- seed=1` for other chances.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on has failed")]

#[path = "../tests/it/ledger/storm.rs"]
mod storm;

use std::time::Instant;

use parlor_testdb::Database;

const ORDERS: u64 = 100_000;

fn main() {
    let named = |name: &str| std::env::args().any(|argument| argument == name);
    let number = |name: &str| std::env::args().find_map(|said| said.strip_prefix(name)?.parse::<u64>().ok());
    let orders = usize::try_from(number("orders=").unwrap_or(ORDERS)).unwrap();
    let seed = number("seed=").unwrap_or(7);
    if !named("postgres") {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", directory.path().join("parlor.db").display());
        measure("SQLite FULL", &url, seed, orders);
    }
    if !named("sqlite") {
        let database = Database::create();
        measure("PostgreSQL", &database.url(), seed, orders);
    }
}

fn measure(name: &str, url: &str, seed: u64, orders: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(parlor_migration::up(url)).unwrap();
    drop(runtime);
    let began = Instant::now();
    let weather = storm::storm(url, seed, orders, 20, 2_000);
    println!("{name}: {weather:?}, nothing wrong, in {:.1?}", began.elapsed());
}
