//! A topic that is a state begins with what it is now.

use super::*;

/// Of beginnings that race with the reader of the stream.
const BEGINNINGS: usize = 2_000;

/// The answer may be read as soon as it is written, by another thread: it has to be whole by then.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_beginning_of_a_state_shows_it_however_soon_it_is_read() {
    let world = World::new().await;
    let (mut gateway, _) = Gateway::link(&world, "a", "1").await;
    assert!(matches!(gateway.attach("c", Credential::Guest(true)).await, Body::Attached(_)));
    let presence = || Name::Presence(v1::TopicPresence {});
    for beginning in 0..BEGINNINGS {
        let subscribed = gateway.subscribed("c", presence()).await;
        assert!(subscribed.snapshot.is_some(), "beginning {beginning} shows nothing: {subscribed:?}");
        let leave = v1::LinkUnsubscribe { connection: "c".into(), topic: subscribed.topic };
        gateway.say(Command::Unsubscribe(leave)).await;
        assert!(matches!(gateway.next().await, Body::Done(_)));
    }
}
