//! The bound, the order, the way straight to the wire, and frames that are held.

use tokio_util::sync::CancellationToken;

use super::*;

fn frame(bytes: usize) -> Item {
    Item::Frame(Frame::Text("x".repeat(bytes).into()), Ticket::default())
}

#[test]
fn the_bound_counts_bytes_until_they_are_released() {
    let outbox = Outbox::new(2 * (ITEM_BYTES + 100));
    assert!(outbox.push(frame(100)));
    assert!(outbox.push(frame(100)), "exactly full is not over");
    let mut items = Vec::new();
    let taken = outbox.take(usize::MAX, &mut items);
    assert_eq!(taken, 2 * (ITEM_BYTES + 100));
    assert!(!outbox.push(frame(0)), "what the socket has not taken still counts");
    assert_eq!(outbox.ending(), Some(Ending::SLOW_READER));
}

#[test]
fn released_bytes_are_free_again() {
    let outbox = Outbox::new(ITEM_BYTES + 100);
    for _ in 0..3 {
        assert!(outbox.push(frame(100)));
        let mut items = Vec::new();
        let taken = outbox.take(1, &mut items);
        assert_eq!(items.len(), 1);
        outbox.release(taken);
    }
    assert_eq!(outbox.ending(), None);
}

#[test]
fn over_the_bound_everything_is_dropped_and_the_event_counts_as_left() {
    let outbox = Outbox::new(ITEM_BYTES + 10);
    let ticket = Ticket::default();
    let left = ticket.left();
    assert!(outbox.push(Item::Frame(Frame::Text("x".into()), ticket)));
    assert!(!left.is_cancelled());
    assert!(!outbox.push(frame(100)));
    assert!(left.is_cancelled(), "nobody waits for a reader that is gone");
    assert!(!outbox.push(frame(0)), "an ended connection takes nothing");
}

#[tokio::test]
async fn what_has_ended_takes_answers_until_its_task_is_over() {
    let outbox = Outbox::new(OUTBOX_BYTES);
    let answer = || Item::Input(Box::new(Input::Timer(7)), None);
    outbox.push(answer());
    outbox.push(frame(1));
    outbox.end(Ending::SLOW_READER);
    assert!(outbox.push(answer()), "what was asked before is carried out");
    assert!(!outbox.push(frame(1)), "and nobody reads");
    outbox.next().await;
    let mut items = Vec::new();
    outbox.take(usize::MAX, &mut items);
    assert_eq!(items.iter().filter(|item| item.is_answer()).count(), 2);
    assert_eq!(items.len(), 2);
    outbox.abandon();
    assert!(!outbox.push(answer()));
}

#[tokio::test]
async fn what_was_pushed_comes_out_in_its_order() {
    let outbox = Outbox::new(OUTBOX_BYTES);
    outbox.push(Item::Frame(Frame::Text("first".into()), Ticket::default()));
    outbox.push(Item::Input(Box::new(Input::Timer(7)), None));
    outbox.push(Item::Frame(Frame::Text("last".into()), Ticket::default()));
    outbox.ready().await;
    let mut items = Vec::new();
    outbox.take(OUTBOX_BYTES, &mut items);
    assert!(matches!(items[0], Item::Frame(Frame::Text(ref text), _) if text.as_str() == "first"));
    assert!(matches!(items[1], Item::Input(ref input, _) if matches!(**input, Input::Timer(7))));
    assert!(matches!(items[2], Item::Frame(Frame::Text(ref text), _) if text.as_str() == "last"));
}

/// Takes everything, and keeps so many bytes of it.
#[derive(Clone, Default)]
struct Taker {
    sent: Arc<Mutex<Vec<Frame>>>,
    kept: Arc<Mutex<usize>>,
    /// How much of it is a frame that may pass the bound.
    passing: Arc<Mutex<usize>>,
}

