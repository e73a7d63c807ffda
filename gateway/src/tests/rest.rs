//! REST: paths, limits, cross-origin answers and the gateway's own pages.

use bytes::Bytes;
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use parlor_api::limits::FRAME_BYTES;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use crate::{
    Limits,
    tests::world::{Plan, World, world},
};

#[tokio::test]
async fn the_dialect_sees_the_path_below_its_mount() {
    let world = world().await;
    assert_eq!(world.get("/echo/chat/faqs?limit=1").await.1, "GET /chat/faqs limit=1 0");
    assert_eq!(world.get("/echo").await.1, "GET /  0");
    assert_eq!(world.get("/echoes").await.0, StatusCode::NOT_FOUND);
    assert_eq!(world.get("/").await, (StatusCode::OK, "parlor\n".to_owned()));
}

#[tokio::test]
async fn a_body_at_the_limit_passes_and_one_over_is_refused() {
    let world = world().await;
    let (status, body) = world.post("/echo/x", &"x".repeat(FRAME_BYTES)).await;
    assert_eq!((status, body.as_str()), (StatusCode::OK, "POST /x  65536"));
    let (status, _) = world.post("/echo/x", &"x".repeat(FRAME_BYTES + 1)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn who_still_sends_a_body_that_is_too_large_learns_so() {
    let world = world().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let body = vec![b'x'; 4 * 1024 * 1024];
    let (first, rest) = body.split_at(FRAME_BYTES + 1);
    let head = format!("POST /echo/x HTTP/1.1\r\nhost: parlor\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(first).await.unwrap();
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 413");

    // The connection takes the rest, and the next request after it.
    stream.write_all(rest).await.unwrap();
    let next = b"GET /echo/y HTTP/1.1\r\nhost: parlor\r\nconnection: close\r\n\r\n";
    stream.write_all(next).await.unwrap();
    let mut answers = String::new();
    stream.read_to_string(&mut answers).await.unwrap();
    assert!(answers.ends_with("GET /y  0"), "{answers}");
}

#[tokio::test]
async fn an_address_over_its_limit_is_refused_in_the_dialects_words() {
    let limits = Limits { rest_requests: 3, ..Limits::default() };
    let world = World::start(Plan { limits, ..Plan::default() }).await;
    for _ in 0..3 {
        assert_eq!(world.get("/echo/x").await.0, StatusCode::OK);
    }
    let request = Request::get("/echo/x").body(Full::default()).unwrap();
    let (status, headers, body) = world.http(request).await;
    assert_eq!((status, body.as_str()), (StatusCode::TOO_MANY_REQUESTS, "too many requests"));
    assert!(headers.contains_key("retry-after"));
    assert_eq!(headers["access-control-allow-origin"], "*", "a script can read the refusal");
}

#[tokio::test]
async fn over_the_places_a_request_is_refused_and_a_place_comes_back() {
    let limits = Limits { exchanges: 1, ..Limits::default() };
    let world = World::start(Plan { limits, ..Plan::default() }).await;
    let _socket = world.listener().await;
    world.core.deaf(true);
    let held = world.post("/echo/send", "hello");
    let refused = async {
        world.core.until(|core| core.metadata().len() == 1).await;
        assert_eq!(world.get("/echo/x").await.0, StatusCode::INTERNAL_SERVER_ERROR);
        world.core.lag();
    };
    assert_eq!(tokio::join!(held, refused).0.0, StatusCode::OK);
    assert_eq!(world.get("/echo/x").await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_preflight_is_answered_in_the_dialects_words() {
    let world = world().await;
    let ask = || Request::builder().method(Method::OPTIONS).uri("/echo/x");
    let browsers =
        ask().header("origin", "https://shop.example").header("access-control-request-method", "POST");
    for request in [browsers, ask()] {
        let request = request.body(Full::<Bytes>::default()).unwrap();
        let (status, headers, _) = world.http(request).await;
        assert_eq!(status, StatusCode::NO_CONTENT);
        assert_eq!(headers["access-control-allow-origin"], "*");
        assert_eq!(headers["access-control-allow-headers"], "Content-Type, x-auth-token");
    }
}

#[tokio::test]
async fn a_machine_that_answers_nothing_is_answered_for() {
    let world = world().await;
    let unavailable = (StatusCode::INTERNAL_SERVER_ERROR, "unavailable".to_owned());
    assert_eq!(world.get("/echo/silence").await, unavailable);
}

#[tokio::test]
async fn health_and_metrics_have_their_pages() {
    let world = world().await;
    assert_eq!(world.get("/healthz").await, (StatusCode::OK, "ok\n".to_owned()));
    assert_eq!(world.get("/readyz").await, (StatusCode::OK, "ready\n".to_owned()));
    assert_eq!(world.get("/metrics").await, (StatusCode::OK, "some_metric 1\n".to_owned()));
}

#[tokio::test]
async fn calls_carry_the_mount_and_the_gateways_key() {
    let world = world().await;
    assert_eq!(world.post("/echo/send", "hello").await.0, StatusCode::OK);
    let metadata = world.core.metadata().remove(0);
    let value = |name: &str| metadata.get(name).map(|value| value.to_str().unwrap().to_owned());
    assert_eq!(value("parlor-edge-key").as_deref(), Some(super::core::EDGE_KEY));
    assert_eq!(value("parlor-tenant").as_deref(), Some("acme"));
    assert_eq!(value("parlor-issuers").as_deref(), Some("one,two"));
    assert_eq!(value("parlor-guest").as_deref(), Some("true"));
    assert_eq!(value("parlor-peer").as_deref(), Some("127.0.0.1"));
    assert!(value("parlor-connection").is_some_and(|name| name.starts_with("edge.")));
    assert!(value("parlor-request-id").is_some());
    assert!(value("grpc-timeout").is_some());
    assert_eq!(value("parlor-handle"), None);
}
