//! The chat of the test core. It answers by path, so that a call it does not know needs no word here.

use std::{
    convert::Infallible,
    task::{Context, Poll},
};

use futures::{
    FutureExt as _, StreamExt as _,
    future::{BoxFuture, ready},
    stream,
};
use parlor_api::{codec::SmallCodec, metadata, v1};
use tonic::{
    Request, Response, Status,
    body::Body,
    server::{Grpc, NamedService},
};
use tower::{Service, service_fn};

use super::{Core, ROOM};
use crate::tests::echo::message_event;

/// A watch is an endless stream of messages of this length.
const WATCHED_BYTES: usize = 16 * 1024;

/// Stands in the place of the chat service.
#[derive(Clone)]
pub struct Chat(pub Core);

impl NamedService for Chat {
    const NAME: &'static str = "parlor.v1.ChatService";
}

impl Service<http::Request<Body>> for Chat {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let core = self.0.clone();
        let path = request.uri().path().to_owned();
        let answer = async move {
            match path.rsplit('/').next() {
                Some("SendMessage") => {
                    let send = service_fn(|request| ready(send_message(&core, request)));
                    Grpc::new(SmallCodec::default()).unary(send, request).await
                }
                Some("GetConversation") => {
                    let get = service_fn(|request| ready(get_conversation(&core, &request)));
                    Grpc::new(SmallCodec::default()).unary(get, request).await
                }
                Some("WatchConversation") => {
                    let watch = service_fn(|request| ready(watch_conversation(&request)));
                    Grpc::new(SmallCodec::default()).server_streaming(watch, request).await
                }
                _ => Status::unimplemented("not in these tests").into_http(),
            }
        };
        answer.map(Ok).boxed()
    }
}

fn send_message(
    core: &Core,
    request: Request<v1::SendMessageRequest>,
) -> Result<Response<v1::SendMessageResponse>, Status> {
    if core.state().away {
        return Err(Status::unavailable("away"));
    }
    core.state().metadata.push(request.metadata().clone());
    let text = request.into_inner().text;
    let sequence = core.append(&text);
    let message = v1::Message { conversation_id: ROOM.to_owned(), sequence, text, ..Default::default() };
    let mut response =
        Response::new(v1::SendMessageResponse { message: Some(message), ..Default::default() });
    response.metadata_mut().insert(metadata::POSITION, sequence.into());
    Ok(response)
}

fn get_conversation(
    core: &Core,
    request: &Request<v1::GetConversationRequest>,
) -> Result<Response<v1::GetConversationResponse>, Status> {
    core.state().metadata.push(request.metadata().clone());
    let handle = request.metadata().get(metadata::HANDLE).and_then(|handle| handle.to_str().ok());
    if handle.is_some_and(|handle| handle.starts_with("over")) {
        return Err(Status::unauthenticated("its rights are over"));
    }
    Ok(Response::new(v1::GetConversationResponse::default()))
}

type Watched = stream::BoxStream<'static, Result<v1::WatchConversationResponse, Status>>;

fn watch_conversation(_: &Request<v1::WatchConversationRequest>) -> Result<Response<Watched>, Status> {
    let event = Some(message_event(ROOM, 1, &"x".repeat(WATCHED_BYTES)));
    Ok(Response::new(stream::repeat(v1::WatchConversationResponse { event }).map(Ok).boxed()))
}
