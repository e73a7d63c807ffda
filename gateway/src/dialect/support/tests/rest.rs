//! The endpoints: sign in, register, threads and pages.

use super::*;

fn exchanged(subject: &str) -> Answer {
    Answer::from(v1::ExchangeCredentialResponse {
        token: "header.claims.mark".to_owned(),
        expire_time: Some(prost_types::Timestamp { seconds: NOW.seconds + 3_600, nanos: 0 }),
        user: Some(v1::User {
            id: UUID.to_owned(),
            number: 12,
            display_name: "Ann".to_owned(),
            username: "ann@x.test".to_owned(),
            email: "ann@x.test".to_owned(),
            roles: vec![v1::Role::Customer.into()],
            create_time: Some(NOW),
            ..v1::User::default()
        }),
        subject: subject.to_owned(),
    })
}

const LOGIN: &str = r#"{"email":"ann@x.test","password":"ann-password"}"#;

#[test]
fn a_login_gives_the_user_and_a_token() {
    let mut talk = Talk::rest(mount());
    let effects = talk.request(Method::POST, "/api/auth/login", &[], LOGIN);
    let [Effect::Call { call, credential: Credential::Guest, .. }] = effects else { panic!("{effects:?}") };
    let asked: v1::ExchangeCredentialRequest = call.request();
    assert_eq!((asked.tenant.as_str(), asked.issuer.as_str()), ("demo", "shop"));
    let effects = talk.answer(exchanged("2"));
    let expected = format!(
        r#"{{"message":"Login successful!","data":{{"user":{{"id":2,"email":"ann@x.test","name":"Ann","phone":null,"role":"CUSTOMER","avatar":null,"createdAt":"{ISO}"}},"token":"header.claims.mark"}}}}"#
    );
    assert_eq!(response(effects), (200, expected.as_str()));
    assert!(whole_response(effects).headers.iter().all(|(name, _)| name != http::header::SET_COOKIE));
}

