//! A server of its own for each test, over TCP, on a free port.

use std::{net::SocketAddr, time::Duration};

use parlor_socketio::{Config, Engine, Reason};
use tokio::{
    net::TcpListener,
    sync::{Mutex, mpsc},
    task::JoinSet,
};

use crate::{
    client::{Client, soon},
    suite::{Echo, Servers, Suite, config},
};

/// Ends with the test.
pub struct Server {
    pub client: Client,
    pub servers: Servers,
    ends: Mutex<mpsc::Receiver<Reason>>,
    _task: JoinSet<()>,
}

impl Server {
    /// With the settings of the suites, but for a machine under load: what must not end has time.
    pub async fn start() -> Self {
        Self::with(unhurried).await
    }

    /// With other settings, the same for both engines.
    pub async fn with(change: impl Fn(Config) -> Config) -> Self {
        let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let client = Client(listener.local_addr().unwrap());
        let (sender, ends) = mpsc::channel(1024);
        let sender = Some(sender);
        let servers = Servers {
            raw: Engine::new(change(config("/engine.io")), Echo { ends: sender.clone() }),
            socketio: Engine::new(change(config("/socket.io")), Suite { ends: sender }),
        };
        let mut task = JoinSet::new();
        let running = servers.clone().run(listener);
        task.spawn(async move { running.await.unwrap() });
        Self { client, servers, ends: Mutex::new(ends), _task: task }
    }

    /// Why the next connection ended, as its user was told.
    pub async fn ended(&self) -> Reason {
        soon(async { self.ends.lock().await.recv().await }).await.unwrap()
    }

    /// Opens a polling session and gives its sid.
    pub async fn poll_session(&self, path: &str, version: u8) -> String {
        let opened = self.client.get(&format!("{path}?EIO={version}&transport=polling&b64=1")).await;
        assert_eq!(opened.status, 200, "{}", opened.head);
        let text = opened.text();
        let open: serde_json::Value = serde_json::from_str(&text[text.find('{').unwrap()..]).unwrap();
        open["sid"].as_str().unwrap().to_owned()
    }
}

/// The suites' rhythm, with time-outs that only end what is meant to end.
pub fn unhurried(config: Config) -> Config {
    Config { ping_timeout: Duration::from_secs(2), connect_timeout: Duration::from_secs(20), ..config }
}

/// The target of requests of a session.
pub fn polling(path: &str, version: u8, sid: &str) -> String {
    format!("{path}?EIO={version}&transport=polling&sid={sid}")
}

/// The target of a WebSocket that takes a session over.
pub fn upgrading(path: &str, version: u8, sid: &str) -> String {
    format!("{path}?EIO={version}&transport=websocket&sid={sid}")
}
