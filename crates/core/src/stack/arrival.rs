//! Waits for a call's message before anything is done for the call: a head without its message takes no place, and a
//! message that does not come ends by itself.
//!
//! What has come of messages that are not whole yet is bounded in bytes, over all calls and for each client. A message that
//! comes at once, as nearly all do, is never counted.

use std::{
    collections::{HashMap, VecDeque},
    net::IpAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt as _, stream};
use http::{HeaderMap, Request};
use http_body::{Body as _, Frame};
use http_body_util::{BodyExt as _, StreamBody};
use parlor_api::{limits::REQUEST_BYTES, metadata, network::network};
use tonic::{Status, body::Body};

use super::{
    layer::{Answer, refused},
    trace::method_of,
};
use crate::{Error, Result};

/// What gRPC puts before a message: a flag and its length.
const PREFIX_BYTES: usize = 5;

/// Bytes of messages that are not whole yet, of all calls.
const WAITING_BYTES: usize = 64 * 1024 * 1024;

/// The same for one client: two of the largest requests.
const CLIENT_BYTES: usize = 2 * REQUEST_BYTES;

/// When to try again: the bytes are free as soon as a message is whole, or given up.
const RETRY_AFTER_MS: u64 = 1_000;

/// The messages that are on their way.
#[derive(Debug)]
pub struct Arrivals {
    within: Duration,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    bytes: usize,
    /// Only those of whom bytes wait.
    by_client: HashMap<Client, usize>,
}

/// A network, or whoever calls without a gateway.
type Client = Option<IpAddr>;

/// What waits of one message; given back however the wait ends.
struct Held<'a> {
    arrivals: &'a Arrivals,
    client: Client,
    bytes: usize,
}

impl Arrivals {
    /// Messages come whole within this time.
    pub fn new(within: Duration) -> Self {
        Self { within, waiting: Mutex::default() }
    }

    pub async fn around<F>(&self, request: Request<Body>, next: impl FnOnce(Request<Body>) -> F) -> Answer
    where
        F: Future<Output = Answer>,
    {
        if !method_of(&request).asks_once {
            return next(request).await;
        }
        let (head, body) = request.into_parts();
        let whole = tokio::time::timeout(self.within, self.whole(client(&head.headers), body));
        match whole.await {
            Ok(Ok(body)) => next(Request::from_parts(head, body)).await,
            Ok(Err(error)) => refused(error),
            Err(_elapsed) => refused(Error::DeadlineExceeded),
        }
    }

    /// Reads a body to its end, or as far as shows that it is too long: whoever decodes it has the words for that.
    async fn whole(&self, client: Client, mut body: Body) -> Result<Body> {
        let mut pieces = VecDeque::new();
        let mut held = Held { arrivals: self, client, bytes: 0 };
        let mut bytes = 0;
        while bytes <= PREFIX_BYTES + REQUEST_BYTES && !body.is_end_stream() {
            let ready = body.frame().now_or_never();
            let frame = match ready {
                Some(frame) => frame,
                None => {
                    held.grow(bytes)?;
                    body.frame().await
                }
            };
            let Some(frame) = frame else { break };
            // Whoever went away in the middle of it hears no answer.
            let frame = frame.map_err(|_gone| Error::DeadlineExceeded)?;
            if let Ok(piece) = frame.into_data() {
                bytes += piece.len();
                pieces.push_back(piece);
            }
        }
        Ok(body_of(pieces))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held<'_> {
    /// Counts what has come so far.
    fn grow(&mut self, bytes: usize) -> Result<()> {
        let more = bytes - self.bytes;
        if more == 0 {
            return Ok(());
        }
        let mut waiting = self.arrivals.lock();
        let of_client = waiting.by_client.get(&self.client).copied().unwrap_or_default() + more;
        if waiting.bytes + more > WAITING_BYTES || of_client > CLIENT_BYTES {
            return Err(Error::RateLimited { retry_after_ms: RETRY_AFTER_MS });
        }
        waiting.bytes += more;
        waiting.by_client.insert(self.client, of_client);
        self.bytes = bytes;
        Ok(())
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        if self.bytes == 0 {
            return;
        }
        let mut waiting = self.arrivals.lock();
        waiting.bytes -= self.bytes;
        let left = waiting.by_client.get(&self.client).map_or(0, |of_client| of_client - self.bytes);
        if left == 0 {
            waiting.by_client.remove(&self.client);
        } else {
            waiting.by_client.insert(self.client, left);
        }
    }
}

/// Whose message it is, as the gateway says. Nobody's word is taken here for more than a share.
fn client(headers: &HeaderMap) -> Client {
    headers.get(metadata::PEER)?.to_str().ok()?.parse().ok().map(network)
}

fn body_of(pieces: VecDeque<Bytes>) -> Body {
    let frames = pieces.into_iter().map(|piece| Ok::<_, Status>(Frame::data(piece)));
    Body::new(StreamBody::new(stream::iter(frames)))
}
