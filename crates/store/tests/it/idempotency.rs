//! A repeated request happens once.

use parlor_store::{
    ConversationPatch, Error, Mutation, Once, REQUEST_LIFETIME_MS, RequestKey, Tenant, TenantId, Unique,
};

use crate::world::{World, cause, guest, new_tenant};

crate::stories!(
    a_repetition_gets_the_first_answer,
    twins_in_one_batch_happen_once,
    a_refusal_is_not_recorded,
    an_answer_expires,
);

fn key(tenant: TenantId, request_id: &str, payload: u8, at: i64) -> RequestKey {
    RequestKey {
        tenant,
        principal: "user:1".into(),
        method: "Test",
        request_id: request_id.into(),
        payload_hash: [payload; 32],
        at,
    }
}

fn slug(tenant: &Tenant) -> Vec<u8> {
    tenant.slug.clone().into_bytes()
}

async fn create(world: &World, key: RequestKey, name: &str) -> Result<Once, Error> {
    world.store.apply_once(key, Mutation::create_tenant(new_tenant(name)), slug).await
}

async fn a_repetition_gets_the_first_answer(world: World) {
    let whole = TenantId::INSTALLATION;
    let first = create(&world, key(whole, "r1", 1, 10), "one").await.unwrap();
    assert_eq!(first, Once { response: b"one".to_vec(), replayed: false, position: 0 });
    let second = create(&world, key(whole, "r1", 1, 20), "one").await.unwrap();
    assert_eq!(second, Once { response: b"one".to_vec(), replayed: true, position: 0 });
    assert_eq!(create(&world, key(whole, "r1", 2, 20), "two").await, Err(Error::RequestIdReused));
    assert_eq!(world.store.replay(&key(whole, "r1", 1, 20)).await, Ok(Some(b"one".to_vec())));
    assert_eq!(world.store.replay(&key(whole, "r1", 2, 20)).await, Err(Error::RequestIdReused));
    assert_eq!(world.store.replay(&key(whole, "r2", 1, 20)).await, Ok(None));
    let mut somebody_else = key(whole, "r1", 3, 20);
    somebody_else.principal = "user:2".into();
    assert!(!create(&world, somebody_else, "two").await.unwrap().replayed);
}

async fn twins_in_one_batch_happen_once(world: World) {
    let room = world.conversation("room").await;
    let close = || {
        let patch = ConversationPatch { waiting: Some(true), ..Default::default() };
        let change = Mutation::update_conversation(room.id, patch, cause(world.tenant, guest(), 50));
        world.store.apply_once(key(world.tenant, "r1", 1, 50), change, |after| vec![u8::from(after.waiting)])
    };
    let (first, second) = tokio::join!(close(), close());
    assert_eq!(first.unwrap(), Once { response: vec![1], replayed: false, position: 2 });
    assert_eq!(second.unwrap(), Once { response: vec![1], replayed: true, position: 2 });
    assert_eq!(world.store.log.tenant_head(world.tenant).await, Ok(2));
}

async fn a_refusal_is_not_recorded(world: World) {
    let whole = TenantId::INSTALLATION;
    let refused = create(&world, key(whole, "r1", 1, 10), "acme").await;
    assert_eq!(refused, Err(Error::AlreadyExists(Unique::Tenant)));
    assert_eq!(world.store.replay(&key(whole, "r1", 1, 10)).await, Ok(None));
    assert!(!create(&world, key(whole, "r1", 9, 11), "fresh").await.unwrap().replayed);
}

async fn an_answer_expires(world: World) {
    let whole = TenantId::INSTALLATION;
    create(&world, key(whole, "r1", 1, 10), "one").await.unwrap();
    let last = 10 + REQUEST_LIFETIME_MS - 1;
    assert!(world.store.replay(&key(whole, "r1", 1, last)).await.unwrap().is_some());
    assert_eq!(world.store.replay(&key(whole, "r1", 1, last + 1)).await, Ok(None));
    let renewed = create(&world, key(whole, "r1", 2, last + 1), "two").await.unwrap();
    assert_eq!(renewed, Once { response: b"two".to_vec(), replayed: false, position: 0 });

    create(&world, key(whole, "r2", 1, last + 2), "three").await.unwrap();
    create(&world, key(whole, "r3", 1, last + 2 + REQUEST_LIFETIME_MS), "four").await.unwrap();
    let long_ago = world.store.replay(&key(whole, "r2", 1, 0)).await;
    assert_eq!(long_ago, Ok(None), "removed by the writer");
}
