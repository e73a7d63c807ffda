//! The client's address as the core hears it.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;

use crate::tests::world::{Plan, World};

async fn peer_behind(proxies: &[&str]) -> String {
    let mut plan = Plan::default();
    plan.listener.trusted_proxies = proxies.iter().map(|network| network.parse().unwrap()).collect();
    let world = World::start(plan).await;
    let request = Request::post("/echo/send")
        .header("x-forwarded-for", "203.0.113.9")
        .body(Full::<Bytes>::from("hello"))
        .unwrap();
    world.http(request).await;
    let metadata = world.core.metadata().remove(0);
    metadata.get("parlor-peer").unwrap().to_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_forwarding_header_is_believed_from_a_named_proxy_only() {
    assert_eq!(peer_behind(&[]).await, "127.0.0.1");
    assert_eq!(peer_behind(&["10.0.0.0/8"]).await, "127.0.0.1");
    assert_eq!(peer_behind(&["127.0.0.0/8"]).await, "203.0.113.9");
}
