//! A watch of a wallet: what is in it first, then each change, for its owner and staff alone.

use parlor_api::{
    failure,
    v1::{self, Reason, Role, event::Payload},
};
use tonic::{Code, Streaming};

use crate::testing::{OPERATOR, World, bearer, call};

async fn credit(world: &World, user: &v1::User, amount: i64, id: &str) {
    let request = v1::CreditWalletRequest {
        user_id: user.id.clone(),
        amount,
        request_id: id.to_owned(),
        ..Default::default()
    };
    let request = call(request, &[bearer(OPERATOR), ("parlor-tenant", "shop")]);
    world.billing().credit_wallet(request).await.unwrap();
}

async fn next(watch: &mut Streaming<v1::WatchWalletResponse>) -> (u64, i64) {
    let event = watch.message().await.unwrap().unwrap().event.unwrap();
    let Some(Payload::WalletChanged(changed)) = event.payload else { panic!("{:?}", event.payload) };
    (event.sequence, changed.wallet.unwrap().available)
}

#[tokio::test]
async fn a_watch_begins_with_what_there_is_and_tells_each_change() {
    let world = World::new().await;
    let (ann, token) = world.somebody("shop", Role::Customer).await;
    let own = || call(v1::WatchWalletRequest::default(), &[bearer(&token)]);
    let mut early = world.billing().watch_wallet(own()).await.unwrap().into_inner();
    assert_eq!(next(&mut early).await, (0, 0), "nothing was booked yet");
    credit(&world, &ann, 10, "1").await;
    credit(&world, &ann, 5, "2").await;
    assert_eq!((next(&mut early).await, next(&mut early).await), ((1, 10), (2, 15)));
    let mut late = world.billing().watch_wallet(own()).await.unwrap().into_inner();
    assert_eq!(next(&mut late).await, (2, 15));
    credit(&world, &ann, 1, "3").await;
    assert_eq!((next(&mut early).await, next(&mut late).await), ((3, 16), (3, 16)));
}

#[tokio::test]
async fn nobody_watches_what_another_has_but_staff() {
    let world = World::new().await;
    let (ann, _) = world.somebody("shop", Role::Customer).await;
    let eve = world.user("shop", "eve", &[Role::Customer]).await;
    let eve = world.token_of("shop", &eve).await.token;
    let (_, sam) = world.somebody("shop", Role::Staff).await;
    credit(&world, &ann, 10, "1").await;
    let anns = |token| {
        let request = v1::WatchWalletRequest { user_id: ann.id.clone(), ..Default::default() };
        call(request, &[bearer(token)])
    };
    let refused = world.billing().watch_wallet(anns(&eve)).await.unwrap_err();
    assert_eq!((refused.code(), failure::reason(&refused)), (Code::NotFound, Reason::UserNotFound));
    let mut watch = world.billing().watch_wallet(anns(&sam)).await.unwrap().into_inner();
    assert_eq!(next(&mut watch).await, (1, 10));
}
