//! Whatever comes in by the staff dialect: each mistake has its clear error, changes nothing, and costs nobody else
//! anything.

use http::Method;
use parlor_tests::{Plan, World, matrix, talk, topologies};
use serde_json::{Value, json};

topologies!(
    what_is_not_a_message_is_an_error_and_the_socket_stays,
    a_frame_over_64_kib_is_refused,
    a_binary_frame_is_read_as_text,
    unknown_types_are_ignored,
    ids_are_held_to_their_form,
    broken_and_foreign_tokens_open_nothing,
    the_eleventh_message_of_a_second_is_refused_and_not_stored,
    half_a_rest_request_is_the_client_s_mistake,
);

matrix!(
    texts_are_held_to_4000_characters_and_stored_verbatim,
    a_token_of_another_tenant_s_issuer_opens_nothing
);

/// The largest frame.
const FRAME_BYTES_MAX: usize = 64 * 1024;

/// The longest text.
const TEXT_CHARACTERS_MAX: usize = 4_000;

/// What a socket may send at once before its rate counts.
const BURST: usize = 20;

fn invalid() -> Value {
    json!({"type": "error", "message": "Invalid message format"})
}

async fn connect(world: &World) -> String {
    let session = world.session();
    world.staff_rest().post("/chat/staff/connect", &json!({"sessionId": session})).await.expect(200);
    session
}

async fn stored(world: &World, session: &str) -> Vec<String> {
    let history =
        world.staff_rest().get(&format!("/chat/conversation/{session}?limit=100")).await.expect(200);
    let messages = history["data"]["messages"].as_array().unwrap();
    messages.iter().map(|message| message["content"].as_str().unwrap().to_owned()).collect()
}

async fn what_is_not_a_message_is_an_error_and_the_socket_stays(plan: Plan) {
    let world = plan.start().await;
    let mut socket = world.staff_socket().await;
    for text in ["not json", "null", "", "{\"type\":", "{} {}"] {
        socket.send_text(text).await;
        assert_eq!(socket.next().await, invalid(), "{text:?}");
    }
    // JSON without a type that is known is none of our business.
    for text in ["[1,2]", "\"text\"", "7", "{\"type\":7}", "{}"] {
        socket.send_text(text).await;
    }
    socket.hears_nothing().await;
    socket.register(&world.session()).await;
}

async fn a_frame_over_64_kib_is_refused(plan: Plan) {
    let world = plan.start().await;
    let frame = |bytes: usize| {
        let empty = json!({"type": "whatever", "padding": ""}).to_string();
        json!({"type": "whatever", "padding": "x".repeat(bytes - empty.len())}).to_string()
    };
    let mut socket = world.staff_socket().await;
    // Who has not registered may say less: see `strangers`.
    socket.register(&world.session()).await;
    socket.send_text(&frame(FRAME_BYTES_MAX)).await;
    socket.hears_nothing().await;

    // One byte more: refused in the dialect's words, or ended with the code the protocol has for it.
    socket.send_text(&frame(FRAME_BYTES_MAX + 1)).await;
    match socket.next_or_close().await {
        Ok(answer) => assert_eq!(answer["type"], "error", "{answer}"),
        Err((code, _)) => assert_eq!(code, 1009),
    }
    let mut other = world.staff_socket().await;
    other.register(&world.session()).await;
}

async fn a_binary_frame_is_read_as_text(plan: Plan) {
    let world = plan.start().await;
    let mut socket = world.staff_socket().await;
    let session = world.session();
    socket.send_binary(json!({"type": "register", "sessionId": session}).to_string().as_bytes()).await;
    assert_eq!(socket.next().await["type"], "registered");
    socket.send_binary(&[0xff, 0xfe, 0x00]).await;
    assert_eq!(socket.next().await, invalid());
}

async fn unknown_types_are_ignored(plan: Plan) {
    let world = plan.start().await;
    let mut socket = world.staff_socket().await;
    for name in ["ping", "stream_started", "webrtc_offer", "toggle_like", "", "__proto__"] {
        socket.send(&json!({"type": name})).await;
    }
    socket.hears_nothing().await;
}

