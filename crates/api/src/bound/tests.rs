//! The bounds of the contract: no field of a request is without one, each is the number that the rest is built on, and each
//! is allowed where one more is not.

use std::collections::{BTreeMap, BTreeSet};

use prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

use super::*;
use crate::{
    PUBLIC_DESCRIPTORS,
    limits::{
        BATCH_MESSAGES, CREDENTIAL_BYTES, EMAIL_CHARS, EMOJI_CHARS, ID_CHARS, IDENTITIES, INTAKE_CHARS,
        KEY_CHARS, KEY_TENANTS, LABEL_CHARS, LINE_CHARS, MASK_PATH_CHARS, MASK_PATHS, MESSAGE_EMOJI,
        NAME_CHARS, NOTE_CHARS, OFFERED_KINDS, OFFSET_CHARS, ORIGIN_CHARS, ORIGINS, PAGE_CHARS,
        PAGE_TOKEN_CHARS, PASSWORD_CHARS, PASSWORD_HASH_CHARS, REQUEST_ID_CHARS, ROLES, SECRET_PREFIX_CHARS,
        SESSION_STATES, SLUG_CHARS, STATUSES, TAGS, TEXT_CHARS, TOPICS, TRANSACTION_KINDS, URL_CHARS,
        VISIT_ACTION_CHARS, VISIT_DETAIL_CHARS, VISIT_KEY_CHARS, VISIT_WORD_CHARS,
    },
};

/// Fields of requests without a bound, by their full names. It stays empty.
const UNBOUNDED: &[&str] = &[];

/// What a field says: characters, bytes, items.
type Said = [usize; 3];

fn pool() -> DescriptorPool {
    DescriptorPool::decode(PUBLIC_DESCRIPTORS).unwrap()
}

/// Every field that a request of a public service can carry and that can be long or many, with what it says of itself.
fn fields() -> BTreeMap<String, (FieldDescriptor, Said)> {
    let pool = pool();
    let option = pool.get_extension_by_name("parlor.v1.bound").unwrap();
    let (mut found, mut seen) = (BTreeMap::new(), BTreeSet::new());
    let ours = pool.services().filter(|service| service.package_name() == "parlor.v1");
    let mut next: Vec<MessageDescriptor> =
        ours.flat_map(|service| service.methods().map(|method| method.input()).collect::<Vec<_>>()).collect();
    assert!(next.len() > 20, "the public services are there");
    while let Some(message) = next.pop() {
        if !seen.insert(message.full_name().to_owned()) {
            continue;
        }
        for field in message.fields() {
            let is_mask = matches!(field.kind(), Kind::Message(of) if of.full_name().ends_with(".FieldMask"));
            if field.is_list()
                || field.is_map()
                || is_mask
                || matches!(field.kind(), Kind::String | Kind::Bytes)
            {
                let bound = field.options().get_extension(&option).into_owned();
                let said = ["chars", "bytes", "items"].map(|name| {
                    let number = bound.as_message().unwrap().get_field_by_name(name).unwrap().as_u32();
                    usize::try_from(number.unwrap()).unwrap()
                });
                let name = format!("{}.{}", message.name(), field.name());
                found.insert(name, (field.clone(), said));
            }
            if let Kind::Message(inner) = field.kind()
                && !is_mask
            {
                next.push(inner);
            }
        }
    }
    found
}

#[test]
fn every_field_of_every_request_has_a_bound() {
    let lacks = |field: &FieldDescriptor, [chars, bytes, items]: Said| {
        let is_many = field.is_list() || field.is_map();
        let is_mask = matches!(field.kind(), Kind::Message(of) if of.full_name().ends_with(".FieldMask"));
        let is_text = matches!(field.kind(), Kind::String | Kind::Bytes);
        ((is_many || is_mask) && items == 0) || ((is_text || is_mask) && chars == 0 && bytes == 0)
    };
    let unbounded: Vec<String> =
        fields().into_iter().filter(|(_, (field, said))| lacks(field, *said)).map(|(name, _)| name).collect();
    assert_eq!(unbounded, UNBOUNDED);
    assert!(UNBOUNDED.is_empty());
}

