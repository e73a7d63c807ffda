//! Who takes part, and what nobody else sees.

use parlor_store::{
    Access, Conversation, ConversationFilter, ConversationId, EnsureConversation, Error, NewMessage, SeenBy,
    TenantId, User, UserId, What,
};
use tokio::task::JoinSet;

use crate::world::{World, change, customer, staff, word};

crate::stories!(
    what_nobody_else_sees_is_written_by_participants_alone,
    what_nobody_else_sees_is_listed_for_participants_alone,
    an_own_conversation_is_never_a_private_one,
    nobody_writes_by_key_after_somebody_else_has_become_the_owner,
    owners_of_old_take_part,
);

async fn private(world: &World, owner: &User, member: &User) -> Conversation {
    let wanted = EnsureConversation {
        owner_id: Some(owner.id),
        members: vec![member.id],
        seen_by: SeenBy::Nobody,
        ..world.wanted("a-private-session")
    };
    world.store.chat.ensure_conversation(wanted).await.unwrap().0
}

fn person(id: UserId) -> Access {
    Access { person: Some(id), staff: false, by_key: false }
}

async fn what_nobody_else_sees_is_written_by_participants_alone(world: World) {
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let (carol, agent) = (world.user("carol").await, world.user("agent").await);
    let id = private(&world, &ann, &bob).await.id;
    let missing = Err(Error::NotFound(What::Conversation));
    let agents = Access { staff: true, ..person(agent.id) };
    let by_key = |access| Access { by_key: true, ..access };
    let nobody = Access { person: None, staff: false, by_key: false };
    let cases = [
        (person(ann.id), Ok(())),
        (person(bob.id), Ok(())),
        (by_key(person(bob.id)), Ok(())),
        // A member who is of the staff as well.
        (Access { staff: true, ..person(bob.id) }, Ok(())),
        (person(carol.id), missing.clone()),
        (by_key(person(carol.id)), Err(Error::NotOwner)),
        (agents, missing.clone()),
        (by_key(agents), Err(Error::NotOwner)),
        (Access::STAFF, missing.clone()),
        (nobody, missing),
        (by_key(nobody), Err(Error::NotOwner)),
    ];
    // All in one batch, and each alone.
    let message = |access| NewMessage { access, ..world.message(id, customer(&ann), "hello") };
    let together = cases.iter().map(|(access, _)| world.store.chat.append(message(*access)));
    let together = futures::future::join_all(together).await;
    for ((access, expected), together) in cases.into_iter().zip(together) {
        assert_eq!(together.map(|_| ()), expected, "{access:?} together");
        let alone = world.store.chat.append(message(access)).await;
        assert_eq!(alone.map(|_| ()), expected, "{access:?} alone");
    }
    let told = world.heard().iter().filter(|event| word(event) == "message hello").count();
    assert_eq!(told, 8);
}

async fn what_nobody_else_sees_is_listed_for_participants_alone(world: World) {
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let (carol, agent) = (world.user("carol").await, world.user("agent").await);
    let hidden = private(&world, &ann, &bob).await;
    let open = world.conversation("an-open-room").await;
    let listed = async |access: Option<Access>| -> Vec<ConversationId> {
        let filter = ConversationFilter { access, ..ConversationFilter::default() };
        let rows = world.store.chat.list_conversations(world.tenant, &filter, None, 10).await.unwrap();
        rows.into_iter().map(|row| row.id).collect()
    };
    for participant in [&ann, &bob] {
        assert_eq!(listed(Some(person(participant.id))).await, [hidden.id]);
    }
    assert_eq!(listed(Some(person(carol.id))).await, []);
    assert_eq!(listed(Some(Access::STAFF)).await, [open.id]);
    assert_eq!(listed(Some(Access { staff: true, ..person(agent.id) })).await, [open.id]);
    assert_eq!(listed(Some(Access { staff: true, ..person(bob.id) })).await, [open.id, hidden.id]);
    assert_eq!(listed(None).await.len(), 2);
    let nobody = Access { person: None, staff: false, by_key: false };
    assert_eq!(listed(Some(nobody)).await, []);
}

async fn an_own_conversation_is_never_a_private_one(world: World) {
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let wanted = EnsureConversation {
        key: None,
        owner_id: Some(ann.id),
        members: vec![bob.id],
        seen_by: SeenBy::Nobody,
        ..world.wanted("")
    };
    world.store.chat.ensure_conversation(wanted).await.unwrap();
    let (_, exists) = world.store.chat.own_conversation(world.tenant, ann.id, "support").await.unwrap();
    assert!(!exists);
}

/// Whether a key opens a conversation is decided where the message is stored, so it cannot change in between.
async fn nobody_writes_by_key_after_somebody_else_has_become_the_owner(world: World) {
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    for round in 0..8 {
        let key = format!("a-room-{round}");
        let id = world.conversation(&key).await.id;
        let mut writing = JoinSet::new();
        for number in 0..16 {
            let access = Access { by_key: true, ..person(bob.id) };
            let text = number.to_string();
            let message = NewMessage { access, ..world.message(id, customer(&bob), &text) };
            let store = world.store.clone();
            writing.spawn(async move { store.chat.append(message).await });
            if number == 7 {
                let wanted = EnsureConversation { owner_id: Some(ann.id), ..world.wanted(&key) };
                let store = world.store.clone();
                writing.spawn(async move {
                    store.chat.ensure_conversation(wanted).await?;
                    Err(Error::NotOwner)
                });
            }
        }
        let mut stored = 0;
        while let Some(written) = writing.join_next().await {
            match written.unwrap() {
                Ok(_) => stored += 1,
                Err(refused) => assert_eq!(refused, Error::NotOwner),
            }
        }
        let events = world.store.log.subject_events(world.tenant, id, 0, 100).await.unwrap();
        let owned = events.iter().position(|event| word(event) == "changed owner").unwrap();
        assert!(events[owned..].iter().all(|event| change(event).is_some()), "the owner came last");
        assert_eq!(events.len(), stored + 2);
    }
}

async fn owners_of_old_take_part(world: World) {
    let (ann, bob) = (world.user("ann").await, world.user("bob").await);
    let wanted = EnsureConversation { owner_id: Some(ann.id), ..world.wanted("owned") };
    let owned = world.store.chat.ensure_conversation(wanted).await.unwrap().0.id;
    let open = world.conversation("open").await.id;
    let url = world.place.url();
    world.store.close().await;
    parlor_migration::down(&url, 1).await.unwrap();
    parlor_migration::up(&url).await.unwrap();
    let (store, _) = crate::world::open(&url).await.unwrap();
    let takes_part = async |id, user: &User| store.chat.takes_part(world.tenant, id, user.id).await.unwrap();
    assert!(takes_part(owned, &ann).await);
    assert!(!takes_part(owned, &bob).await && !takes_part(open, &ann).await);
    let row = store.chat.conversation(world.tenant, owned).await.unwrap();
    assert_eq!((row.owner_id, row.seen_by), (Some(ann.id), SeenBy::Staff));
    // The staff of the tenant write there as ever, and an owner does.
    for (author, access) in [(staff(&bob), Access::STAFF), (customer(&ann), person(ann.id))] {
        let message = NewMessage { access, ..world.message(owned, author, "hello") };
        store.chat.append(message).await.unwrap();
    }
    assert!(!store.chat.takes_part(TenantId(world.tenant.0 + 1), owned, ann.id).await.unwrap());
    store.close().await;
}
