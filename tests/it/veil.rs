//! What a customer is told of the staff, whatever is asked and whatever happens: never a name to sign in with, never what an
//! issuer calls them, never their address, and never a label of the conversation.
//!
//! Everything that must not be told is marked, and looked for in the bytes of every answer of every public method, and of
//! every kind of event, over gRPC and over `native`.

mod asked;
mod scene;

use std::collections::BTreeSet;

use parlor_api::v1;
use parlor_tests::{
    Plan, World,
    raw::{Answers, Raw},
    topologies,
};
use serde_json::{Value, json};
use tonic::Code;

use self::{
    asked::{Method, methods, payloads},
    scene::{ANN, LABEL, MARK, SAM, Scene},
};

topologies!(
    no_answer_tells_a_customer_what_is_the_staffs,
    no_event_tells_a_customer_what_is_the_staffs,
    an_export_tells_a_customer_nothing_that_is_the_staffs,
    labels_cannot_be_asked_for,
);

/// Fails where something is told that is marked.
fn veiled(what: &str, told: &[u8]) {
    let found = told.windows(MARK.len()).any(|bytes| bytes == MARK.as_bytes());
    assert!(!found, "{what}: {}", String::from_utf8_lossy(told));
}

fn tells(told: &[u8], word: &str) -> bool {
    told.windows(word.len()).any(|bytes| bytes == word.as_bytes())
}

async fn no_answer_tells_a_customer_what_is_the_staffs(plan: Plan) {
    let world = plan.start().await;
    let scene = Scene::begin(&world).await;
    let _there = scene.attend().await;
    scene.play().await;
    scene.pay(&world).await;
    let entrance = world.entrance();
    let (raw, of_staff) = (Raw::new(&entrance, &scene.ann).await, Raw::new(&entrance, &scene.sam).await);
    let mut native = Native::enter(&world, json!({"token": scene.ann})).await;
    let mut called = BTreeSet::new();
    let (last, first): (Vec<_>, Vec<_>) = methods()
        .into_iter()
        .filter(|method| !method.streams())
        .partition(|method| method.short() == "UpdateConversation");
    for method in first.into_iter().chain(last) {
        let request = asked::request(&method, &scene);
        let answer = raw.unary(&method.name, method.encoded(&request)).await;
        match &answer {
            Ok(answer) => veiled(&method.name, answer),
            Err(status) => veiled(&method.name, format!("{status:?}").as_bytes()),
        }
        if let Ok(answer) = answer {
            called.insert(method.short().to_owned());
            match method.short() {
                "GetConversation" => {
                    assert!(tells(&answer, SAM), "who looks after it is shown");
                    assert!(tells(&answer, ANN), "what is one's own is shown");
                    let seen_by_staff = of_staff.unary(&method.name, method.encoded(&request)).await.unwrap();
                    assert!(tells(&seen_by_staff, MARK), "staff see it");
                }
                "ListOnline" | "GetPresence" | "GetProvider" | "ListProviders" | "ListMessages"
                | "ListMissedEvents" | "ListConversations" => {
                    assert!(tells(&answer, SAM), "{}: {answer:?}", method.name);
                }
                "GetUser" | "ExchangeCredential" => assert!(tells(&answer, ANN)),
                _ => {}
            }
        }
        native.ask(&method.name, &request).await;
    }
    // What is refused tells nothing: these must have been answered.
    for name in [
        "CreateConversation",
        "GetConversation",
        "ListConversations",
        "UpdateConversation",
        "SendMessage",
        "SendMessages",
        "ListMessages",
        "MarkRead",
        "ReactToMessage",
        "ListMissedEvents",
        "ListOnline",
        "GetPresence",
        "SetAvailability",
        "RequestSession",
        "EndSession",
        "GetSession",
        "ListSessions",
        "GetProvider",
        "ListProviders",
        "RecordVisit",
        "GetUser",
        "GetWallet",
        "ListEntries",
        "GetStatement",
        "Quote",
        "ExchangeCredential",
    ] {
        assert!(called.contains(name), "{name} was refused");
    }
}

