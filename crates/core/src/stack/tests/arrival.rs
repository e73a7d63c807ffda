//! Messages that come late, in pieces, or never.

use bytes::Bytes;
use futures::{StreamExt as _, stream, stream::BoxStream};
use http_body::Frame;
use http_body_util::StreamBody;
use parlor_api::limits::REQUEST_BYTES;
use tonic::Status;
use tower::ServiceExt as _;

use super::*;

const GET_JWKS: &str = "/parlor.v1.TokenService/GetJwks";

/// A call whose message comes as this stream does.
fn asking(path: &str, message: BoxStream<'static, Bytes>, metadata: &[(&str, &str)]) -> Request<Body> {
    let frames = message.map(|piece| Ok::<_, Status>(Frame::data(piece)));
    let mut request = Request::post(path).body(Body::new(StreamBody::new(frames))).unwrap();
    for (name, value) in metadata {
        request.headers_mut().insert(http::HeaderName::try_from(*name).unwrap(), value.parse().unwrap());
    }
    request
}

/// So many bytes, and then nothing any more.
fn kept_back(bytes: usize) -> BoxStream<'static, Bytes> {
    let first = (bytes > 0).then(|| Bytes::from(vec![0; bytes]));
    stream::iter(first).chain(stream::pending()).boxed()
}

fn empty_message() -> BoxStream<'static, Bytes> {
    stream::iter([Bytes::from_static(&[0; 5])]).boxed()
}

async fn answer(service: &Service, request: Request<Body>) -> Status {
    let response = service.clone().oneshot(request).await.unwrap();
    Status::from_header_map(response.headers()).expect("a failure")
}

fn reason(status: &Status) -> Reason {
    failure::reason(status)
}

#[tokio::test]
async fn a_head_without_its_message_takes_no_place_and_ends_by_itself() {
    let world = World::new().await;
    let one = Options { calls_in_flight: 1, arrive_within: Duration::from_millis(200), ..options() };
    let service = behaving(&world, &one, |_| fine());
    let heads = (0..50).map(|_| answer(&service, asking(GET_JWKS, kept_back(0), &[])));
    let heads = futures::future::join_all(heads);
    tokio::pin!(heads);
    assert!(futures::poll!(&mut heads).is_pending());
    let served = answer(&service, asking(GET_JWKS, empty_message(), &[])).await;
    assert_eq!(served.message(), "the puppet was reached");
    for late in heads.await {
        assert_eq!((late.code(), reason(&late)), (Code::DeadlineExceeded, Reason::DeadlineExceeded));
    }
}

#[tokio::test]
async fn the_one_message_of_a_stream_of_answers_has_to_come_too() {
    let world = World::new().await;
    let brief = Options { arrive_within: Duration::from_millis(20), ..options() };
    let service = super::wrap(Routes::default(), world.core.auth(), &world.clock, &brief);
    for path in ["/parlor.v1.ChatService/WatchConversation", "/grpc.health.v1.Health/Check"] {
        let late = answer(&service, asking(path, kept_back(0), &[])).await;
        assert_eq!(reason(&late), Reason::DeadlineExceeded, "{path}");
    }
}

#[tokio::test]
async fn what_a_client_keeps_waiting_is_bounded_and_given_back() {
    let world = World::new().await;
    let service = behaving(&world, &options(), |_| fine());
    let of = |peer: &'static str| [("parlor-peer", peer)];
    let nearly = || kept_back(REQUEST_BYTES - 1);
    let (first, second) = (
        answer(&service, asking(GET_JWKS, nearly(), &of("2001:db8::1"))),
        answer(&service, asking(GET_JWKS, nearly(), &of("2001:db8::2"))),
    );
    let mut held = Box::pin(async { tokio::join!(first, second) });
    assert!(futures::poll!(&mut held).is_pending());
    let third = || asking(GET_JWKS, nearly(), &of("2001:db8::3"));
    let shed = answer(&service, third()).await;
    assert_eq!((shed.code(), reason(&shed)), (Code::ResourceExhausted, Reason::RateLimited));
    let whole = asking(GET_JWKS, empty_message(), &of("2001:db8::3"));
    assert_eq!(answer(&service, whole).await.message(), "the puppet was reached", "what is whole passes");
    let mut other = Box::pin(answer(&service, asking(GET_JWKS, nearly(), &of("192.0.2.1"))));
    assert!(futures::poll!(&mut other).is_pending(), "others are not harmed");
    drop(held);
    assert!(futures::poll!(&mut Box::pin(answer(&service, third()))).is_pending());
}

#[tokio::test]
async fn clients_leave_places_to_gateways_and_probes_need_none() {
    let world = World::new().await;
    let four = Options { calls_in_flight: 4, ..options() };
    let service = behaving(&world, &four, |_| Box::pin(std::future::pending()));
    let mut public: Vec<_> = (0..3)
        .map(|_| Box::pin(answer(&service, asking(GET_JWKS, empty_message(), &[("parlor-public", "true")]))))
        .collect();
    for call in &mut public {
        assert!(futures::poll!(call).is_pending());
    }
    let over = answer(&service, asking(GET_JWKS, empty_message(), &[("parlor-public", "true")])).await;
    assert_eq!(reason(&over), Reason::RateLimited);
    let mut of_a_gateway = Box::pin(answer(&service, asking(GET_JWKS, empty_message(), &[])));
    assert!(futures::poll!(&mut of_a_gateway).is_pending(), "it has a place");
    let full = answer(&service, asking(GET_JWKS, empty_message(), &[])).await;
    assert_eq!(reason(&full), Reason::RateLimited);
    let probe = answer(&service, asking("/grpc.health.v1.Health/Check", empty_message(), &[])).await;
    assert_eq!(probe.code(), Code::Unimplemented, "these routes have no health; the chain let it through");
}
