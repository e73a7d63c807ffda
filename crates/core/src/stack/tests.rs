//! The chain around a service that misbehaves on demand.

use std::{
    convert::Infallible,
    task::{Context, Poll},
    time::Duration,
};

use http::{Request, Response};
use parlor_api::{
    failure,
    v1::{self, Reason, Role, token_service_client::TokenServiceClient},
};
use tokio::sync::oneshot;
use tonic::{Code, Status, body::Body, server::NamedService, service::Routes};

mod arrival;
mod fair;

use super::{Options, wrap};
use crate::{
    Service,
    caller::Caller,
    testing::{EDGE, World, bearer, call},
};

type Answer = futures::future::BoxFuture<'static, Result<Response<Body>, Infallible>>;
type Behave = dyn Fn(Request<Body>) -> Answer + Send + Sync;

/// Stands in the place of the token service and does as it is told.
#[derive(Clone)]
struct Puppet(std::sync::Arc<Behave>);

impl NamedService for Puppet {
    const NAME: &'static str = "parlor.v1.TokenService";
}

impl tower::Service<Request<Body>> for Puppet {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Answer;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Body>) -> Answer {
        (self.0)(request)
    }
}

fn behaving(
    world: &World,
    options: &Options,
    behave: impl Fn(Request<Body>) -> Answer + Send + Sync + 'static,
) -> Service {
    wrap(Routes::new(Puppet(std::sync::Arc::new(behave))), world.core.auth(), &world.clock, options)
}

fn client(service: Service) -> TokenServiceClient<Service> {
    TokenServiceClient::new(service)
}

fn options() -> Options {
    crate::testing::options().stack
}

fn fine() -> Answer {
    Box::pin(async { Ok(Status::unknown("the puppet was reached").into_http()) })
}

/// Says in a status what the chain has proven.
fn told(request: &Request<Body>) -> Answer {
    let caller = request.extensions().get::<Caller>().cloned().unwrap_or_default();
    let foreign = request.extensions().get::<&'static str>().is_some();
    let secrets =
        request.headers().contains_key("authorization") || request.headers().contains_key("parlor-edge-key");
    let tenant = caller.principal.as_ref().map(|principal| principal.tenant_slug.to_string());
    let said = format!(
        "edge={} tenant={tenant:?} peer={} signup={} foreign={foreign} secrets={secrets}",
        caller.edge, caller.peer, caller.signup
    );
    Box::pin(async move { Ok(Status::unknown(said).into_http()) })
}

#[tokio::test]
async fn a_deadline_holds_in_one_process() {
    let world = World::new().await;
    let slow = behaving(&world, &options(), |_| Box::pin(std::future::pending()));
    let mut request = tonic::Request::new(v1::GetJwksRequest {});
    request.set_timeout(Duration::from_millis(20));
    let error = client(slow.clone()).get_jwks(request).await.unwrap_err();
    assert_eq!((error.code(), failure::reason(&error)), (Code::DeadlineExceeded, Reason::DeadlineExceeded));

    let brief = Options { default_deadline: Duration::from_millis(20), ..options() };
    let slow = behaving(&world, &brief, |_| Box::pin(std::future::pending()));
    let error = client(slow).get_jwks(v1::GetJwksRequest {}).await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);

    let short = Options { longest_deadline: Duration::from_millis(20), ..options() };
    let slow = behaving(&world, &short, |_| Box::pin(std::future::pending()));
    let mut request = tonic::Request::new(v1::GetJwksRequest {});
    request.set_timeout(Duration::from_secs(3600));
    assert_eq!(client(slow).get_jwks(request).await.unwrap_err().code(), Code::DeadlineExceeded);

    let served = behaving(&world, &options(), |_| fine());
    let wrong = call(v1::GetJwksRequest {}, &[("grpc-timeout", "soon")]);
    let error = client(served).get_jwks(wrong).await.unwrap_err();
    assert_eq!(failure::fields(&error), ["grpc-timeout"]);
}

#[tokio::test]
async fn a_panic_is_one_calls_failure_and_names_the_call() {
    let world = World::new().await;
    let service = behaving(&world, &options(), |request| {
        let early = request.headers().contains_key("early");
        assert!(!early, "before the first await");
        Box::pin(async move {
            let panics = request.headers().contains_key("late");
            tokio::task::yield_now().await;
            assert!(!panics, "after it");
            fine().await
        })
    });
    for how in ["early", "late"] {
        let request = call(v1::GetJwksRequest {}, &[(how, "1"), ("parlor-request-id", "seven")]);
        let error = client(service.clone()).get_jwks(request).await.unwrap_err();
        assert_eq!((error.code(), failure::reason(&error)), (Code::Internal, Reason::Internal));
        assert_eq!(failure::details(&error)["request_id"], "seven");
        assert!(!error.message().contains("await"), "{}", error.message());
        let next = client(service.clone()).get_jwks(v1::GetJwksRequest {}).await.unwrap_err();
        assert_eq!(next.message(), "the puppet was reached");
    }
}

