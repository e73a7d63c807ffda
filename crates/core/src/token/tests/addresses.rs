//! E-mail addresses are written one way, and who signs in by one has a password.

use super::*;

async fn sign_up(world: &World, username: &str, email: &str) -> Result<v1::User, Status> {
    let wanted = v1::SignupCredential {
        username: username.into(),
        email: email.into(),
        password: "correct horse".into(),
        ..v1::SignupCredential::default()
    };
    let request = call(exchange(Credential::Signup(wanted)), &SIGNUP_MOUNT);
    world.tokens().exchange_credential(request).await.map(|answer| answer.into_inner().user.unwrap())
}

async fn sign_in(world: &World, name: &str) -> Result<String, Status> {
    let answer = world.tokens().exchange_credential(exchange(password(name, "correct horse"))).await?;
    Ok(answer.into_inner().user.unwrap().id)
}

#[tokio::test]
async fn an_address_is_one_however_it_is_spelt() {
    let world = World::new().await;
    let admin =
        v1::User { username: "boss".into(), email: " Admin@Shop.example".into(), ..Default::default() };
    let request = v1::UpsertUserRequest {
        user: Some(admin),
        password: "correct horse".into(),
        ..v1::UpsertUserRequest::default()
    };
    let shop = [bearer(OPERATOR), ("parlor-tenant", "shop")];
    let made = world.directory().upsert_user(call(request, &shop)).await.unwrap().into_inner().user.unwrap();
    assert_eq!(made.email, "admin@shop.example");
    for spelt in ["admin@shop.example", "ADMIN@shop.example", " admin@shop.example "] {
        assert_eq!(sign_in(&world, spelt).await.unwrap(), made.id, "{spelt}");
        let taken = sign_up(&world, "", spelt).await.unwrap_err();
        refused(&taken, Code::AlreadyExists, Reason::EmailTaken);
        let as_name = sign_up(&world, spelt, "").await.unwrap_err();
        refused(&as_name, Code::AlreadyExists, Reason::AlreadyExists);
    }
    let newcomer = sign_up(&world, "", "Eve@Shop.example").await.unwrap();
    assert_eq!(
        (newcomer.username.as_str(), newcomer.email.as_str()),
        ("eve@shop.example", "eve@shop.example")
    );
    let get = v1::GetUserRequest {
        selector: Some(v1::get_user_request::Selector::Username("EVE@shop.example".into())),
    };
    let got = world.directory().get_user(call(get, &[bearer(OPERATOR), ("parlor-tenant", "shop")])).await;
    assert_eq!(got.unwrap().into_inner().user.unwrap().id, newcomer.id);
}

#[tokio::test]
async fn an_address_that_a_token_claims_locks_nobody_out() {
    let world = World::new().await;
    let ann = sign_up(&world, "ann", "ann@shop.example").await.unwrap();
    let auth = world.core.auth();
    let claimed = async |subject: &str, email: &str| {
        let mut said = world.good(subject);
        said["email"] = json!(email);
        let token = crate::auth::RawCredential::Bearer(super::families::of_legacy(&said));
        let principal = auth.resolve(&token, &crate::auth::Context::default()).await.unwrap();
        principal.user().unwrap().email.clone()
    };
    assert_eq!(claimed("42", "ann@shop.example").await, "", "it is hers");
    assert_eq!(sign_in(&world, "ann@shop.example").await.unwrap(), ann.id);
    assert_eq!(claimed("42", "Joe@shop.example").await, "joe@shop.example");
    assert_eq!(claimed("43", "joe@shop.example").await, "joe@shop.example", "nobody signs in by it");

    // Somebody who signs in with a password too claims it no more than others.
    let shape = v1::ExchangeCredentialRequest { issuer: "legacy".into(), ..exchange(signup("bob")) };
    let bob = world.tokens().exchange_credential(call(shape, &SIGNUP_MOUNT)).await.unwrap().into_inner();
    assert_eq!(claimed(&bob.subject, "ann@shop.example").await, "");
    assert_eq!(sign_in(&world, "ann@shop.example").await.unwrap(), ann.id);
}

#[tokio::test]
async fn who_has_an_address_without_a_password_does_not_count() {
    let world = World::new().await;
    let ann = sign_up(&world, "ann", "ann@shop.example").await.unwrap();
    let twin = v1::User { username: "twin".into(), email: "ann@shop.example".into(), ..Default::default() };
    let request = v1::UpsertUserRequest { user: Some(twin), ..v1::UpsertUserRequest::default() };
    world
        .directory()
        .upsert_user(call(request, &[bearer(OPERATOR), ("parlor-tenant", "shop")]))
        .await
        .unwrap();
    assert_eq!(sign_in(&world, "ann@shop.example").await.unwrap(), ann.id);
}
