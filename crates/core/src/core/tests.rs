//! The assembled core from outside: what is open to everybody, and what nobody gets without a proof.

mod bounds;
mod retention;

use std::time::Duration;

use futures::StreamExt as _;
use parlor_api::{
    codec::SmallCodec,
    failure,
    v1::{self, Reason},
};
use prost::Message as _;
use prost_types::FileDescriptorSet;
use tokio_stream as stream;
use tonic::{Code, Request, Status, client::Grpc, codec::Streaming};
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};
use tonic_reflection::pb::{v1 as new, v1alpha as old};

use crate::testing::{EDGE, World, call};

/// Open to callers without a credential: the request is the proof, or there is nothing to prove.
const OPEN: [&str; 2] = ["/parlor.v1.TokenService/ExchangeCredential", "/parlor.v1.TokenService/GetJwks"];

fn methods() -> Vec<String> {
    let files = FileDescriptorSet::decode(parlor_api::DESCRIPTORS).unwrap();
    let services = files.file.iter().flat_map(|file| {
        file.service.iter().map(|service| (format!("{}.{}", file.package(), service.name()), &service.method))
    });
    services
        .flat_map(|(name, list)| list.iter().map(move |method| format!("/{name}/{}", method.name())))
        .collect()
}

/// Calls any method with an empty message, as a stream both ways, and answers how it ended.
async fn ask(world: &World, path: &str, metadata: &[(&'static str, &str)]) -> Status {
    let mut grpc = Grpc::new(world.core.routes());
    let codec = SmallCodec::<v1::GetJwksRequest, v1::GetJwksRequest>::default();
    let request = call(stream::once(v1::GetJwksRequest {}), metadata);
    let answer = grpc.streaming(request, path.parse().unwrap(), codec).await;
    match answer.map(tonic::Response::into_inner) {
        Err(status) => status,
        Ok(mut answers) => first_failure(&mut answers).await,
    }
}

async fn first_failure(answers: &mut Streaming<v1::GetJwksRequest>) -> Status {
    match answers.next().await {
        Some(Err(status)) => status,
        Some(Ok(_)) | None => Status::ok("it answered"),
    }
}

#[tokio::test]
async fn every_method_refuses_a_caller_without_a_credential() {
    let world = World::new().await;
    let methods = methods();
    assert!(methods.len() >= 26, "{methods:?}");
    for path in methods {
        let refused = ask(&world, &path, &[]).await;
        let expected = match path.as_str() {
            "/parlor.v1.EdgeService/Link" => Reason::EdgeKeyRequired,
            "/parlor.v1.TokenService/ExchangeCredential" => Reason::FieldInvalid,
            "/parlor.v1.TokenService/GetJwks" => Reason::Unspecified,
            _ => Reason::CredentialMissing,
        };
        assert_eq!(failure::reason(&refused), expected, "{path}: {refused:?}");
        if OPEN.contains(&path.as_str()) {
            assert_ne!(refused.code(), Code::Unauthenticated, "{path}");
        }
    }
}

#[tokio::test]
async fn every_method_refuses_a_bad_credential_and_a_false_edge() {
    let world = World::new().await;
    for path in methods() {
        let refused = ask(&world, &path, &[("authorization", "garbage")]).await;
        assert_eq!(failure::reason(&refused), Reason::CredentialInvalid, "{path}: {refused:?}");
        let refused = ask(&world, &path, &[("parlor-edge-key", &EDGE[1..])]).await;
        assert_eq!(failure::reason(&refused), Reason::EdgeKeyRequired, "{path}: {refused:?}");
    }
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_unimplemented() {
    let world = World::new().await;
    for path in ["/parlor.v1.TokenService/Nothing", "/nowhere.v1.Service/Method"] {
        assert_eq!(ask(&world, path, &[]).await.code(), Code::Unimplemented, "{path}");
    }
}

#[tokio::test]
async fn both_reflections_and_health_are_open() {
    let world = World::new().await;
    let request = new::ServerReflectionRequest {
        message_request: Some(new::server_reflection_request::MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let mut client = new::server_reflection_client::ServerReflectionClient::new(world.core.routes());
    let answers =
        client.server_reflection_info(stream::once(request)).await.unwrap().into_inner().message().await;
    let answer = answers.unwrap().unwrap().message_response.unwrap();
    let new::server_reflection_response::MessageResponse::ListServicesResponse(list) = answer else {
        panic!("{answer:?}");
    };
    let names: Vec<_> = list.service.iter().map(|service| service.name.as_str()).collect();
    for name in ["parlor.v1.ChatService", "parlor.v1.TokenService", "grpc.health.v1.Health"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(!names.iter().any(|name| name.contains("EdgeService")), "{names:?}");

    let request = old::ServerReflectionRequest {
        message_request: Some(old::server_reflection_request::MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let mut client = old::server_reflection_client::ServerReflectionClient::new(world.core.routes());
    let answers =
        client.server_reflection_info(stream::once(request)).await.unwrap().into_inner().message().await;
    assert!(answers.unwrap().unwrap().message_response.is_some());

    let health = async || {
        let mut client = HealthClient::new(world.core.routes());
        client.check(Request::new(HealthCheckRequest::default())).await.unwrap().into_inner().status()
    };
    assert_eq!(health().await, ServingStatus::Serving);
    world.core.ready().await.unwrap();
    world.core.drain(Duration::from_secs(1)).await;
    assert_eq!(health().await, ServingStatus::NotServing);
    world.core.shutdown().await;
    assert!(world.core.ready().await.is_err());
}
