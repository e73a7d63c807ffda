//! Every field of every request at its bound and one over, through all of the core: the refusal names the field, and none is
//! a defect.

use bytes::{BufMut as _, Bytes, BytesMut};
use http_body_util::{BodyExt as _, Full};
use parlor_api::{
    failure,
    v1::{self, Reason, Role, send_messages_result::Outcome},
};
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, MethodDescriptor, Value,
};
use tonic::{Code, Status, body::Body};
use tower::ServiceExt as _;

use crate::testing::World;

/// A message with so much in one field, and that field's path in it.
struct Case {
    path: String,
    message: DynamicMessage,
    /// The path in the element that answers for itself.
    apart: Option<String>,
}

/// What a field says of itself.
#[derive(Clone, Copy)]
struct Bound {
    text: usize,
    items: usize,
    apart: bool,
}

fn bound(field: &FieldDescriptor) -> Bound {
    let option = field.parent_pool().get_extension_by_name("parlor.v1.bound").unwrap();
    let options = field.options();
    let said = options.get_extension(&option);
    let said = said.as_message().unwrap();
    let number =
        |name: &str| usize::try_from(said.get_field_by_name(name).unwrap().as_u32().unwrap()).unwrap();
    let apart = said.get_field_by_name("apart").unwrap().as_bool().unwrap();
    Bound { text: number("chars") + number("bytes"), items: number("items"), apart }
}

/// Messages of a kind that hold `more` than they may in one field, for each field.
fn cases(message: &MessageDescriptor, more: usize) -> Vec<Case> {
    message.fields().flat_map(|field| of_field(message, &field, more)).collect()
}

fn of_field(message: &MessageDescriptor, field: &FieldDescriptor, more: usize) -> Vec<Case> {
    let Bound { text, items, apart } = bound(field);
    let name = field.name();
    let one = |value: Value| if field.is_list() { Value::List(vec![value]) } else { value };
    let holding = |value: Value| {
        let mut whole = DynamicMessage::new(message.clone());
        whole.set_field(field, value);
        whole
    };
    let own = |value: Value| Case { path: name.to_owned(), message: holding(value), apart: None };
    let long = || Value::String("x".repeat(text + more));
    let mut cases = Vec::new();
    if field.is_list() {
        let element = match field.kind() {
            Kind::Message(inner) => Value::Message(DynamicMessage::new(inner)),
            Kind::Enum(_) => Value::EnumNumber(1),
            _ => Value::String("x".to_owned()),
        };
        cases.push(own(Value::List(vec![element; items + more])));
    }
    match field.kind() {
        Kind::String => cases.push(own(one(long()))),
        Kind::Message(mask) if mask.full_name() == "google.protobuf.FieldMask" => {
            let paths = |paths: Vec<Value>| {
                let mut whole = DynamicMessage::new(mask.clone());
                whole.set_field_by_name("paths", Value::List(paths));
                own(Value::Message(whole))
            };
            cases.extend([paths(vec![Value::String("x".to_owned()); items + more]), paths(vec![long()])]);
        }
        Kind::Message(inner) if inner.package_name() == "parlor.v1" => {
            cases.extend(self::cases(&inner, more).into_iter().map(|case| Case {
                path: format!("{name}.{}", case.path),
                message: holding(one(Value::Message(case.message))),
                apart: case.apart.or_else(|| apart.then_some(case.path)),
            }));
        }
        _ => {}
    }
    cases
}

/// The answer of a call with a message, as bytes.
async fn ask(world: &World, method: &MethodDescriptor, token: &str, message: &[u8]) -> Result<Bytes, Status> {
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap());
    framed.put_slice(message);
    let request = http::Request::post(format!("/{}/{}", method.parent_service().full_name(), method.name()))
        .header("content-type", "application/grpc")
        .header("authorization", format!("Bearer {token}"))
        .body(Body::new(Full::new(framed.freeze())))
        .unwrap();
    let answer = world.core.routes().oneshot(request).await.unwrap();
    if let Some(status) = Status::from_header_map(answer.headers()) {
        return Err(status);
    }
    if method.is_server_streaming() {
        return Ok(Bytes::new());
    }
    let body = answer.into_body().collect().await.unwrap();
    match body.trailers().and_then(Status::from_header_map) {
        Some(status) if status.code() != Code::Ok => Err(status),
        _ => Ok(body.to_bytes().slice(5..)),
    }
}

fn methods() -> Vec<MethodDescriptor> {
    let pool = DescriptorPool::decode(parlor_api::PUBLIC_DESCRIPTORS).unwrap();
    let services = pool.services().filter(|service| service.package_name() == "parlor.v1");
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.filter(|method| !method.is_client_streaming()).collect()
}

/// What an answer of `SendMessages` says of its first message.
fn refusal(answer: &[u8]) -> v1::Failure {
    let answer = v1::SendMessagesResponse::decode(answer).unwrap();
    match answer.results.into_iter().next().unwrap().outcome {
        Some(Outcome::Failure(failure)) => failure,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn one_over_a_bound_is_refused_by_the_name_of_its_field() {
    let world = World::new().await;
    let (_, token) = world.somebody("shop", Role::Admin).await;
    let (mut wrong, mut tried) = (Vec::new(), 0);
    for method in methods() {
        for Case { path, message, apart } in cases(&method.input(), 1) {
            tried += 1;
            let answer = ask(&world, &method, &token, &message.encode_to_vec()).await;
            let right = match (&answer, apart) {
                (Ok(answer), Some(path)) => {
                    let failure = refusal(answer);
                    let begins = failure.message.starts_with(&format!("{path}: must"));
                    failure.reason() == Reason::FieldInvalid && begins
                }
                (Err(status), None) => {
                    status.code() == Code::InvalidArgument
                        && failure::reason(status) == Reason::FieldInvalid
                        && failure::fields(status) == [path.as_str()]
                }
                (Ok(_), None) | (Err(_), Some(_)) => false,
            };
            if !right {
                wrong.push(format!("{} {path}: {answer:?}", method.full_name()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(tried > 100, "{tried}");
}

#[tokio::test]
async fn what_is_at_its_bound_is_not_too_much() {
    let world = World::new().await;
    let (_, token) = world.somebody("shop", Role::Admin).await;
    for method in methods() {
        for Case { path, message, .. } in cases(&method.input(), 0) {
            let answer = ask(&world, &method, &token, &message.encode_to_vec()).await;
            let said = match &answer {
                Ok(answer) if method.name() == "SendMessages" => refusal(answer).message,
                Ok(_) => continue,
                Err(status) => {
                    assert_ne!(status.code(), Code::Internal, "{} {path}: {status:?}", method.full_name());
                    status.message().to_owned()
                }
            };
            assert!(!said.contains("must have at most"), "{} {path}: {said}", method.full_name());
            assert!(!said.contains("must be at most"), "{} {path}: {said}", method.full_name());
        }
    }
}
