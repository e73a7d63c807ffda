//! A gateway on a free port with a test core behind it, and clients of every kind.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use axum::body::Body;
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use parlor_api::v1::edge_service_server::EdgeServiceServer;
use tokio::net::TcpStream;
use tokio_tungstenite::{WebSocketStream, client_async};
use tonic::service::Routes;
use tower::{ServiceExt as _, util::BoxCloneSyncService};
use tungstenite::{Message, client::IntoClientRequest as _};

use crate::{
    Backend, Gateway, Limits, Listener, Options,
    mount::Mount,
    tests::core::{Chat, Core, EDGE_KEY, TENANT},
    transport::listener,
};

/// Nothing in these tests takes longer, however busy the machine is.
pub const PATIENCE: Duration = Duration::from_secs(10);

pub struct World {
    pub core: Core,
    pub gateway: Gateway,
    pub address: SocketAddr,
}

/// How a world differs from the usual one.
pub struct Plan {
    pub limits: Limits,
    pub origins: Vec<String>,
    pub listener: listener::Options,
    pub away: bool,
    /// The echo is at the root of the listener too.
    pub root: bool,
    /// What `/metrics` answers.
    pub metrics: String,
    pub reflection: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            origins: Vec::new(),
            listener: listener::Options::new("public", SocketAddr::from(([127, 0, 0, 1], 0))),
            away: false,
            root: false,
            metrics: "some_metric 1\n".to_owned(),
            reflection: true,
        }
    }
}

pub async fn world() -> World {
    World::start(Plan::default()).await
}

impl World {
    pub async fn start(plan: Plan) -> Self {
        let core = Core::default();
        let backend = backend(&core);
        Self::with(plan, core, backend).await
    }

    /// A gateway that reaches the core by this backend.
    pub async fn with(plan: Plan, core: Core, backend: Backend) -> Self {
        core.away(plan.away);
        let gateway = Gateway::start(options(&plan), backend).unwrap();
        let listener = Listener::bind(plan.listener).await.unwrap();
        let router = gateway.router(&listener);
        let address = gateway.serve(listener, router);
        let world = Self { core, gateway, address };
        if !plan.away {
            world.linked(true).await;
        }
        world
    }

    /// Waits until the link is up, or down.
    pub async fn linked(&self, up: bool) {
        let mut linked = self.gateway.linked();
        let waited = tokio::time::timeout(PATIENCE, linked.wait_for(|now| *now == up)).await;
        waited.expect("the link changed in time").unwrap();
    }

    pub async fn socket(&self, path: &str) -> Socket {
        self.try_socket(path, &[]).await.expect("the socket opens")
    }

    pub async fn try_socket(
        &self,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Socket, StatusCode> {
        let stream = TcpStream::connect(self.address).await.unwrap();
        let mut request = format!("ws://{}{path}", self.address).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        match client_async(request, stream).await {
            Ok((stream, _)) => Ok(Socket { stream }),
            Err(tungstenite::Error::Http(response)) => Err(response.status()),
            Err(error) => panic!("{error}"),
        }
    }

    /// A socket that has proved itself and hears the room.
    pub async fn listener(&self) -> Socket {
        let mut socket = self.socket("/echo").await;
        socket.say("attach good").await;
        socket.hears("attached acme").await;
        socket.say("subscribe room").await;
        assert!(socket.next().await.starts_with("subscribed"));
        socket
    }

    pub async fn http(&self, request: Request<Full<Bytes>>) -> (StatusCode, HeaderMap, String) {
        let (mut head, body) = request.into_parts();
        let path = head.uri.path_and_query().unwrap().clone();
        head.uri = format!("http://{}{path}", self.address).parse().unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let response = client.request(Request::from_parts(head, body)).await.unwrap();
        let (head, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8_lossy(&body).into_owned())
    }

    pub async fn post(&self, path: &str, body: &str) -> (StatusCode, String) {
        let request = Request::post(path).body(Full::from(body.to_owned())).unwrap();
        let (status, _, body) = self.http(request).await;
        (status, body)
    }

    pub async fn get(&self, path: &str) -> (StatusCode, String) {
        let (status, _, body) = self.http(Request::get(path).body(Full::default()).unwrap()).await;
        (status, body)
    }
}

fn options(plan: &Plan) -> Options {
    let metrics = plan.metrics.clone();
    let mount = |dialect: &str| Mount { origins: plan.origins.clone(), ..mount(dialect) };
    let mut mounts = vec![mount("echo"), mount("calm"), mount("shy")];
    if plan.root {
        let listener = Some(plan.listener.name.clone());
        mounts.push(Mount { name: "root".to_owned(), prefix: String::new(), listener, ..mount("echo") });
    }
    Options {
        name: "edge".to_owned(),
        edge_key: EDGE_KEY.to_owned(),
        mounts,
        limits: plan.limits.clone(),
        now: Arc::new(|| jiff::Timestamp::UNIX_EPOCH),
        metrics: Some(Arc::new(move || metrics.clone())),
        reflection: plan.reflection,
    }
}

/// A mount of the test dialect of this name.
pub fn mount(dialect: &str) -> Mount {
    Mount {
        name: dialect.to_owned(),
        dialect: dialect.to_owned(),
        prefix: format!("/{dialect}"),
        listener: None,
        tenant: Some(TENANT.to_owned()),
        issuers: vec!["one".to_owned(), "two".to_owned()],
        origins: Vec::new(),
        login_issuer: None,
        allow_signup: false,
        guests: false,
        identity: crate::mount::Identity::Token,
        rate: None,
        linger: Duration::from_secs(5),
    }
}

/// The test core as a backend in this process.
pub fn backend(core: &Core) -> Backend {
    Backend::local(service(core))
}

pub fn service(core: &Core) -> crate::backend::Service {
    let (_, health) = tonic_health::server::health_reporter();
    let routes = Routes::new(EdgeServiceServer::new(core.clone()))
        .add_service(Chat(core.clone()))
        .add_service(health)
        .prepare();
    let service = routes
        .map_request(|request: http::Request<tonic::body::Body>| request.map(Body::new))
        .map_err(|never| match never {});
    BoxCloneSyncService::new(service)
}

/// A WebSocket client.
pub struct Socket {
    pub stream: WebSocketStream<TcpStream>,
}

impl Socket {
    pub async fn say(&mut self, text: &str) {
        self.stream.send(Message::text(text)).await.unwrap();
    }

    /// The next text.
    pub async fn next(&mut self) -> String {
        match self.message().await {
            Message::Text(text) => text.to_string(),
            other => panic!("a text was expected, not {other:?}"),
        }
    }

    pub async fn message(&mut self) -> Message {
        loop {
            let received = tokio::time::timeout(PATIENCE, self.stream.next()).await;
            match received.expect("something came in time").expect("the socket is open").unwrap() {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    pub async fn hears(&mut self, text: &str) {
        assert_eq!(self.next().await, text);
    }

    /// The code and reason of the close, whatever comes before it.
    pub async fn closed(&mut self) -> (u16, String) {
        loop {
            if let Message::Close(frame) = self.message().await {
                let frame = frame.expect("a close has a reason");
                return (frame.code.into(), frame.reason.to_string());
            }
        }
    }
}
