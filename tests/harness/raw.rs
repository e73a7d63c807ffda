//! gRPC of any method, whose messages are bytes.

use futures::{FutureExt as _, StreamExt as _};
use parlor_api::metadata;
use prost::bytes::{Buf as _, BufMut as _};
use tonic::{
    Request, Status, Streaming,
    client::Grpc,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    transport::Channel,
};

use crate::{Entrance, soon};

/// A caller with a token.
pub struct Raw {
    channel: Channel,
    token: String,
    tenant: String,
}

/// The answers of a stream. What the caller says on it never ends by itself.
pub struct Answers(Streaming<Vec<u8>>);

impl Raw {
    pub async fn new(entrance: &Entrance, token: &str) -> Self {
        let channel = entrance.clients(token).await.channel;
        Self { channel, token: token.to_owned(), tenant: entrance.tenant().to_owned() }
    }

    /// Calls a method such as "parlor.v1.ChatService/SendMessage".
    pub async fn unary(&self, method: &str, request: Vec<u8>) -> Result<Vec<u8>, Status> {
        let path = format!("/{method}").parse().unwrap();
        let answer = soon(method, self.grpc().await.unary(self.stamped(request), path, Plain).boxed()).await;
        answer.map(tonic::Response::into_inner)
    }

    /// Begins a stream that is asked once.
    pub async fn watch(&self, method: &str, request: Vec<u8>) -> Answers {
        let (mut grpc, path) = (self.grpc().await, format!("/{method}").parse().unwrap());
        let answers = soon(method, grpc.server_streaming(self.stamped(request), path, Plain)).await;
        Answers(answers.unwrap().into_inner())
    }

    /// Begins a stream both ways, and says these things on it.
    pub async fn talk(&self, method: &str, requests: Vec<Vec<u8>>) -> Answers {
        let (mut grpc, path) = (self.grpc().await, format!("/{method}").parse().unwrap());
        let said = tokio_stream::iter(requests).chain(tokio_stream::pending());
        let answers = soon(method, grpc.streaming(self.stamped(said), path, Plain)).await;
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
        soon("an answer", self.0.message()).await.unwrap().expect("the stream stands")
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

#[derive(Clone, Copy)]
struct Plain;

impl Codec for Plain {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, message: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&message);
        Ok(())
    }
}

impl Decoder for Plain {
    type Item = Vec<u8>;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        let mut message = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut message);
        Ok(Some(message))
    }
}
