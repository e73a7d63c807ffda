//! A wallet over a link: its owner hears what is in it, before anything was booked on it too, and nobody else.

use parlor_api::v1::event::Payload;
use parlor_store::{UserId, WalletId};

use super::*;

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

#[tokio::test]
async fn the_owner_of_a_wallet_hears_each_change_once_and_nobody_else_does() {
    let world = World::new().await;
    let (ann, token) = world.somebody("shop", v1::Role::Customer).await;
    let eve = world.user("shop", "eve", &[v1::Role::Customer]).await;
    let eve = world.token_of("shop", &eve).await.token;
    let (_, sam) = world.somebody("shop", v1::Role::Staff).await;
    let tenant = world.core.tenant("shop").await.unwrap();
    let id = WalletId::of(tenant, UserId::parse(&ann.id).unwrap(), "coin");
    let name = || Name::Subject(v1::TopicSubject { kind: 4, id: id.to_string() });

    let (mut gateway, _) = Gateway::link(&world, "g", "1").await;
    for (connection, token) in [("ann", &token), ("eve", &eve), ("sam", &sam)] {
        gateway.attach(connection, Credential::Bearer(token.clone())).await;
    }
    gateway.subscribed("ann", name()).await;
    gateway.attach("guest", Credential::Guest(true)).await;
    for connection in ["eve", "guest"] {
        assert_eq!(reason(&gateway.subscribe(connection, name()).await), v1::Reason::NotOwner);
    }
    credit(&world, &ann, 10, "1").await;
    credit(&world, &ann, 10, "1").await;
    credit(&world, &ann, 5, "2").await;
    for (number, available) in [(1, 10), (2, 15)] {
        let event = gateway.event().await;
        let told = event.event.unwrap();
        let Some(Payload::WalletChanged(changed)) = told.payload else { panic!("{:?}", told.payload) };
        let wallet = changed.wallet.unwrap();
        assert_eq!((event.number, wallet.available, wallet.id), (number, available, id.to_string()));
    }
    assert_eq!(reason(&gateway.subscribe("eve", name()).await), v1::Reason::NotOwner);
    gateway.subscribed("sam", name()).await;
}
