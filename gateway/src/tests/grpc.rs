//! Native gRPC and grpc-web through the public port.

use bytes::{BufMut as _, Bytes, BytesMut};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use parlor_api::{
    failure,
    v1::{
        self, GetConversationRequest, chat_service_client::ChatServiceClient,
        edge_service_client::EdgeServiceClient,
    },
};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tonic::{Code, transport::Channel};

use crate::{
    Backend, Listener,
    tests::{
        core::Core,
        world::{PATIENCE, Plan, World, service, world},
    },
    transport::listener::{self, Running},
};

async fn channel(world: &World) -> Channel {
    Channel::from_shared(format!("http://{}", world.address)).unwrap().connect().await.unwrap()
}

/// A gateway whose core is behind a port of its own.
async fn split_world() -> (World, Running) {
    let core = Core::default();
    let options = listener::Options::new("internal", std::net::SocketAddr::from(([127, 0, 0, 1], 0)));
    let internal = Listener::bind(options).await.unwrap();
    let backend = Backend::connect(&format!("http://{}", internal.address())).unwrap();
    let running = internal.serve(listener::grpc_service(service(&core)));
    (World::with(Plan::default(), core, backend).await, running)
}

#[tokio::test]
async fn a_call_passes_and_only_allowed_metadata_with_it() {
    let world = world().await;
    let mut client = ChatServiceClient::new(channel(&world).await);
    let mut request = tonic::Request::new(GetConversationRequest::default());
    let metadata = request.metadata_mut();
    for name in
        ["parlor-edge-key", "parlor-handle", "parlor-guest", "parlor-peer", "parlor-connection", "parlor-x"]
    {
        metadata.insert(name, "forged".parse().unwrap());
    }
    metadata.insert_bin("parlor-secret-bin", tonic::metadata::MetadataValue::from_bytes(b"forged"));
    metadata.insert("parlor-tenant", "acme".parse().unwrap());
    metadata.insert("parlor-request-id", "mine".parse().unwrap());
    metadata.insert("authorization", "Bearer token".parse().unwrap());
    client.get_conversation(request).await.unwrap();

    let seen = world.core.metadata().remove(0).into_headers();
    assert!(!seen.values().any(|value| value == "forged"), "{seen:?}");
    assert!(!seen.contains_key("parlor-secret-bin"));
    assert_eq!(seen["parlor-edge-key"], super::core::EDGE_KEY);
    assert_eq!(seen["parlor-peer"], "127.0.0.1");
    assert_eq!(seen["parlor-tenant"], "acme");
    assert_eq!(seen["parlor-request-id"], "mine");
    assert_eq!(seen["authorization"], "Bearer token");
    assert!(!seen.contains_key("parlor-guest") && !seen.contains_key("parlor-handle"));
}

/// What is a gateway's alone, such as positions of a tenant, is not for who calls through one.
#[tokio::test]
async fn who_calls_from_outside_is_marked_as_such() {
    let world = world().await;
    let mut client = ChatServiceClient::new(channel(&world).await);
    client.get_conversation(GetConversationRequest::default()).await.unwrap();
    assert_eq!(world.core.metadata().remove(0).get("parlor-public").unwrap(), "true");
}

#[tokio::test]
async fn one_address_has_so_many_calls_unanswered_and_no_more() {
    let mut plan = Plan::default();
    plan.limits.calls_per_address = 1;
    let world = World::start(plan).await;
    let mut head = TcpStream::connect(world.address).await.unwrap();
    let request = "POST /parlor.v1.ChatService/GetConversation HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                   content-type: application/grpc-web+proto\r\ncontent-length: 5\r\n\r\n";
    head.write_all(request.as_bytes()).await.unwrap();
    let mut client = ChatServiceClient::new(channel(&world).await);
    let shed = async {
        loop {
            // The head may not have been read yet.
            if let Err(shed) = client.get_conversation(GetConversationRequest::default()).await {
                return shed;
            }
        }
    };
    let shed = tokio::time::timeout(PATIENCE, shed).await.unwrap();
    assert_eq!((shed.code(), failure::reason(&shed)), (Code::ResourceExhausted, v1::Reason::RateLimited));
    assert!(failure::details(&shed).contains_key("retry_after_ms"));
    head.write_all(&[0; 5]).await.unwrap();
    let mut answer = Vec::new();
    head.read_to_end(&mut answer).await.unwrap();
    assert!(answer.starts_with(b"HTTP/1.1 200"));
    client.get_conversation(GetConversationRequest::default()).await.unwrap();
}

#[tokio::test]
async fn reflection_can_be_switched_off() {
    for (reflection, served) in [(true, true), (false, false)] {
        let world = World::start(Plan { reflection, ..Plan::default() }).await;
        let request = Request::post("/grpc.reflection.v1.ServerReflection/ServerReflectionInfo")
            .header("content-type", "application/grpc")
            .body(Full::<Bytes>::default())
            .unwrap();
        let (_, headers, _) = world.http(request).await;
        let message = headers.get("grpc-message").map(|message| message.to_str().unwrap());
        assert_eq!(message != Some("there%20is%20no%20such%20service%20here"), served, "{message:?}");
    }
}

