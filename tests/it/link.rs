//! The protocol between a gateway and the core, spoken by the test: where a subscription begins, what a gateway that is
//! too slow is told, what a broken link keeps.

use parlor_api::{
    metadata,
    v1::{self, edge_service_client::EdgeServiceClient, link_request::Command, link_response::Body},
};
use parlor_tests::{Plan, World, matrix, soon, talk, topologies};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Streaming, transport::Endpoint};

matrix!(a_gateway_that_does_not_read_is_told_what_it_missed_and_delays_nobody);
topologies!(
    a_subscription_has_its_place_among_the_events,
    a_link_that_comes_back_within_the_lease_finds_its_subscriptions,
    an_unknown_epoch_begins_anew,
    a_wrong_edge_key_is_refused,
);

/// Commands that may wait while the core answers.
const COMMANDS: usize = 64;

/// Enough to fill the window of the stream and the smallest queue several times.
const MANY: u64 = 400;

/// A gateway's side of one link.
struct Gateway {
    commands: mpsc::Sender<v1::LinkRequest>,
    answers: Streaming<v1::LinkResponse>,
    number: u64,
}

impl Gateway {
    async fn connect(world: &World, name: &str, epoch: &str) -> (Self, v1::LinkWelcome) {
        let hello = v1::LinkHello { gateway: name.to_owned(), epoch: epoch.to_owned() };
        let mut gateway = Self::open(world, &world.configuration.edge_key, hello).await.unwrap();
        match gateway.next().await {
            Body::Welcome(welcome) => (gateway, welcome),
            other => panic!("no welcome: {other:?}"),
        }
    }

    /// The hello waits in the stream already: the core answers nothing before it.
    async fn open(world: &World, key: &str, hello: v1::LinkHello) -> Result<Self, tonic::Status> {
        let endpoint = Endpoint::from_shared(format!("http://{}", world.internal_address())).unwrap();
        let channel = soon("the connection", endpoint.connect()).await.unwrap();
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let first = v1::LinkRequest { number: 1, command: Some(Command::Hello(hello)) };
        commands.send(first).await.unwrap();
        let mut request = Request::new(ReceiverStream::new(receiver));
        request.metadata_mut().insert(metadata::EDGE_KEY, key.parse().unwrap());
        let answers = EdgeServiceClient::new(channel).link(request).await?.into_inner();
        Ok(Self { commands, answers, number: 1 })
    }

    async fn say(&mut self, command: Command) -> u64 {
        self.number += 1;
        let request = v1::LinkRequest { number: self.number, command: Some(command) };
        soon("room for a command", self.commands.send(request)).await.unwrap();
        self.number
    }

    async fn next(&mut self) -> Body {
        soon("an answer", self.answers.message()).await.unwrap().unwrap().body.unwrap()
    }

    /// Attaches a guest's connection and subscribes it to a conversation.
    async fn subscribe(&mut self, world: &World, connection: &str, key: &str) -> v1::LinkSubscribed {
        let mount = v1::MountContext {
            name: "staff".to_owned(),
            tenant: world.configuration.tenant.clone(),
            ..v1::MountContext::default()
        };
        let attach = v1::LinkAttach {
            connection: connection.to_owned(),
            mount: Some(mount),
            credential: Some(v1::link_attach::Credential::Guest(true)),
            ..v1::LinkAttach::default()
        };
        let number = self.say(Command::Attach(attach)).await;
        match self.next().await {
            Body::Attached(attached) => assert_eq!(attached.number, number),
            other => panic!("not attached: {other:?}"),
        }
        let name = v1::topic::Name::ConversationKey(key.to_owned());
        let topic = Some(v1::Topic { name: Some(name) });
        self.say(Command::Subscribe(v1::LinkSubscribe { connection: connection.to_owned(), topic })).await;
        loop {
            match self.next().await {
                Body::Subscribed(subscribed) => return subscribed,
                Body::Event(_) => {}
                other => panic!("not subscribed: {other:?}"),
            }
        }
    }

    /// The next event of a topic; what a lag left out is fetched. Returns the events and whether it lagged.
    async fn take(&mut self, topic: u64, after: u64) -> (Vec<u64>, bool) {
        match self.next().await {
            Body::Event(event) if event.topic == topic => (vec![event.number], false),
            Body::Lagged(lagged) if lagged.topic == topic => {
                let mut numbers = Vec::new();
                while numbers.last().copied().unwrap_or(after) < lagged.head {
                    let fetch =
                        v1::LinkFetch { topic, after: numbers.last().copied().unwrap_or(after), limit: 0 };
                    numbers.extend(self.fetch(fetch, &mut Vec::new()).await);
                }
                (numbers, true)
            }
            other => panic!("unexpected: {other:?}"),
        }
    }

    /// Fetches a part of a log; live events that come before the answer are put aside.
    async fn fetch(&mut self, fetch: v1::LinkFetch, aside: &mut Vec<u64>) -> Vec<u64> {
        let number = self.say(Command::Fetch(fetch)).await;
        loop {
            match self.next().await {
                Body::Fetched(fetched) if fetched.number == number => {
                    return fetched.events.iter().map(|event| event.number).collect();
                }
                Body::Event(event) => aside.push(event.number),
                other => panic!("not fetched: {other:?}"),
            }
        }
    }
}

