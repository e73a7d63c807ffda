//! A small raw client: HTTP requests by hand, each on a connection of its own, and a WebSocket that hides nothing.

use std::{net::SocketAddr, time::Duration};

use futures::{SinkExt as _, StreamExt as _};
use http::header::SEC_WEBSOCKET_PROTOCOL;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Error, Message, client::IntoClientRequest as _},
};

/// What is awaited comes long before; what is missing fails its test here.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// Waits for what must come.
pub async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(PATIENCE, what).await.expect("it never came")
}

/// An answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    /// Status and body, to compare at once.
    pub fn is(&self, status: u16, body: &str) -> bool {
        self.status == status && self.body == body.as_bytes()
    }
}

/// Knows where the server is.
#[derive(Clone, Copy)]
pub struct Client(pub SocketAddr);

impl Client {
    pub async fn get(self, target: &str) -> Answer {
        self.request("GET", target, "", b"").await
    }

    pub async fn post(self, target: &str, body: impl AsRef<[u8]>) -> Answer {
        self.request("POST", target, "content-type: text/plain;charset=UTF-8\r\n", body.as_ref()).await
    }

    pub async fn request(self, method: &str, target: &str, headers: &str, body: &[u8]) -> Answer {
        soon(async {
            let mut stream = self.send(method, target, headers, body).await;
            let mut answer = Vec::new();
            // A server that refuses a body early may reset the rest of it away.
            let _ = stream.read_to_end(&mut answer).await;
            parse(&answer)
        })
        .await
    }

    /// Sends a request and reads nothing.
    pub async fn send(self, method: &str, target: &str, headers: &str, body: &[u8]) -> TcpStream {
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{headers}content-length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = stream.write_all(body).await;
        stream
    }

    /// Begins a POST whose body never ends.
    pub async fn post_half(self, target: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.0).await.unwrap();
        let half = format!("POST {target} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{body}");
        stream.write_all(half.as_bytes()).await.unwrap();
        stream
    }

    /// Opens a WebSocket, or gives the status that refused it.
    pub async fn websocket(self, target: &str) -> Result<Ws, u16> {
        self.open(target, &[]).await.map(|(socket, _subprotocol)| socket)
    }

    /// The subprotocol that is chosen of these, each a header of its own.
    pub async fn subprotocol(self, target: &str, offered: &[&str]) -> Result<Option<String>, u16> {
        self.open(target, offered).await.map(|(_socket, subprotocol)| subprotocol)
    }

    async fn open(self, target: &str, subprotocols: &[&str]) -> Result<(Ws, Option<String>), u16> {
        let stream = TcpStream::connect(self.0).await.unwrap();
        let mut request = format!("ws://x{target}").into_client_request().unwrap();
        for offered in subprotocols {
            request.headers_mut().append(SEC_WEBSOCKET_PROTOCOL, offered.parse().unwrap());
        }
        match soon(client_async(request, stream)).await {
            Ok((socket, answer)) => {
                let chosen = answer.headers().get(SEC_WEBSOCKET_PROTOCOL);
                Ok((Ws(socket), chosen.map(|name| name.to_str().unwrap().to_owned())))
            }
            Err(Error::Http(answer)) => Err(answer.status().as_u16()),
            Err(error) => panic!("{error}"),
        }
    }
}

fn parse(answer: &[u8]) -> Answer {
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").expect("an answer has a head");
    let head = String::from_utf8(answer[..end].to_vec()).unwrap().to_ascii_lowercase();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Answer { status, head, body: answer[end + 4..].to_vec() }
}

/// What a WebSocket brought.
#[derive(Debug, PartialEq, Eq)]
pub enum Came {
    Text(String),
    Binary(Vec<u8>),
    Closed,
}

/// An open WebSocket.
pub struct Ws(WebSocketStream<TcpStream>);

impl Ws {
    pub async fn send(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// Sends what the server may have stopped to listen to.
    pub async fn try_send(&mut self, text: &str) -> bool {
        self.0.send(Message::text(text)).await.is_ok()
    }

    pub async fn send_binary(&mut self, bytes: &[u8]) {
        self.0.send(Message::binary(bytes.to_vec())).await.unwrap();
    }

    pub async fn next(&mut self) -> Came {
        loop {
            return match soon(self.0.next()).await {
                Some(Ok(Message::Text(text))) => Came::Text(text.to_string()),
                Some(Ok(Message::Binary(bytes))) => Came::Binary(bytes.to_vec()),
                Some(Err(_)) | None => Came::Closed,
                // A goodbye is answered when the next is asked for.
                Some(Ok(_control)) => continue,
            };
        }
    }

    pub async fn text(&mut self) -> String {
        match self.next().await {
            Came::Text(text) => text,
            other => panic!("{other:?} instead of text"),
        }
    }

    /// The next that is no ping of Engine.IO 4.
    pub async fn next_but_ping(&mut self) -> Came {
        loop {
            match self.next().await {
                Came::Text(text) if text == "2" => {}
                other => return other,
            }
        }
    }

    /// Passes over what comes until the end.
    pub async fn closed(&mut self) {
        while self.next().await != Came::Closed {}
    }

    /// What is under it.
    pub fn stream(&mut self) -> &mut TcpStream {
        self.0.get_mut()
    }
}