#[tokio::test]
async fn one_call_more_than_fits_is_shed() {
    let world = World::new().await;
    let (release, released) = oneshot::channel::<()>();
    let released = futures::FutureExt::shared(released);
    let two = Options { calls_in_flight: 2, ..options() };
    let service = behaving(&world, &two, move |_| {
        let released = released.clone();
        Box::pin(async move {
            let _ = released.await;
            fine().await
        })
    });
    let ask = || {
        let mut client = client(service.clone());
        async move { client.get_jwks(v1::GetJwksRequest {}).await.unwrap_err() }
    };
    let (first, second) = (ask(), ask());
    tokio::pin!(first, second);
    assert!(futures::poll!(&mut first).is_pending());
    assert!(futures::poll!(&mut second).is_pending());
    let shed = ask().await;
    assert_eq!((shed.code(), failure::reason(&shed)), (Code::ResourceExhausted, Reason::RateLimited));
    release.send(()).unwrap();
    for answered in [first.await, second.await, ask().await] {
        assert_eq!(answered.message(), "the puppet was reached");
    }
}

#[tokio::test]
async fn nothing_but_the_chain_says_who_calls() {
    let world = World::new().await;
    let mut client = client(behaving(&world, &options(), |request| told(&request)));
    let mut smuggled = tonic::Request::new(v1::GetJwksRequest {});
    smuggled.extensions_mut().insert(Caller { edge: true, signup: true, ..Caller::default() });
    smuggled.extensions_mut().insert("foreign");
    let nobody = "edge=false tenant=None peer= signup=false foreign=false secrets=false";
    assert_eq!(client.get_jwks(smuggled).await.unwrap_err().message(), nobody);

    let claimed = [
        ("parlor-peer", "192.0.2.1"),
        ("parlor-signup", "1"),
        ("parlor-guest", "1"),
        ("parlor-tenant", "shop"),
    ];
    let error = client.get_jwks(call(v1::GetJwksRequest {}, &claimed)).await.unwrap_err();
    assert_eq!(error.message(), nobody);

    let wrong = [&claimed[..], &[("parlor-edge-key", "wrong")]].concat();
    let error = client.get_jwks(call(v1::GetJwksRequest {}, &wrong)).await.unwrap_err();
    assert_eq!((error.code(), failure::reason(&error)), (Code::PermissionDenied, Reason::EdgeKeyRequired));

    let right = [&claimed[..], &[("parlor-edge-key", EDGE)]].concat();
    let error = client.get_jwks(call(v1::GetJwksRequest {}, &right)).await.unwrap_err();
    let guest = r#"edge=true tenant=Some("shop") peer=192.0.2.1 signup=true foreign=false secrets=false"#;
    assert_eq!(error.message(), guest);
}

#[tokio::test]
async fn no_edge_key_configured_lets_no_gateway_in() {
    let world = World::new().await;
    let closed = Options { edge_keys: vec![String::new()], ..options() };
    let mut client = client(behaving(&world, &closed, |request| told(&request)));
    for key in ["", EDGE] {
        let request = call(v1::GetJwksRequest {}, &[("parlor-edge-key", key)]);
        assert_eq!(failure::reason(&client.get_jwks(request).await.unwrap_err()), Reason::EdgeKeyRequired);
    }
}

#[tokio::test]
async fn a_bad_credential_is_refused_before_the_service_and_a_missing_one_is_not() {
    let world = World::new().await;
    let (user, token) = world.somebody("shop", Role::Customer).await;
    let mut client = client(behaving(&world, &options(), |request| told(&request)));
    let told_of = client.get_jwks(call(v1::GetJwksRequest {}, &[bearer(&token)])).await.unwrap_err();
    assert!(
        told_of.message().contains(r#"tenant=Some("shop")"#) && told_of.message().contains("secrets=false")
    );

    let elsewhere = [bearer(&token), ("parlor-tenant", "other")];
    for metadata in [&[bearer("garbage")][..], &[bearer("")], &elsewhere] {
        let error = client.get_jwks(call(v1::GetJwksRequest {}, metadata)).await.unwrap_err();
        assert_eq!(
            (error.code(), failure::reason(&error)),
            (Code::Unauthenticated, Reason::CredentialInvalid)
        );
    }
    let mut basic = tonic::Request::new(v1::GetJwksRequest {});
    basic.metadata_mut().insert("authorization", "Basic YTpi".parse().unwrap());
    assert_eq!(failure::reason(&client.get_jwks(basic).await.unwrap_err()), Reason::CredentialInvalid);

    world.clock.advance(Duration::from_secs(3600 + 5));
    let error = client.get_jwks(call(v1::GetJwksRequest {}, &[bearer(&token)])).await.unwrap_err();
    assert_eq!(failure::reason(&error), Reason::CredentialExpired);
    drop(user);
}

#[tokio::test]
async fn a_message_at_the_limit_is_read_and_one_byte_more_is_not() {
    let world = World::new().await;
    let (_, staff) = world.somebody("shop", Role::Staff).await;
    // A tag and a length of three bytes stand before the text. What is read is then held to its field's own bound.
    let longest = parlor_api::limits::REQUEST_BYTES - 4;
    for (bytes, code) in [(longest, Code::InvalidArgument), (longest + 1, Code::OutOfRange)] {
        let request = v1::InspectTokenRequest { token: "t".repeat(bytes) };
        let answer = world.tokens().inspect_token(call(request, &[bearer(&staff)])).await;
        assert_eq!(answer.map_or_else(|status| status.code(), |_| Code::Ok), code, "{bytes}");
    }
}
