//! What a connection hears after it has proved to be somebody else.

use super::*;

/// Ann's conversation, nobody's conversation, and the tokens of Ann and Bob.
struct Shop {
    world: World,
    ann: String,
    bob: String,
    /// The id of Ann's conversation.
    of_ann: String,
}

const OF_ANN: &str = "session_of_ann_0001";
const OF_NOBODY: &str = "session_of_nobody_1";

fn key(key: &str) -> Name {
    Name::ConversationKey(key.to_owned())
}

impl Shop {
    async fn open() -> Self {
        let world = World::new().await;
        let ann = world.user("shop", "ann", &[v1::Role::Customer]).await;
        let bob = world.user("shop", "bob", &[v1::Role::Customer]).await;
        let ann = world.token_of("shop", &ann).await.token;
        let bob = world.token_of("shop", &bob).await.token;
        let of_ann = open(&world, OF_ANN, &[bearer(&ann)]).await;
        open(&world, OF_NOBODY, &[bearer(OPERATOR), ("parlor-tenant", "shop")]).await;
        Self { world, ann, bob, of_ann }
    }

    /// Writes into both, and lists the topics of conversations that the gateway hears.
    async fn heard(&self, gateway: &mut Gateway) -> Vec<u64> {
        gateway.attach("witness", Credential::Bearer(self.world.staff().await)).await;
        let feed = gateway.subscribed("witness", feed()).await.topic;
        // A conversation is told before the feed, so with the feed's last event all is heard.
        for key in [OF_ANN, OF_NOBODY] {
            write(&self.world, key).await;
        }
        let (mut heard, mut of_feed) = (Vec::new(), 0);
        while of_feed < 2 {
            let topic = gateway.event().await.topic;
            if topic == feed { of_feed += 1 } else { heard.push(topic) }
        }
        heard.sort_unstable();
        heard
    }
}

impl World {
    async fn staff(&self) -> String {
        self.somebody("shop", v1::Role::Staff).await.1
    }
}

async fn open(world: &World, key: &str, who: crate::testing::Metadata<'_>) -> String {
    let mut chat = v1::chat_service_client::ChatServiceClient::new(world.core.routes());
    let create = v1::CreateConversationRequest { key: key.to_owned(), ..Default::default() };
    let created = chat.create_conversation(call(create, who)).await.unwrap().into_inner();
    created.conversation.unwrap().id
}

async fn write(world: &World, key: &str) {
    let mut chat = v1::chat_service_client::ChatServiceClient::new(world.core.routes());
    let name = Some(v1::conversation_ref::Name::Key(key.to_owned()));
    let request = v1::SendMessageRequest {
        conversation: Some(v1::ConversationRef { name }),
        text: "hello".to_owned(),
        ..Default::default()
    };
    chat.send_message(call(request, &[bearer(OPERATOR), ("parlor-tenant", "shop")])).await.unwrap();
}

fn dropped(body: Body) -> Vec<u64> {
    let Body::Attached(attached) = body else { panic!("{body:?}") };
    let mut dropped = attached.dropped;
    dropped.sort_unstable();
    dropped
}

#[tokio::test]
async fn another_customer_hears_on_what_is_nobodys_and_not_what_is_anothers() {
    let shop = Shop::open().await;
    let (mut gateway, _) = Gateway::link(&shop.world, "g", "1").await;
    gateway.attach("a", Credential::Bearer(shop.ann.clone())).await;
    let anns = gateway.subscribed("a", Name::ConversationId(shop.of_ann.clone())).await.topic;
    assert_eq!(gateway.subscribed("a", key(OF_ANN)).await.topic, anns);
    let typing = gateway.subscribed("a", Name::Typing(shop.of_ann.clone())).await.topic;
    let nobodys = gateway.subscribed("a", key(OF_NOBODY)).await.topic;
    assert_eq!(dropped(gateway.attach("a", Credential::Bearer(shop.ann.clone())).await), [0; 0]);

    let changed = gateway.attach("a", Credential::Bearer(shop.bob.clone())).await;
    assert_eq!(dropped(changed), [anns, typing]);
    assert_eq!(shop.heard(&mut gateway).await, [nobodys]);
}

#[tokio::test]
async fn a_guest_hears_on_what_it_knows_the_key_of_and_nothing_it_had_by_its_id() {
    for by_key in [true, false] {
        let shop = Shop::open().await;
        let (mut gateway, _) = Gateway::link(&shop.world, "g", "1").await;
        gateway.attach("a", Credential::Bearer(shop.ann.clone())).await;
        let name = if by_key { key(OF_ANN) } else { Name::ConversationId(shop.of_ann.clone()) };
        let anns = gateway.subscribed("a", name).await.topic;
        let changed = gateway.attach("a", Credential::Guest(true)).await;
        if by_key {
            assert_eq!(dropped(changed), [0; 0]);
            assert_eq!(shop.heard(&mut gateway).await, [anns]);
        } else {
            assert_eq!(dropped(changed), [anns]);
            assert_eq!(shop.heard(&mut gateway).await, [0; 0]);
        }
    }
}

#[tokio::test]
async fn a_guest_who_proves_to_be_somebody_hears_no_longer_what_is_anothers() {
    let shop = Shop::open().await;
    for (name, token, keeps) in [("one", &shop.ann, true), ("two", &shop.bob, false)] {
        let (mut gateway, _) = Gateway::link(&shop.world, name, "1").await;
        gateway.attach("a", Credential::Guest(true)).await;
        let anns = gateway.subscribed("a", key(OF_ANN)).await.topic;
        let early = gateway.subscribed("a", key("session_not_there_yet")).await.topic;
        let changed = dropped(gateway.attach("a", Credential::Bearer(token.clone())).await);
        assert_eq!(changed.is_empty(), keeps);
        assert!(!changed.contains(&early), "what is not there yet is nobody's");
        assert_eq!(shop.heard(&mut gateway).await.contains(&anns), keeps);
    }
}

#[tokio::test]
async fn staff_who_prove_to_be_a_customer_hear_on_by_the_key_only() {
    let shop = Shop::open().await;
    let (mut gateway, _) = Gateway::link(&shop.world, "g", "1").await;
    gateway.attach("a", Credential::Bearer(shop.world.staff().await)).await;
    let feed = gateway.subscribed("a", feed()).await.topic;
    let anns = gateway.subscribed("a", key(OF_ANN)).await.topic;
    let nobodys = gateway.subscribed("a", key(OF_NOBODY)).await.topic;
    let changed = gateway.attach("a", Credential::Bearer(shop.bob.clone())).await;
    assert_eq!(dropped(changed), [feed, anns]);
    assert_eq!(shop.heard(&mut gateway).await, [nobodys]);
}

#[tokio::test]
async fn what_was_dropped_is_named_again_in_the_answer_to_a_repetition() {
    let shop = Shop::open().await;
    let (mut gateway, _) = Gateway::link(&shop.world, "g", "1").await;
    gateway.attach("a", Credential::Bearer(shop.ann.clone())).await;
    let anns = gateway.subscribed("a", key(OF_ANN)).await.topic;
    for _ in 0..2 {
        let changed = gateway.attach("a", Credential::Bearer(shop.bob.clone())).await;
        assert_eq!(dropped(changed), [anns]);
    }
    gateway.attach("a", Credential::Guest(true)).await;
    let again = gateway.subscribed("a", key(OF_ANN)).await.topic;
    let repeated = gateway.attach("a", Credential::Guest(true)).await;
    assert!(!dropped(repeated).contains(&again), "it is heard again");
}