#[tokio::test]
async fn an_answer_does_not_tell_what_is_for_gateways() {
    let world = world().await;
    let mut client = ChatServiceClient::new(channel(&world).await);
    let answer = client.send_message(v1::SendMessageRequest::default()).await.unwrap();
    assert!(answer.get_ref().message.is_some());
    assert!(answer.metadata().get("parlor-position").is_none());
}

#[tokio::test]
async fn the_link_is_not_for_the_public() {
    let world = world().await;
    let mut client = EdgeServiceClient::new(channel(&world).await);
    let requests = futures::stream::iter([v1::LinkRequest::default()]);
    let refused = client.link(requests).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn an_unknown_service_is_a_grpc_answer() {
    let world = world().await;
    let mut grpc = tonic::client::Grpc::new(channel(&world).await);
    grpc.ready().await.unwrap();
    let codec =
        parlor_api::codec::SmallCodec::<GetConversationRequest, v1::GetConversationResponse>::default();
    let path = http::uri::PathAndQuery::from_static("/elsewhere.v1.Nothing/Do");
    let request = tonic::Request::new(GetConversationRequest::default());
    let refused = grpc.unary(request, path, codec).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn health_is_answered_bare() {
    let world = world().await;
    let mut client = tonic_health::pb::health_client::HealthClient::new(channel(&world).await);
    let request = tonic_health::pb::HealthCheckRequest { service: String::new() };
    assert_eq!(client.check(request).await.unwrap().get_ref().status, 1);
}

#[tokio::test]
async fn grpc_web_is_served_to_every_origin() {
    let world = world().await;
    let mut body = BytesMut::new();
    body.put_slice(&[0, 0, 0, 0, 0]);
    let request = Request::post("/parlor.v1.ChatService/GetConversation")
        .header("content-type", "application/grpc-web+proto")
        .header("origin", "https://shop.example")
        .body(Full::from(body.freeze()))
        .unwrap();
    let (status, headers, body) = world.http(request).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["access-control-allow-origin"], "https://shop.example");
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    assert!(exposed.contains("grpc-status-details-bin"), "{exposed}");
    assert!(body.contains("grpc-status:0"), "{body:?}");
}

#[tokio::test]
async fn a_preflight_of_grpc_web_is_answered() {
    let world = world().await;
    let request = Request::builder()
        .method(Method::OPTIONS)
        .uri("/parlor.v1.ChatService/GetConversation")
        .header("origin", "https://shop.example")
        .header("access-control-request-method", "POST")
        .header("access-control-request-headers", "x-grpc-web,authorization,content-type")
        .body(Full::<Bytes>::default())
        .unwrap();
    let (status, headers, _) = world.http(request).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["access-control-allow-origin"], "https://shop.example");
    assert!(headers["access-control-allow-headers"].to_str().unwrap().contains("x-grpc-web"));
    assert!(world.core.metadata().is_empty(), "the core heard nothing of it");
}

#[tokio::test]
async fn without_a_core_a_call_is_unavailable() {
    let world = world().await;
    world.core.away(true);
    let mut client = ChatServiceClient::new(channel(&world).await);
    let refused = client.send_message(v1::SendMessageRequest::default()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable);
}

#[tokio::test]
async fn a_connection_header_does_not_remove_what_the_gateway_says() {
    let (world, _running) = split_world().await;
    let request = Request::post("/parlor.v1.ChatService/GetConversation")
        .header("content-type", "application/grpc-web+proto")
        .header("connection", "keep-alive, parlor-peer, parlor-edge-key, authorization")
        .header("keep-alive", "timeout=5")
        .header("authorization", "Bearer token")
        .body(Full::from(Bytes::from_static(&[0; 5])))
        .unwrap();
    let (_, _, body) = world.http(request).await;
    assert!(body.contains("grpc-status:0"), "{body:?}");
    let seen = world.core.metadata().remove(0).into_headers();
    assert_eq!(seen["parlor-peer"], "127.0.0.1");
    assert_eq!(seen["parlor-edge-key"], super::core::EDGE_KEY);
    for name in ["connection", "keep-alive", "authorization"] {
        assert!(!seen.contains_key(name), "{name} was for this hop alone");
    }
}

#[tokio::test]
async fn watches_that_nobody_reads_delay_no_socket_and_no_other_call() {
    let (world, _running) = split_world().await;
    let mut unread = Vec::new();
    for _ in 0..8 {
        let mut client = ChatServiceClient::new(channel(&world).await);
        let watch = client.watch_conversation(v1::WatchConversationRequest::default()).await.unwrap();
        let mut watch = watch.into_inner();
        assert!(watch.message().await.unwrap().is_some());
        unread.push((client, watch));
    }
    let mut socket = world.listener().await;
    let mut other = ChatServiceClient::new(channel(&world).await);
    let text = "x".repeat(60 * 1024);
    for number in 1..=200 {
        world.core.append(&text);
        socket.hears(&format!("event {number} {text}")).await;
        let call = other.get_conversation(GetConversationRequest::default());
        let answered = tokio::time::timeout(super::world::PATIENCE, call).await;
        answered.expect("the call is answered in time").unwrap();
    }
}
