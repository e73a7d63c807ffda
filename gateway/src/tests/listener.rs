//! The port itself: time-outs, places, TLS and its renewal.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use futures::{SinkExt as _, StreamExt as _};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tokio_tungstenite::{WebSocketStream, client_async};
use tungstenite::Message;

use crate::{
    tests::{
        echo::FRAME_BYTES,
        world::{PATIENCE, Plan, World, world},
    },
    transport::listener::{HEAD_BYTES_MAX, Tls},
};

async fn reads_end(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    let read = stream.read_to_end(&mut bytes);
    let _ = tokio::time::timeout(PATIENCE, read).await.expect("it is closed in time");
    bytes
}

#[tokio::test]
async fn a_client_that_does_not_finish_its_head_is_closed() {
    let mut plan = Plan::default();
    plan.listener.header_timeout = Duration::from_millis(50);
    let world = World::start(plan).await;
    for beginning in ["", "P", "PRI * HTTP/2", "GET / HTTP/1.1\r\nHost: half"] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        stream.write_all(beginning.as_bytes()).await.unwrap();
        reads_end(&mut stream).await;
    }
}

#[tokio::test]
async fn a_head_at_the_limit_passes_and_one_far_over_is_refused() {
    let world = world().await;
    for (bytes, status) in [(HEAD_BYTES_MAX, "200"), (3 * HEAD_BYTES_MAX, "431")] {
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let mut head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\nx-long: ".to_vec();
        head.resize(bytes - b"\r\n\r\n".len(), b'x');
        head.extend(b"\r\n\r\n");
        stream.write_all(&head).await.unwrap();
        let answer = String::from_utf8(reads_end(&mut stream).await).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{bytes}: {answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_reads_no_answer_is_gone_after_the_write_timeout() {
    let mut plan = Plan::default();
    plan.listener.write_timeout = Duration::from_millis(50);
    // More than the kernel keeps for anybody.
    plan.metrics = "x".repeat(16 << 20);
    let world = World::start(plan).await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    let request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n";
    let endless = async { while stream.write_all(request).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, endless).await.expect("it is closed, and not only read no further");
}

#[tokio::test]
async fn a_connection_over_the_places_is_closed_at_once_and_a_place_comes_back() {
    let mut plan = Plan::default();
    plan.listener.connections_max = 2;
    let world = World::start(plan).await;
    let mut first = world.socket("/echo").await;
    let mut second = world.socket("/echo").await;
    let mut third = TcpStream::connect(world.address).await.unwrap();
    assert_eq!(reads_end(&mut third).await, b"");
    first.say("close").await;
    assert_eq!(first.closed().await.0, 4000);
    drop(first);
    second.say("here").await;
    second.hears("here").await;
    let opened = async {
        loop {
            let mut stream = TcpStream::connect(world.address).await.unwrap();
            let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            if stream.write_all(request).await.is_ok() && !reads_end(&mut stream).await.is_empty() {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, opened).await.expect("the place of the closed socket is free");
}

#[tokio::test]
async fn an_address_has_its_share_of_the_connections_and_a_named_proxy_has_all() {
    for (proxies, opens) in [(vec![], false), (vec!["127.0.0.0/8".parse().unwrap()], true)] {
        let mut plan = Plan::default();
        plan.listener.connections_per_address = 1;
        plan.listener.trusted_proxies = proxies;
        let world = World::start(plan).await;
        let _first = world.socket("/echo").await;
        let mut second = TcpStream::connect(world.address).await.unwrap();
        let request = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
        let _ = second.write_all(request).await;
        assert_eq!(reads_end(&mut second).await.starts_with(b"HTTP/1.1 200"), opens);
    }
}

#[tokio::test]
async fn a_connection_under_way_is_told_at_the_end() {
    let world = world().await;
    let mut stream = TcpStream::connect(world.address).await.unwrap();
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut head = [0; 15];
    stream.read_exact(&mut head).await.unwrap();
    assert_eq!(&head, b"HTTP/1.1 200 OK");
    let (_, ()) = tokio::join!(reads_end(&mut stream), world.gateway.shutdown(Duration::from_secs(5)));
    assert!(TcpStream::connect(world.address).await.is_err(), "nobody listens");
}

/// Writes a new certificate, changed at the given time after 1970, and returns who trusts it.
fn certify(folder: &Path, changed_secs: u64) -> TlsConnector {
    let CertifiedKey { cert, signing_key } = generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let changed = SystemTime::UNIX_EPOCH + Duration::from_secs(changed_secs);
    for (name, text) in [("key.pem", signing_key.serialize_pem()), ("cert.pem", cert.pem())] {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::File::options().write(true).open(&path).unwrap().set_modified(changed).unwrap();
    }
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(config))
}

async fn healthy(world: &World, connector: &TlsConnector) -> bool {
    let stream = TcpStream::connect(world.address).await.unwrap();
    let Ok(mut stream) = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await else {
        return false;
    };
    stream.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    answer.starts_with(b"HTTP/1.1 200 OK")
}

#[tokio::test]
async fn a_renewed_certificate_is_used_without_a_restart_and_a_broken_one_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let old = certify(folder.path(), 1_000);
    let mut plan = Plan::default();
    let files = Tls { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    plan.listener.tls = Some(files);
    let world = World::start(plan).await;
    assert!(healthy(&world, &old).await);

    let new = certify(folder.path(), 2_000);
    let renewed = async {
        while !healthy(&world, &new).await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, renewed).await.expect("the new one is used");
    assert!(!healthy(&world, &old).await);

    std::fs::write(folder.path().join("cert.pem"), "nonsense").unwrap();
    assert!(healthy(&world, &new).await, "the last good one stays");
}

#[tokio::test]
async fn a_socket_over_tls_is_a_socket_like_others() {
    let folder = tempfile::tempdir().unwrap();
    let trusting = certify(folder.path(), 1_000);
    let mut plan = Plan::default();
    let files = Tls { certificate: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    plan.listener.tls = Some(files);
    let world = World::start(plan).await;
    let stream = TcpStream::connect(world.address).await.unwrap();
    let stream = trusting.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
    let (mut socket, _) = client_async("wss://localhost/echo", stream).await.unwrap();
    for text in ["hello", &"x".repeat(FRAME_BYTES)] {
        socket.send(Message::text(text)).await.unwrap();
        assert_eq!(heard(&mut socket).await, Message::text(text));
    }
    // More than the kernel and the TLS session hold at a time: it goes out in pieces as the client reads.
    socket.send(Message::text(format!("big {}", 8 << 20))).await.unwrap();
    assert_eq!(heard(&mut socket).await.len(), 8 << 20);
    socket.send(Message::text("close")).await.unwrap();
    assert!(matches!(heard(&mut socket).await, Message::Close(Some(frame)) if frame.reason == "asked"));
}

async fn heard(socket: &mut WebSocketStream<TlsStream<TcpStream>>) -> Message {
    tokio::time::timeout(PATIENCE, socket.next()).await.expect("it came in time").unwrap().unwrap()
}
