//! What came from a credential ends with it.

use super::*;
use crate::{
    Error,
    auth::{Context, RawCredential},
    caller::Principal,
    testing::SECRET,
};

async fn traded(world: &World, token: &str, issuer: &str) -> String {
    let issuer = issuer.to_owned();
    let request = v1::ExchangeCredentialRequest { issuer, ..exchange(Credential::Bearer(token.to_owned())) };
    world.tokens().exchange_credential(request).await.unwrap().into_inner().token
}

/// A token that the issuer `legacy` has made itself.
pub fn of_legacy(said: &Value) -> String {
    let message = crate::auth::jwt::message(&json!({"alg": "HS256"}), said);
    let key = jsonwebtoken::EncodingKey::from_secret(SECRET);
    let algorithm = jsonwebtoken::Algorithm::HS256;
    format!("{message}.{}", jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap())
}

async fn withdraw(world: &World, token: &str) {
    let request = v1::RevokeTokenRequest { selector: Some(Selector::Token(token.to_owned())) };
    world.tokens().revoke_token(call(request, &[bearer(token)])).await.unwrap();
}

async fn resolved(world: &World, token: &str) -> Result<std::sync::Arc<Principal>, Error> {
    world.core.auth().resolve(&RawCredential::Bearer(token.to_owned()), &Context::default()).await
}

