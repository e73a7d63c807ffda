//! Who may try how often to sign in, and what that costs.

use super::*;
use crate::{Error, caller::Caller, password::Passwords, token::Tokens};

pub(super) fn tokens(world: &World) -> Tokens {
    let auth = world.core.auth().clone();
    Tokens::new(world.core.store().clone(), auth, world.clock.clone(), Passwords::default())
}

fn from(peer: &str) -> Caller {
    Caller { peer: peer.to_owned(), ..Caller::default() }
}

async fn attempt(tokens: &Tokens, peer: &str, name: &str, word: &str) -> Result<(), Error> {
    tokens.known(&from(peer), "shop", name, word.to_owned()).await.map(drop)
}

#[tokio::test]
async fn a_tenant_that_is_not_there_leaves_nothing_behind() {
    let world = World::new().await;
    let tokens = tokens(&world);
    for tenant in ["nowhere".to_owned(), "x".repeat(100_000), "Shop".to_owned(), "s\0p".to_owned()] {
        tokens.known(&from("192.0.2.1"), &tenant, "ann", "guess".to_owned()).await.unwrap_err();
    }
    assert_eq!(tokens.attempts.len(), 0);
    attempt(&tokens, "192.0.2.1", "ann", "guess").await.unwrap_err();
    assert!(tokens.attempts.len() > 0);
}

#[tokio::test]
async fn who_tries_a_name_elsewhere_does_not_lock_its_owner_out() {
    let world = World::new().await;
    set_password(&world, "sam", "correct horse").await;
    let tokens = tokens(&world);
    let wrong = Error::CredentialInvalid("the username or the password is wrong".to_owned());
    for _ in 0..10 {
        assert_eq!(attempt(&tokens, "192.0.2.1", "sam", "guess").await, Err(wrong.clone()));
    }
    let refused = attempt(&tokens, "192.0.2.1", "sam", "correct horse").await;
    assert!(matches!(refused, Err(Error::RateLimited { .. })), "{refused:?}");
    attempt(&tokens, "192.0.2.2", "sam", "correct horse").await.unwrap();
    attempt(&tokens, "2001:db8::1", "sam", "correct horse").await.unwrap();
}

#[tokio::test]
async fn a_name_spelt_in_many_ways_is_one() {
    let world = World::new().await;
    let tokens = tokens(&world);
    for number in 0..10 {
        let name = if number % 2 == 0 { "Sam@shop.example" } else { " sam@SHOP.example" };
        attempt(&tokens, "192.0.2.1", name, "guess").await.unwrap_err();
    }
    let refused = attempt(&tokens, "192.0.2.1", "sam@shop.example", "guess").await;
    assert!(matches!(refused, Err(Error::RateLimited { .. })), "{refused:?}");
}

#[tokio::test]
async fn attempts_come_back_though_the_time_of_day_is_set_back() {
    let world = World::new().await;
    let tokens = tokens(&world);
    let limited = async || {
        let refused = attempt(&tokens, "192.0.2.1", "ann", "guess").await;
        matches!(refused, Err(Error::RateLimited { .. }))
    };
    for _ in 0..10 {
        assert!(!limited().await);
    }
    assert!(limited().await);
    world.clock.set_back(Duration::from_secs(3600));
    world.clock.advance(Duration::from_secs(10));
    assert!(!limited().await);
}
