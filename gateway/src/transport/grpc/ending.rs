//! Streams end when the gateway goes down, so that their clients go elsewhere and nobody waits for them.
//!
//! Calls that answer once are left alone: their answer is on its way.

use std::{
    collections::{HashMap, HashSet},
    pin::Pin,
    sync::LazyLock,
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};
use parlor_api::{PUBLIC_DESCRIPTORS, failure, v1::Reason};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::{Code, Status};

/// Streams of services that are not ours.
const FOREIGN: [&str; 3] = [
    "/grpc.health.v1.Health/Watch",
    "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
];

/// The paths of the methods that go on answering.
static STREAMS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let files =
        FileDescriptorSet::decode(PUBLIC_DESCRIPTORS).expect("the build wrote these descriptors").file;
    let ours = files.iter().flat_map(|file| {
        file.service.iter().flat_map(|service| {
            let streams = service.method.iter().filter(|method| method.server_streaming());
            streams.map(|method| format!("/{}.{}/{}", file.package(), service.name(), method.name()))
        })
    });
    ours.chain(FOREIGN.map(str::to_owned)).collect()
});

/// True for a method that goes on answering.
pub(super) fn goes_on(path: &str) -> bool {
    STREAMS.contains(path)
}

/// What one side of a stream says, up to the end of the gateway.
pub(super) struct Ending {
    /// `None` once it has ended.
    said: Option<tonic::body::Body>,
    draining: CancellationToken,
    drained: Pin<Box<WaitForCancellationFutureOwned>>,
    is_answer: bool,
}

impl Ending {
    /// Of what is asked: the core hears no more of it. Else the way to another process would hold it open.
    pub fn asked(said: tonic::body::Body, draining: &CancellationToken) -> tonic::body::Body {
        Self::of(said, draining, false)
    }

    /// Of what is answered: the client is told to come back.
    pub fn answered(said: tonic::body::Body, draining: &CancellationToken) -> tonic::body::Body {
        Self::of(said, draining, true)
    }

    fn of(said: tonic::body::Body, draining: &CancellationToken, is_answer: bool) -> tonic::body::Body {
        let drained = Box::pin(draining.clone().cancelled_owned());
        tonic::body::Body::new(Self { said: Some(said), draining: draining.clone(), drained, is_answer })
    }
}

impl Body for Ending {
    type Data = Bytes;
    type Error = Status;

    /// What has come goes out first.
    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(said) = &mut self.said else { return Poll::Ready(None) };
        match Pin::new(said).poll_frame(context) {
            // The core may have ended it because what is asked has: not for the client's sake.
            Poll::Ready(last) if is_last(last.as_ref()) && self.draining.is_cancelled() => {}
            Poll::Ready(frame) => return Poll::Ready(frame),
            Poll::Pending if self.drained.as_mut().poll(context).is_pending() => return Poll::Pending,
            Poll::Pending => {}
        }
        self.said = None;
        Poll::Ready(self.is_answer.then(|| Ok(Frame::trailers(going_away()))))
    }

    /// HTTP/2 ends a stream with its last frame where this is known; else it says so with an empty one, and too many empty
    /// frames end its connection.
    fn is_end_stream(&self) -> bool {
        self.said.as_ref().is_none_or(Body::is_end_stream)
    }
}

fn is_last(frame: Option<&Result<Frame<Bytes>, Status>>) -> bool {
    match frame {
        None => true,
        Some(Ok(frame)) => frame.is_trailers(),
        Some(Err(_)) => false,
    }
}

fn going_away() -> HeaderMap {
    let (code, reason) = (Code::Unavailable, Reason::TryAgain);
    let status = failure::status(code, reason, "the server is going away", HashMap::new(), &[]);
    let mut trailers = HeaderMap::new();
    if status.add_header(&mut trailers).is_err() {
        trailers.insert(Status::GRPC_STATUS, (Code::Unavailable as i32).into());
    }
    trailers
}

#[cfg(test)]
mod tests {
    use super::goes_on;

    #[test]
    fn only_what_goes_on_is_ended() {
        for path in ["/parlor.v1.ChatService/WatchConversation", "/parlor.v1.ChatService/Converse"] {
            assert!(goes_on(path), "{path}");
        }
        assert!(goes_on("/parlor.v1.PresenceService/Attend") && goes_on("/grpc.health.v1.Health/Watch"));
        for path in ["/parlor.v1.ChatService/SendMessage", "/grpc.health.v1.Health/Check"] {
            assert!(!goes_on(path), "{path}");
        }
    }
}