async fn is_withdrawn(world: &World, token: &str) -> bool {
    match resolved(world, token).await {
        Ok(_) => false,
        Err(Error::CredentialRevoked) => true,
        Err(other) => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn what_a_token_was_traded_for_ends_with_it_and_not_the_other_way_round() {
    let world = World::new().await;
    let (_, first) = world.somebody("shop", Role::Customer).await;
    let second = traded(&world, &first, "").await;
    let in_shape = traded(&world, &second, "legacy").await;
    let last = traded(&world, &in_shape, "").await;
    let sibling = traded(&world, &first, "").await;
    let auth = world.core.auth();
    let live = resolved(&world, &last).await.unwrap();
    let handle = auth.seal_handle(&live);
    auth.open_handle(&handle).await.unwrap();
    let ended = auth.standing().ended(&live);
    tokio::pin!(ended);
    assert!(futures::poll!(&mut ended).is_pending());

    withdraw(&world, &second).await;
    assert_eq!(ended.await, Error::CredentialRevoked);
    assert_eq!(auth.open_handle(&handle).await.unwrap_err(), Error::CredentialRevoked);
    for token in [&second, &in_shape, &last] {
        assert!(is_withdrawn(&world, token).await);
    }
    for token in [&first, &sibling] {
        assert!(!is_withdrawn(&world, token).await);
    }
    withdraw(&world, &first).await;
    assert!(is_withdrawn(&world, &sibling).await);
}

#[tokio::test]
async fn a_token_of_an_issuer_takes_with_it_what_it_was_traded_for() {
    let world = World::new().await;
    for id in [json!("one"), Value::Null] {
        let mut said = world.good("42");
        said["jti"] = id;
        let token = of_legacy(&said);
        let own = traded(&world, &token, "").await;
        let in_shape = traded(&world, &token, "legacy").await;
        withdraw(&world, &token).await;
        for token in [token, own, in_shape] {
            assert!(is_withdrawn(&world, &token).await);
        }
    }
}

#[tokio::test]
async fn a_long_chain_stays_bounded_and_in_the_family() {
    let world = World::new().await;
    let (_, first) = world.somebody("shop", Role::Customer).await;
    let mut chain = vec![first];
    for _ in 0..20 {
        chain.push(traded(&world, chain.last().unwrap(), "").await);
    }
    let [early, late, last] = [1, 19, 20].map(|index| &chain[index]);
    // Without the millisecond: it has one to three digits.
    let told = |token: &str| {
        let mut told = claims(token)["parlor"].clone();
        told.as_object_mut().unwrap().remove("ms").expect("it is dated");
        told.to_string().len()
    };
    assert_eq!(told(late), told(last), "what is told of those before does not grow for ever");
    assert!(!is_withdrawn(&world, last).await);
    withdraw(&world, early).await;
    assert!(!is_withdrawn(&world, &chain[0]).await);
    for token in &chain[1..] {
        assert!(is_withdrawn(&world, token).await);
    }
}

#[tokio::test]
async fn what_was_minted_with_a_credential_ends_with_it() {
    let world = World::new().await;
    let (customer, _) = world.somebody("shop", Role::Customer).await;
    let (_, admin) = world.somebody("shop", Role::Admin).await;
    let wanted = v1::ApiKey { kind: v1::ApiKeyKind::Service.into(), ..Default::default() };
    let request = v1::CreateApiKeyRequest { api_key: Some(wanted), ..Default::default() };
    let shop = [bearer(OPERATOR), ("parlor-tenant", "shop")];
    let key = world.directory().create_api_key(call(request, &shop)).await.unwrap().into_inner();
    let mint = async |credential: &str, issuer: &str| {
        let (user_id, issuer) = (customer.id.clone(), issuer.to_owned());
        let request = v1::MintTokenRequest { user_id, issuer, ..Default::default() };
        world.tokens().mint_token(call(request, &[bearer(credential)])).await.unwrap().into_inner().token
    };
    let mut of_admin = Vec::new();
    let mut of_key = Vec::new();
    for issuer in ["", "legacy"] {
        of_admin.push(mint(&admin, issuer).await);
        of_key.push(mint(&key.secret, issuer).await);
    }
    of_key.push(traded(&world, &of_key[0], "").await);
    let auth = world.core.auth();
    let live = resolved(&world, &of_key[2]).await.unwrap();
    let handle = auth.seal_handle(&live);
    let ended = auth.standing().ended(&live);
    tokio::pin!(ended);
    assert!(futures::poll!(&mut ended).is_pending());
    withdraw(&world, &admin).await;
    for token in &of_admin {
        assert!(is_withdrawn(&world, token).await);
    }
    let revoke = v1::RevokeApiKeyRequest { id: key.api_key.unwrap().id };
    world.directory().revoke_api_key(call(revoke, &[bearer(OPERATOR)])).await.unwrap();
    assert_eq!(ended.await, Error::CredentialRevoked);
    assert_eq!(auth.open_handle(&handle).await.unwrap_err(), Error::CredentialRevoked);
    // What was minted outlives the admin's token, and so does its withdrawal.
    world.clock.advance(Duration::from_secs(3600 + 60));
    let other = world.token_of("shop", &customer).await.token;
    withdraw(&world, &other).await;
    let remembered = world.core.store().tokens.revocations(world.clock.now()).await.unwrap();
    assert_eq!(remembered.len(), 2, "{remembered:?}");
}

#[tokio::test]
async fn a_key_ends_with_the_key_that_made_it() {
    let world = World::new().await;
    let make = async |kind: v1::ApiKeyKind, credential: &str| {
        let wanted = v1::ApiKey { kind: kind.into(), ..Default::default() };
        let request = v1::CreateApiKeyRequest { api_key: Some(wanted), ..Default::default() };
        let request = call(request, &[bearer(credential), ("parlor-tenant", "shop")]);
        let made = world.directory().create_api_key(request).await.unwrap().into_inner();
        (made.api_key.unwrap(), made.secret)
    };
    let works = async |secret: &str| {
        let list = v1::ListTenantsRequest::default();
        let request = call(list, &[bearer(secret), ("parlor-tenant", "shop")]);
        world.directory().list_tenants(request).await.is_ok()
    };
    let (first, first_secret) = make(v1::ApiKeyKind::Service, OPERATOR).await;
    assert_eq!(first.made_by, "", "the operator did");
    let (second, second_secret) = make(v1::ApiKeyKind::Service, &first_secret).await;
    assert_eq!(second.made_by, first.id);
    let (_, third_secret) = make(v1::ApiKeyKind::Admin, &second_secret).await;
    let (_, widget_secret) = make(v1::ApiKeyKind::Widget, &second_secret).await;
    let (_, other_secret) = make(v1::ApiKeyKind::Service, OPERATOR).await;
    for secret in [&first_secret, &second_secret, &third_secret, &widget_secret] {
        assert!(works(secret).await);
    }
    let revoke = v1::RevokeApiKeyRequest { id: first.id };
    world.directory().revoke_api_key(call(revoke, &[bearer(OPERATOR)])).await.unwrap();
    for secret in [&first_secret, &second_secret, &third_secret] {
        assert!(!works(secret).await);
    }
    // A widget's key opens nothing that its page does not show to everybody.
    assert!(works(&widget_secret).await && works(&other_secret).await);
}

#[tokio::test]
async fn a_key_of_before_is_asked_for_when_its_tokens_are_shown() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    parlor_migration::up(&url).await.unwrap();
    let clock = crate::clock::Clock::default();
    let world = World::at(&url, &clock).await;
    let (customer, _) = world.somebody("shop", Role::Customer).await;
    let wanted = v1::ApiKey { kind: v1::ApiKeyKind::Service.into(), ..Default::default() };
    let request = v1::CreateApiKeyRequest { api_key: Some(wanted), ..Default::default() };
    let shop = [bearer(OPERATOR), ("parlor-tenant", "shop")];
    let key = world.directory().create_api_key(call(request, &shop)).await.unwrap().into_inner();
    let mut minted = Vec::new();
    for issuer in ["", "legacy"] {
        let (user_id, issuer) = (customer.id.clone(), issuer.to_owned());
        let request = v1::MintTokenRequest { user_id, issuer, ..Default::default() };
        let answer = world.tokens().mint_token(call(request, &[bearer(&key.secret)])).await;
        minted.push(answer.unwrap().into_inner().token);
    }
    let revoke = v1::RevokeApiKeyRequest { id: key.api_key.unwrap().id };
    world.directory().revoke_api_key(call(revoke, &[bearer(OPERATOR)])).await.unwrap();
    world.core.shutdown().await;
    let world = World::at(&url, &clock).await;
    for token in &minted {
        assert!(is_withdrawn(&world, token).await);
    }
}

#[tokio::test]
async fn who_signs_in_right_after_a_withdrawal_is_in() {
    let world = World::new().await;
    set_password(&world, "ann", "correct horse").await;
    let sign_in = async |issuer: &str| {
        let issuer = issuer.to_owned();
        let proof = password("ann", "correct horse");
        let request = v1::ExchangeCredentialRequest { issuer, ..exchange(proof) };
        world.tokens().exchange_credential(request).await.unwrap().into_inner()
    };
    for issuer in ["", "legacy", "", "legacy"] {
        let first = sign_in(issuer).await;
        let user = Selector::UserId(first.user.unwrap().id);
        let request = v1::RevokeTokenRequest { selector: Some(user) };
        world.tokens().revoke_token(call(request, &[bearer(&first.token)])).await.unwrap();
        assert!(is_withdrawn(&world, &first.token).await);
        assert!(!is_withdrawn(&world, &sign_in(issuer).await.token).await, "{issuer}");
    }
}

#[tokio::test]
async fn a_token_that_is_withdrawn_is_not_written_again_and_one_that_is_over_never() {
    let world = World::new().await;
    let (user, _) = world.somebody("shop", Role::Customer).await;
    let tenant = world.core.tenant("shop").await.unwrap();
    let stored = async |id: &str| world.core.store().tokens.withdrawn_token(tenant, id).await.unwrap();
    let revoke = async |selector: Selector| {
        let request = v1::RevokeTokenRequest { selector: Some(selector) };
        let shop = [bearer(OPERATOR), ("parlor-tenant", "shop")];
        world.tokens().revoke_token(call(request, &shop)).await.unwrap().into_inner().revoke_time
    };
    let minted = world.token_of("shop", &user).await;
    let first = revoke(Selector::Token(minted.token.clone())).await;
    let row = stored(&minted.token_id).await.unwrap();
    world.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(revoke(Selector::Token(minted.token.clone())).await, first);
    assert_eq!(stored(&minted.token_id).await.unwrap(), row);
    // Nobody says when the token of an id ends, so that is remembered for longer; once.
    revoke(Selector::TokenId(minted.token_id.clone())).await;
    let longer = stored(&minted.token_id).await.unwrap();
    assert!(longer.1 > row.1);
    world.clock.advance(std::time::Duration::from_secs(60));
    revoke(Selector::TokenId(minted.token_id.clone())).await;
    assert_eq!(stored(&minted.token_id).await.unwrap(), longer);

    let over = world.token_of("shop", &user).await;
    world.clock.advance(std::time::Duration::from_secs(3 * 3600));
    revoke(Selector::Token(over.token)).await;
    assert_eq!(stored(&over.token_id).await, None);
}
