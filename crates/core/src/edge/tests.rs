//! Links, as a gateway sees them.

use parlor_api::v1::{
    edge_service_client::EdgeServiceClient, link_attach::Credential, link_response::Body, topic::Name,
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::*;
use crate::testing::{EDGE, OPERATOR, World, bearer, call};

mod floor;
mod limits;
mod past;
mod replaced;
mod resume;
mod roles;
mod sessions;
mod state;
mod subject;
mod wallet;

const KEY: &str = "session_1795206390007_yemuse1b4";

/// More than anything here takes; a core that never answers fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(60);

struct Gateway {
    commands: mpsc::Sender<v1::LinkRequest>,
    responses: Streaming<v1::LinkResponse>,
    number: u64,
}

impl Gateway {
    async fn link(world: &World, name: &str, epoch: &str) -> (Self, v1::LinkWelcome) {
        let (commands, requests) = mpsc::channel(4096);
        let (gateway, epoch) = (name.to_owned(), epoch.to_owned());
        let hello = Command::Hello(v1::LinkHello { gateway, epoch });
        commands.send(v1::LinkRequest { number: 0, command: Some(hello) }).await.unwrap();
        let request = call(ReceiverStream::new(requests), &[("parlor-edge-key", EDGE)]);
        let responses = EdgeServiceClient::new(world.core.routes()).link(request).await.unwrap().into_inner();
        let mut link = Self { commands, responses, number: 0 };
        match link.next().await {
            Body::Welcome(welcome) => (link, welcome),
            other => panic!("{other:?}"),
        }
    }

    async fn say(&mut self, command: Command) -> u64 {
        self.number += 1;
        let request = v1::LinkRequest { number: self.number, command: Some(command) };
        self.commands.send(request).await.unwrap();
        self.number
    }

    async fn next(&mut self) -> Body {
        let next = tokio::time::timeout(PATIENCE, self.responses.message()).await.expect("an answer in time");
        next.unwrap().expect("the link stands").body.unwrap()
    }

    async fn attach(&mut self, connection: &str, credential: Credential) -> Body {
        let mount = v1::MountContext {
            name: "test".into(),
            tenant: "shop".into(),
            issuers: Vec::new(),
            claims: false,
        };
        let attach = v1::LinkAttach {
            connection: connection.into(),
            mount: Some(mount),
            credential: Some(credential),
            peer: "192.0.2.1".into(),
            ..Default::default()
        };
        self.say(Command::Attach(attach)).await;
        self.next().await
    }

    async fn subscribe(&mut self, connection: &str, name: Name) -> Body {
        let topic = Some(v1::Topic { name: Some(name) });
        self.say(Command::Subscribe(v1::LinkSubscribe { connection: connection.into(), topic })).await;
        self.next().await
    }

    async fn subscribed(&mut self, connection: &str, name: Name) -> v1::LinkSubscribed {
        match self.subscribe(connection, name).await {
            Body::Subscribed(subscribed) => subscribed,
            other => panic!("{other:?}"),
        }
    }

    async fn event(&mut self) -> v1::LinkEvent {
        match self.next().await {
            Body::Event(event) => event,
            other => panic!("{other:?}"),
        }
    }
}

fn by_key() -> Name {
    Name::ConversationKey(KEY.into())
}

fn feed() -> Name {
    Name::Feed(v1::TopicFeed::default())
}

fn reason(body: &Body) -> v1::Reason {
    match body {
        Body::Failure(failed) => failed.failure.as_ref().unwrap().reason(),
        other => panic!("{other:?}"),
    }
}

async fn send(world: &World, text: &str) -> v1::Message {
    let mut chat = v1::chat_service_client::ChatServiceClient::new(world.core.routes());
    let who = [bearer(OPERATOR), ("parlor-tenant", "shop")];
    let create = v1::CreateConversationRequest { key: KEY.into(), ..Default::default() };
    chat.create_conversation(call(create, &who)).await.unwrap();
    let name = Some(v1::conversation_ref::Name::Key(KEY.into()));
    let request = v1::SendMessageRequest {
        conversation: Some(v1::ConversationRef { name }),
        text: text.into(),
        ..Default::default()
    };
    chat.send_message(call(request, &who)).await.unwrap().into_inner().message.unwrap()
}

#[tokio::test]
async fn a_link_needs_the_edge_key_and_begins_with_hello() {
    let world = World::new().await;
    let mut client = EdgeServiceClient::new(world.core.routes());
    let refused = client.link(call(tokio_stream::empty(), &[bearer(OPERATOR)])).await.unwrap_err();
    assert_eq!(parlor_api::failure::reason(&refused), v1::Reason::EdgeKeyRequired);
    let renew = v1::LinkRequest { number: 1, command: Some(Command::Renew(v1::LinkRenew {})) };
    let refused = client.link(call(tokio_stream::iter([renew]), &[("parlor-edge-key", EDGE)])).await;
    assert_eq!(parlor_api::failure::reason(&refused.unwrap_err()), v1::Reason::FieldInvalid);
}

#[tokio::test]
async fn an_early_subscriber_hears_a_conversation_from_its_first_event() {
    let world = World::new().await;
    let (mut gateway, welcome) = Gateway::link(&world, "g", "1").await;
    assert!(!welcome.resumed);
    assert!(matches!(gateway.attach("a", Credential::Guest(true)).await, Body::Attached(_)));
    let first = gateway.subscribed("a", by_key()).await;
    assert_eq!(first.position, 0);

    let sent = send(&world, "hello").await;
    let numbers = [gateway.event().await.number, gateway.event().await.number];
    assert_eq!(numbers, [1, sent.sequence]);

    // A second connection joins the same topic where it is now.
    gateway.attach("b", Credential::Guest(true)).await;
    let second = gateway.subscribed("b", by_key()).await;
    assert_eq!((second.topic, second.position), (first.topic, sent.sequence));
    assert_eq!(second.conversation_id, sent.conversation_id);
    send(&world, "once").await;
    assert_eq!(gateway.event().await.number, sent.sequence + 1, "one event for both");
}

#[tokio::test]
async fn subscriptions_are_authorised_for_the_connection_that_asks() {
    let world = World::new().await;
    let (owner, owner_token) = world.somebody("shop", v1::Role::Customer).await;
    let (_, staff_token) = world.somebody("shop", v1::Role::Staff).await;
    let other = world.user("shop", "another", &[v1::Role::Customer]).await;
    let other_token = world.token_of("shop", &other).await.token;
    let mut chat = v1::chat_service_client::ChatServiceClient::new(world.core.routes());
    let create = v1::CreateConversationRequest { key: KEY.into(), ..Default::default() };
    let created = chat.create_conversation(call(create, &[bearer(&owner_token)])).await.unwrap();
    let conversation = created.into_inner().conversation.unwrap();
    assert_eq!(conversation.owner.unwrap().user_id, owner.id);
    let by_id = || Name::ConversationId(conversation.id.clone());

    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    assert_eq!(reason(&gateway.subscribe("nobody", feed()).await), v1::Reason::FieldInvalid);
    gateway.attach("guest", Credential::Guest(true)).await;
    gateway.attach("owner", Credential::Bearer(owner_token)).await;
    gateway.attach("other", Credential::Bearer(other_token)).await;
    gateway.attach("staff", Credential::Bearer(staff_token)).await;
    for connection in ["guest", "owner", "other"] {
        assert_eq!(reason(&gateway.subscribe(connection, feed()).await), v1::Reason::RoleRequired);
    }
    for connection in ["guest", "other"] {
        assert_eq!(reason(&gateway.subscribe(connection, by_id()).await), v1::Reason::ConversationNotFound);
    }
    assert_eq!(reason(&gateway.subscribe("other", by_key()).await), v1::Reason::NotOwner);
    for (connection, name) in
        [("guest", by_key()), ("owner", by_key()), ("owner", by_id()), ("staff", by_id()), ("staff", feed())]
    {
        gateway.subscribed(connection, name).await;
    }
}

#[tokio::test]
async fn a_gateway_that_returns_within_the_lease_resumes_where_the_topics_are() {
    let world = World::new().await;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    gateway.attach("a", Credential::Guest(true)).await;
    let topic = gateway.subscribed("a", by_key()).await.topic;
    drop(gateway);

    let missed = send(&world, "missed").await;
    let (mut gateway, welcome) = Gateway::link(&world, "g", "1").await;
    assert!(welcome.resumed);
    let lagged = loop {
        match gateway.next().await {
            Body::Lagged(lagged) => break lagged,
            Body::Event(event) => assert!(event.number <= missed.sequence),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lagged.topic, topic);
    gateway.say(Command::Fetch(v1::LinkFetch { topic, after: 0, limit: 1 })).await;
    let fetched = loop {
        match gateway.next().await {
            Body::Fetched(fetched) => break fetched,
            Body::Event(_) => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((fetched.events.len(), fetched.through, fetched.head), (1, 1, missed.sequence));
}

#[tokio::test]
async fn a_gateway_that_returns_after_the_lease_or_with_another_epoch_begins_anew() {
    let lease = Duration::from_millis(50);
    let world = World::with(|options| options.edge.lease = lease).await;
    let (gateway, _) = Gateway::link(&world, "g", "1").await;
    let (_newer, welcome) = Gateway::link(&world, "g", "2").await;
    assert!(!welcome.resumed);
    drop(gateway);

    let (gone, _) = Gateway::link(&world, "h", "1").await;
    drop(gone);
    let resumed = async {
        loop {
            // Its place ends by itself; until then each return takes it up again.
            tokio::time::sleep(lease * 4).await;
            let (_link, welcome) = Gateway::link(&world, "h", "1").await;
            if !welcome.resumed {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, resumed).await.expect("the lease ends");
}

#[tokio::test]
async fn a_slow_gateway_is_told_of_a_lag_and_delays_nobody() {
    let world = World::with(|options| options.edge.queue_bytes = 2048).await;
    let (mut slow, _) = Gateway::link(&world, "slow", "1").await;
    let (mut quick, _) = Gateway::link(&world, "quick", "1").await;
    for gateway in [&mut slow, &mut quick] {
        gateway.attach("a", Credential::Guest(true)).await;
        gateway.subscribed("a", by_key()).await;
    }
    let mut last = 0;
    for number in 0..200 {
        last = send(&world, &number.to_string()).await.sequence;
        loop {
            if quick.event().await.number == last {
                break;
            }
        }
    }
    let mut next = 1;
    let lagged = loop {
        match slow.next().await {
            Body::Event(event) => {
                assert_eq!(event.number, next, "in order up to the lag");
                next += 1;
            }
            Body::Lagged(lagged) => break lagged,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(lagged.head, last);
    send(&world, "after").await;
    assert_eq!(slow.event().await.number, last + 1);
}

#[tokio::test]
async fn rights_of_staff_end_with_their_token_and_those_of_customers_when_withdrawn() {
    let world = World::new().await;
    let (customer, customer_token) = world.somebody("shop", v1::Role::Customer).await;
    let (_, staff_token) = world.somebody("shop", v1::Role::Staff).await;
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    gateway.attach("customer", Credential::Bearer(customer_token)).await;
    gateway.subscribed("customer", by_key()).await;
    gateway.attach("staff", Credential::Bearer(staff_token)).await;
    gateway.subscribed("staff", feed()).await;

    world.clock.advance(Duration::from_secs(24 * 3600));
    match gateway.next().await {
        Body::RightsEnded(ended) => {
            assert_eq!(ended.connection, "staff");
            assert_eq!(ended.reason(), v1::RightsEndedReason::Expired);
        }
        other => panic!("{other:?}"),
    }
    let selector = Some(v1::revoke_token_request::Selector::UserId(customer.id));
    let revoke = call(v1::RevokeTokenRequest { selector }, &[bearer(OPERATOR), ("parlor-tenant", "shop")]);
    world.tokens().revoke_token(revoke).await.unwrap();
    match gateway.next().await {
        Body::RightsEnded(ended) => {
            assert_eq!(ended.connection, "customer");
            assert_eq!(ended.reason(), v1::RightsEndedReason::Revoked);
        }
        other => panic!("{other:?}"),
    }
    send(&world, "nobody hears this").await;
    gateway.say(Command::Renew(v1::LinkRenew {})).await;
    assert!(matches!(gateway.next().await, Body::Done(_)), "no event of an ended subscription");
}

#[tokio::test]
async fn an_address_subscribes_so_many_conversations_that_do_not_exist() {
    let world = World::with(|options| options.unknown_keys.burst = 2).await;
    let (mut link, _) = Gateway::link(&world, "a", "1").await;
    link.attach("one", Credential::Guest(true)).await;
    for number in 0..2 {
        link.subscribed("one", Name::ConversationKey(format!("session_unknown_{number}"))).await;
    }
    let refused = link.subscribe("one", Name::ConversationKey("session_unknown_2".into())).await;
    assert_eq!(reason(&refused), v1::Reason::RateLimited);
}
