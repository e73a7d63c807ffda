//! A server that goes and comes again on its port: the official clients come back by themselves.

use std::{net::SocketAddr, time::Duration};

use parlor_socketio::{Config, Engine, Reason};
use tokio::{
    net::TcpListener,
    runtime::{Builder, Runtime},
};

use crate::{
    programs::{Script, node, python},
    suite::{Echo, Servers, Suite, config},
};

/// Tasks that are in the middle of a poll get so long to return from it.
const KILL_BOUND: Duration = Duration::from_secs(10);

/// How a server goes.
#[derive(Clone, Copy, Debug)]
enum End {
    /// It says so to all.
    Leaves,
    /// As in a crash: no task of it is polled again, and its sockets are closed with it.
    IsKilled,
}

/// One life of the suite's server, on a runtime of its own so that it can be killed.
struct Life {
    /// `None` only while it is taken down.
    runtime: Option<Runtime>,
    servers: Servers,
    address: SocketAddr,
}

impl Life {
    async fn begin(address: SocketAddr) -> Self {
        let begun = move || {
            let runtime = Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
            let listener = runtime.block_on(TcpListener::bind(address)).unwrap();
            let address = listener.local_addr().unwrap();
            let servers = Servers {
                raw: Engine::new(quiet("/engine.io"), Echo { ends: None }),
                socketio: Engine::new(quiet("/socket.io"), Suite { ends: None }),
            };
            runtime.spawn(servers.clone().run(listener));
            Self { runtime: Some(runtime), servers, address }
        };
        apart(begun).await
    }

    async fn end(mut self, how: End) {
        let runtime = self.runtime.take().expect("it runs");
        let socketio = self.servers.socketio.clone();
        let ended = move || {
            if let End::Leaves = how {
                runtime.block_on(socketio.close(Reason::ServerShuttingDown));
            }
            runtime.shutdown_timeout(KILL_BOUND);
        };
        apart(ended).await;
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// As a deployment has it: what ends a connection here is the server's end alone.
fn quiet(path: &str) -> Config {
    Config {
        ping_interval: Duration::from_secs(25),
        ping_timeout: Duration::from_secs(20),
        connect_timeout: Duration::from_secs(20),
        ..config(path)
    }
}

/// No runtime may be waited for on another one's threads.
async fn apart<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// Ends the server in each of these ways, when the clients ask for it; gives what they say of themselves.
async fn restart_for(ends: &[End], clients: impl FnOnce(&[&str]) -> Script) -> Vec<String> {
    let mut life = Life::begin(SocketAddr::from(([127, 0, 0, 1], 0))).await;
    let (url, restarts) = (format!("http://{}", life.address), ends.len().to_string());
    let mut script = clients(&[&url, &restarts]);
    for &end in ends {
        let line = script.line().await;
        if line.as_deref() != Some("restart") {
            panic!("before the server {end:?}: {line:?}\n{}", script.complaints().await);
        }
        let address = life.address;
        life.end(end).await;
        life = Life::begin(address).await;
    }
    let mut said = Vec::new();
    while let Some(line) = script.line().await {
        said.push(line);
    }
    script.succeeds(&said.join("\n")).await;
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn official_clients_of_three_generations_survive_a_restart_of_the_server() {
    let ends = [End::Leaves, End::IsKilled];
    let said = restart_for(&ends, |arguments| node("socketio_restart.mjs", arguments)).await;
    assert_eq!(said.iter().filter(|line| line.starts_with("ok ")).count(), 9, "{said:?}");
    assert!(said.iter().all(|line| line.ends_with("in 3 times")), "{said:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_python_survives_a_restart_of_the_server() {
    let ends = [End::Leaves, End::IsKilled];
    let said = restart_for(&ends, |arguments| python("socketio_restart.py", arguments)).await;
    assert_eq!(said.iter().filter(|line| line.starts_with("ok ")).count(), 3, "{said:?}");
}
