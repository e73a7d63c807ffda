//! A proof shown for less than it grants: staff who use a customer's front-end.

use super::*;

async fn attach_as(gateway: &mut Gateway, token: &str, role: v1::Role) -> Body {
    let mount = v1::MountContext { name: "test".into(), tenant: "shop".into(), ..Default::default() };
    let attach = v1::LinkAttach {
        connection: "c".into(),
        mount: Some(mount),
        credential: Some(Credential::Bearer(token.to_owned())),
        as_role: role.into(),
        ..Default::default()
    };
    gateway.say(Command::Attach(attach)).await;
    gateway.next().await
}

fn attached(body: Body) -> v1::LinkAttached {
    match body {
        Body::Attached(attached) => attached,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn staff_who_come_as_a_customer_may_do_what_a_customer_may() {
    let world = World::new().await;
    let (admin, token) = world.somebody("shop", v1::Role::Admin).await;
    let (mut gateway, _) = Gateway::link(&world, "a", "1").await;
    let proven = attached(attach_as(&mut gateway, &token, v1::Role::Customer).await);
    assert_eq!(proven.roles, [i32::from(v1::Role::Customer)]);
    assert_eq!(proven.person.unwrap().user_id, admin.id, "it is still the same person");
    assert_eq!(reason(&gateway.subscribe("c", feed()).await), v1::Reason::RoleRequired);

    // The handle is no better, so neither are the calls that are made with it.
    let mut chat = v1::chat_service_client::ChatServiceClient::new(world.core.routes());
    let own = v1::conversation_ref::Name::Own(v1::OwnConversation { kind: "support".to_owned() });
    let send = v1::SendMessageRequest {
        conversation: Some(v1::ConversationRef { name: Some(own) }),
        text: "hello".to_owned(),
        ..Default::default()
    };
    let by_handle = [("parlor-edge-key", EDGE), ("parlor-handle", proven.handle.as_str())];
    let sent = chat.send_message(call(send, &by_handle)).await.unwrap().into_inner().message.unwrap();
    assert_eq!(sent.author.unwrap().kind(), v1::AuthorKind::Customer);
}

#[tokio::test]
async fn a_role_is_taken_away_and_never_given() {
    let world = World::new().await;
    let (_, token) = world.somebody("shop", v1::Role::Customer).await;
    let (mut gateway, _) = Gateway::link(&world, "a", "1").await;
    for wish in [v1::Role::Staff, v1::Role::Admin, v1::Role::Provider] {
        assert_eq!(reason(&attach_as(&mut gateway, &token, wish).await), v1::Reason::FieldInvalid);
    }
    let proven = attached(attach_as(&mut gateway, &token, v1::Role::Customer).await);
    assert_eq!(proven.roles, [i32::from(v1::Role::Customer)]);
}