#[test]
fn each_bound_is_the_number_that_the_rest_is_built_on() {
    let chars = |most: usize| [most, 0, 0];
    let numbers: &[(Said, &[&str])] = &[
        (chars(TEXT_CHARS), &["SendMessageRequest.text", "Message.text"]),
        (chars(EMOJI_CHARS), &["ReactToMessageRequest.emoji", "Reaction.emoji"]),
        (
            chars(REQUEST_ID_CHARS),
            &[
                "AcceptSessionRequest.request_id",
                "CancelSessionRequest.request_id",
                "CreateApiKeyRequest.request_id",
                "CreateConversationRequest.request_id",
                "CreateTenantRequest.request_id",
                "CreditWalletRequest.request_id",
                "DebitWalletRequest.request_id",
                "DeclineSessionRequest.request_id",
                "EndSessionRequest.request_id",
                "EraseUserRequest.request_id",
                "ReactToMessageRequest.request_id",
                "RefundTransactionRequest.request_id",
                "RequestSessionRequest.request_id",
                "SendMessageRequest.request_id",
                "SetBillingPolicyRequest.request_id",
                "UpdateConversationRequest.request_id",
                "UpdateTenantRequest.request_id",
                "UpsertProviderRequest.request_id",
                "UpsertUserRequest.request_id",
            ],
        ),
        (
            chars(NAME_CHARS),
            &[
                "ApiKey.display_name",
                "ExchangeCredentialRequest.issuer",
                "GetUserRequest.username",
                "Identity.issuer",
                "Identity.subject",
                "MintTokenRequest.issuer",
                "PasswordCredential.username",
                "Person.display_name",
                "Person.subject",
                "Person.username",
                "RevokeTokenRequest.token_id",
                "SendMessageRequest.guest_name",
                "SignupCredential.display_name",
                "SignupCredential.username",
                "Tenant.display_name",
                "User.display_name",
                "User.username",
                "VisitConnected.city",
            ],
        ),
        (
            chars(KEY_CHARS),
            &[
                "Conversation.key",
                "ConversationRef.key",
                "CreateConversationRequest.key",
                "Provider.catalogue_id",
                "ProviderRef.catalogue_id",
            ],
        ),
        (
            chars(LINE_CHARS),
            &[
                "CancelSessionRequest.note",
                "DeclineSessionRequest.note",
                "EndSessionRequest.note",
                "Provider.headline",
                "RequestSessionRequest.topic",
            ],
        ),
        (chars(INTAKE_CHARS), &["Provider.catalogue_json", "RequestSessionRequest.intake"]),
        (
            chars(LABEL_CHARS),
            &[
                "BillingPolicy.made_by",
                "BillingPolicy.unit",
                "Conversation.kind",
                "CreateConversationRequest.kind",
                "CreditWalletRequest.unit",
                "DebitWalletRequest.unit",
                "GetStatementRequest.unit",
                "GetWalletRequest.unit",
                "ListEntriesRequest.unit",
                "WatchWalletRequest.unit",
                "ListConversationsRequest.kind",
                "ListConversationsRequest.tag",
                "OwnConversation.kind",
            ],
        ),
        (
            chars(ID_CHARS),
            &[
                "ApiKey.id",
                "ApiKey.made_by",
                "Conversation.id",
                "ConversationRef.id",
                "CreateConversationRequest.owner_id",
                "CreditWalletRequest.user_id",
                "DebitWalletRequest.user_id",
                "GetStatementRequest.user_id",
                "GetWalletRequest.user_id",
                "ListEntriesRequest.user_id",
                "QuoteRequest.user_id",
                "RefundTransactionRequest.transaction_id",
                "WatchWalletRequest.user_id",
                "EraseUserRequest.user_id",
                "ExportUserRequest.user_id",
                "GetPresenceRequest.user_id",
                "GetUserRequest.id",
                "GetVisitRequest.id",
                "ListConversationsRequest.assignee_id",
                "ListConversationsRequest.owner_id",
                "ListSessionsRequest.party_id",
                "Message.conversation_id",
                "Message.id",
                "MintTokenRequest.user_id",
                "Person.user_id",
                "ProviderRef.user_id",
                "RequestSessionRequest.payer_id",
                "RevokeApiKeyRequest.id",
                "RevokeTokenRequest.user_id",
                "SessionRef.id",
                "SetAcceptsRequestsRequest.user_id",
                "SetAvailabilityRequest.user_id",
                "User.id",
            ],
        ),
        (
            chars(PAGE_TOKEN_CHARS),
            &[
                "ListApiKeysRequest.page_token",
                "ListConversationsRequest.page_token",
                "ListEntriesRequest.page_token",
                "ListMessagesRequest.page_token",
                "ListOnlineRequest.page_token",
                "ListProvidersRequest.page_token",
                "ListSessionsRequest.page_token",
                "ListTenantsRequest.page_token",
                "ListUsersRequest.page_token",
                "ListVisitsRequest.page_token",
            ],
        ),
        (
            chars(VISIT_KEY_CHARS),
            &["GetVisitRequest.key", "RecordVisitRequest.visit_key", "VisitConnected.visitor_key"],
        ),
        (
            chars(PAGE_CHARS),
            &[
                "VisitConnected.landing_page",
                "VisitConnected.page",
                "VisitConnected.referrer",
                "VisitPage.page",
            ],
        ),
        (
            chars(VISIT_WORD_CHARS),
            &[
                "VisitConnected.country",
                "VisitConnected.device",
                "VisitConnected.ip_address",
                "VisitConnected.os",
            ],
        ),
        (chars(VISIT_DETAIL_CHARS), &["VisitAction.element", "VisitConnected.browser"]),
        (chars(VISIT_ACTION_CHARS), &["VisitAction.action"]),
        (chars(OFFSET_CHARS), &["ListMissedEventsRequest.after_offset"]),
        (chars(SLUG_CHARS), &["ExchangeCredentialRequest.tenant", "GetTenantRequest.slug", "Tenant.slug"]),
        (chars(EMAIL_CHARS), &["Person.email", "SignupCredential.email", "User.email"]),
        (chars(URL_CHARS), &["Person.avatar_url", "User.avatar_url"]),
        (
            chars(PASSWORD_CHARS),
            &["PasswordCredential.password", "SignupCredential.password", "UpsertUserRequest.password"],
        ),
        (chars(PASSWORD_HASH_CHARS), &["UpsertUserRequest.password_hash"]),
        (chars(SECRET_PREFIX_CHARS), &["ApiKey.prefix"]),
        (
            [0, CREDENTIAL_BYTES, 0],
            &[
                "ExchangeCredentialRequest.api_key",
                "ExchangeCredentialRequest.bearer",
                "InspectTokenRequest.token",
                "RevokeTokenRequest.token",
            ],
        ),
        (
            [MASK_PATH_CHARS, 0, MASK_PATHS],
            &["UpdateConversationRequest.update_mask", "UpdateTenantRequest.update_mask"],
        ),
        ([LABEL_CHARS, 0, TAGS], &["Conversation.tags"]),
        ([ORIGIN_CHARS, 0, ORIGINS], &["Tenant.origins"]),
        ([SLUG_CHARS, 0, KEY_TENANTS], &["ApiKey.tenants"]),
        (
            chars(NOTE_CHARS),
            &[
                "BillingPolicy.note",
                "CreditWalletRequest.note",
                "DebitWalletRequest.note",
                "RefundTransactionRequest.note",
            ],
        ),
        ([0, 0, TRANSACTION_KINDS], &["ListEntriesRequest.kinds"]),
        ([0, 0, STATUSES], &["ListConversationsRequest.statuses"]),
        ([0, 0, SESSION_STATES], &["ListSessionsRequest.states"]),
        ([0, 0, OFFERED_KINDS], &["Provider.rates"]),
        ([0, 0, ROLES], &["MintTokenRequest.roles", "User.roles"]),
        ([0, 0, IDENTITIES], &["User.identities"]),
        ([0, 0, MESSAGE_EMOJI], &["Message.reactions"]),
        ([0, 0, BATCH_MESSAGES], &["SendMessagesRequest.messages"]),
        ([0, 0, TOPICS], &["ListMissedEventsRequest.conversations"]),
    ];
    let numbers: BTreeMap<&str, Said> =
        numbers.iter().flat_map(|(said, names)| names.iter().map(|name| (*name, *said))).collect();
    let said = fields();
    let said: BTreeMap<&str, Said> = said.iter().map(|(name, (_, said))| (name.as_str(), *said)).collect();
    assert_eq!(said, numbers);
}