async fn ids_are_held_to_their_form(plan: Plan) {
    let world = plan.start().await;
    let rest = world.staff_rest();
    let mut socket = world.staff_socket().await;
    let (shortest, longest) = ("s".repeat(16), "s".repeat(128));
    for good in [shortest.as_str(), &longest, "a-Z_0.9:and-so-on"] {
        rest.post("/chat/staff/connect", &json!({"sessionId": good})).await.expect(200);
        socket.register(good).await;
    }
    let (too_short, too_long) = ("s".repeat(15), "s".repeat(129));
    for bad in
        [too_short.as_str(), &too_long, "session with spaces", "session/../../etc", "sessiön_123456789"]
    {
        let reply = rest.post("/chat/staff/connect", &json!({"sessionId": bad})).await.expect(400);
        assert_eq!(reply, json!({"success": false, "message": "Session ID is invalid"}), "{bad}");
        let answer = socket.ask(&json!({"type": "register", "sessionId": bad})).await;
        assert_eq!(answer, json!({"type": "error", "message": "Registration failed"}), "{bad}");
    }
    for missing in [json!({"type": "register"}), json!({"type": "register", "sessionId": 7})] {
        let answer = socket.ask(&missing).await;
        assert_eq!(answer, json!({"type": "error", "message": "Registration failed"}));
    }
    let reply = rest.post("/chat/staff/connect", &json!({})).await.expect(400);
    assert_eq!(reply, json!({"success": false, "message": "Session ID is required"}));
}

async fn texts_are_held_to_4000_characters_and_stored_verbatim(plan: Plan) {
    let world = plan.start().await;
    let session = connect(&world).await;
    let rest = world.staff_rest();
    // Characters, not bytes; and nothing is trimmed or escaped.
    let longest = "ü".repeat(TEXT_CHARACTERS_MAX);
    let odd = "  <b>&amp;\"'\u{1F600}\u{202E}\r\n\t ";
    for text in [longest.as_str(), odd] {
        rest.post("/chat/staff/message", &json!({"sessionId": session, "message": text})).await.expect(200);
    }
    let too_long = "x".repeat(TEXT_CHARACTERS_MAX + 1);
    for text in [too_long.as_str(), "", "  \n ", "a\u{0}b"] {
        let reply = rest.post("/chat/staff/message", &json!({"sessionId": session, "message": text})).await;
        assert_eq!(reply.expect(400)["success"], false);
    }
    for wrong in [json!(7), json!(null), json!({"a": 1}), json!(["a"])] {
        let reply = rest.post("/chat/staff/message", &json!({"sessionId": session, "message": wrong})).await;
        assert_eq!(reply.expect(400)["success"], false);
    }
    assert_eq!(stored(&world, &session).await, [longest.as_str(), odd]);
}

async fn broken_and_foreign_tokens_open_nothing(plan: Plan) {
    let world = plan.start().await;
    let mut socket = world.staff_socket().await;
    let rest = world.staff_rest();
    let good = world.person("staff");
    let (head, signature) = good.token.rsplit_once('.').unwrap();
    let unsigned = format!("{}.{}.", "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0", head.split_once('.').unwrap().1);
    let tampered = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let over = world.person_for("staff", -60).token;
    let long = "x".repeat(9_000);
    for bad in ["bad", "a.b.c", unsigned.as_str(), &tampered, &over, &long, "Bearer"] {
        let answer = socket.ask(&json!({"type": "register_admin", "userId": "x", "token": bad})).await;
        assert_eq!(answer, json!({"type": "error", "message": "Authentication failed"}), "{bad}");
        let reply = rest.bearing(bad).get("/chat/admin/active-chats").await.expect(401);
        assert_eq!(reply, json!({"msg": "Token is not valid"}), "{bad}");
    }
    let customer = world.person("customer");
    let answer = socket.ask(&json!({"type": "register_admin", "userId": "x", "token": customer.token})).await;
    assert_eq!(answer, json!({"type": "error", "message": "Authentication failed"}));
    let reply = rest.bearing(&customer.token).get("/chat/admin/active-chats").await.expect(403);
    assert_eq!(reply, json!({"success": false, "message": "Access denied"}));
    socket.register_staff(&good.token).await;
}

