//! The one port: TLS and its renewal, who is believed about addresses, clients that never finish their sentence.

use std::{path::Path, sync::Arc};

use parlor_tests::{PATIENCE, Plan, Socket, World, soon, topologies};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName},
};
use serde_json::json;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use toml::{Table, Value};

topologies!(
    everything_is_served_over_tls_and_a_new_certificate_is_taken_up,
    only_a_named_proxy_is_believed,
    a_head_that_never_ends_is_cut_off,
    health_readiness_and_metrics_are_told,
);

/// Requests an address may make in these tests.
const REST_LIMIT: i64 = 3;

/// A listener with these settings instead of the usual one.
fn with_listener(plan: Plan, settings: &[(&str, Value)]) -> Plan {
    let mut listener = Table::from_iter([
        ("name".to_owned(), Value::from("public")),
        ("address".to_owned(), Value::from("127.0.0.1:0")),
    ]);
    listener.extend(settings.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    plan.set("listener", vec![Value::Table(listener)])
}

/// Writes a new self-signed certificate and returns it.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // The key first: whoever reads between the two sees a pair that does not fit, and keeps the old one.
    std::fs::write(folder.join("key.pem"), made.signing_key.serialize_pem()).unwrap();
    std::fs::write(folder.join("certificate.pem"), made.cert.pem()).unwrap();
    made.cert.der().clone()
}

/// Connects by TLS, trusting this certificate only.
async fn connect(
    world: &World,
    certificate: &CertificateDer<'static>,
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let stream = TcpStream::connect(world.entrance().address).await?;
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn everything_is_served_over_tls_and_a_new_certificate_is_taken_up(plan: Plan) {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| Value::from(folder.path().join(name).to_str().unwrap());
    let first = certify(folder.path());
    let plan = with_listener(
        plan.without_tenant(),
        &[("tls_certificate_file", path("certificate.pem")), ("tls_key_file", path("key.pem"))],
    );
    let world = plan.start().await;
    let stream = connect(&world, &first).await.unwrap();
    let mut standing = Socket::over(stream, "wss://localhost/staff", &[]).await.unwrap();
    standing.hears_nothing().await;

    let second = certify(folder.path());
    let renewed = tokio::time::timeout(PATIENCE, async {
        loop {
            if let Ok(stream) = connect(&world, &second).await {
                return stream;
            }
            tokio::task::yield_now().await;
        }
    });
    let stream = renewed.await.expect("the new certificate is taken up");
    let mut socket = Socket::over(stream, "wss://localhost/staff", &[]).await.unwrap();
    socket.hears_nothing().await;
    standing.hears_nothing().await;
}

async fn only_a_named_proxy_is_believed(plan: Plan) {
    let believed =
        with_listener(plan.clone(), &[("trusted_proxies", vec![Value::from("127.0.0.1/32")].into())])
            .set("gateway.rest_limit_requests", REST_LIMIT)
            .start()
            .await;
    for address in ["203.0.113.7", "203.0.113.8"] {
        let client = believed.staff_rest().with_header("x-forwarded-for", address);
        for _ in 0..REST_LIMIT {
            client.get("/chat/faqs").await.expect(200);
        }
        let reply = client.get("/chat/faqs").await;
        assert_eq!(reply.status.as_u16(), 429);
        assert_eq!(reply.text(), "Too many requests from this IP, please try again after 15 minutes");
    }
    // What the client itself put before the proxy's entry counts for nothing.
    let spoofed = believed.staff_rest().with_header("x-forwarded-for", "198.51.100.1, 203.0.113.7");
    assert_eq!(spoofed.get("/chat/faqs").await.status.as_u16(), 429);

    let unbelieved = with_listener(plan, &[]).set("gateway.rest_limit_requests", REST_LIMIT).start().await;
    for number in 0..REST_LIMIT {
        let client = unbelieved.staff_rest().with_header("x-forwarded-for", &format!("203.0.113.{number}"));
        client.get("/chat/faqs").await.expect(200);
    }
    let client = unbelieved.staff_rest().with_header("x-forwarded-for", "203.0.113.99");
    assert_eq!(client.get("/chat/faqs").await.status.as_u16(), 429);
}

async fn a_head_that_never_ends_is_cut_off(plan: Plan) {
    let world = with_listener(plan, &[("header_timeout_ms", 100.into())]).start().await;
    for sentence in ["", "GET /staff HTTP/1.1\r\nHost: parl", "PRI * HTTP/2.0\r\n"] {
        let mut stream = TcpStream::connect(world.entrance().address).await.unwrap();
        stream.write_all(sentence.as_bytes()).await.unwrap();
        let mut rest = Vec::new();
        // Whether it is told why, or just cut off, it ends.
        let _ = soon("the end", stream.read_to_end(&mut rest)).await;
    }
    let session = world.session();
    world.staff_rest().post("/chat/staff/connect", &json!({"sessionId": session})).await.expect(200);
}

async fn health_readiness_and_metrics_are_told(plan: Plan) {
    let world = plan.start().await;
    assert_eq!(world.http().get("/healthz").await.status.as_u16(), 200);
    assert_eq!(world.http().get("/readyz").await.status.as_u16(), 200);
    let metrics = world.http().get("/metrics").await;
    assert_eq!(metrics.status.as_u16(), 200);
    assert!(metrics.text().contains("parlor_"), "{}", metrics.text());
    assert!(!metrics.text().contains(&world.configuration.tenant), "metrics name no tenant's people");
}
