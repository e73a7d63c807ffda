//! One server of the program, on a runtime of its own, so that it can be killed as a process is: between two polls.

use std::{net::SocketAddr, time::Duration};

use parlor::{
    config::{Config, DEFAULT_TOML},
    server::Server,
};
use tokio::runtime::{Builder, Runtime};
use toml::{Table, Value};

/// Tasks that are in the middle of a poll get so long to return from it.
const KILL_BOUND: Duration = Duration::from_secs(10);

/// A running server.
pub struct Node {
    /// `None` only while it is taken down.
    running: Option<(Runtime, Server)>,
}

impl Node {
    /// Starts a server with this configuration.
    pub async fn start(configuration: &Table) -> Self {
        let mut said: Table = DEFAULT_TOML.parse().expect("the manual is TOML");
        say_over(&mut said, configuration);
        let config: Config = said.try_into().expect("the harness writes a valid configuration");
        let running = apart(move || {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            let server = runtime.block_on(Server::start(config)).expect("the server starts");
            (runtime, server)
        });
        Self { running: Some(running.await) }
    }

    /// The running server.
    pub fn server(&self) -> &Server {
        &self.running.as_ref().expect("it runs").1
    }

    /// Where its public listener is.
    pub fn public(&self) -> SocketAddr {
        self.server().address("public")
    }

    /// Asks it to leave, and waits until it has.
    pub async fn shut_down(mut self) {
        let (runtime, server) = self.running.take().expect("it runs");
        apart(move || {
            runtime.block_on(server.shutdown());
            runtime.shutdown_timeout(KILL_BOUND);
        })
        .await;
    }

    /// Kills it: no task of it is polled again, nothing is said to anybody.
    pub async fn kill(mut self) {
        let (runtime, server) = self.running.take().expect("it runs");
        apart(move || {
            runtime.shutdown_timeout(KILL_BOUND);
            drop(server);
        })
        .await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some((runtime, _)) = self.running.take() {
            runtime.shutdown_background();
        }
    }
}

/// Does something with a runtime: no runtime may be waited for on another one's threads.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Says something else than before, key by key; a list as a whole.
fn say_over(before: &mut Table, now: &Table) {
    for (key, value) in now {
        match (before.get_mut(key), value) {
            (Some(Value::Table(before)), Value::Table(value)) => say_over(before, value),
            _ => {
                before.insert(key.clone(), value.clone());
            }
        }
    }
}
