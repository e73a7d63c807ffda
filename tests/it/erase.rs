//! A person who is erased, through whole programs: nothing lets them in again, and every front-end has something to show.

use parlor_api::v1::{self, Reason};
use parlor_tests::{Plan, World, failure_reason, matrix, talk};
use serde_json::{Value, json};

matrix!(who_is_erased_is_gone_and_front_ends_show_that_they_wrote);

/// What is stored of whoever a token is of.
async fn export(world: &World, token: &str) -> Vec<Value> {
    let directory = world.clients(token).await.directory();
    let mut answers = { directory }.export_user(v1::ExportUserRequest::default()).await.unwrap().into_inner();
    let mut lines = String::new();
    while let Some(answer) = answers.message().await.unwrap() {
        lines.push_str(&answer.lines);
    }
    lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn who_is_erased_is_gone_and_front_ends_show_that_they_wrote(plan: Plan) {
    let world = plan.start().await;
    let (ann, sam) = (world.person("customer"), world.person("staff"));
    let session = world.session();
    let mut chat = world.chat_as(&ann.token).await;
    let conversation = talk::open(&mut chat, &session).await;
    talk::send(&mut chat, &session, "where is my order?", "1").await.unwrap();
    let mut staff = world.chat_as(&sam.token).await;
    talk::send(&mut staff, &session, "on its way", "2").await.unwrap();

    let records = export(&world, &ann.token).await;
    let texts: Vec<&Value> =
        records.iter().filter(|record| record["record"] == "message").map(|record| &record["text"]).collect();
    assert_eq!(texts.len(), 2, "{records:?}");
    assert_eq!(records.last().unwrap()["record"], "end");
    let user_id = records[1]["id"].as_str().unwrap().to_owned();
    let request =
        v1::EraseUserRequest { user_id, request_id: "1".to_owned(), ..v1::EraseUserRequest::default() };
    let operator = world.operator().await;
    for _ in 0..2 {
        operator.directory().erase_user(request.clone()).await.unwrap();
    }

    let refused = talk::send(&mut chat, &session, "am I here?", "3").await.unwrap_err();
    assert_eq!(failure_reason(&refused), Reason::CredentialRevoked, "{refused:?}");
    let by_id = format!("/chat/admin/messages/id:{}", conversation.id);
    let shown = world.staff_rest().bearing(&sam.token).get(&by_id).await.expect(200);
    let contents: Vec<&Value> =
        shown["data"]["messages"].as_array().unwrap().iter().map(|message| &message["content"]).collect();
    assert_eq!(contents, ["[erased]", "on its way"], "{shown}");
    // Whoever knows the key finds nothing that is open to them.
    let stranger = world.person("customer");
    let found = talk::send(&mut world.chat_as(&stranger.token).await, &session, "hello?", "4").await;
    assert_eq!(failure_reason(&found.unwrap_err()), Reason::NotOwner);

    let mut socket = world.entrance().ws("/native").await;
    let connected = socket.ask(&json!(["connect", {"token": sam.token}])).await;
    assert_eq!(connected[0], "connected", "{connected}");
    let list = json!(["parlor.v1.ChatService/ListMessages", {"conversation": {"id": conversation.id}}, 1]);
    let answer = socket.ask(&list).await;
    let messages = answer[2]["response"]["messages"].as_array().unwrap_or_else(|| panic!("{answer}"));
    assert_eq!(messages[0]["erased"], true, "{answer}");
    let text = |message: &Value| message["text"].as_str().unwrap_or_default().to_owned();
    assert_eq!([text(&messages[0]), text(&messages[1])], ["", "on its way"], "{answer}");
}
