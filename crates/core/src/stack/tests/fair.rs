//! What one caller may take of what everybody shares.

use parlor_api::v1::presence_service_client::PresenceServiceClient;
use tokio_stream::StreamExt as _;

use super::{super::Share, *};

fn limited(share: Share) -> Options {
    Options { share, ..options() }
}

#[tokio::test]
async fn a_person_has_so_many_calls_and_others_are_not_harmed() {
    let world = World::new().await;
    let share = Share { calls_burst: 3, calls_per_second: 1, streams: 0 };
    let mut client = client(behaving(&world, &limited(share), |_| fine()));
    let (_, ann) = world.somebody("shop", Role::Customer).await;
    let bob = world.user("shop", "bob", &[Role::Customer]).await;
    let bob = world.token_of("shop", &bob).await.token;
    let mut ask = async |who: &str| {
        let asked = client.get_jwks(call(v1::GetJwksRequest {}, &[bearer(who)])).await;
        asked.unwrap_err()
    };
    for _ in 0..3 {
        assert_eq!(ask(&ann).await.message(), "the puppet was reached");
    }
    let shed = ask(&ann).await;
    assert_eq!((shed.code(), failure::reason(&shed)), (Code::ResourceExhausted, Reason::RateLimited));
    let wait_ms: u64 = failure::details(&shed)["retry_after_ms"].parse().unwrap();
    assert!((1..=1_000).contains(&wait_ms), "{wait_ms}");
    assert_eq!(ask(&bob).await.message(), "the puppet was reached");
}

#[tokio::test]
async fn guests_of_one_network_have_one_share_and_programs_have_none() {
    let world = World::new().await;
    let share = Share { calls_burst: 1, calls_per_second: 1, streams: 0 };
    let mut client = client(behaving(&world, &limited(share), |_| fine()));
    let mut ask = async |metadata: &[(&'static str, &str)]| {
        failure::reason(&client.get_jwks(call(v1::GetJwksRequest {}, metadata)).await.unwrap_err())
    };
    let guest = |peer: &'static str| {
        [("parlor-edge-key", EDGE), ("parlor-guest", "1"), ("parlor-tenant", "shop"), ("parlor-peer", peer)]
    };
    assert_eq!(ask(&guest("2001:db8::1")).await, Reason::Unspecified);
    assert_eq!(ask(&guest("2001:db8::2")).await, Reason::RateLimited);
    assert_eq!(ask(&guest("192.0.2.1")).await, Reason::Unspecified);
    for _ in 0..3 {
        assert_eq!(ask(&[bearer(crate::testing::OPERATOR)]).await, Reason::Unspecified);
    }
}

#[tokio::test]
async fn a_person_has_so_many_streams_and_one_that_ends_makes_room() {
    let world = World::with(|options| options.stack.share.streams = 2).await;
    let (_, ann) = world.somebody("shop", Role::Customer).await;
    let mut presence = PresenceServiceClient::new(world.core.routes());
    let mut watch = async || {
        let watched =
            presence.watch_presence(call(v1::WatchPresenceRequest::default(), &[bearer(&ann)])).await;
        watched.map(tonic::Response::into_inner)
    };
    let (mut first, _second) = (watch().await.unwrap(), watch().await.unwrap());
    assert!(first.next().await.unwrap().is_ok());
    let shed = watch().await.unwrap_err();
    assert_eq!((shed.code(), failure::reason(&shed)), (Code::ResourceExhausted, Reason::LimitReached));
    drop(first);
    assert!(watch().await.is_ok());
}
