//! What is too old goes, and whoever comes from before it is told; what is new goes on as if nothing had happened.

use std::time::Duration;

use parlor_api::{failure, v1};
use parlor_tests::{Chat, Plan, matrix, soon, talk};
use tonic::Code;

matrix!(what_is_too_old_goes_and_clients_go_on);

async fn list(chat: &mut Chat, key: &str) -> v1::ListMessagesResponse {
    let request = v1::ListMessagesRequest { conversation: Some(talk::by_key(key)), ..Default::default() };
    chat.list_messages(request).await.unwrap().into_inner()
}

async fn missed(chat: &mut Chat, after_offset: &str) -> v1::ListMissedEventsResponse {
    let request = v1::ListMissedEventsRequest { after_offset: after_offset.to_owned(), ..Default::default() };
    chat.list_missed_events(request).await.unwrap().into_inner()
}

async fn what_is_too_old_goes_and_clients_go_on(plan: Plan) {
    let world = plan.set("retention.messages_days", 1).start().await;
    let (staff, key) = (world.person("staff"), format!("session_{}", uuid::Uuid::new_v4().simple()));
    let mut chat = world.chat_as(&staff.token).await;
    talk::open(&mut chat, &key).await;
    let first = missed(&mut chat, "never given out").await.offset;
    for number in 0..300 {
        talk::send_until_stored(&mut chat, &key, &format!("old {number}")).await;
    }
    let last = missed(&mut chat, "never given out").await.offset;

    world.advance_clock(Duration::from_secs(25 * 60 * 60));
    let staff = world.person("staff");
    let mut chat = world.chat_as(&staff.token).await;
    let gone = async {
        loop {
            let page = list(&mut chat, &key).await;
            // Read before the page, so the page is of what is left.
            if page.conversation.as_ref().unwrap().floor_sequence == 302 {
                return page;
            }
            let from = page.messages.first().map_or(page.through_sequence, |first| first.sequence - 1);
            assert!(
                page.from_sequence == from || page.from_sequence == 0,
                "the range begins where the page does"
            );
        }
    };
    let page = soon("the end of what is old", gone).await;
    assert_eq!((page.from_sequence, page.through_sequence), (301, 301));
    let conversation = page.conversation.unwrap();
    assert_eq!((conversation.floor_sequence, conversation.unread_count), (302, 0));
    assert!(conversation.last_message.is_none());

    let request =
        v1::WatchConversationRequest { conversation: Some(talk::by_key(&key)), after_sequence: Some(5) };
    let refused = chat.watch_conversation(request).await.unwrap_err();
    assert_eq!((refused.code(), failure::reason(&refused)), (Code::OutOfRange, v1::Reason::PositionTrimmed));
    assert!(!missed(&mut chat, &first).await.complete, "who comes from before it is told");
    assert!(missed(&mut chat, &last).await.complete, "who had seen everything missed nothing");

    let mut watch = talk::watch(&mut chat, &key, 301).await;
    let new = talk::send_until_stored(&mut chat, &key, "new").await;
    assert_eq!(new.sequence, 302);
    assert_eq!(talk::next(&mut watch).await.unwrap().sequence, 302);
    let page = list(&mut chat, &key).await;
    assert_eq!((page.from_sequence, page.messages.len()), (301, 1));
    assert_eq!(missed(&mut chat, &last).await.events.len(), 1);
}
