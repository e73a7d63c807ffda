//! Who asks, how often, and who is sent the answer.

use super::*;
use crate::{
    call::{CALL_DEADLINE, Proof},
    dialect::Frame,
    outbox::{Ending, OUTBOX_BYTES},
    tests::{
        core::{Core, EDGE_KEY, TENANT},
        echo::ROOM,
        world::{backend, mount},
    },
};

struct Lists {
    core: Core,
    rounds: Rounds,
}

impl Lists {
    fn new() -> Self {
        let core = Core::default();
        let key = EDGE_KEY.parse().unwrap();
        let calls = Calls { backend: backend(&core), edge_key: key, deadline: CALL_DEADLINE };
        let rounds = Rounds::new(calls, TaskTracker::new());
        Self { core, rounds }
    }

    /// A connection that says the list has changed; its name is also its handle.
    fn refresh(&self, name: &str) -> Arc<Outbox> {
        let outbox = Arc::new(Outbox::new(OUTBOX_BYTES));
        self.refresh_again(name, &outbox);
        outbox
    }

    fn refresh_again(&self, name: &str, outbox: &Arc<Outbox>) {
        let (mount, connection, proof) = (Arc::new(mount("echo")), name.into(), Proof::Handle(name.into()));
        let caller = Caller { mount, connection, peer: None, proof };
        let hearer = Hearer { caller, outbox: Arc::clone(outbox) };
        self.rounds.refresh(&ROOM, Some(TENANT.to_owned()), hearer);
    }

    fn calls(&self) -> usize {
        self.core.metadata().len()
    }

    /// Waits until nobody waits for a list.
    async fn over(&self) {
        self.rounds.tasks.close();
        self.rounds.tasks.wait().await;
        assert!(self.rounds.open().is_empty(), "nothing is kept");
    }
}

/// The lists that a connection was sent.
fn sent(outbox: &Outbox) -> Vec<String> {
    let mut items = Vec::new();
    outbox.take(usize::MAX, &mut items);
    let text = |item| match item {
        Item::Input(input, None) => match *input {
            Input::Refreshed(Frame::Text(text)) => text.as_str().to_owned(),
            other => panic!("{other:?} is no list"),
        },
        other => panic!("{other:?} is no list"),
    };
    items.into_iter().map(text).collect()
}

#[tokio::test]
async fn however_many_say_so_and_however_often_it_is_asked_for_once() {
    let lists = Lists::new();
    let outboxes: Vec<_> = (0..50).map(|number| lists.refresh(&format!("admin {number}"))).collect();
    lists.refresh_again("admin 7", &outboxes[7]);
    lists.over().await;
    assert_eq!(lists.calls(), 1);
    assert!(outboxes.iter().all(|outbox| sent(outbox) == ["room"]));
}

#[tokio::test]
async fn whoever_left_neither_asks_nor_is_sent_anything() {
    let lists = Lists::new();
    let gone: Vec<_> = (0..9).map(|number| lists.refresh(&format!("gone {number}"))).collect();
    let here = lists.refresh("here");
    gone.iter().for_each(|outbox| outbox.end(Ending::GONE));
    lists.over().await;
    assert_eq!(lists.calls(), 1);
    assert_eq!(sent(&here), ["room"]);
    assert!(gone.iter().all(|outbox| sent(outbox).is_empty()));
}

#[tokio::test]
async fn where_everybody_left_nothing_is_asked() {
    let lists = Lists::new();
    lists.refresh("gone").end(Ending::GONE);
    lists.over().await;
    assert_eq!(lists.calls(), 0);
}

#[tokio::test]
async fn the_next_one_asks_where_the_first_has_no_rights_any_more() {
    let lists = Lists::new();
    let (over, here) = (lists.refresh("over"), lists.refresh("here"));
    lists.over().await;
    assert_eq!(sent(&here), ["room"]);
    assert_eq!(sent(&over).len(), 1, "and that one is told, as by a question of its own");
}

#[tokio::test]
async fn where_nobody_has_rights_few_ask_and_all_are_told() {
    let lists = Lists::new();
    let outboxes: Vec<_> = (0..50).map(|number| lists.refresh(&format!("over {number}"))).collect();
    lists.over().await;
    assert_eq!(lists.calls(), ASKERS_MAX);
    assert!(outboxes.iter().all(|outbox| sent(outbox) == ["no room NotProven"]));
}

#[tokio::test]
async fn what_changes_after_the_question_makes_another_list() {
    let lists = Lists::new();
    let one = lists.refresh("one");
    one.next().await;
    assert_eq!(sent(&one), ["room"]);
    let other = lists.refresh("other");
    lists.refresh_again("one", &one);
    lists.over().await;
    assert_eq!((sent(&one), sent(&other)), (vec!["room".to_owned()], vec!["room".to_owned()]));
    assert_eq!(lists.calls(), 2);
}
