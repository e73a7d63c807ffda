//! The welcome bonus: once for each person whom a verified token brings, however many tokens come at the same time.

use futures::future::join_all;
use parlor_api::v1;

use super::fixture::hs256;
use crate::testing::{OPERATOR, World, bearer, call};

async fn rules(world: &World, welcome_bonus: i64) {
    let policy = v1::BillingPolicy {
        unit: "coin".to_owned(),
        rounding: v1::Rounding::Second.into(),
        hold_seconds: 60,
        welcome_bonus,
        ..Default::default()
    };
    let request = v1::SetBillingPolicyRequest { policy: Some(policy), request_id: String::new() };
    let request = call(request, &[bearer(OPERATOR), ("parlor-tenant", "shop")]);
    world.billing().set_billing_policy(request).await.unwrap();
}

async fn available(world: &World, token: &str) -> i64 {
    let request = call(v1::GetWalletRequest::default(), &[bearer(token)]);
    world.billing().get_wallet(request).await.unwrap().into_inner().wallet.unwrap().available
}

#[tokio::test]
async fn two_first_sign_ins_give_one_bonus() {
    let world = World::new().await;
    let early = hs256(&world.good("early"));
    assert_eq!(available(&world, &early).await, 0, "there is none yet");
    rules(&world, 50).await;
    let token = hs256(&world.good("ann"));
    let found = join_all((0..16).map(|_| world.resolve(&token))).await;
    assert!(found.iter().all(Result::is_ok));
    assert_eq!(available(&world, &token).await, 50);
    rules(&world, 70).await;
    let later = hs256(&world.good("ann"));
    assert_eq!(available(&world, &later).await, 50, "who was here before is not new");
    assert_eq!(available(&world, &early).await, 0);
    // Whom an admin makes has come with no token.
    let made = world.user("shop", "made", &[v1::Role::Customer]).await;
    assert_eq!(available(&world, &world.token_of("shop", &made).await.token).await, 0);
}
