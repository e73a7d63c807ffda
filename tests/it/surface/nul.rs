//! U+0000, which PostgreSQL cannot keep, in each text of each request: a refusal of that field, and never a failure.

use parlor_api::v1::{self, conversation_ref::Name, exchange_credential_request::Credential};
use parlor_tests::Plan;
use prost::Message;
use tonic::{Code, Status};

use super::{
    contract::{Text, texts},
    ends,
};

parlor_tests::topologies!(no_text_holds_u0000);

const TEXT: &[u8] = b"a\0b";

/// Texts that nothing is done with.
const UNREAD: &str = include_str!("unread.txt");

async fn no_text_holds_u0000(plan: Plan) {
    let world = plan.start().await;
    let (public, _) = ends(&world);
    let tenant = &world.configuration.tenant;
    let credential = format!("Bearer {}", world.configuration.operator_key);
    let header = Some(("authorization", credential.as_str()));
    let unread: Vec<&str> = UNREAD.lines().filter(|line| !line.starts_with('#')).collect();
    let mut wrong = Vec::new();
    for text in texts() {
        let mut body = valid(&text.method.name, tenant);
        body.extend(holding(&text));
        let status: Status = public.call_with(&text.method, header, None, &body).await;
        let right = match status.code() {
            Code::InvalidArgument | Code::Unauthenticated => true,
            Code::Ok | Code::NotFound | Code::Unimplemented => unread.contains(&text.name.as_str()),
            _ => false,
        };
        if !right {
            wrong.push(format!("{}: {status:?}", text.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A message in which this field is the text and nothing else is said. After another message it is the last word.
fn holding(text: &Text) -> Vec<u8> {
    let length_delimited = |number: i32, content: &[u8]| {
        let mut field = Vec::new();
        prost::encoding::encode_key(
            number.unsigned_abs(),
            prost::encoding::WireType::LengthDelimited,
            &mut field,
        );
        prost::encoding::encode_varint(content.len() as u64, &mut field);
        field.extend_from_slice(content);
        field
    };
    text.path.iter().rev().fold(TEXT.to_vec(), |inner, number| length_delimited(*number, &inner))
}

/// What else a request says, so that the text is looked at.
fn valid(method: &str, tenant: &str) -> Vec<u8> {
    let conversation = Some(v1::ConversationRef { name: Some(Name::Key("session_of_surface_test".into())) });
    let mask = |paths: &[&str]| {
        Some(prost_types::FieldMask { paths: paths.iter().map(|path| (*path).to_owned()).collect() })
    };
    match method {
        "CreateTenant" => v1::CreateTenantRequest {
            tenant: Some(v1::Tenant { slug: "another".into(), ..Default::default() }),
            ..Default::default()
        }
        .encode_to_vec(),
        "UpdateTenant" => v1::UpdateTenantRequest {
            tenant: Some(v1::Tenant { slug: tenant.into(), display_name: "T".into(), ..Default::default() }),
            update_mask: mask(&["display_name", "origins"]),
            ..Default::default()
        }
        .encode_to_vec(),
        "CreateApiKey" => v1::CreateApiKeyRequest {
            api_key: Some(v1::ApiKey { kind: v1::ApiKeyKind::Widget.into(), ..Default::default() }),
            ..Default::default()
        }
        .encode_to_vec(),
        "UpsertUser" => {
            v1::UpsertUserRequest { user: Some(v1::User::default()), ..Default::default() }.encode_to_vec()
        }
        "ExchangeCredential" => v1::ExchangeCredentialRequest {
            tenant: tenant.into(),
            credential: Some(Credential::Password(v1::PasswordCredential {
                username: "nobody".into(),
                password: "nothing at all".into(),
            })),
            ..Default::default()
        }
        .encode_to_vec(),
        "SendMessage" => v1::SendMessageRequest { conversation, text: "hello".into(), ..Default::default() }
            .encode_to_vec(),
        "UpdateConversation" => v1::UpdateConversationRequest {
            conversation,
            update_mask: mask(&["kind", "tags", "assignee"]),
            ..Default::default()
        }
        .encode_to_vec(),
        "ReactToMessage" => v1::ReactToMessageRequest {
            conversation,
            message_sequence: 1,
            emoji: "+".into(),
            ..Default::default()
        }
        .encode_to_vec(),
        "MarkRead" => v1::MarkReadRequest { conversation, ..Default::default() }.encode_to_vec(),
        "SetTyping" => v1::SetTypingRequest { conversation, ..Default::default() }.encode_to_vec(),
        "ListMessages" => v1::ListMessagesRequest { conversation, ..Default::default() }.encode_to_vec(),
        _ => Vec::new(),
    }
}
