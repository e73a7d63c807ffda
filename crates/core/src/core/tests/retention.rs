//! What is too old goes while the core serves, and whoever comes from before it is told.

use parlor_api::v1::{chat_service_client::ChatServiceClient, conversation_ref::Name};

use super::*;
use crate::testing::{OPERATOR, bearer};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const KEY: &str = "session_of_these_tests";

fn keyed() -> Option<v1::ConversationRef> {
    Some(v1::ConversationRef { name: Some(Name::Key(KEY.to_owned())) })
}

fn as_operator<T>(message: T) -> tonic::Request<T> {
    call(message, &[bearer(OPERATOR), ("parlor-tenant", "shop")])
}

/// Lets time pass, and waits for a run that begins then.
async fn later(world: &World, by: Duration) {
    let then = world.clock.now() + i64::try_from(by.as_millis()).unwrap();
    world.clock.advance(by);
    let mut ran = world.core.retention_ran();
    let run = ran.wait_for(|began| *began >= then);
    let run = tokio::time::timeout(Duration::from_secs(30), run).await;
    assert!(run.is_ok(), "a run");
}

#[tokio::test]
async fn what_is_too_old_goes_and_who_comes_from_before_it_is_told() {
    let world = World::with(|options| options.retention.messages = Some(2 * DAY)).await;
    let mut chat = ChatServiceClient::new(world.core.routes());
    let create = v1::CreateConversationRequest { key: KEY.to_owned(), ..Default::default() };
    chat.create_conversation(as_operator(create)).await.unwrap();
    let mut say = async |text: &str| {
        let send =
            v1::SendMessageRequest { conversation: keyed(), text: text.to_owned(), ..Default::default() };
        chat.send_message(as_operator(send)).await.unwrap().into_inner().message.unwrap().sequence
    };
    assert_eq!(say("old").await, 2);
    later(&world, DAY).await;
    assert_eq!(say("younger").await, 3);
    let mut chat = ChatServiceClient::new(world.core.routes());
    let list = v1::ListMessagesRequest { conversation: keyed(), ..Default::default() };
    let page = chat.list_messages(as_operator(list.clone())).await.unwrap().into_inner();
    assert_eq!((page.messages.len(), page.from_sequence), (2, 0), "nothing is too old yet");
    let request =
        v1::ListMissedEventsRequest { after_offset: "never given out".into(), ..Default::default() };
    let now = chat.list_missed_events(as_operator(request)).await.unwrap().into_inner().offset;

    later(&world, DAY).await;
    let page = chat.list_messages(as_operator(list)).await.unwrap().into_inner();
    let texts: Vec<&str> = page.messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!((texts, page.from_sequence, page.through_sequence), (vec!["younger"], 2, 3));
    let conversation = page.conversation.unwrap();
    assert_eq!(
        (conversation.floor_sequence, conversation.last_message.unwrap().text.as_str()),
        (3, "younger")
    );

    for (after, told) in [(1, Some(Code::OutOfRange)), (2, None)] {
        let watch = v1::WatchConversationRequest { conversation: keyed(), after_sequence: Some(after) };
        let watched = chat.watch_conversation(as_operator(watch)).await;
        assert_eq!(watched.as_ref().err().map(tonic::Status::code), told, "after {after}");
        match watched {
            Ok(mut watch) => {
                let event = watch.get_mut().message().await.unwrap().unwrap().event.unwrap();
                assert_eq!(event.sequence, 3);
            }
            Err(status) => assert_eq!(failure::reason(&status), v1::Reason::PositionTrimmed),
        }
    }
    let request = v1::ListMissedEventsRequest { after_offset: now, ..Default::default() };
    let missed = chat.list_missed_events(as_operator(request)).await.unwrap().into_inner();
    assert!(missed.complete && missed.events.is_empty(), "who had seen all missed nothing");

    later(&world, DAY).await;
    let get = v1::GetConversationRequest { conversation: keyed() };
    let conversation =
        chat.get_conversation(as_operator(get)).await.unwrap().into_inner().conversation.unwrap();
    assert_eq!((conversation.floor_sequence, conversation.last_sequence), (4, 3), "its numbers stay");
    assert!(conversation.last_message.is_none());
    world.core.shutdown().await;
}
