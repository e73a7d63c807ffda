//! A customer's own conversation: one at a time, whoever asks for it at once.

use parlor_store::{
    Cause, ConversationFilter, ConversationId, ConversationPatch, ConversationStatus, EnsureConversation,
    Error, Mutation, OwnConversation, Unique, User, UserUpsert, What,
};

use crate::world::{World, cause, customer, staff};

crate::stories!(
    many_who_ask_at_once_are_given_one,
    a_closed_one_makes_room_for_the_next,
    one_that_is_open_again_is_taken_up_only_when_there_is_no_other,
    kinds_and_owners_are_apart,
    a_number_leads_to_its_conversation,
    what_changed_last_is_listed_first,
    an_email_address_may_be_asked_for_alone,
    nobody_takes_what_another_signs_in_with,
);

fn wanted(world: &World, owner: &User, kind: &str) -> OwnConversation {
    OwnConversation {
        cause: Cause { tenant: world.tenant, author: customer(owner), at: 10, origin: String::new() },
        owner: owner.id,
        kind: kind.into(),
        waiting: false,
    }
}

async fn own(world: &World, owner: &User) -> (parlor_store::Conversation, bool) {
    world.store.apply(Mutation::own_conversation(wanted(world, owner, "support"))).await.unwrap()
}

async fn close(world: &World, id: ConversationId) {
    let agent = world.user("agent").await;
    let patch = ConversationPatch { status: Some(ConversationStatus::Closed), ..Default::default() };
    world.store.chat.update_conversation(id, patch, cause(world.tenant, staff(&agent), 20)).await.unwrap();
}

async fn many_who_ask_at_once_are_given_one(world: World) {
    let ann = world.user("ann").await;
    let (foreseen, exists) =
        world.store.chat.own_conversation(world.tenant, ann.id, "support").await.unwrap();
    assert!(!exists);
    let asked = (0..32).map(|_| own(&world, &ann));
    let answers = futures::future::join_all(asked).await;
    assert_eq!(answers.iter().filter(|(_, created)| *created).count(), 1);
    assert!(answers.iter().all(|(conversation, _)| conversation.id == foreseen));
    let all = ConversationFilter::default();
    assert_eq!(world.store.chat.list_conversations(world.tenant, &all, None, 10).await.unwrap().len(), 1);
    assert_eq!(world.heard().len(), 1, "one event");
}

async fn a_closed_one_makes_room_for_the_next(world: World) {
    let ann = world.user("ann").await;
    let (first, _) = own(&world, &ann).await;
    close(&world, first.id).await;
    let (foreseen, exists) =
        world.store.chat.own_conversation(world.tenant, ann.id, "support").await.unwrap();
    assert!(!exists);
    let (second, created) = own(&world, &ann).await;
    assert!(created && second.id == foreseen && second.id != first.id);
    let found = world.store.chat.own_conversation(world.tenant, ann.id, "support").await.unwrap();
    assert_eq!(found, (second.id, true));
}

async fn one_that_is_open_again_is_taken_up_only_when_there_is_no_other(world: World) {
    let ann = world.user("ann").await;
    let (first, _) = own(&world, &ann).await;
    close(&world, first.id).await;
    let (second, _) = own(&world, &ann).await;
    let opened = world.store.chat.append(world.message(first.id, customer(&ann), "once more")).await.unwrap();
    assert_eq!(opened.conversation.status, ConversationStatus::Open);
    assert_eq!(own(&world, &ann).await.0.id, second.id, "the current one stays so");
    close(&world, second.id).await;
    let (taken_up, created) = own(&world, &ann).await;
    assert!(!created && taken_up.id == first.id);
    assert_eq!(own(&world, &ann).await.0.id, first.id);
}