async fn a_token_of_another_tenant_s_issuer_opens_nothing(plan: Plan) {
    let world = plan.start().await;
    let foreign = parlor_tests::Configuration::new("", &toml::Table::new(), &toml::Table::new());
    let now_s = world.now_s();
    let stranger = foreign.person("admin", now_s);
    let reply = world.staff_rest().bearing(&stranger.token).get("/chat/admin/active-chats").await;
    assert_eq!(reply.expect(401), json!({"msg": "Token is not valid"}));

    // A proven caller who names another tenant gets nothing of it either.
    let other = "t-another-tenant-of-this-installation";
    let operator = world.operator().await;
    let tenant = parlor_api::v1::Tenant { slug: other.to_owned(), ..Default::default() };
    operator
        .directory()
        .create_tenant(parlor_api::v1::CreateTenantRequest {
            tenant: Some(tenant),
            request_id: String::new(),
        })
        .await
        .unwrap();
    let session = connect(&world).await;
    let staff = world.person("staff");
    let entrance = parlor_tests::Entrance::new(world.entrance().address, other);
    let mut chat = entrance.clients(&staff.token).await.chat();
    let request = parlor_api::v1::GetConversationRequest { conversation: Some(talk::by_key(&session)) };
    let status = chat.get_conversation(request).await.unwrap_err();
    assert!(
        matches!(
            status.code(),
            tonic::Code::Unauthenticated | tonic::Code::NotFound | tonic::Code::PermissionDenied
        ),
        "{status:?}"
    );
}

async fn the_eleventh_message_of_a_second_is_refused_and_not_stored(plan: Plan) {
    let world = plan.start().await;
    let session = connect(&world).await;
    let staff = world.person("staff");
    let mut socket = world.staff_socket().await;
    socket.register_staff(&staff.token).await;
    // Far more at once than a burst and what a slow second would earn.
    let sent = BURST * 5;
    for number in 0..sent {
        socket
            .send(&json!({"type": "staff_message", "sessionId": session, "content": number.to_string()}))
            .await;
    }
    let mut refused = 0;
    while refused == 0 || stored(&world, &session).await.len() + refused < sent {
        assert_eq!(socket.next().await, json!({"type": "error", "message": "Too many messages"}));
        refused += 1;
    }
    let kept = stored(&world, &session).await;
    assert!(kept.len() >= BURST - 1 && refused > 0, "{} kept, {refused} refused", kept.len());
    let mut in_order: Vec<u32> = kept.iter().map(|text| text.parse().unwrap()).collect();
    in_order.sort_unstable();
    assert_eq!(in_order.iter().map(u32::to_string).collect::<Vec<_>>(), kept, "in the order they were sent");
}

async fn half_a_rest_request_is_the_client_s_mistake(plan: Plan) {
    let world = plan.start().await;
    let rest = world.staff_rest();
    for body in ["", "not json", "null", "[]", "{\"sessionId\":"] {
        let reply = rest.send(Method::POST, "/chat/staff/message", body.into()).await;
        assert_eq!(reply.status.as_u16(), 400, "{body:?}: {}", reply.text());
    }
    let session = world.session();
    let huge = json!({"sessionId": session, "message": "x".repeat(2 * 1024 * 1024)}).to_string();
    let reply = rest.send(Method::POST, "/chat/staff/message", huge.into()).await;
    assert!(matches!(reply.status.as_u16(), 400 | 413), "{}", reply.status);
    assert_eq!(rest.send(Method::PUT, "/chat/nothing/of/the/kind", "{}".into()).await.status.as_u16(), 404);
    let unknown = rest.post("/chat/staff/message", &json!({"sessionId": session, "message": "x"})).await;
    assert_eq!(unknown.expect(404), json!({"success": false, "message": "Conversation not found"}));
}
