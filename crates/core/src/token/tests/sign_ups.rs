//! Who signs up is called by a number that we give, and signed for with a secret of ours: what the shop has under the same
//! number stays the shop's, and what is here stays theirs.

use super::{families::of_legacy, *};
use crate::{
    Error, Options,
    auth::{Context, IssuerOptions, RawCredential, claims::ClaimPaths},
    caller::Principal,
    clock::Clock,
    testing::SECRET,
};

const OWN_SECRET: &[u8] = b"a secret that no shop has ever seen";
const FROM: i64 = 1_000;

fn with_secret(secret: Option<&[u8]>) -> impl FnOnce(&mut Options) {
    let claims = ClaimPaths { subject: vec!["id".into()], ..ClaimPaths::default() };
    let mint_secret = secret.map(<[u8]>::to_vec);
    move |options| {
        options.auth.issuers =
            vec![IssuerOptions { claims, mint_numbers: Some(FROM), mint_secret, ..legacy() }];
    }
}

async fn exchanged(world: &World, credential: Credential) -> v1::ExchangeCredentialResponse {
    let request = v1::ExchangeCredentialRequest { issuer: "legacy".to_owned(), ..exchange(credential) };
    world.tokens().exchange_credential(call(request, &SIGNUP_MOUNT)).await.unwrap().into_inner()
}

fn is_signed_with(token: &str, secret: &[u8]) -> bool {
    let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::HS256);
    validation.validate_aud = false;
    jsonwebtoken::decode::<Value>(token, &jsonwebtoken::DecodingKey::from_secret(secret), &validation).is_ok()
}

async fn resolved(world: &World, token: &str) -> Result<std::sync::Arc<Principal>, Error> {
    // As a mount asks that names the issuer.
    let context = Context { issuers: vec!["legacy".to_owned()], ..Context::default() };
    world.core.auth().resolve(&RawCredential::Bearer(token.to_owned()), &context).await
}

fn user_of(principal: &Principal) -> String {
    principal.user().unwrap().id.to_string()
}

/// A token that the shop itself makes for its own customer.
fn shops(world: &World, id: i64) -> String {
    let now = world.clock.now() / 1000;
    of_legacy(&json!({"id": id, "iat": now, "exp": now + 3600}))
}

#[tokio::test]
async fn the_shop_does_not_take_the_token_of_who_signs_up_and_we_do() {
    let world = World::with(with_secret(Some(OWN_SECRET))).await;
    let made = exchanged(&world, signup("ann")).await;
    let user = made.user.unwrap();
    assert_eq!(made.subject, (FROM + i64::try_from(user.number).unwrap()).to_string());
    let again = exchanged(&world, password("ann", "long enough")).await;
    assert_eq!(again.subject, made.subject);
    for token in [&made.token, &again.token] {
        assert!(!is_signed_with(token, SECRET) && is_signed_with(token, OWN_SECRET));
        let principal = resolved(&world, token).await.unwrap();
        assert_eq!((user_of(&principal), &principal.proof.subject), (user.id.clone(), &made.subject));
    }
}

#[tokio::test]
async fn the_shops_token_of_the_same_number_is_somebody_else() {
    let world = World::with(with_secret(Some(OWN_SECRET))).await;
    let made = exchanged(&world, signup("ann")).await;
    let number = made.subject.parse().unwrap();
    let other = resolved(&world, &shops(&world, number)).await.unwrap();
    assert_ne!(user_of(&other), made.user.as_ref().unwrap().id);
    assert_eq!(user_of(&resolved(&world, &made.token).await.unwrap()), made.user.unwrap().id);
    // Nobody is made by a token of our own, and nobody signs up as somebody whom the shop has.
    let next = resolved(&world, &shops(&world, number + 2)).await.unwrap();
    let bob = exchanged(&world, signup("bob")).await;
    assert_ne!(bob.subject, next.proof.subject);
}

#[tokio::test]
async fn whom_the_shop_knows_has_a_token_that_the_shop_takes() {
    let world = World::with(with_secret(Some(OWN_SECRET))).await;
    let user = v1::User {
        username: "ann".into(),
        identities: vec![v1::Identity { issuer: "legacy".into(), subject: "7".into() }],
        ..v1::User::default()
    };
    let request = v1::UpsertUserRequest {
        user: Some(user),
        password: "long enough".into(),
        ..v1::UpsertUserRequest::default()
    };
    let shop = [bearer(OPERATOR), ("parlor-tenant", "shop")];
    let made = world.directory().upsert_user(call(request, &shop)).await.unwrap().into_inner().user.unwrap();
    let signed_in = exchanged(&world, password("ann", "long enough")).await;
    assert_eq!(signed_in.subject, "7");
    assert!(is_signed_with(&signed_in.token, SECRET) && !is_signed_with(&signed_in.token, OWN_SECRET));
    assert_eq!(user_of(&resolved(&world, &signed_in.token).await.unwrap()), made.id);
    assert_eq!(user_of(&resolved(&world, &shops(&world, 7)).await.unwrap()), made.id);
}

#[tokio::test]
async fn who_signed_up_before_there_was_a_secret_is_signed_for_with_it_from_then_on() {
    let directory = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", directory.path().join("test.db").display());
    parlor_migration::up(&url).await.unwrap();
    let clock = Clock::default();
    let world = World::at_with(&url, &clock, with_secret(None)).await;
    let before = exchanged(&world, signup("ann")).await;
    assert!(is_signed_with(&before.token, SECRET));
    world.core.shutdown().await;

    let world = World::at_with(&url, &clock, with_secret(Some(OWN_SECRET))).await;
    let user = before.user.unwrap().id;
    assert_eq!(user_of(&resolved(&world, &before.token).await.unwrap()), user, "it is good until it ends");
    for _ in 0..2 {
        let after = exchanged(&world, password("ann", "long enough")).await;
        assert_eq!(after.subject, before.subject);
        assert!(!is_signed_with(&after.token, SECRET) && is_signed_with(&after.token, OWN_SECRET));
        assert_eq!(user_of(&resolved(&world, &after.token).await.unwrap()), user);
    }
}

#[tokio::test]
async fn a_claim_names_who_signed_up_too() {
    let world = World::with(with_secret(Some(OWN_SECRET))).await;
    let made = exchanged(&world, signup("ann")).await;
    let claim = RawCredential::Claim { subject: made.subject.clone(), role: parlor_store::Roles::CUSTOMER };
    let issuers = vec!["legacy".to_owned()];
    let context = Context { tenant: Some("shop".into()), issuers, claims: true, ..Context::default() };
    let principal = world.core.auth().resolve(&claim, &context).await.unwrap();
    assert_eq!(user_of(&principal), made.user.unwrap().id);
}

#[test]
fn a_secret_that_is_the_issuers_own_is_none() {
    let options = |name: &str, secret: &[u8]| IssuerOptions {
        mint_secret: Some(secret.to_vec()),
        name: name.to_owned(),
        ..legacy()
    };
    let issuers = |options| crate::auth::issuers::Issuers::new(vec![options], &Clock::default());
    issuers(options("legacy", OWN_SECRET)).unwrap();
    assert!(issuers(options("legacy", SECRET)).unwrap_err().contains("mint_secret"));
    assert!(issuers(options("parlor:legacy", OWN_SECRET)).unwrap_err().contains("not free"));
}
