//! A log whose beginning is not kept any more: a gateway is told from where on it is, and does not ask again for the rest.

use parlor_api::v1::{chat_service_client::ChatServiceClient, conversation_ref};

use super::*;

async fn send(world: &World, text: &str) {
    let conversation = Some(v1::ConversationRef { name: Some(conversation_ref::Name::Key(KEY.to_owned())) });
    let request = v1::SendMessageRequest { conversation, text: text.to_owned(), ..Default::default() };
    let request = call(request, &[bearer(OPERATOR), ("parlor-tenant", "shop")]);
    ChatServiceClient::new(world.core.routes()).send_message(request).await.unwrap();
}

async fn fetched(gateway: &mut Gateway, topic: u64, limit: u32) -> (Vec<u64>, u64, u64, u64) {
    gateway.say(Command::Fetch(v1::LinkFetch { topic, after: 0, limit })).await;
    loop {
        match gateway.next().await {
            Body::Fetched(fetched) => {
                let numbers = fetched.events.iter().map(|event| event.number).collect();
                return (numbers, fetched.through, fetched.head, fetched.floor);
            }
            Body::Event(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_gone_is_not_asked_for_again() {
    let world = World::new().await;
    let (_, token) = world.somebody("shop", v1::Role::Staff).await;
    let create = v1::CreateConversationRequest { key: KEY.to_owned(), ..Default::default() };
    let create = call(create, &[bearer(OPERATOR), ("parlor-tenant", "shop")]);
    let created = ChatServiceClient::new(world.core.routes()).create_conversation(create).await.unwrap();
    let id = created.into_inner().conversation.unwrap().id;
    for text in ["one", "two"] {
        send(&world, text).await;
    }
    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    gateway.attach("staff", Credential::Bearer(token)).await;
    let log = gateway.subscribed("staff", Name::Subject(v1::TopicSubject { kind: 1, id })).await.topic;
    let feed = gateway.subscribed("staff", feed()).await.topic;

    let tenant = world.core.tenant("shop").await.unwrap();
    world.core.store().log.sweep(tenant, i64::MAX).await.unwrap();
    for topic in [log, feed] {
        assert_eq!(fetched(&mut gateway, topic, 0).await, (vec![], 3, 3, 4), "nothing, and up to the head");
    }
    for text in ["three", "four"] {
        send(&world, text).await;
    }
    for topic in [log, feed] {
        assert_eq!(fetched(&mut gateway, topic, 0).await, (vec![4, 5], 5, 5, 4));
        assert_eq!(fetched(&mut gateway, topic, 1).await, (vec![4], 4, 5, 4), "a full page reaches its last");
    }
}
