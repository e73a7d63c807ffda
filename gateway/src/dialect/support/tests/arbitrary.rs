//! Whatever comes, in whatever order: a machine never panics, and answers what wants an answer exactly once.

use std::collections::HashMap;

use proptest::prelude::*;
use serde_json::Map;

use super::*;

fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("CUSTOMER".to_owned()),
        Just("ADMIN".to_owned()),
        Just("2".to_owned()),
        Just("conversationId".to_owned()),
        ".{0,20}",
    ]
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (0_i64..8).prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        word().prop_map(Value::from),
    ];
    leaf.prop_recursive(2, 8, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(word(), inner, 0..3)
                .prop_map(|map| Value::Object(Map::from_iter(map))),
        ]
    })
}

/// The events that are always acknowledged where that is asked for.
const KNOWN: [&str; 6] = [
    "user:join",
    "message:send",
    "admin:getConversations",
    "conversation:getMessages",
    "conversation:markAsRead",
    "customer:getMyConversation",
];

fn any_event() -> impl Strategy<Value = Value> {
    let join = (prop_oneof![Just(json!(1)), Just(json!(2)), any_json()], word())
        .prop_map(|(id, role)| json!(["user:join", {"userId": id, "role": role}]));
    let send = (any_json(), word(), any_json()).prop_map(|(id, sender, text)| {
        json!(["message:send", {"conversationId": id, "sender": sender, "message": text}])
    });
    prop_oneof![
        3 => join,
        3 => send,
        4 => (0..KNOWN.len(), any_json()).prop_map(|(name, argument)| json!([KNOWN[name], argument])),
        2 => (0..KNOWN.len()).prop_map(|name| json!([KNOWN[name]])),
        1 => any_json(),
    ]
}

fn any_answer() -> impl Strategy<Value = Result<Answer, Refusal>> {
    prop_oneof![
        3 => Just(Ok(attached(ann(), &[v1::Role::Customer]))),
        3 => Just(Ok(attached(root(), &[v1::Role::Admin]))),
        1 => Just(Ok(attached_again(ann(), &[v1::Role::Customer], 3))),
        1 => Just(Ok(Answer::Attached(v1::LinkAttached::default()))),
        6 => (0_u64..5).prop_map(|topic| Ok(subscribed(topic))),
        2 => Just(Ok(stored())),
        4 => Just(Ok(rows(vec![conversation()]))),
        2 => Just(Ok(page(vec![from_ann(1, "x")]))),
        2 => Just(Ok(missed(vec![said(from_ann(1, "x"))]))),
        1 => Just(Ok(Answer::from(v1::MarkReadResponse::default()))),
        1 => Just(Ok(Answer::from(v1::CreateConversationResponse {
            conversation: Some(conversation()), created: false,
        }))),
        1 => Just(Err(bad_token())),
        1 => Just(Err(no_user())),
        1 => Just(Err(no_conversation())),
        1 => Just(Err(Refusal::of(Kind::Away, "down"))),
    ]
}

#[derive(Clone, Debug)]
enum Happening {
    Emitted(Value, bool),
    Garbage(String),
    Answer(Box<Result<Answer, Refusal>>),
    StrayAnswer(Tag),
    Event(Box<v1::Event>),
    Timer,
    Ended(v1::RightsEndedReason),
}

fn any_happening() -> impl Strategy<Value = Happening> {
    let event = prop_oneof![
        (0_u64..9).prop_map(|number| said(from_ann(number, "x"))),
        Just(closed()),
        Just(was_read(v1::AuthorKind::Staff)),
        Just(v1::Event::default()),
    ];
    prop_oneof![
        8 => (any_event(), any::<bool>()).prop_map(|(event, ack)| Happening::Emitted(event, ack)),
        1 => "\\PC{0,40}".prop_map(Happening::Garbage),
        10 => any_answer().prop_map(|answer| Happening::Answer(Box::new(answer))),
        1 => any::<Tag>().prop_map(Happening::StrayAnswer),
        3 => event.prop_map(|event| Happening::Event(Box::new(event))),
        2 => Just(Happening::Timer),
        1 => Just(Happening::Ended(v1::RightsEndedReason::Expired)),
    ]
}

/// What an event asks for, by name, if it is one that is answered.
fn asks(event: &Value) -> Option<&'static str> {
    let name = event.as_array()?.first()?.as_str()?;
    KNOWN.into_iter().find(|known| *known == name)
}

/// Steps until nothing is open any more: everything that was asked is answered.
fn settle(talk: &mut Talk, mut see: impl FnMut(&[Effect])) {
    for _ in 0..2_000 {
        let tag = talk.tag;
        see(talk.step(Input::Answer { tag, answer: Err(no_conversation()), position: None }));
        see(talk.step(Input::Timer(1)));
    }
}

