//! The public contract by its descriptors: which methods there are, and their messages as JSON.

use std::{collections::HashMap, sync::LazyLock};

use bytes::Bytes;
use http::uri::PathAndQuery;
use parlor_api::PUBLIC_DESCRIPTORS;
use prost::Message as _;
use prost_reflect::{
    DescriptorPool, DeserializeOptions, DynamicMessage, MessageDescriptor, ReflectMessage as _,
};
use serde::Serialize as _;
use serde_json::value::RawValue;

use crate::dialect::refusal::{Kind, Refusal};

/// The package whose services are called; reflection and health are for gRPC.
const PACKAGE: &str = "parlor.v1";

/// A method of the contract.
#[derive(Clone, Debug)]
pub(super) struct Method {
    pub path: PathAndQuery,
    pub input: MessageDescriptor,
    pub output: MessageDescriptor,
    pub streams: bool,
}

struct Contract {
    /// By "SendMessage", where one service alone has it, and by "parlor.v1.ChatService/SendMessage".
    methods: HashMap<String, Method>,
    event: MessageDescriptor,
}

static CONTRACT: LazyLock<Contract> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(PUBLIC_DESCRIPTORS).expect("the build wrote these descriptors");
    let event = pool.get_message_by_name("parlor.v1.Event").expect("the contract has its envelope");
    let (mut methods, mut shared) = (HashMap::new(), Vec::new());
    for service in pool.services().filter(|service| service.package_name() == PACKAGE) {
        for method in service.methods() {
            let name = format!("{}/{}", service.full_name(), method.name());
            let path = PathAndQuery::try_from(format!("/{name}")).expect("names of methods make paths");
            let streams = method.is_client_streaming() || method.is_server_streaming();
            let found = Method { path, input: method.input(), output: method.output(), streams };
            methods.insert(name, found.clone());
            if methods.insert(method.name().to_owned(), found).is_some() {
                shared.push(method.name().to_owned());
            }
        }
    }
    for name in shared {
        methods.remove(&name);
    }
    Contract { methods, event }
});

/// The method of a name.
pub(super) fn method(name: &str) -> Option<&'static Method> {
    CONTRACT.methods.get(name)
}

impl Method {
    /// A request, encoded.
    pub fn request(&self, json: &str) -> Result<Bytes, Refusal> {
        read(&self.input, json).map(|message| message.encode_to_vec().into())
    }

    /// A request as the message that it is.
    pub fn message<M: prost::Message + Default>(&self, json: &str) -> Result<M, Refusal> {
        let message = read(&self.input, json)?;
        message
            .transcode_to()
            .map_err(|_| Refusal::of(Kind::Defect, "the descriptors are of another contract"))
    }

    /// An answer, as JSON.
    pub fn response(&self, encoded: Bytes) -> Result<Box<RawValue>, Refusal> {
        let message = DynamicMessage::decode(self.output.clone(), encoded);
        json(&message.map_err(|_| Refusal::of(Kind::Defect, "the core's answer is of another contract"))?)
    }
}

/// The envelope of an event, as JSON.
pub(super) fn event(event: &parlor_api::v1::Event) -> Option<Box<RawValue>> {
    let encoded = event.encode_to_vec();
    json(&DynamicMessage::decode(CONTRACT.event.clone(), encoded.as_slice()).ok()?).ok()
}

/// A person, as JSON.
pub(super) fn message(name: &str, message: &impl prost::Message) -> Option<Box<RawValue>> {
    let descriptor = CONTRACT.event.parent_pool().get_message_by_name(name)?;
    json(&DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).ok()?).ok()
}

fn read(descriptor: &MessageDescriptor, json: &str) -> Result<DynamicMessage, Refusal> {
    let mut reader = serde_json::Deserializer::from_str(json);
    let options = DeserializeOptions::new().deny_unknown_fields(true);
    DynamicMessage::deserialize_with_options(descriptor.clone(), &mut reader, &options).map_err(|error| {
        let message = format!("the request is not a {}: {error}", descriptor.full_name());
        super::wire::invalid(message)
    })
}

fn json(message: &DynamicMessage) -> Result<Box<RawValue>, Refusal> {
    let mut text = Vec::new();
    let written = message.serialize(&mut serde_json::Serializer::new(&mut text));
    let text = written.ok().and_then(|()| String::from_utf8(text).ok());
    text.and_then(|text| RawValue::from_string(text).ok()).ok_or_else(|| {
        Refusal::of(Kind::Defect, format!("a {} has no JSON", message.descriptor().full_name()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_method_is_found_by_its_long_name_and_by_its_short_one() {
        for name in ["SendMessage", "parlor.v1.ChatService/SendMessage"] {
            let found = method(name).unwrap();
            assert_eq!(found.path.as_str(), "/parlor.v1.ChatService/SendMessage");
            assert!(!found.streams);
        }
        assert!(method("WatchConversation").unwrap().streams);
        assert!(method("Link").is_none(), "what only gateways call is not public");
        assert!(method("toString").is_none());
    }

    #[test]
    fn a_request_is_canonical_protobuf_json() {
        let method = method("ListMessages").unwrap();
        let json = r#"{"conversation":{"id":"x"},"pageSize":5,"afterSequence":"7","authorKind":"AUTHOR_KIND_STAFF"}"#;
        let request: parlor_api::v1::ListMessagesRequest = method.message(json).unwrap();
        assert_eq!((request.page_size, request.after_sequence), (5, Some(7)));
        let snake: parlor_api::v1::ListMessagesRequest = method.message(r#"{"page_size":5}"#).unwrap();
        assert_eq!(snake.page_size, 5);
    }

    #[test]
    fn what_is_no_request_is_refused_with_its_reason() {
        let method = method("SendMessage").unwrap();
        for bad in ["[]", "7", "null", r#"{"nope":1}"#, r#"{"text":7}"#] {
            let refused = method.request(bad).unwrap_err();
            assert_eq!(refused.kind, Kind::Malformed, "{bad}");
            assert_eq!(refused.reason, parlor_api::v1::Reason::FieldInvalid, "{bad}");
        }
    }
}
