//! A raw WebSocket that speaks JSON.

use std::net::SocketAddr;

use futures::{SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_tungstenite::{
    WebSocketStream, client_async,
    tungstenite::{Message, client::IntoClientRequest as _},
};

use crate::soon;

/// An open WebSocket.
pub struct Socket<S = TcpStream> {
    stream: WebSocketStream<S>,
}

impl Socket<TcpStream> {
    pub(crate) async fn connect(address: SocketAddr, path: &str) -> Self {
        Self::over(TcpStream::connect(address).await.unwrap(), &format!("ws://{address}{path}"), &[])
            .await
            .unwrap()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    /// Opens one over a stream; the error is the status of a refusal, or 0.
    pub async fn over(stream: S, url: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut request = url.into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match soon("the upgrade", Box::pin(client_async(request, stream))).await {
            Ok((stream, _)) => Ok(Self { stream }),
            Err(tokio_tungstenite::tungstenite::Error::Http(response)) => Err(response.status().as_u16()),
            Err(_) => Err(0),
        }
    }

    pub async fn send(&mut self, value: &Value) {
        self.send_text(&value.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    pub async fn send_binary(&mut self, bytes: &[u8]) {
        self.stream.send(Message::binary(bytes.to_vec())).await.unwrap();
    }

    /// The next text frame, as JSON.
    pub async fn next(&mut self) -> Value {
        match self.next_or_close().await {
            Ok(value) => value,
            Err(close) => panic!("the socket closed with {close:?} where a frame was due"),
        }
    }

    /// The next text frame as it came.
    pub async fn next_text(&mut self) -> String {
        match self.text_or_close().await {
            Ok(text) => text,
            Err(close) => panic!("the socket closed with {close:?} where a frame was due"),
        }
    }

    /// The next text frame, or how the socket closed: its code and reason, 1006 if it just broke.
    pub async fn next_or_close(&mut self) -> Result<Value, (u16, String)> {
        self.text_or_close().await.map(|text| serde_json::from_str(&text).unwrap())
    }

    async fn text_or_close(&mut self) -> Result<String, (u16, String)> {
        soon("a frame", async {
            loop {
                match self.stream.next().await {
                    Some(Ok(Message::Text(text))) => return Ok(text.to_string()),
                    Some(Ok(Message::Close(Some(frame)))) => {
                        return Err((frame.code.into(), frame.reason.to_string()));
                    }
                    Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                    Some(Ok(other)) => panic!("an unexpected frame: {other:?}"),
                    Some(Err(_)) | None => return Err((1006, String::new())),
                }
            }
        })
        .await
    }

    /// How the socket closes; frames before that are let go.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Err(close) = self.next_or_close().await {
                return close;
            }
        }
    }

    /// Sends a frame and gives its answer, which must be the next frame.
    pub async fn ask(&mut self, value: &Value) -> Value {
        self.send(value).await;
        self.next().await
    }

    /// Sends a frame and gives its answer, or how the socket closed.
    pub async fn ask_or_close(&mut self, value: &Value) -> Result<Value, (u16, String)> {
        // If it cannot be sent any more, the close says why.
        let _ = self.stream.send(Message::text(value.to_string())).await;
        self.next_or_close().await
    }

    /// Proves that nothing is on its way: asks something with a known answer, which must come first. Frames are
    /// answered in order, so whatever an earlier frame caused for this socket would have come before.
    pub async fn hears_nothing(&mut self) {
        let answer = self.ask(&json!({"type": "register_admin", "userId": "nobody"})).await;
        assert_eq!(answer, json!({"type": "error", "message": "Token required"}));
    }

    /// Registers as the socket of a customer's session.
    pub async fn register(&mut self, session: &str) {
        assert!(self.try_register(session).await, "Registration failed");
    }

    /// The same, where the core may be out of reach just now: then it is false, and nothing has happened.
    pub async fn try_register(&mut self, session: &str) -> bool {
        let answer = self.ask(&json!({"type": "register", "sessionId": session})).await;
        if answer == json!({"type": "error", "message": "Registration failed"}) {
            return false;
        }
        assert_eq!(answer, json!({"type": "registered", "sessionId": session, "status": "connected"}));
        true
    }

    /// Registers as a socket of the staff.
    pub async fn register_staff(&mut self, token: &str) {
        let answer = self.ask(&json!({"type": "register_admin", "userId": "admin", "token": token})).await;
        assert_eq!(answer["type"], "admin_registered", "{answer}");
    }

    pub async fn close(mut self) {
        let _ = self.stream.close(None).await;
        while let Some(Ok(_)) = soon("the close", self.stream.next()).await {}
    }

    /// The stream below, for tests that misbehave.
    pub fn into_stream(self) -> S {
        self.stream.into_inner()
    }
}