proptest! {
    #[test]
    fn whatever_wants_an_answer_is_answered_exactly_once(
        believes in any::<bool>(),
        story in prop::collection::vec(any_happening(), 0..60),
    ) {
        let mut talk = if believes { Talk::claims() } else { Talk::with_token() };
        let mut wanted: HashMap<u64, u32> = HashMap::new();
        let (mut messages, mut histories, mut over) = (0_i64, 0_i64, false);
        let mut count = |effects: &[Effect], wanted: &mut HashMap<u64, u32>| {
            for effect in effects {
                match effect {
                    Effect::Acknowledge { ack, .. } => *wanted.get_mut(ack).expect("it was asked for") += 1,
                    Effect::Send(Frame::Event(event)) => {
                        let text = str::from_utf8(&event.json).unwrap();
                        messages -= i64::from(text.starts_with(r#"["message:error""#));
                        histories -= i64::from(text.starts_with(r#"["conversation:messages""#));
                    }
                    Effect::Close { .. } => over = true,
                    _ => {}
                }
            }
            (messages, histories, over)
        };
        let (mut sends, mut asked_histories, mut ack) = (0_i64, 0_i64, 0_u64);
        let mut waiting = 0;
        for happening in story {
            let effects = match happening {
                Happening::Emitted(event, with_ack) => {
                    let name = asks(&event);
                    ack += 1;
                    let ack = with_ack.then_some(ack);
                    if let Some(ack) = ack.filter(|_| name.is_some()) { wanted.insert(ack, 0); }
                    sends += i64::from(name == Some("message:send"));
                    asked_histories += i64::from(name == Some("conversation:getMessages") && ack.is_none());
                    talk.say(&event, ack)
                }
                Happening::Garbage(text) => {
                    let event = SocketEvent::from(text);
                    talk.step(Input::Emitted { event, ack: None })
                }
                Happening::Answer(answer) if waiting > 0 => { waiting = 0; talk.answered(*answer) }
                Happening::Answer(_) => continue,
                Happening::StrayAnswer(tag) if tag != talk.tag => {
                    let answer = Ok(attached(root(), &[v1::Role::Admin]));
                    talk.step(Input::Answer { tag, answer, position: None })
                }
                Happening::StrayAnswer(_) => continue,
                Happening::Event(event) => {
                    talk.step(Input::Event { event: Arc::new(*event), audience: CUSTOMER })
                }
                Happening::Timer => match talk.timers.pop() {
                    Some((tag, _)) => talk.step(Input::Timer(tag)),
                    None => continue,
                },
                Happening::Ended(reason) => talk.step(Input::RightsEnded(reason)),
            };
            waiting += effects.iter().filter(|effect| matches!(effect,
                Effect::Call { .. } | Effect::Attach { credential: Credential::Claim { .. } | Credential::Bearer(_)
                    | Credential::BearerAsCustomer(_), .. } | Effect::Subscribe { .. })).count();
            prop_assert!(waiting <= 1, "asked the core {waiting} things at once");
            let effects = std::mem::take(&mut talk.effects);
            let (errors, ..) = count(&effects, &mut wanted);
            prop_assert!(-errors <= sends, "more errors than messages");
        }
        let mut last = (0, 0, false);
        settle(&mut talk, |effects| last = count(effects, &mut wanted));
        let (_, histories, over) = last;
        prop_assert!(wanted.values().all(|times| *times <= 1), "called twice: {wanted:?}");
        if !over {
            prop_assert!(wanted.values().all(|times| *times == 1), "not called: {wanted:?}");
            prop_assert_eq!(-histories, asked_histories, "each history once");
        }
    }

    #[test]
    fn a_request_is_answered_once(
        (method, path, body) in any_request(),
        token in prop::option::of("[!-~]{1,20}"),
        answers in prop::collection::vec(any_answer(), 12),
    ) {
        let mut talk = Talk::rest(cookie_mount(true));
        let mut answered = 0;
        let count = |effects: &[Effect]| {
            effects.iter().filter(|effect| matches!(effect, Effect::Respond(_))).count()
        };
        let authorization = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> =
            authorization.iter().map(|value| ("authorization", value.as_str())).collect();
        answered += count(talk.request(method, &path, &headers, &body));
        // The last one ends what goes on.
        for answer in answers.into_iter().chain([Err(no_user())]) {
            answered += count(talk.answered(answer));
        }
        prop_assert_eq!(answered, 1);
    }
}

fn any_request() -> impl Strategy<Value = (Method, String, String)> {
    let method = prop_oneof![Just(Method::GET), Just(Method::POST), Just(Method::PATCH)];
    let path = prop_oneof![
        Just("/api/auth/login".to_owned()),
        Just("/api/auth/register".to_owned()),
        Just("/api/admin/chat".to_owned()),
        ".{0,20}".prop_map(|id| format!("/api/admin/chat/{id}")),
        ".{0,40}",
    ];
    let body = prop_oneof![
        (any_json(), any_json()).prop_map(|(email, password)| {
            json!({"email": email, "password": password, "name": "x"}).to_string()
        }),
        any_json().prop_map(|value| value.to_string()),
        "\\PC{0,80}",
    ];
    (method, path, body)
}
