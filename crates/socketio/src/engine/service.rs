//! HTTP requests to sessions: which are ours, what they ask for, and who answers.

use std::{net::IpAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, Uri};
use tokio::time::{sleep, timeout};

use super::{
    Accept,
    answer::{Body, Refusal, allow_origin, preflight},
    handshake::Handshake,
    link::Link,
    piece::Form,
    places::Place,
    polling::{get, post},
    query::Query,
    registry::Registry,
    session::Session,
    sid::Origin,
    told::Told,
    upgrade,
};
use crate::{
    config::Config,
    reason::Reason,
    websocket::{self, Limits, Socket},
    wheel::Wheel,
};

/// Old clients that are written by hand listen for messages only when they have seen the WebSocket open. They miss a
/// first packet that comes in the same read as the answer to their request; the reference is slow enough for them.
const OLD_CLIENT_PAUSE: Duration = Duration::from_millis(10);

/// Serves one path. A clone is cheap and serves the same sessions.
pub struct Engine<A> {
    registry: Arc<Registry<Session>>,
    accept: Arc<A>,
}

impl<A: Accept> Engine<A> {
    /// An engine with a wheel of its own.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn new(config: Config, accept: A) -> Self {
        let wheel = Wheel::new(config.ping_interval.min(config.ping_timeout));
        Self::with_wheel(config, accept, wheel)
    }

    /// An engine that shares its wheel, which is fine enough for its interval and time-out.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn with_wheel(config: Config, accept: A, wheel: Wheel) -> Self {
        Self { registry: Arc::new(Registry::new(config, wheel)), accept: Arc::new(accept) }
    }

    /// Whether a request is meant for this engine: its exact path, with or without a slash at the end, and an `EIO` in
    /// its query. What it says there may still be nonsense, and is answered as such.
    pub fn matches(&self, uri: &Uri) -> bool {
        let path = uri.path().strip_suffix('/').unwrap_or(uri.path());
        path == self.registry.config.path.trim_end_matches('/')
            && Query::parse(uri.query().unwrap_or_default()).version.is_some()
    }

    /// How many sessions live.
    pub fn sessions(&self) -> usize {
        self.registry.count()
    }

    /// Answers a request. `peer` is the client's address, if it counts.
    pub async fn serve<B>(&self, request: Request<B>, peer: Option<IpAddr>) -> Response<Body>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let cors = &self.registry.config.cors;
        if let Some(response) = preflight(cors, request.method(), request.headers()) {
            return response;
        }
        let mut allowed = http::HeaderMap::new();
        allow_origin(cors, request.headers(), &mut allowed);
        let mut response = self.answer(request, peer).await.unwrap_or_else(Refusal::response);
        response.headers_mut().extend(allowed);
        response
    }

    /// Ends all sessions with this reason and takes no more; waits for the last goodbyes, which take a second at most.
    pub async fn close(&self, reason: Reason) {
        self.registry.shut();
        for session in self.registry.sessions() {
            session.end(reason, Told::AfterAll);
        }
        let mut tasks = self.registry.take_tasks();
        let _ = timeout(websocket::GOODBYE, async { while tasks.join_next().await.is_some() {} }).await;
    }

    async fn answer<B>(&self, request: Request<B>, peer: Option<IpAddr>) -> Result<Response<Body>, Refusal>
    where
        B: http_body::Body<Data = Bytes>,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let uri = request.uri().clone();
        let query = Query::parse(uri.query().unwrap_or_default());
        let transports = self.registry.config.transports;
        let websocket = match query.transport.as_deref() {
            Some("polling") if transports.polling => false,
            Some("websocket") if transports.websocket => true,
            _ => return Err(Refusal::UnknownTransport),
        };
        if query.jsonp || websocket != websocket::is_upgrade(&request) {
            return Err(Refusal::BadRequest);
        }
        if let Some(sid) = &query.sid {
            let session = self.find(sid)?;
            // As the reference has it: what is no 4 is a 3.
            if session.v3 == (query.version.as_deref() == Some("4")) {
                return Err(Refusal::BadRequest);
            }
            if websocket {
                return self.upgrade(without_body(request), session, query.base64);
            }
            return match *request.method() {
                Method::GET => Ok(get::answer(&session).await.response()),
                Method::POST => Ok(post::answer(&session, request).await.response()),
                _ => Err(Refusal::BadRequest),
            };
        }
        if request.method() != Method::GET {
            return Err(Refusal::BadHandshakeMethod);
        }
        let v3 = match query.version.as_deref() {
            Some("4") => false,
            Some("3") if self.registry.config.allow_v3 => true,
            _ => return Err(Refusal::UnsupportedVersion),
        };
        if self.registry.is_closed() {
            return Err(Refusal::BadRequest);
        }
        let place = self.registry.admit(peer).ok_or(Refusal::TooManyConnections)?;
        let form = Form { v3, base64: query.base64 };
        if websocket {
            return self.open_websocket(without_body(request), peer, form, place);
        }
        let handshake = handshake(&request, peer);
        drop(request);
        Ok(self.open_polling(handshake, form, place).await)
    }

    fn find(&self, sid: &str) -> Result<Arc<Session>, Refusal> {
        match self.registry.sids.read(sid) {
            Origin::Here(key) => self.registry.find(&key).ok_or(Refusal::UnknownSid),
            Origin::Elsewhere => Err(Refusal::OtherNode),
            Origin::Unknown => Err(Refusal::UnknownSid),
        }
    }

    async fn open_polling(&self, handshake: Box<Handshake>, form: Form, place: Place) -> Response<Body> {
        let registry = Arc::clone(&self.registry);
        let session = Session::new(registry, place, form, None);
        let open = session.open_packet(self.registry.config.transports.websocket);
        // It is the first packet, and nothing has ended the session yet.
        let _ = session.send(b"", &open, &[], true);
        let link = Link::new(Arc::clone(&session), handshake, None);
        // The first answer is the first packet and nothing else.
        let answer = get::answer(&session).await;
        self.accept.opened(link);
        answer.response()
    }

    fn open_websocket(
        &self,
        mut request: Request<()>,
        peer: Option<IpAddr>,
        form: Form,
        place: Place,
    ) -> Result<Response<Body>, Refusal> {
        let (response, socket) = self.accept(&mut request)?;
        let registry = Arc::clone(&self.registry);
        let accept = Arc::clone(&self.accept);
        let handshake = handshake(&request, peer);
        self.registry.spawn(async move {
            let patience = registry.config.upgrade_timeout;
            let Ok(Ok(socket)) = timeout(patience, socket).await else { return };
            if form.v3 {
                sleep(OLD_CLIENT_PAUSE).await;
            }
            let sender = Some(socket.sender());
            let session = Session::new(registry, place, form, sender);
            let _ = session.send(b"", &session.open_packet(false), &[], true);
            accept.opened(Link::new(session, handshake, Some(socket)));
        });
        Ok(response)
    }

    fn upgrade(
        &self,
        mut request: Request<()>,
        session: Arc<Session>,
        base64: bool,
    ) -> Result<Response<Body>, Refusal> {
        let (response, socket) = self.accept(&mut request)?;
        let patience = self.registry.config.upgrade_timeout;
        self.registry.spawn(async move {
            if let Ok(Ok(socket)) = timeout(patience, socket).await {
                upgrade::run(session, socket, base64).await;
            }
        });
        Ok(response)
    }

    fn accept<B>(
        &self,
        request: &mut Request<B>,
    ) -> Result<(Response<Body>, impl Future<Output = std::io::Result<Socket>> + Send + use<B, A>), Refusal>
    {
        let config = &self.registry.config;
        // Until it is settled; its link then allows more.
        let largest = config.connect_bytes.min(config.max_payload);
        let limits = Limits { outbox_bytes: config.outbox_bytes, ..Limits::messages(largest) };
        let accepted = websocket::accept(request, limits, config.take_apart);
        let (response, socket) = accepted.map_err(|_rejection| Refusal::BadRequest)?;
        Ok((response.map(|()| Body::default()), socket))
    }
}

impl<A> Clone for Engine<A> {
    fn clone(&self) -> Self {
        Self { registry: Arc::clone(&self.registry), accept: Arc::clone(&self.accept) }
    }
}

fn without_body<B>(request: Request<B>) -> Request<()> {
    request.map(drop)
}

fn handshake<B>(request: &Request<B>, peer: Option<IpAddr>) -> Box<Handshake> {
    Box::new(Handshake {
        method: request.method().clone(),
        uri: request.uri().clone(),
        headers: request.headers().clone(),
        peer,
    })
}
