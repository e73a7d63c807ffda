//! A defect in one call is that call's failure: a panic is answered with INTERNAL and nobody else notices.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::FutureExt as _;
use http::{HeaderMap, Request};
use http_body::{Frame, SizeHint};
use tonic::{Status, body::Body};

use super::{
    layer::{Answer, refused},
    trace::method_of,
};
use crate::Error;

pub async fn around<F>(request: Request<Body>, next: impl FnOnce(Request<Body>) -> F) -> Answer
where
    F: Future<Output = Answer>,
{
    let unary = method_of(&request).unary;
    // Nothing of a call outlives it but what sits behind locks, and those are used without poison.
    match AssertUnwindSafe(async { next(request).await }).catch_unwind().await {
        Ok(Ok(response)) if !unary => Ok(response.map(|body| Body::new(CatchBody { inner: Some(body) }))),
        Ok(answered) => answered,
        Err(panic) => refused(defect(panic.as_ref())),
    }
}

/// The messages of a stream are made while its body is read.
struct CatchBody {
    inner: Option<Body>,
}

impl http_body::Body for CatchBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = self.inner.as_mut() else { return Poll::Ready(None) };
        let body = Pin::new(body);
        match std::panic::catch_unwind(AssertUnwindSafe(|| body.poll_frame(context))) {
            Ok(polled) => polled,
            Err(panic) => {
                self.inner = None;
                let status = Status::from(defect(panic.as_ref()));
                let mut trailers = HeaderMap::new();
                match status.add_header(&mut trailers) {
                    Ok(()) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                    Err(status) => Poll::Ready(Some(Err(status))),
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(http_body::Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map(http_body::Body::size_hint).unwrap_or_default()
    }
}

fn defect(panic: &(dyn std::any::Any + Send)) -> Error {
    let words = panic.downcast_ref::<&str>().copied();
    let words = words.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    Error::Internal(format!("a call panicked: {}", words.unwrap_or("without words")))
}
