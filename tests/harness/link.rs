//! The network between a gateway and the core: a proxy that can be cut, paused and mended.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream, tcp},
    sync::watch,
};
use tokio_util::task::TaskTracker;

/// What the network does now.
#[derive(Clone, Copy, Debug, Default)]
struct State {
    /// Connections stand and nothing moves, as when the other side stops reading.
    paused: bool,
    /// No connection can be made.
    closed: bool,
    /// How often it was cut; each breaks every connection that stood.
    cuts: u64,
}

/// A network of one path.
#[derive(Debug)]
pub struct Link {
    address: SocketAddr,
    upstream: Arc<Mutex<SocketAddr>>,
    state: watch::Sender<State>,
    tasks: TaskTracker,
}

impl Link {
    /// Opens a path to `upstream`.
    pub async fn open(upstream: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let upstream = Arc::new(Mutex::new(upstream));
        let state = watch::Sender::new(State::default());
        let tasks = TaskTracker::new();
        tasks.spawn(accept(listener, Arc::clone(&upstream), state.subscribe(), tasks.clone()));
        Self { address, upstream, state, tasks }
    }

    /// Where to connect.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Leads new connections elsewhere.
    pub fn lead_to(&self, upstream: SocketAddr) {
        *self.upstream.lock().unwrap() = upstream;
    }

    /// Breaks every connection and lets none be made.
    pub fn cut(&self) {
        self.state.send_modify(|state| {
            state.closed = true;
            state.cuts += 1;
        });
    }

    /// Lets nothing through, and breaks nothing.
    pub fn pause(&self) {
        self.state.send_modify(|state| state.paused = true);
    }

    /// Lets everything through again.
    pub fn mend(&self) {
        self.state.send_modify(|state| {
            state.closed = false;
            state.paused = false;
        });
    }

    /// Breaks every connection; new ones can be made at once.
    pub fn blink(&self) {
        self.cut();
        self.mend();
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.cut();
        self.tasks.close();
    }
}

async fn accept(
    listener: TcpListener,
    upstream: Arc<Mutex<SocketAddr>>,
    state: watch::Receiver<State>,
    tasks: TaskTracker,
) {
    let mut closed = state.clone();
    loop {
        let (client, _) = tokio::select! {
            accepted = listener.accept() => accepted.unwrap(),
            // The sender is gone, and with it the link.
            _ = closed.wait_for(|_| false) => return,
        };
        if state.borrow().closed {
            continue;
        }
        let state = state.clone();
        let target = *upstream.lock().unwrap();
        tasks.spawn(async move {
            if let Ok(server) = TcpStream::connect(target).await {
                carry(client, server, state).await;
            }
        });
    }
}

/// Carries both directions until one ends or the link is cut.
async fn carry(client: TcpStream, server: TcpStream, mut state: watch::Receiver<State>) {
    // A proxy that waits for more to send would add its own delay to every call.
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let cuts = state.borrow().cuts;
    let (client_read, client_write) = client.into_split();
    let (server_read, server_write) = server.into_split();
    let flow = state.clone();
    tokio::select! {
        () = pump(client_read, server_write, flow.clone()) => {}
        () = pump(server_read, client_write, flow) => {}
        _ = state.wait_for(|state| state.cuts != cuts) => {}
    }
}

async fn pump(mut from: tcp::OwnedReadHalf, mut to: tcp::OwnedWriteHalf, mut state: watch::Receiver<State>) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        if state.wait_for(|state| !state.paused).await.is_err() {
            return;
        }
        let Ok(length @ 1..) = from.read(&mut buffer).await else { return };
        if state.wait_for(|state| !state.paused).await.is_err() {
            return;
        }
        if to.write_all(&buffer[..length]).await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn echo() -> (SocketAddr, TaskTracker) {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let tasks = TaskTracker::new();
        tasks.spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut byte = [0];
                while stream.read_exact(&mut byte).await.is_ok() && stream.write_all(&byte).await.is_ok() {}
            }
        });
        (address, tasks)
    }

    async fn answered(stream: &mut TcpStream) -> bool {
        let mut byte = [7];
        stream.write_all(&byte).await.is_ok() && stream.read_exact(&mut byte).await.is_ok()
    }

    #[tokio::test]
    async fn a_cut_breaks_what_stands_and_a_mended_link_takes_new_connections() {
        let (server, _tasks) = echo().await;
        let link = Link::open(server).await;
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        assert!(answered(&mut stream).await);

        link.blink();
        assert!(!answered(&mut stream).await);
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        assert!(answered(&mut stream).await);
    }

    #[tokio::test]
    async fn a_paused_link_holds_everything_and_breaks_nothing() {
        let (server, _tasks) = echo().await;
        let link = Link::open(server).await;
        let mut stream = TcpStream::connect(link.address()).await.unwrap();
        assert!(answered(&mut stream).await);

        link.pause();
        stream.write_all(&[7]).await.unwrap();
        assert!(stream.try_read(&mut [0]).is_err());
        link.mend();
        assert_eq!(stream.read_u8().await.unwrap(), 7);
    }
}
