//! Runs the server that the official protocol test-suites ask for.
//! `cargo run -p parlor-socketio --example protocol_server -- PORT`

use std::{io, net::SocketAddr};

use parlor_socketio::Engine;
use tokio::net::TcpListener;

#[path = "../tests/it/suite.rs"]
mod suite;

use suite::{Echo, Servers, Suite, config};

#[tokio::main]
async fn main() -> io::Result<()> {
    let port = std::env::args().nth(1).and_then(|port| port.parse().ok()).unwrap_or(3000);
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], port))).await?;
    println!("listening on {}", listener.local_addr()?);
    let servers = Servers {
        raw: Engine::new(config("/engine.io"), Echo { ends: None }),
        socketio: Engine::new(config("/socket.io"), Suite { ends: None }),
    };
    servers.run(listener).await
}