#[test]
fn lists_of_what_there_is_hold_each_once() {
    let pool = pool();
    // The first value of each stands for none.
    let named = |name: &str| pool.get_enum_by_name(name).unwrap().values().len() - 1;
    assert_eq!(named("parlor.v1.ConversationStatus"), STATUSES);
    assert_eq!(named("parlor.v1.Role"), ROLES);
    assert_eq!(named("parlor.v1.SessionState"), SESSION_STATES);
    assert_eq!(named("parlor.v1.SessionKind"), OFFERED_KINDS + 1);
    assert_eq!(named("parlor.v1.TransactionKind"), TRANSACTION_KINDS);
}

#[test]
fn a_field_is_named_by_its_path_and_counted_in_its_unit() {
    let text = |text: String| v1::SendMessageRequest { text, ..Default::default() };
    for good in ["x".repeat(TEXT_CHARS), "é".repeat(TEXT_CHARS), "👋".repeat(TEXT_CHARS), String::new()] {
        assert_eq!(text(good).check(), Ok(()));
    }
    let over = text("é".repeat(TEXT_CHARS + 1)).check().unwrap_err();
    assert_eq!(over.to_string(), "text: must have at most 4000 characters, and has 4001");
    assert_eq!(text("a\0b".into()).check().unwrap_err().to_string(), "text: must not contain U+0000");

    let subject = "s".repeat(NAME_CHARS + 1);
    let identities = vec![v1::Identity { issuer: "i".into(), subject }];
    let user = Some(v1::User { identities, ..Default::default() });
    let over = v1::UpsertUserRequest { user, ..Default::default() }.check().unwrap_err();
    assert_eq!(over.field, "user.identities.subject");

    let tags = |count| {
        let values = Some(v1::Conversation { tags: vec!["a".to_owned(); count], ..Default::default() });
        v1::UpdateConversationRequest { values, ..Default::default() }.check()
    };
    assert_eq!(tags(TAGS), Ok(()));
    assert_eq!(tags(TAGS + 1).unwrap_err().to_string(), "values.tags: must be at most 50, and are 51");

    let token = |bytes| v1::InspectTokenRequest { token: "é".repeat(bytes / 2) }.check();
    assert_eq!(token(CREDENTIAL_BYTES), Ok(()));
    assert!(token(CREDENTIAL_BYTES + 2).is_err());
}

#[test]
fn what_is_answered_apart_is_checked_apart() {
    let long = v1::SendMessageRequest { text: "x".repeat(TEXT_CHARS + 1), ..Default::default() };
    let several = |count| v1::SendMessagesRequest { messages: vec![long.clone(); count] };
    assert_eq!(several(BATCH_MESSAGES).arrived(), Ok(()));
    assert_eq!(several(BATCH_MESSAGES + 1).arrived().unwrap_err().field, "messages");
    assert!(long.arrived().is_err());
    // A stream goes on when one of its commands is refused.
    let command = Some(v1::converse_request::Command::Send(long));
    let command = v1::ConverseRequest { number: 1, command };
    assert_eq!(command.arrived(), Ok(()));
    assert_eq!(command.check().unwrap_err().field, "send.text");
}
