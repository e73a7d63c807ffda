//! gRPC of any method, whose messages are bytes.

use futures::{FutureExt as _, StreamExt as _};
use parlor_api::{codec, metadata};
use prost::bytes::Bytes;
use tonic::{Request, Status, Streaming, client::Grpc, transport::Channel};

use crate::{Entrance, soon};

/// A caller with a token.
pub struct Raw {
    channel: Channel,
    token: String,
    tenant: String,
}

/// The answers of a stream. What the caller says on it never ends by itself.
pub struct Answers(Streaming<Bytes>);

impl Raw {
    pub async fn new(entrance: &Entrance, token: &str) -> Self {
        let channel = entrance.clients(token).await.channel;
        Self { channel, token: token.to_owned(), tenant: entrance.tenant().to_owned() }
    }

    /// Calls a method such as "parlor.v1.ChatService/SendMessage".
    pub async fn unary(&self, method: &str, request: Vec<u8>) -> Result<Vec<u8>, Status> {
        let path = format!("/{method}").parse().unwrap();
        let answer = soon(
            method,
            self.grpc().await.unary(self.stamped(Bytes::from(request)), path, codec::Raw).boxed(),
        )
        .await;
        answer.map(|answer| answer.into_inner().to_vec())
    }

    /// Begins a stream that is asked once.
    pub async fn watch(&self, method: &str, request: Vec<u8>) -> Answers {
        let (mut grpc, path) = (self.grpc().await, format!("/{method}").parse().unwrap());
        let answers =
            soon(method, grpc.server_streaming(self.stamped(Bytes::from(request)), path, codec::Raw)).await;
        Answers(answers.unwrap().into_inner())
    }

    /// Begins a stream both ways, and says these things on it.
    pub async fn talk(&self, method: &str, requests: Vec<Vec<u8>>) -> Answers {
        let (mut grpc, path) = (self.grpc().await, format!("/{method}").parse().unwrap());
        let said = tokio_stream::iter(requests.into_iter().map(Bytes::from)).chain(tokio_stream::pending());
        let answers = soon(method, grpc.streaming(self.stamped(said), path, codec::Raw)).await;
        Answers(answers.unwrap().into_inner())
    }

    async fn grpc(&self) -> Grpc<Channel> {
        let mut grpc = Grpc::new(self.channel.clone());
        grpc.ready().await.unwrap();
        grpc
    }

    fn stamped<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let bearer = format!("Bearer {}", self.token);
        request.metadata_mut().insert("authorization", bearer.parse().unwrap());
        request.metadata_mut().insert(metadata::TENANT, self.tenant.parse().unwrap());
        request
    }
}

impl Answers {
    /// The next one, which there must be.
    pub async fn next(&mut self) -> Vec<u8> {
        soon("an answer", self.0.message()).await.unwrap().expect("the stream stands").to_vec()
    }

    /// How it ends; what comes before that is let go.
    pub async fn end(mut self) -> Status {
        loop {
            match self.0.message().await {
                Ok(Some(_)) => {}
                Ok(None) => return Status::ok("it ended"),
                Err(status) => return status,
            }
        }
    }
}
