//! Whatever comes, in whatever order: a machine never panics and never says more than it was asked.

use proptest::prelude::*;
use serde_json::{Map, json};

use super::*;

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just(SESSION.to_owned()),
        Just(OTHER.to_owned()),
        Just("register".to_owned()),
        Just("register_admin".to_owned()),
        Just("staff_message".to_owned()),
        ".{0,40}",
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(word(), inner, 0..4)
                .prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    })
}

fn any_frame() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => (word(), any_json(), any_json(), any_json()).prop_map(|(kind, session_id, token, content)| {
            json!({"type": kind, "sessionId": session_id, "token": token, "content": content}).to_string()
        }),
        2 => any_json().prop_map(|value| value.to_string()),
        1 => "\\PC{0,80}",
    ]
}

fn any_answer() -> impl Strategy<Value = Result<Answer, Refusal>> {
    prop_oneof![
        Just(Ok(attached(&[]))),
        Just(Ok(attached(&[v1::Role::Customer]))),
        Just(Ok(attached(&[v1::Role::Admin]))),
        (0_u64..5).prop_map(|topic| Ok(subscribed(topic))),
        Just(Ok(stored(message(1, v1::AuthorKind::Staff, None, "x")))),
        Just(Ok(Answer::from(v1::ListMessagesResponse::default()))),
        Just(Ok(Answer::from(v1::GetConversationResponse { conversation: Some(conversation()) }))),
        Just(Err(not_owner())),
        Just(Err(bad_token())),
        Just(Err(no_conversation())),
        Just(Err(Refusal::of(Kind::Away, "down"))),
    ]
}

#[derive(Clone, Debug)]
enum Happening {
    Frame(String),
    Binary(Vec<u8>),
    Answer(Box<Result<Answer, Refusal>>),
    StrayAnswer(Tag),
    Ended(v1::RightsEndedReason),
}

fn any_happening() -> impl Strategy<Value = Happening> {
    prop_oneof![
        4 => any_frame().prop_map(Happening::Frame),
        1 => prop::collection::vec(any::<u8>(), 0..40).prop_map(Happening::Binary),
        6 => any_answer().prop_map(|answer| Happening::Answer(Box::new(answer))),
        1 => any::<Tag>().prop_map(Happening::StrayAnswer),
        1 => Just(Happening::Ended(v1::RightsEndedReason::Expired)),
    ]
}

fn any_request() -> impl Strategy<Value = (Method, String, Option<String>, String)> {
    let method =
        prop_oneof![Just(Method::GET), Just(Method::POST), Just(Method::DELETE), Just(Method::PATCH)];
    let path = prop_oneof![
        Just("/chat/staff/connect".to_owned()),
        Just("/chat/staff/message".to_owned()),
        Just("/chat/admin/reply".to_owned()),
        Just("/chat/admin/active-chats".to_owned()),
        Just("/auth/login".to_owned()),
        Just("/auth/register".to_owned()),
        ".{0,40}".prop_map(|id| format!("/chat/conversation/{id}")),
        ".{0,20}".prop_map(|query| format!("/chat/staff/messages/{SESSION}?lastMessageTime={query}")),
        ".{0,20}".prop_map(|query| format!("/chat/find-user-conversation?mode={query}")),
        ".{0,40}",
    ];
    let body = prop_oneof![
        (any_json(), any_json()).prop_map(|(session_id, message)| {
            json!({"sessionId": session_id, "message": message, "username": "ada", "password": "x"})
                .to_string()
        }),
        any_json().prop_map(|value| value.to_string()),
        "\\PC{0,80}",
    ];
    (method, path, prop::option::of("[!-~]{1,20}"), body)
}

proptest! {
    #[test]
    fn a_socket_never_says_more_than_one_thing_for_a_frame(story in prop::collection::vec(any_happening(), 0..60)) {
        let mut talk = Talk::socket();
        let (mut asked, mut said, mut waiting) = (0, 0, 0);
        for happening in story {
            let effects = match happening {
                Happening::Frame(text) => { asked += 1; talk.text(&text) }
                Happening::Binary(bytes) => { asked += 1; talk.step(Input::Frame(Frame::Binary(bytes.into()))) }
                Happening::Answer(answer) if waiting > 0 => { waiting -= 1; talk.answer_at(*answer, None) }
                Happening::Answer(_) => continue,
                Happening::StrayAnswer(tag) if tag != talk.tag => {
                    talk.step(Input::Answer { tag, answer: Ok(attached(&[v1::Role::Admin])), position: None })
                }
                Happening::StrayAnswer(_) => continue,
                // The end of rights may be told, and a session that is then lost for good.
                Happening::Ended(reason) => { asked += 2; talk.step(Input::RightsEnded(reason)) }
            };
            said += sent(effects).len();
            waiting += effects.iter().filter(|effect| {
                matches!(effect, Effect::Call { .. } | Effect::Attach { .. } | Effect::Subscribe { .. })
            }).count();
            prop_assert!(said <= asked, "said {said} things to {asked}");
            prop_assert!(waiting <= 1, "asked the core {waiting} things at once");
        }
    }

    #[test]
    fn a_request_is_answered_once(
        (method, path, token, body) in any_request(),
        answers in prop::collection::vec(any_answer(), 12),
    ) {
        let mut talk = Talk::rest();
        let mut effects: Vec<String> = Vec::new();
        let mut answered = 0;
        let count = |effects: &[Effect]| {
            effects.iter().filter(|effect| matches!(effect, Effect::Respond(_))).count()
        };
        answered += count(talk.ask(method, &path, token.as_deref(), &body));
        for answer in answers {
            answered += count(talk.answer_at(answer, None));
            effects.push(format!("{:?}", talk.effects));
        }
        prop_assert!(answered == 1, "answered {answered} times: {effects:?}");
    }
}