async fn kinds_and_owners_are_apart(world: World) {
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let mut ids = vec![own(&world, &ann).await.0.id, own(&world, &bob).await.0.id];
    for kind in ["", "sales"] {
        let made = world.store.apply(Mutation::own_conversation(wanted(&world, &ann, kind))).await.unwrap();
        ids.push(made.0.id);
    }
    let keyed = EnsureConversation { owner_id: Some(ann.id), kind: "other".into(), ..world.wanted("a-key") };
    let keyed = world.store.chat.ensure_conversation(keyed).await.unwrap().0.id;
    let other = world.store.apply(Mutation::own_conversation(wanted(&world, &ann, "other"))).await.unwrap();
    assert_ne!(other.0.id, keyed, "whoever knows a key reads it, so it is nobody's alone");
    ids.extend([keyed, other.0.id]);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 6);
    let nobody = User { id: parlor_store::UserId::new(), ..ann };
    let refused = world.store.apply(Mutation::own_conversation(wanted(&world, &nobody, ""))).await;
    assert_eq!(refused.map(|_| ()), Err(Error::NotFound(What::User)));
}

async fn a_number_leads_to_its_conversation(world: World) {
    let (room, store) = (world.conversation("room").await, &world.store);
    assert_eq!(store.chat.conversation_by_number(world.tenant, room.number).await, Ok(room.id));
    let missing = Err(Error::NotFound(What::Conversation));
    assert_eq!(store.chat.conversation_by_number(world.tenant, room.number + 1).await, missing);
    let other = store.directory.create_tenant(crate::world::new_tenant("other")).await.unwrap().id;
    assert_eq!(store.chat.conversation_by_number(other, room.number).await, missing);
}

async fn what_changed_last_is_listed_first(world: World) {
    let (store, agent) = (&world.store, world.user("agent").await);
    let rooms = [world.conversation("one").await, world.conversation("two").await];
    let mut answer = world.message(rooms[0].id, staff(&agent), "only an answer");
    answer.cause.at = 500;
    store.chat.append(answer).await.unwrap();
    let by_update = ConversationFilter { order_by_update: true, ..Default::default() };
    let listed = store.chat.list_conversations(world.tenant, &by_update, None, 1).await.unwrap();
    assert_eq!(listed[0].id, rooms[0].id);
    let place = Some((listed[0].updated_at, listed[0].number));
    let rest = store.chat.list_conversations(world.tenant, &by_update, place, 10).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.id).collect::<Vec<_>>(), [rooms[1].id]);
    let by_activity =
        store.chat.list_conversations(world.tenant, &ConversationFilter::default(), None, 1).await;
    assert_eq!(by_activity.unwrap()[0].id, rooms[1].id, "the default order stays");
}

async fn an_email_address_may_be_asked_for_alone(world: World) {
    let account = |name: &str, unique_names| UserUpsert {
        username: Some(name.into()),
        email: Some("ann@shop.example".into()),
        unique_names,
        ..Default::default()
    };
    let store = &world.store;
    let (ann, _) = store.directory.upsert_user(world.tenant, account("ann", true), 1).await.unwrap();
    assert_eq!(store.directory.user_by_email(world.tenant, "ann@shop.example").await.unwrap().id, ann.id);
    let taken = store.directory.upsert_user(world.tenant, account("bob", true), 1).await.map(|_| ());
    assert_eq!(taken, Err(Error::AlreadyExists(Unique::Email)));
    store.directory.upsert_user(world.tenant, account("bob", false), 1).await.unwrap();
    let both = store.directory.user_by_email(world.tenant, "ann@shop.example").await.map(|_| ());
    assert_eq!(both, Err(Error::NotFound(What::User)), "of two, neither is meant");
}

async fn nobody_takes_what_another_signs_in_with(world: World) {
    let account = |username: &str, email: Option<&str>, unique_names| UserUpsert {
        username: Some(username.into()),
        email: email.map(Into::into),
        unique_names,
        ..Default::default()
    };
    let store = &world.store;
    let make =
        async |account| store.directory.upsert_user(world.tenant, account, 1).await.map(|(user, _)| user);
    let dora = make(account("dora", Some("dora@shop.example"), false)).await.unwrap();
    let as_address = make(account("dora@shop.example", None, true)).await;
    assert_eq!(as_address, Err(Error::AlreadyExists(Unique::Username)));
    make(account("eve@shop.example", None, true)).await.unwrap();
    let as_name = make(account("adam", Some("eve@shop.example"), true)).await;
    assert_eq!(as_name, Err(Error::AlreadyExists(Unique::Email)));
    let own = UserUpsert { id: Some(dora.id), ..account("dora@shop.example", None, true) };
    assert_eq!(make(own).await.unwrap().id, dora.id, "one's own address may become one's name");
}
