//! Every public method by the contract's descriptors, and what it is asked; a method that has no question here fails.

use std::collections::BTreeSet;

use parlor_api::PUBLIC_DESCRIPTORS;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MethodDescriptor};
use serde_json::{Value, json};

use super::scene::Scene;

const PACKAGE: &str = "parlor.v1";

/// A public method.
pub struct Method {
    /// "parlor.v1.ChatService/SendMessage".
    pub name: String,
    descriptor: MethodDescriptor,
}

impl Method {
    pub fn streams(&self) -> bool {
        self.descriptor.is_client_streaming() || self.descriptor.is_server_streaming()
    }

    /// One message comes with the call, however many are answered.
    pub fn is_asked_once(&self) -> bool {
        !self.descriptor.is_client_streaming()
    }

    pub fn short(&self) -> &str {
        self.descriptor.name()
    }

    pub fn is_of(&self, service: &str) -> bool {
        self.descriptor.parent_service().name() == service
    }

    pub fn is(&self, service: &str, name: &str) -> bool {
        self.is_of(service) && self.short() == name
    }

    /// A request, encoded.
    pub fn encoded(&self, request: &Value) -> Vec<u8> {
        DynamicMessage::deserialize(self.descriptor.input(), request).unwrap().encode_to_vec()
    }

    /// An answer, as JSON.
    pub fn json(&self, answer: &[u8]) -> Value {
        serde_json::to_value(DynamicMessage::decode(self.descriptor.output(), answer).unwrap()).unwrap()
    }
}

fn pool() -> DescriptorPool {
    DescriptorPool::decode(PUBLIC_DESCRIPTORS).unwrap()
}

/// All of them.
pub fn methods() -> Vec<Method> {
    let pool = pool();
    let services = pool.services().filter(|service| service.package_name() == PACKAGE);
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods
        .map(|descriptor| Method {
            name: format!("{}/{}", descriptor.parent_service().full_name(), descriptor.name()),
            descriptor,
        })
        .collect()
}

/// Every kind of event, by its name in JSON.
pub fn payloads() -> BTreeSet<String> {
    let event = pool().get_message_by_name("parlor.v1.Event").unwrap();
    let payload = event.oneofs().find(|oneof| oneof.name() == "payload").unwrap();
    payload.fields().map(|field| field.json_name().to_owned()).collect()
}

/// The kind of an event, if it says something; who is typing only where somebody is.
pub fn kind_of(event: &Value) -> Option<String> {
    let event = event.as_object()?;
    let kind = payloads().into_iter().find(|kind| event.contains_key(kind))?;
    (kind != "typingState" || !event[&kind]["authors"].as_array()?.is_empty()).then_some(kind)
}

/// What a method is asked by Ann.
pub fn request(method: &Method, scene: &Scene) -> Value {
    let conversation = json!({"id": scene.conversation});
    let message = json!({"conversation": conversation, "text": "and this"});
    match method.short() {
        "CreateConversation" => json!({"own": true}),
        "GetConversation" | "MarkRead" => json!({"conversation": conversation}),
        // What is cleared says nothing: this comes last.
        "UpdateConversation" => json!({"conversation": conversation, "clearHistory": true}),
        "ListConversations" | "ListOnline" | "ListTenants" | "ListUsers" | "ListApiKeys" | "GetJwks" => {
            json!({})
        }
        "SendMessage" => message,
        "SendMessages" => json!({"messages": [message]}),
        "ListMessages" => json!({"conversation": conversation, "pageSize": 500}),
        "ListMissedEvents" => json!({"afterOffset": scene.offset}),
        "ReactToMessage" => {
            json!({"conversation": conversation, "messageSequence": scene.sequence.to_string(), "emoji": "👍"})
        }
        "SetTyping" => json!({"conversation": conversation, "typing": true}),
        "GetPresence" => json!({"userId": scene.sam_id}),
        "SetAvailability" => json!({"availability": "AVAILABILITY_BUSY"}),
        "RequestSession" => {
            json!({"kind": "SESSION_KIND_CHAT", "provider": {"userId": scene.sam_id}})
        }
        "AcceptSession" | "DeclineSession" | "CancelSession" | "EndSession" | "GetSession" => {
            json!({"session": {"id": scene.session}})
        }
        "ListSessions" | "ListProviders" | "GetSessionPolicy" | "WatchSessions" => json!({}),
        "UpsertProvider" => json!({"provider": {"person": {"userId": scene.ann_id}}}),
        "GetProvider" => json!({"provider": {"userId": scene.sam_id}}),
        "SetAcceptsRequests" => json!({"acceptsRequests": true}),
        "SetSessionPolicy" => json!({"policy": {"requestLifetime": "10s"}}),
        "RecordVisit" => json!({"visitKey": "ses_ann", "connected": {"page": "/"}}),
        "ListVisits" | "WatchVisits" => json!({}),
        "GetVisit" => json!({"key": "ses_ann"}),
        "GetTenant" => json!({"slug": "another"}),
        "CreateTenant" | "UpdateTenant" => json!({"tenant": {"slug": "another"}}),
        "UpsertUser" => json!({"user": {"id": scene.sam_id, "displayName": "Eve"}}),
        "GetUser" => json!({"id": scene.ann_id}),
        "ExportUser" => json!({}),
        "EraseUser" => json!({"userId": scene.sam_id}),
        "CreateApiKey" => json!({"apiKey": {"kind": "API_KEY_KIND_WIDGET"}}),
        "RevokeApiKey" => json!({"id": scene.sam_id}),
        "ExchangeCredential" => json!({"bearer": scene.ann}),
        "MintToken" => json!({"userId": scene.sam_id}),
        "InspectToken" => json!({"token": scene.sam}),
        "RevokeToken" => json!({"userId": scene.sam_id}),
        "GetWallet" | "WatchWallet" | "ListEntries" | "GetStatement" | "GetBillingPolicy"
        | "VerifyLedger" => json!({}),
        "Quote" => json!({"ratePerMinute": "10", "seconds": "61"}),
        "CreditWallet" | "DebitWallet" => {
            json!({"userId": scene.ann_id, "amount": "7", "requestId": "mine"})
        }
        "RefundTransaction" => json!({"transactionId": scene.sam_id, "requestId": "mine"}),
        "SetBillingPolicy" => {
            json!({"policy": {"unit": "coin", "rounding": "ROUNDING_SECOND", "holdSeconds": "60"}})
        }
        unknown => panic!("{unknown} is not asked here: say what a customer is told by it"),
    }
}