async fn no_event_tells_a_customer_what_is_the_staffs(plan: Plan) {
    let world = plan.start().await;
    let scene = Scene::begin(&world).await;
    let raw = Raw::new(&world.entrance(), &scene.ann).await;
    let conversation = json!({"id": scene.conversation});
    let from_the_start = json!({"conversation": conversation, "afterSequence": "0"});
    let about = |service: &str, name: &str| {
        methods().into_iter().find(|method| method.is(service, name)).unwrap_or_else(|| panic!("{name}"))
    };
    let mut streams = Vec::new();
    for (service, name, requests) in [
        ("ChatService", "WatchConversation", vec![from_the_start.clone()]),
        (
            "ChatService",
            "Converse",
            vec![
                json!({"number": "1", "open": from_the_start}),
                json!({"number": "2", "send": {"conversation": conversation, "text": "one"}}),
                json!({"number": "3", "read": {"conversation": conversation}}),
            ],
        ),
        ("BillingService", "WatchWallet", vec![json!({})]),
        ("PresenceService", "WatchPresence", vec![json!({})]),
        ("SessionService", "WatchSessions", vec![json!({})]),
        (
            "SessionService",
            "Conduct",
            vec![json!({"number": "1", "decline": {"session": {"id": scene.session}}})],
        ),
        (
            "PresenceService",
            "Attend",
            vec![json!({"number": "1", "attach": {}}), json!({"number": "2", "watch": {"enabled": true}})],
        ),
    ] {
        let method = about(service, name);
        let mut requests: Vec<_> = requests.iter().map(|request| method.encoded(request)).collect();
        let stream = if method.is_asked_once() {
            raw.watch(&method.name, requests.remove(0)).await
        } else {
            raw.talk(&method.name, requests).await
        };
        streams.push((stream, method));
    }
    let streaming: Vec<_> = methods().into_iter().filter(Method::streams).collect();
    assert_eq!(
        streaming.len(),
        streams.len() + 2,
        "each stream is listened to, but for the one that has no events and the one that is for staff alone"
    );
    let entering = json!({
        "token": scene.ann,
        "watch": [{"conversation": conversation}],
        "presence": true,
    });
    let mut native = Native::enter(&world, entering).await;
    native.until(&["presenceSnapshot"]).await;
    for (stream, method) in &mut streams {
        if method.is("PresenceService", "WatchPresence") || method.is("PresenceService", "Attend") {
            read(stream, method, &["presenceSnapshot"]).await;
        }
    }
    let mut heard = BTreeSet::new();
    for (stream, method) in streams.iter_mut().filter(|(_, method)| method.is_of("SessionService")) {
        heard.extend(read(stream, method, &["sessionsSnapshot"]).await);
    }

    scene.play().await;
    scene.pay(&world).await;
    scene.erase(&world).await;
    let _there = scene.attend().await;
    let presence = ["presenceChanged"];
    let chat = [
        "messageSent",
        "conversationChanged",
        "messagesRead",
        "typingState",
        "reactionChanged",
        "messagesErased",
    ];
    heard.extend(native.until(&[&presence[..], &chat[..]].concat()).await);
    assert!(native.seen.contains(SAM), "who writes is shown");
    for (stream, method) in &mut streams {
        let due = match method.name.split('/').next() {
            Some("parlor.v1.ChatService") => &chat[..],
            Some("parlor.v1.BillingService") => &["walletChanged"],
            Some("parlor.v1.SessionService") => &["sessionChanged"],
            _ => &presence[..],
        };
        heard.extend(read(stream, method, due).await);
    }
    heard.extend(["presenceSnapshot".to_owned()]);
    // Who visits is for staff alone.
    heard.extend(["visitSnapshot", "visitChanged"].map(str::to_owned));
    assert_eq!(heard, payloads(), "every kind of event was told");
}

async fn an_export_tells_a_customer_nothing_that_is_the_staffs(plan: Plan) {
    let world = plan.start().await;
    let scene = Scene::begin(&world).await;
    scene.play().await;
    let raw = Raw::new(&world.entrance(), &scene.ann).await;
    let method = methods().into_iter().find(|method| method.short() == "ExportUser").unwrap();
    let mut stream = raw.watch(&method.name, method.encoded(&asked::request(&method, &scene))).await;
    let mut lines = String::new();
    while !lines.contains(r#""record":"end""#) {
        let told = stream.next().await;
        veiled(&method.name, &told);
        lines.push_str(method.json(&told)["lines"].as_str().unwrap());
    }
    assert!(lines.contains(ANN), "what is her own is told");
    assert!(lines.contains("of una") && lines.contains(SAM), "and what staff wrote to her: {lines}");
}

async fn labels_cannot_be_asked_for(plan: Plan) {
    let world = plan.start().await;
    let scene = Scene::begin(&world).await;
    scene.play().await;
    let by_label =
        || v1::ListConversationsRequest { tag: LABEL.to_owned(), ..v1::ListConversationsRequest::default() };
    let refused = world.chat_as(&scene.ann).await.list_conversations(by_label()).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    let found = world.chat_as(&scene.sam).await.list_conversations(by_label()).await.unwrap().into_inner();
    assert_eq!(found.conversations.len(), 1);
}

/// Reads a stream until every kind of event that is due has come.
async fn read(stream: &mut Answers, method: &Method, due: &[&str]) -> BTreeSet<String> {
    let mut heard = BTreeSet::new();
    while !due.iter().all(|kind| heard.contains(*kind)) {
        let told = stream.next().await;
        veiled(&method.name, &told);
        heard.extend(asked::kind_of(&method.json(&told)["event"]));
    }
    heard
}

/// A raw WebSocket of the native mount.
struct Native {
    socket: parlor_tests::Socket,
    number: u64,
    /// Everything that was told, as it came.
    seen: String,
    heard: BTreeSet<String>,
}

impl Native {
    async fn enter(world: &World, auth: Value) -> Self {
        let mut socket = world.entrance().ws("/native").await;
        let connected = socket.ask(&json!(["connect", auth])).await;
        assert_eq!(connected[0], "connected", "{connected}");
        Self { socket, number: 0, seen: connected.to_string(), heard: BTreeSet::new() }
    }

    async fn next(&mut self) -> Value {
        let frame = self.socket.next().await;
        let text = frame.to_string();
        veiled("native", text.as_bytes());
        self.seen.push_str(&text);
        if frame[0] == "event" {
            self.heard.extend(asked::kind_of(&frame[1]));
        }
        frame
    }

    async fn ask(&mut self, name: &str, request: &Value) {
        self.number += 1;
        self.socket.send(&json!([name, request, self.number])).await;
        loop {
            let frame = self.next().await;
            if frame[0] == "answer" && frame[1] == self.number {
                return;
            }
        }
    }

    /// Lets frames come until each of these kinds of events has.
    async fn until(&mut self, due: &[&str]) -> BTreeSet<String> {
        while !due.iter().all(|kind| self.heard.contains(*kind)) {
            self.next().await;
        }
        std::mem::take(&mut self.heard)
    }
}
