//! The promises of a bus, as one suite that every implementation runs in its own tests.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures::future::join_all;

use crate::{Bus, Delivery, Subscription};

/// More than any delivery takes; a bus that never delivers fails instead of hanging.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a queue holds where nothing shall be lost.
const ROOMY_BYTES: usize = 1024 * 1024;

/// What a queue holds where something shall be lost.
const TIGHT_BYTES: usize = 4 * 1024;

/// Checks every promise. `make` is given the bytes that one subscription may hold.
///
/// # Panics
/// If a promise is not kept.
pub async fn check<B: Bus>(make: impl Fn(usize) -> Arc<B>) {
    publishing_without_a_subscriber_is_fine(&*make(ROOMY_BYTES));
    deliveries_keep_the_order_of_their_publisher(&*make(ROOMY_BYTES)).await;
    topics_are_isolated(&*make(ROOMY_BYTES)).await;
    every_subscriber_hears_everything(&*make(ROOMY_BYTES)).await;
    a_slow_subscriber_finds_a_gap_and_goes_on(&*make(TIGHT_BYTES)).await;
    a_slow_subscriber_costs_others_nothing(&*make(TIGHT_BYTES)).await;
    unsubscribing_frees(&*make(ROOMY_BYTES)).await;
}

fn publishing_without_a_subscriber_is_fine(bus: &dyn Bus) {
    bus.publish("nobody", number(1));
    assert_eq!(bus.heard_topics(), 0);
}

async fn deliveries_keep_the_order_of_their_publisher(bus: &dyn Bus) {
    let mut heard = subscribe(bus, "order").await;
    for sent in 0..500 {
        bus.publish("order", number(sent));
    }
    for expected in 0..500 {
        assert_eq!(next(&mut heard).await, Delivery::Message(number(expected)));
    }
}

async fn topics_are_isolated(bus: &dyn Bus) {
    let mut left = subscribe(bus, "left").await;
    let mut right = subscribe(bus, "right").await;
    bus.publish("right", number(1));
    bus.publish("left", number(2));
    bus.publish("leftover", number(3));
    bus.publish("left", number(4));
    assert_eq!(next(&mut left).await, Delivery::Message(number(2)));
    assert_eq!(next(&mut left).await, Delivery::Message(number(4)));
    assert_eq!(next(&mut right).await, Delivery::Message(number(1)));
}

async fn every_subscriber_hears_everything(bus: &dyn Bus) {
    let mut subscribers = join_all((0..50).map(|_| subscribe(bus, "crowd"))).await;
    for sent in 0..20 {
        bus.publish("crowd", number(sent));
    }
    for heard in &mut subscribers {
        for expected in 0..20 {
            assert_eq!(next(heard).await, Delivery::Message(number(expected)));
        }
    }
}

async fn a_slow_subscriber_finds_a_gap_and_goes_on(bus: &dyn Bus) {
    let mut slow = subscribe(bus, "slow").await;
    for sent in 0..1000 {
        bus.publish("slow", number(sent));
    }
    let mut expected = 0;
    loop {
        match next(&mut slow).await {
            Delivery::Message(message) => {
                assert_eq!(message, number(expected), "nothing is skipped without a gap");
            }
            Delivery::Gap => break,
        }
        expected += 1;
    }
    assert!(expected < 1000, "a gap comes only where something was lost");
    bus.publish("slow", number(1000));
    assert_eq!(next(&mut slow).await, Delivery::Message(number(1000)), "after a gap it hears again");
}

async fn a_slow_subscriber_costs_others_nothing(bus: &dyn Bus) {
    let _slow = subscribe(bus, "shared").await;
    let mut quick = subscribe(bus, "shared").await;
    for sent in 0..1000 {
        bus.publish("shared", number(sent));
        assert_eq!(next(&mut quick).await, Delivery::Message(number(sent)));
    }
}

async fn unsubscribing_frees(bus: &dyn Bus) {
    let first = subscribe(bus, "short").await;
    let second = subscribe(bus, "short").await;
    assert_eq!(bus.heard_topics(), 1);
    drop(first);
    assert_eq!(bus.heard_topics(), 1);
    drop(second);
    assert_eq!(bus.heard_topics(), 0);
    bus.publish("short", number(1));
}

async fn subscribe(bus: &dyn Bus, topic: &str) -> Subscription {
    bus.subscribe(topic).await.expect("a bus at rest can be heard")
}

async fn next(heard: &mut Subscription) -> Delivery {
    let delivery = tokio::time::timeout(PATIENCE, heard.next()).await.expect("a delivery in time");
    delivery.expect("the subscription stands")
}

fn number(number: u64) -> Bytes {
    Bytes::copy_from_slice(&number.to_be_bytes())
}