async fn a_gateway_that_does_not_read_is_told_what_it_missed_and_delays_nobody(plan: Plan) {
    let world = plan.set("core.link_queue_bytes", 65_536).start().await;
    let key = world.session();
    let staff = world.person("staff");
    let mut chat = world.chat_as(&staff.token).await;
    talk::open(&mut chat, &key).await;
    let (mut slow, _) = Gateway::connect(&world, "slow", "1").await;
    let begun = slow.subscribe(&world, "c1", &key).await;

    // Nobody reads the link now. Everybody else hears each message before the next is sent.
    let mut watch = talk::watch(&mut chat, &key, begun.position).await;
    let text = "x".repeat(4_000);
    for _ in 0..MANY {
        let message = talk::send_until_stored(&mut chat, &key, &text).await;
        let event = talk::next(&mut watch).await.unwrap();
        assert_eq!(event.sequence, message.sequence);
    }

    let mut lagged = false;
    let mut last = begun.position;
    while last < begun.position + MANY {
        let (numbers, lag) = slow.take(begun.topic, last).await;
        for number in numbers {
            // What was fetched may come again from what was queued before; a gateway drops what it has seen.
            assert!(number <= last + 1, "{number} after {last}");
            last = last.max(number);
        }
        lagged |= lag;
    }
    assert!(lagged, "all of it was queued");
}

async fn a_subscription_has_its_place_among_the_events(plan: Plan) {
    let world = plan.start().await;
    let key = world.session();
    let staff = world.person("staff");
    let mut chat = world.chat_as(&staff.token).await;
    talk::open(&mut chat, &key).await;
    let before = talk::send_until_stored(&mut chat, &key, "before").await;
    let (mut gateway, welcome) = Gateway::connect(&world, "one", "1").await;
    assert!(!welcome.resumed);
    assert!(welcome.lease.is_some_and(|lease| lease.seconds >= 1));

    let subscribed = gateway.subscribe(&world, "c1", &key).await;
    assert_eq!(subscribed.position, before.sequence);
    assert_eq!(subscribed.conversation_id, before.conversation_id);
    let after = talk::send_until_stored(&mut chat, &key, "after").await;
    match gateway.next().await {
        Body::Event(event) => {
            assert_eq!((event.topic, event.number), (subscribed.topic, after.sequence));
            assert_eq!(talk::message_of(&event.event.unwrap()).unwrap().text, "after");
        }
        other => panic!("{other:?}"),
    }

    // A second connection of the same gateway shares the topic: the event comes once.
    let again = gateway.subscribe(&world, "c2", &key).await;
    assert_eq!((again.topic, again.position), (subscribed.topic, after.sequence));
    let last = talk::send_until_stored(&mut chat, &key, "last").await;
    match gateway.next().await {
        Body::Event(event) => assert_eq!(event.number, last.sequence),
        other => panic!("{other:?}"),
    }
    gateway.say(Command::Renew(v1::LinkRenew {})).await;
    match gateway.next().await {
        Body::Done(_) => {}
        other => panic!("the event came twice: {other:?}"),
    }
}

async fn a_link_that_comes_back_within_the_lease_finds_its_subscriptions(plan: Plan) {
    let world = plan.start().await;
    let key = world.session();
    let staff = world.person("staff");
    let mut chat = world.chat_as(&staff.token).await;
    talk::open(&mut chat, &key).await;
    let (mut gateway, _) = Gateway::connect(&world, "one", "1").await;
    let subscribed = gateway.subscribe(&world, "c1", &key).await;
    drop(gateway);

    let missed = talk::send_until_stored(&mut chat, &key, "missed").await;
    let (mut gateway, welcome) = Gateway::connect(&world, "one", "1").await;
    assert!(welcome.resumed);
    match gateway.next().await {
        Body::Lagged(lagged) => assert_eq!((lagged.topic, lagged.head), (subscribed.topic, missed.sequence)),
        other => panic!("{other:?}"),
    }
    let fetch = v1::LinkFetch { topic: subscribed.topic, after: subscribed.position, limit: 0 };
    assert_eq!(gateway.fetch(fetch, &mut Vec::new()).await, [missed.sequence]);
}

async fn an_unknown_epoch_begins_anew(plan: Plan) {
    let world = plan.start().await;
    let (gateway, _) = Gateway::connect(&world, "one", "1").await;
    drop(gateway);
    let (_gateway, welcome) = Gateway::connect(&world, "one", "2").await;
    assert!(!welcome.resumed);
}

async fn a_wrong_edge_key_is_refused(plan: Plan) {
    let world = plan.start().await;
    for key in ["wrong", "", &world.configuration.operator_key] {
        let status = match Gateway::open(&world, key, v1::LinkHello::default()).await {
            Err(status) => status,
            Ok(mut gateway) => soon("the refusal", gateway.answers.message()).await.unwrap_err(),
        };
        assert_eq!(parlor_tests::failure_reason(&status), v1::Reason::EdgeKeyRequired, "{status:?}");
    }
}