impl Wire for Taker {
    fn send(&self, run: &Run) -> Result<Sent, Ending> {
        self.sent.lock().unwrap().extend(run.shown().iter().map(|shown| shown.frame.clone()));
        Ok(if self.waiting_bytes() == 0 { Sent::Left } else { Sent::Waits })
    }

    fn waiting_bytes(&self) -> usize {
        *self.kept.lock().unwrap()
    }

    fn counted_bytes(&self) -> usize {
        self.waiting_bytes() - *self.passing.lock().unwrap()
    }

    fn dropped_bytes(&self) -> usize {
        0
    }
}

impl Taker {
    fn sent(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    fn texts(&self) -> Vec<String> {
        let text = |frame: &Frame| match frame {
            Frame::Text(text) => text.to_string(),
            Frame::Binary(_) | Frame::Event(_) => "other".to_owned(),
        };
        self.sent.lock().unwrap().iter().map(text).collect()
    }
}

fn wired(bytes_max: usize) -> (Outbox, Taker) {
    let (outbox, taker) = (Outbox::new(bytes_max), Taker::default());
    outbox.connect(taker.clone());
    outbox.calm(Vec::new());
    (outbox, taker)
}

#[test]
fn a_frame_that_finds_nothing_before_it_goes_straight_to_the_wire() {
    let (outbox, taker) = wired(OUTBOX_BYTES);
    let ticket = Ticket::default();
    let left = ticket.left();
    assert!(outbox.push(Item::Frame(Frame::Text("x".into()), ticket)));
    assert_eq!(taker.sent(), 1);
    assert!(left.is_cancelled(), "the wire took it");
}

#[test]
fn in_the_middle_of_a_step_and_behind_an_input_frames_wait_their_turn() {
    let (outbox, taker) = wired(OUTBOX_BYTES);
    outbox.busy();
    outbox.push(frame(1));
    outbox.calm(Vec::new());
    outbox.push(frame(1));
    assert_eq!(taker.sent(), 0, "the first is still before the second");
    let mut items = Vec::new();
    outbox.take(OUTBOX_BYTES, &mut items);
    assert_eq!(items.len(), 2);
    outbox.push(Item::Input(Box::new(Input::Timer(7)), None));
    outbox.push(frame(1));
    assert_eq!(taker.sent(), 0);
    outbox.take(OUTBOX_BYTES, &mut items);
    outbox.push(frame(1));
    assert_eq!(taker.sent(), 1);
}

#[test]
fn an_event_has_left_when_the_wire_keeps_nothing() {
    let (outbox, taker) = wired(OUTBOX_BYTES);
    *taker.kept.lock().unwrap() = 5;
    let tickets = [Ticket::default(), Ticket::default()];
    let left = tickets.each_ref().map(|ticket| ticket.left());
    let [pushed, written] = tickets;
    outbox.push(Item::Frame(Frame::Text("x".into()), pushed));
    outbox.busy();
    outbox.calm(vec![written]);
    assert!(left.iter().all(|left| !left.is_cancelled()));
    outbox.has_left();
    assert!(left.iter().all(CancellationToken::is_cancelled));
}

/// Of the events 4, 5 and 6 of a topic, at the positions 14, 15 and 16 of their tenant.
fn run() -> Run {
    let shown = [4, 5, 6].map(|number| Shown {
        number,
        frame: Frame::Text(number.to_string().into()),
        ticket: Arc::new(Departure::of(Some(10 + number))),
    });
    Run::new(shown.into())
}

#[test]
fn a_run_goes_straight_to_the_wire_and_has_left() {
    let (outbox, taker) = wired(OUTBOX_BYTES);
    let run = run();
    let left = run.shown()[0].ticket.left();
    outbox.push_run(&run, 3);
    assert_eq!(taker.texts(), ["4", "5", "6"]);
    drop(run);
    assert!(left.is_cancelled());
}

#[test]
fn of_a_run_the_wire_keeps_something_of_nothing_has_left() {
    let (outbox, taker) = wired(OUTBOX_BYTES);
    *taker.kept.lock().unwrap() = 1;
    let run = run();
    let left = run.shown()[0].ticket.left();
    outbox.push_run(&run, 3);
    drop(run);
    assert!(!left.is_cancelled());
    outbox.has_left();
    assert!(left.is_cancelled());
}

#[test]
fn what_somebody_was_given_before_is_left_out_of_a_run() {
    let (outbox, taker) = wired(OUTBOX_BYTES);
    outbox.push_run(&run(), 4);
    assert_eq!(taker.texts(), ["5", "6"]);

    let (outbox, taker) = wired(OUTBOX_BYTES);
    outbox.go_on(15);
    outbox.push_run(&run(), 3);
    assert_eq!(taker.texts(), ["6"]);
}

#[test]
fn a_run_waits_behind_what_waits() {
    let (outbox, taker) = wired(OUTBOX_BYTES);
    outbox.push(Item::Input(Box::new(Input::Timer(7)), None));
    outbox.push_run(&run(), 3);
    assert_eq!(taker.sent(), 0);
    let mut items = Vec::new();
    outbox.take(OUTBOX_BYTES, &mut items);
    assert_eq!(items.len(), 4);
}

#[test]
fn while_frames_are_held_inputs_pass_them_and_what_is_passed_over_is_forgotten() {
    let outbox = Outbox::new(OUTBOX_BYTES);
    outbox.hold();
    for number in [4, 5, 6] {
        let ticket = Arc::new(Departure::of(Some(number)));
        outbox.push(Item::Frame(Frame::Text(number.to_string().into()), ticket));
    }
    outbox.push(Item::Input(Box::new(Input::Timer(7)), None));
    let mut items = Vec::new();
    outbox.take(OUTBOX_BYTES, &mut items);
    assert!(matches!(items.as_slice(), [Item::Input(..)]), "frames wait");
    outbox.go_on(5);
    items.clear();
    let taken = outbox.take(OUTBOX_BYTES, &mut items);
    assert!(matches!(&items[..], [Item::Frame(Frame::Text(text), _)] if text.as_str() == "6"));
    outbox.release(taken);
    assert_eq!(outbox.lock().bytes, ITEM_BYTES, "only what was not released still counts");
}

#[test]
fn an_event_that_comes_after_it_was_given_in_another_way_is_forgotten() {
    let outbox = Outbox::new(OUTBOX_BYTES);
    outbox.hold();
    outbox.go_on(5);
    for position in [Some(5), Some(6), None] {
        assert!(outbox.push(Item::Frame(Frame::Text("x".into()), Arc::new(Departure::of(position)))));
    }
    let mut items = Vec::new();
    outbox.take(OUTBOX_BYTES, &mut items);
    assert_eq!(items.len(), 2, "a state has no position and is always news");

    // A client that is refused is given nothing, and may prove something better.
    outbox.go_on(u64::MAX);
    outbox.hold();
    outbox.go_on(8);
    items.clear();
    outbox.push(Item::Frame(Frame::Text("x".into()), Arc::new(Departure::of(Some(9)))));
    outbox.take(OUTBOX_BYTES, &mut items);
    assert_eq!(items.len(), 1);
}

#[test]
fn what_the_wire_keeps_counts() {
    let (outbox, taker) = wired(ITEM_BYTES + 100);
    outbox.busy();
    *taker.kept.lock().unwrap() = 100;
    assert!(outbox.push(frame(0)), "exactly full is not over");
    outbox.take(1, &mut Vec::new());
    assert!(!outbox.push(frame(0)));
    assert_eq!(outbox.ending(), Some(Ending::SLOW_READER));
}

#[test]
fn a_long_frame_on_the_wire_ends_nobody_whose_next_one_is_short() {
    let (outbox, taker) = wired(ITEM_BYTES + 100);
    outbox.busy();
    (*taker.kept.lock().unwrap(), *taker.passing.lock().unwrap()) = (1_000_000, 1_000_000);
    assert!(outbox.push(frame(100)));
    assert!(!outbox.push(frame(0)), "what waits behind it has its bound");
}
