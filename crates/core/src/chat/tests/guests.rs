//! What guests may create, and what they learn by trying.

use super::*;

const HERE: Metadata<'static> = &[GUEST[0], GUEST[1], GUEST[2], ("parlor-peer", "192.0.2.1")];
const THERE: Metadata<'static> = &[GUEST[0], GUEST[1], GUEST[2], ("parlor-peer", "192.0.2.2")];

async fn wish(
    world: &World,
    key: &str,
    who: Metadata<'_>,
) -> Result<v1::CreateConversationResponse, v1::Reason> {
    let request = v1::CreateConversationRequest { key: key.into(), ..Default::default() };
    let answer = chat(world).create_conversation(call(request, who)).await;
    answer.map(tonic::Response::into_inner).map_err(|status| failure::reason(&status))
}

#[tokio::test]
async fn to_find_a_conversation_by_creating_it_is_a_guess() {
    let world = World::with(|options| options.unknown_keys.burst = 3).await;
    let (_, owner) = world.somebody("shop", v1::Role::Customer).await;
    let owned: Metadata<'_> = &[GUEST[0], GUEST[1], HERE[3], bearer(&owner)];
    create(&world, THERE).await;
    send(&world, THERE, "a secret").await;
    for _ in 0..3 {
        let found = wish(&world, KEY, HERE).await.unwrap();
        assert!(!found.created && found.conversation.unwrap().last_message.is_some());
    }
    let limited = Err(v1::Reason::RateLimited);
    assert_eq!(wish(&world, KEY, HERE).await, limited);
    assert_eq!(
        wish(&world, "session_nobody_has_it", HERE).await,
        limited,
        "nor what is there from what is not"
    );
    let read = v1::GetConversationRequest { conversation: keyed(KEY) };
    let read = chat(&world).get_conversation(call(read, HERE)).await.unwrap_err();
    assert_eq!(failure::reason(&read), v1::Reason::RateLimited);
    assert!(wish(&world, KEY, THERE).await.is_ok());
    assert!(wish(&world, KEY, STAFF).await.is_ok());
    // One's own is no guess, however often it is named.
    world.clock.advance(std::time::Duration::from_secs(3));
    for _ in 0..5 {
        wish(&world, "session_of_its_owner", owned).await.unwrap();
    }
    // Somebody else's is one, and is not told.
    let theirs: Metadata<'_> = &[GUEST[0], GUEST[1], GUEST[2], ("parlor-peer", "192.0.2.3")];
    let (_, other) = world.somebody("shop", v1::Role::Provider).await;
    let other: Metadata<'_> = &[GUEST[0], GUEST[1], theirs[3], bearer(&other)];
    for _ in 0..3 {
        assert_eq!(wish(&world, "session_of_its_owner", other).await, Err(v1::Reason::NotOwner));
    }
    assert_eq!(wish(&world, "session_of_its_owner", other).await, limited);
}

#[tokio::test]
async fn guests_of_one_network_create_so_many() {
    let world = World::with(|options| options.new_conversations.burst = 2).await;
    let key = |number: usize| format!("session_of_guest_{number}");
    for number in 0..2 {
        assert!(wish(&world, &key(number), HERE).await.unwrap().created);
    }
    assert_eq!(wish(&world, &key(2), HERE).await, Err(v1::Reason::RateLimited));
    assert_eq!(
        wish(&world, &key(0), HERE).await,
        Err(v1::Reason::RateLimited),
        "it would tell what is there"
    );
    assert!(wish(&world, &key(2), THERE).await.unwrap().created);
    let (_, customer) = world.somebody("shop", v1::Role::Customer).await;
    let customer: Metadata<'_> = &[GUEST[0], GUEST[1], HERE[3], bearer(&customer)];
    assert!(wish(&world, &key(3), customer).await.unwrap().created);
    world.clock.advance(std::time::Duration::from_secs(1));
    assert!(wish(&world, &key(4), HERE).await.unwrap().created);
}

#[tokio::test]
async fn guesses_come_back_though_the_time_of_day_is_set_back() {
    let world = World::with(|options| options.unknown_keys.burst = 1).await;
    let guess = async || {
        let request = v1::GetConversationRequest { conversation: keyed("session_one_more_guess") };
        failure::reason(&chat(&world).get_conversation(call(request, HERE)).await.unwrap_err())
    };
    assert_eq!(guess().await, v1::Reason::ConversationNotFound);
    assert_eq!(guess().await, v1::Reason::RateLimited);
    world.clock.set_back(std::time::Duration::from_secs(3600));
    world.clock.advance(std::time::Duration::from_secs(2));
    assert_eq!(guess().await, v1::Reason::ConversationNotFound);
}
