//! Rights that end, end at once: on calls, on streams and on sockets.

use std::time::Duration;

use parlor_api::v1::{self, Reason, revoke_token_request::Selector};
use parlor_tests::{Plan, Socket, World, failure_reason, matrix, soon, talk};
use serde_json::json;
use tonic::Code;

matrix!(
    a_withdrawn_token_cuts_its_streams_and_calls,
    a_person_s_withdrawal_silences_their_sockets,
    a_staff_socket_hears_nothing_after_its_token_is_over,
    a_withdrawn_api_key_is_refused,
);

/// An access token of Parlor's own for a person, by way of their legacy token.
async fn access_token(world: &World, legacy: &str) -> v1::ExchangeCredentialResponse {
    let request = v1::ExchangeCredentialRequest {
        tenant: world.configuration.tenant.clone(),
        credential: Some(v1::exchange_credential_request::Credential::Bearer(legacy.to_owned())),
        ..v1::ExchangeCredentialRequest::default()
    };
    world.clients("").await.tokens().exchange_credential(request).await.unwrap().into_inner()
}

async fn revoke(world: &World, selector: Selector) {
    let request = v1::RevokeTokenRequest { selector: Some(selector) };
    world.operator().await.tokens().revoke_token(request).await.unwrap();
}

async fn a_withdrawn_token_cuts_its_streams_and_calls(plan: Plan) {
    let world = plan.start().await;
    let staff = world.person("staff");
    let token = access_token(&world, &staff.token).await.token;
    let mut chat = world.chat_as(&token).await;
    let session = world.session();
    talk::open(&mut chat, &session).await;
    let mut watch = talk::watch(&mut chat, &session, 0).await;
    talk::next(&mut watch).await.unwrap();

    revoke(&world, Selector::Token(token.clone())).await;
    let end = loop {
        match talk::next(&mut watch).await {
            Ok(_) => {}
            Err(status) => break status,
        }
    };
    assert_eq!(
        (end.code(), failure_reason(&end)),
        (Code::Unauthenticated, Reason::CredentialRevoked),
        "{end:?}"
    );
    let status = talk::send(&mut chat, &session, "after", "1").await.unwrap_err();
    assert_eq!(failure_reason(&status), Reason::CredentialRevoked, "{status:?}");

    // The legacy token it was traded for is another one, and still good.
    let mut chat = world.chat_as(&staff.token).await;
    talk::send(&mut chat, &session, "still", "2").await.unwrap();
}

async fn a_person_s_withdrawal_silences_their_sockets(plan: Plan) {
    let world = plan.start().await;
    let staff = world.person("staff");
    let user = access_token(&world, &staff.token).await.user.unwrap();
    let mut socket = world.staff_socket().await;
    socket.register_staff(&staff.token).await;
    // A token's time of issue counts in seconds; the withdrawal must come after it.
    world.advance_clock(Duration::from_secs(2));
    revoke(&world, Selector::UserId(user.id)).await;
    is_silent(&world, &mut socket, &staff.token).await;
}

async fn a_staff_socket_hears_nothing_after_its_token_is_over(plan: Plan) {
    let world = plan.start().await;
    // One second and the leeway.
    let staff = world.person_for("staff", 1);
    let mut socket = world.staff_socket().await;
    socket.register_staff(&staff.token).await;
    is_silent(&world, &mut socket, &staff.token).await;
}

/// The socket is closed or told of it, cannot register again, and customers' messages do not reach it.
async fn is_silent(world: &World, socket: &mut Socket, token: &str) {
    if let Ok(told) = socket.next_or_close().await {
        assert_eq!(told["type"], "error", "{told}");
        let again = json!({"type": "register_admin", "userId": "x", "token": token});
        if let Ok(answer) = socket.ask_or_close(&again).await {
            assert_eq!(answer, json!({"type": "error", "message": "Authentication failed"}));
            let session = world.session();
            let rest = world.staff_rest();
            rest.post("/chat/staff/connect", &json!({"sessionId": session})).await.expect(200);
            rest.post("/chat/staff/message", &json!({"sessionId": session, "message": "secret"}))
                .await
                .expect(200);
            socket.hears_nothing().await;
        }
    }
    let reply = world.staff_rest().bearing(token).get("/chat/admin/active-chats").await;
    assert_eq!(reply.status.as_u16(), 401);
}

async fn a_withdrawn_api_key_is_refused(plan: Plan) {
    let world = plan.start().await;
    let operator = world.operator().await;
    let api_key = v1::ApiKey { kind: v1::ApiKeyKind::Service.into(), ..v1::ApiKey::default() };
    let request = v1::CreateApiKeyRequest { api_key: Some(api_key), request_id: String::new() };
    let created = operator.directory().create_api_key(request).await.unwrap().into_inner();
    let mut chat = world.chat_as(&created.secret).await;
    let request = v1::ListConversationsRequest::default();
    chat.list_conversations(request.clone()).await.unwrap();

    let revoked = v1::RevokeApiKeyRequest { id: created.api_key.unwrap().id };
    operator.directory().revoke_api_key(revoked).await.unwrap();
    let status = soon("the refusal", chat.list_conversations(request)).await.unwrap_err();
    assert_eq!(status.code(), Code::Unauthenticated, "{status:?}");
}
