//! A server that stalls cannot make the figures better: latency counts from the time a message was meant to be sent.

use std::time::{Duration, Instant};

use parlor_bench::{pace::Pace, tally::Tally};

#[tokio::test(start_paused = true)]
async fn a_stall_is_counted_for_every_message_it_delayed() {
    let tally = Tally::new(1);
    let room = tally.add_room(1);
    let begun = Instant::now();
    let pace = Pace::per_second(1000.0);
    let mut stamps = Vec::new();
    for nth in 0..100 {
        // The generator's own word takes ten times what its pace allows, as if the server took nothing more.
        let intended = pace.wait(nth).await;
        tokio::time::advance(Duration::from_millis(10)).await;
        let since_first = intended.duration_since(pace.at(0));
        stamps.push((tally.stamp(room, begun + since_first), since_first));
    }
    for (nth, (stamp, since_first)) in stamps.iter().enumerate() {
        assert_eq!(
            *since_first,
            Duration::from_millis(nth as u64),
            "the pace is kept, whatever each word took"
        );
        tally.heard(0, *stamp);
    }
    assert_eq!((tally.delivered(), tally.latency().count()), (100, 100));
}
