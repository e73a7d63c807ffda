//! The harness: a [`Plan`] says which world a test wants, a [`World`] is the running program with its misfortunes.
//!
//! A behaviour is an `async fn(Plan)`; [`matrix!`] makes four tests of it: in one process and split in two, on SQLite
//! and on PostgreSQL. Each has servers, a database and a tenant of its own, so all run side by side. Tests wait for what
//! happens, never for time to pass; whatever waits has a bound.

#![allow(
    clippy::unwrap_used,
    reason = "this crate is part of the tests: a panic with its place is what they want"
)]

mod configuration;
mod database;
mod entrance;
mod grpc;
mod link;
mod node;
mod people;
mod plan;
mod program;
pub mod raw;
mod rest;
pub mod script;
pub mod soak;
mod socket;
pub mod talk;
mod world;

use std::time::Duration;

pub use crate::{
    configuration::{Configuration, SUPPORT_BY_CLAIMS, SUPPORT_BY_COOKIE},
    database::Database,
    entrance::Entrance,
    grpc::{Chat, Clients, Directory, Presence, Tokens, failure_reason},
    link::Link,
    people::{Person, shop_token, text_of},
    plan::{Backend, Plan, Topology},
    program::Program,
    rest::{Reply, Rest},
    socket::Socket,
    world::World,
};

/// No test takes longer than this, and most take a second.
const BOUND: Duration = Duration::from_secs(400);

/// No event a test waits for takes so long, even on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Makes four tests of each behaviour: {local, split} × {SQLite, PostgreSQL}.
#[macro_export]
macro_rules! matrix {
    ($($behaviour:ident),+ $(,)?) => {$(
        mod $behaviour {
            use $crate::{Backend, Plan, Topology};

            #[test]
            fn local_sqlite() {
                $crate::run(Plan::new(Topology::Local, Backend::Sqlite), super::$behaviour);
            }

            #[test]
            fn local_postgres() {
                $crate::run(Plan::new(Topology::Local, Backend::Postgres), super::$behaviour);
            }

            #[test]
            fn split_sqlite() {
                $crate::run(Plan::new(Topology::Split, Backend::Sqlite), super::$behaviour);
            }

            #[test]
            fn split_postgres() {
                $crate::run(Plan::new(Topology::Split, Backend::Postgres), super::$behaviour);
            }
        }
    )+};
}

/// Makes two tests of each behaviour, where the database plays no part: local and split, on SQLite.
#[macro_export]
macro_rules! topologies {
    ($($behaviour:ident),+ $(,)?) => {$(
        mod $behaviour {
            use $crate::{Backend, Plan, Topology};

            #[test]
            fn local() {
                $crate::run(Plan::new(Topology::Local, Backend::Sqlite), super::$behaviour);
            }

            #[test]
            fn split() {
                $crate::run(Plan::new(Topology::Split, Backend::Sqlite), super::$behaviour);
            }
        }
    )+};
}

/// Runs one behaviour to its end, or to the bound.
pub fn run<F, T>(plan: Plan, behaviour: F)
where
    F: FnOnce(Plan) -> T,
    T: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outcome = runtime.block_on(async { tokio::time::timeout(BOUND, behaviour(plan)).await });
    runtime.shutdown_background();
    assert!(outcome.is_ok(), "the test took longer than {BOUND:?}");
}

/// Waits for something that must come within [`PATIENCE`].
pub async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come within {PATIENCE:?}"),
    }
}
