//! The upgrade, and plain requests before it.

use std::{net::SocketAddr, rc::Rc};

use anyhow::{Context as _, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpSocket, TcpStream},
};

use crate::{
    script::{Person, Preparation, Shared},
    tally::Tally,
};

/// An answer's head is far below this; more is a fault.
const HEAD_MAX: usize = 16 * 1024;

/// How connections to one server are made.
#[derive(Clone)]
pub struct Opening {
    pub address: SocketAddr,
    pub host: String,
    pub script: Shared,
    pub tally: Rc<Tally>,
}

impl Opening {
    /// Connects and upgrades. With the stream comes what the server said right after its answer.
    pub async fn open(&self, person: &Person) -> Result<(TcpStream, Vec<u8>)> {
        let upgrade = self.script.upgrade(person);
        let mut request = format!("GET {} HTTP/1.1\r\nHost: {}\r\n", upgrade.target, self.host);
        for header in &upgrade.headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        // The key need not be random: it proves nothing but that the server understood, and nothing caches here.
        request.push_str(
            "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: cGFybG9yLWJlbmNoLWtleQ==\r\n\r\n",
        );
        let (stream, head, rest) = self.ask(&request).await?;
        ensure!(head.starts_with("HTTP/1.1 101"), "the upgrade was answered with {}", first_line(&head));
        Ok((stream, rest))
    }

    /// Asks for what must have happened before.
    pub async fn prepare(&self, preparation: &Preparation) -> Result<()> {
        let Preparation { path, json } = preparation;
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{json}",
            self.host,
            json.len(),
        );
        let (_, head, _) = self.ask(&request).await?;
        ensure!(head.starts_with("HTTP/1.1 2"), "{path} was answered with {}", first_line(&head));
        Ok(())
    }

    async fn ask(&self, request: &str) -> Result<(TcpStream, String, Vec<u8>)> {
        let socket = if self.address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        let mut stream = socket.connect(self.address).await.context("cannot connect")?;
        stream.set_nodelay(true)?;
        stream.write_all(request.as_bytes()).await?;
        let (head, rest) = read_head(&mut stream).await?;
        Ok((stream, head, rest))
    }
}

async fn read_head(stream: &mut TcpStream) -> Result<(String, Vec<u8>)> {
    let mut bytes = Vec::with_capacity(512);
    loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        ensure!(bytes.len() < HEAD_MAX, "an answer whose head does not end");
        if stream.read_buf(&mut bytes).await? == 0 {
            bail!("the connection was closed instead of an answer");
        }
    }
}

fn first_line(head: &str) -> &str {
    head.lines().next().unwrap_or_default()
}
