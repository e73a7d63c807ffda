//! API keys and withdrawals.

use parlor_store::{ApiKey, ApiKeyId, ApiKeyKind, Error, Revocation, TenantId, Unique, What};

use crate::world::World;

crate::stories!(a_key_opens_its_tenants, a_revoked_key_keeps_its_moment, withdrawals_last_as_long_as_needed);

fn new_key(tenants: Vec<TenantId>) -> ApiKey {
    ApiKey {
        id: ApiKeyId::new(),
        display_name: "key".into(),
        kind: ApiKeyKind::Service,
        all_tenants: tenants.is_empty(),
        tenants,
        prefix: "plk_abc".into(),
        created_at: 1,
        revoked_at: None,
        made_by: None,
    }
}

async fn a_key_opens_its_tenants(world: World) {
    let store = &world.store;
    let one = store.tokens.create_api_key(new_key(vec![world.tenant]), [1; 32]).await.unwrap();
    let all = store.tokens.create_api_key(new_key(vec![]), [2; 32]).await.unwrap();
    assert_eq!(store.tokens.api_key_by_hash([1; 32]).await, Ok(one.clone()));
    assert_eq!(store.tokens.api_key(all.id).await, Ok(all.clone()));
    assert_eq!(store.tokens.api_key_by_hash([3; 32]).await, Err(Error::NotFound(What::ApiKey)));
    assert_eq!(store.tokens.list_api_keys(Some(world.tenant), None, 9).await, Ok(vec![one.clone()]));
    assert_eq!(store.tokens.list_api_keys(None, None, 1).await, Ok(vec![one.clone()]));
    assert_eq!(store.tokens.list_api_keys(None, Some(one.id), 9).await, Ok(vec![all]));
    let same_secret = store.tokens.create_api_key(new_key(vec![]), [1; 32]).await;
    assert_eq!(same_secret, Err(Error::AlreadyExists(Unique::ApiKey)));
    let nowhere = store.tokens.create_api_key(new_key(vec![TenantId(99)]), [4; 32]).await;
    assert_eq!(nowhere, Err(Error::NotFound(What::Tenant)));
}

async fn a_revoked_key_keeps_its_moment(world: World) {
    let store = &world.store;
    let key = store.tokens.create_api_key(new_key(vec![]), [1; 32]).await.unwrap();
    assert_eq!(store.tokens.revoke_api_key(key.id, 50).await.unwrap().revoked_at, Some(50));
    assert_eq!(store.tokens.revoke_api_key(key.id, 60).await.unwrap().revoked_at, Some(50));
    assert_eq!(store.tokens.api_key_by_hash([1; 32]).await.unwrap().revoked_at, Some(50));
    assert_eq!(store.tokens.revoke_api_key(ApiKeyId::new(), 60).await, Err(Error::NotFound(What::ApiKey)));
}

async fn withdrawals_last_as_long_as_needed(world: World) {
    let (store, tenant, user) = (&world.store, world.tenant, world.user("ann").await.id);
    let token = Revocation::Token { tenant, token_id: "t1".into() };
    let everything = |at| Revocation::User { tenant, user, at };
    assert_eq!(store.tokens.withdrawn_token(tenant, "t1").await, Ok(None));
    store.tokens.revoke(token.clone(), 100, 10).await.unwrap();
    assert_eq!(store.tokens.withdrawn_token(tenant, "t1").await, Ok(Some((10, 100))));
    assert_eq!(store.tokens.withdrawn_token(tenant, "t2").await, Ok(None));
    store.tokens.revoke(everything(20), 200, 20).await.unwrap();
    store.tokens.revoke(everything(15), 150, 21).await.unwrap();
    assert_eq!(store.tokens.revocations(99).await.unwrap().len(), 2);
    assert!(store.tokens.revocations(99).await.unwrap().contains(&token));
    assert_eq!(store.tokens.revocations(100).await, Ok(vec![everything(20)]), "the latest moment counts");
    assert_eq!(store.tokens.revocations(200).await, Ok(vec![]));
    store.tokens.revoke(token.clone(), 400, 300).await.unwrap();
    assert_eq!(store.tokens.revocations(0).await, Ok(vec![token]), "what nobody needs is removed");
}