#[test]
fn a_new_account_goes_by_its_number() {
    let mut talk = Talk::rest(mount());
    talk.request(
        Method::POST,
        "/api/auth/register",
        &[],
        r#"{"name":"Ann","email":"ann@x.test","password":"ann-password"}"#,
    );
    let effects = talk.answer(exchanged("504c0100000000000000000c"));
    let (status, body) = response(effects);
    assert_eq!(status, 201);
    assert!(body.starts_with(r#"{"message":"Registration successful!","data":{"user":{"id":12,"#), "{body}");
}

#[test]
fn the_cookie_is_for_the_browser_alone() {
    let cookie = |secure, headers: &[(&str, &str)]| {
        let mut talk = Talk::rest(cookie_mount(secure));
        talk.request(Method::POST, "/api/auth/login", headers, LOGIN);
        let response = whole_response(talk.answer(exchanged("2")));
        let set = response.headers.iter().find(|(name, _)| name == http::header::SET_COOKIE);
        set.map(|(_, value)| value.to_str().unwrap().to_owned())
    };
    let plain = "shop_session=header.claims.mark; Max-Age=3600; Path=/; HttpOnly; SameSite=Lax";
    assert_eq!(cookie(false, &[]).as_deref(), Some(plain));
    assert_eq!(cookie(false, &[("origin", "http://localhost:3000")]).as_deref(), Some(plain));
    assert_eq!(cookie(true, &[]), Some(format!("{plain}; Secure")));
    let foreign = cookie(false, &[("origin", "https://evil.example")]);
    assert_eq!(foreign, None, "no foreign page signs its visitor in as somebody else");
}

#[test]
fn who_signs_out_withdraws_what_they_show_and_loses_the_cookie() {
    let mut talk = Talk::rest(cookie_mount(true));
    let headers = [
        ("cookie", "shop_session=of.the.cookie"),
        ("authorization", "Bearer of.the.page"),
        ("origin", "http://localhost:3000"),
    ];
    let withdrawn = |effects: &[Effect]| {
        let [Effect::Call { call, credential: Credential::Guest, .. }] = effects else {
            panic!("{effects:?}")
        };
        call.request::<v1::RevokeTokenRequest>().selector.unwrap()
    };
    let token = |token: &str| v1::revoke_token_request::Selector::Token(token.to_owned());
    let effects = talk.request(Method::POST, "/api/auth/logout", &headers, "");
    assert_eq!(withdrawn(effects), token("of.the.page"));
    let effects = talk.answer(v1::RevokeTokenResponse::default());
    assert_eq!(withdrawn(effects), token("of.the.cookie"));
    let effects = talk.fail(Refusal::of(Kind::Malformed, "token: has expired"));
    assert_eq!(response(effects), (200, r#"{"message":"Logged out successfully!"}"#), "it was over already");
    let set = whole_response(effects).headers.iter().find(|(name, _)| name == http::header::SET_COOKIE);
    let gone = "shop_session=; Max-Age=0; Path=/; HttpOnly; SameSite=Lax; Secure";
    assert_eq!(set.map(|(_, value)| value.to_str().unwrap()), Some(gone));
}

#[test]
fn signing_out_is_safe_for_who_is_not_in_and_from_other_pages() {
    let out = |mount: Mount, headers: &[(&str, &str)]| {
        let mut talk = Talk::rest(mount);
        let effects = talk.request(Method::POST, "/api/auth/logout", headers, "");
        assert!(whole_response(effects).headers.iter().all(|(name, _)| name != http::header::SET_COOKIE));
        response(effects).0
    };
    let foreign = [("cookie", "shop_session=mine"), ("origin", "https://evil.example")];
    assert_eq!(out(cookie_mount(false), &foreign), 200, "no foreign page signs its visitor out");
    assert_eq!(out(mount(), &[]), 200);
    assert_eq!(out(Mount { login_issuer: None, ..mount() }, &[]), 404);
    let mut talk = Talk::rest(mount());
    talk.request(Method::POST, "/api/auth/logout", &[("authorization", "Bearer mine")], "");
    assert_eq!(response(talk.fail(Refusal::of(Kind::Away, "down"))).0, 500, "it may still be good");
}

#[test]
fn registering_fails_in_words() {
    let register = |mount: Mount, body: &str, answer: Option<Refusal>| {
        let mut talk = Talk::rest(mount);
        let effects = talk.request(Method::POST, "/api/auth/register", &[], body);
        let effects = match answer {
            Some(status) => {
                assert_eq!(effects.len(), 1);
                talk.fail(status)
            }
            None => effects,
        };
        let (status, body) = response(effects);
        (status, body.to_owned())
    };
    let taken = refusal(Kind::Taken, v1::Reason::AlreadyExists);
    let told = |status: u16, text: &str| (status, format!(r#"{{"message":"{text}"}}"#));
    assert_eq!(register(mount(), LOGIN, Some(taken)), told(400, "Email already in use!"));
    assert_eq!(
        register(mount(), LOGIN, Some(Refusal::of(Kind::Malformed, "signup.password: is short"))),
        told(400, "Email or password is invalid!")
    );
    for refused in [bad_token(), refusal(Kind::NotFound, v1::Reason::TenantNotFound)] {
        assert_eq!(register(mount(), LOGIN, Some(refused)), told(400, "Registration failed!"));
    }
    assert_eq!(register(mount(), "{}", None), told(400, "Email and password are required!"));
    assert_eq!(register(mount(), "{", None), told(400, "Invalid JSON!"));
    let closed = Mount { allow_signup: false, ..mount() };
    assert_eq!(register(closed, LOGIN, None), told(400, "Registration is closed!"));
    let crowded = refusal(Kind::TooMany, v1::Reason::RateLimited);
    assert_eq!(register(mount(), LOGIN, Some(crowded)).0, 429);
    assert_eq!(
        register(mount(), LOGIN, Some(Refusal::of(Kind::Defect, "x"))),
        told(500, "Internal server error")
    );
}

#[test]
fn what_is_not_served_is_not_found_in_json() {
    let not_found = (404, r#"{"message":"Not found"}"#);
    for (method, path) in [
        (Method::GET, "/api/cart"),
        (Method::POST, "/api/chat/sessions"),
        (Method::DELETE, "/api/admin/chat/1"),
        (Method::GET, "/api/auth/login"),
        (Method::POST, "/"),
        (Method::GET, "/favicon.ico"),
    ] {
        let mut talk = Talk::rest(mount());
        assert_eq!(response(talk.request(method, path, &[], "")), not_found, "{path}");
    }
    let no_login = Mount { login_issuer: None, ..mount() };
    let mut talk = Talk::rest(no_login);
    assert_eq!(response(talk.request(Method::POST, "/api/auth/login", &[], LOGIN)), not_found);
}

#[test]
fn the_pages_of_old_are_there() {
    for path in ["/", ""] {
        let mut talk = Talk::rest(mount());
        let about = r#"{"message":"Fashion Ecommerce API Server","endpoints":{"admin":"/api/admin/*","user":"/api/*"}}"#;
        assert_eq!(response(talk.request(Method::GET, path, &[], "")), (200, about));
    }
    let mut talk = Talk::rest(mount());
    let page = whole_response(talk.request(Method::GET, "/setup-chat.html", &[], ""));
    assert_eq!(page.content_type, "text/html; charset=utf-8");
    assert!(str::from_utf8(&page.body).unwrap().contains("localStorage.setItem('user'"));
}

#[test]
fn threads_are_conversations_with_their_messages() {
    let mut talk = Talk::rest(cookie_mount(false));
    let headers = [("cookie", "shop_session=roots"), ("origin", "http://localhost:3000")];
    let effects = talk.request(Method::GET, "/api/admin/chat", &headers, "");
    let [Effect::Attach { credential, .. }] = effects else { panic!("{effects:?}") };
    assert_eq!(*credential, Credential::Bearer("roots".to_owned()));
    call(talk.answer(attached(root(), &[v1::Role::Staff])));
    let nobodys = v1::Conversation { number: 6, owner: None, ..conversation() };
    let first: v1::ListMessagesRequest =
        call(talk.answer(rows(vec![conversation(), nobodys.clone()]))).request();
    assert_eq!(first.conversation.as_ref().unwrap().name, Some(v1::conversation_ref::Name::Number(5)));
    call(talk.answer(page(vec![from_ann(8, "a"), message(9, v1::AuthorKind::Staff, "b")])));
    let effects = talk.answer(v1::ListMessagesResponse {
        conversation: Some(nobodys),
        ..v1::ListMessagesResponse::default()
    });
    let expected = format!(
        r#"[{{"id":5,"customerName":"Ann","customerEmail":"ann@x.test","avatar":"","lastMessage":"b","unread":1,"lastActive":"{ISO}","status":"OPEN","messages":[{{"id":8,"sender":"customer","text":"a","timestamp":"{ISO}","isRead":false}},{{"id":9,"sender":"admin","text":"b","timestamp":"{ISO}","isRead":false}}]}},{{"id":6,"customerName":"Unknown Customer","customerEmail":"","avatar":"","lastMessage":"","unread":1,"lastActive":"{ISO}","status":"OPEN","messages":[]}}]"#
    );
    assert_eq!(response(effects), (200, expected.as_str()));
}

#[test]
fn a_thread_that_is_not_there_is_not_found() {
    let not_found = (404, r#"{"message":"Chat not found"}"#);
    let token = [("authorization", "Bearer good")];
    for (id, answer) in [
        ("99", Some(Err(no_conversation()))),
        ("abc", None),
        ("0", None),
        ("1", Some(Ok(Answer::from(v1::ListMessagesResponse::default())))),
    ] {
        let mut talk = Talk::rest(mount());
        talk.request(Method::GET, &format!("/api/admin/chat/{id}"), &token, "");
        talk.answer(attached(root(), &[v1::Role::Admin]));
        if let Some(answer) = answer {
            talk.answered(answer);
        }
        assert_eq!(response(&talk.effects), not_found, "{id}");
    }
}
