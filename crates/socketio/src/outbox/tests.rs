//! A stream of the test's own takes as much as it is told to.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    task::Wake,
};

use proptest::prelude::*;

use super::{queue::PIECES_AT_ONCE, *};

/// Takes bytes up to its room.
#[derive(Default)]
struct Narrow {
    room: AtomicUsize,
    /// At most so many bytes in one write.
    at_once: AtomicUsize,
    taken: Mutex<Vec<u8>>,
    writes: AtomicUsize,
    aborted: AtomicBool,
    broken: AtomicBool,
}

impl Stream for Arc<Narrow> {
    fn poll_read_ready(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Pending
    }

    fn poll_write_ready(&self, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.room.load(Ordering::Relaxed) > 0 { Poll::Ready(Ok(())) } else { Poll::Pending }
    }

    fn try_read(&self, _buffer: &mut [u8]) -> io::Result<usize> {
        Err(io::ErrorKind::WouldBlock.into())
    }

    fn try_write_vectored(&self, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if self.broken.load(Ordering::Relaxed) {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.writes.fetch_add(1, Ordering::Relaxed);
        let room = self.room.load(Ordering::Relaxed);
        let most = room.min(self.at_once.load(Ordering::Relaxed));
        let bytes: Vec<u8> = slices.iter().flat_map(|slice| slice.iter().copied()).take(most).collect();
        if bytes.is_empty() && slices.iter().any(|slice| !slice.is_empty()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room.store(room - bytes.len(), Ordering::Relaxed);
        self.taken.lock().unwrap().extend_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn finish(&self) {}

    fn abort(&self) {
        self.aborted.store(true, Ordering::Relaxed);
    }
}

impl Narrow {
    fn taken(&self) -> Vec<u8> {
        self.taken.lock().unwrap().clone()
    }

    fn makes_room(&self, bytes: usize) {
        self.room.fetch_add(bytes, Ordering::Relaxed);
    }
}

fn line(room: usize, bytes_max: usize) -> (Arc<Narrow>, Line) {
    let stream = Arc::new(Narrow::default());
    stream.room.store(room, Ordering::Relaxed);
    stream.at_once.store(usize::MAX, Ordering::Relaxed);
    let outbox = Outbox::new(Arc::clone(&stream), bytes_max);
    (stream, Arc::new(outbox))
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn drive(line: &Line) -> Poll<Reason> {
    line.poll_drive(&mut Context::from_waker(Waker::noop()))
}

const BODY: Bytes = Bytes::from_static(b"0123456789");

/// What one waiting `BODY` with a head of two bytes costs.
const COST: usize = PIECE_BYTES + 12;

fn ten(head: &[u8]) -> Piece {
    Piece::new(head, &BODY, 0)
}

#[test]
fn what_finds_nothing_waiting_is_written_at_once() {
    let (stream, line) = line(100, 0);
    line.send(b"ab", &BODY).unwrap();
    assert_eq!(stream.taken(), b"ab0123456789");
    assert_eq!((line.waiting_bytes(), line.stalled_since()), (0, None));
}

#[test]
fn the_bound_passes_and_one_byte_over_it_ends() {
    let (stream, line) = line(0, 2 * COST);
    line.send(b"ab", &BODY).unwrap();
    line.send(b"ab", &BODY).unwrap();
    assert_eq!(line.waiting_bytes(), 2 * COST, "exactly full is not over");
    assert!(line.stalled_since().is_some());
    line.send(b"ab", &BODY).expect("one may pass the bound");
    assert_eq!(line.send(b"", &Bytes::from_static(b"x")), Err(Closed(Reason::SlowReader)));
    assert_eq!(line.ended(), Some(Reason::SlowReader));
    assert_eq!((line.waiting_bytes(), line.dropped_bytes()), (0, 3 * COST), "its memory is free");
    assert!(stream.aborted.load(Ordering::Relaxed));
    assert_eq!(line.send(b"ab", &BODY), Err(Closed(Reason::SlowReader)));
}

#[test]
fn what_is_longer_than_the_bound_is_taken_one_at_a_time() {
    let (stream, line) = line(0, PIECE_BYTES + 1);
    line.send(b"ab", &BODY).unwrap();
    line.send(b"", &Bytes::from_static(b"2")).expect("a heartbeat waits beside it");
    stream.makes_room(12);
    assert!(drive(&line).is_pending());
    line.send(b"cd", &BODY).expect("the one before has left");
    assert_eq!(line.queue([ten(b"ef")]), Err(Closed(Reason::SlowReader)));
}

#[test]
fn the_pieces_of_a_packet_are_taken_together_or_not_at_all() {
    let (stream, line) = line(0, COST);
    let packet = || [ten(b"ab"), ten(b"cd"), ten(b"ef")];
    line.queue(packet()).unwrap();
    assert_eq!(line.waiting_bytes(), 3 * COST);
    assert_eq!(line.queue(packet()), Err(Closed(Reason::SlowReader)));
    assert!(stream.taken().is_empty());
}

#[test]
fn what_waits_for_its_flush_ends_nobody_who_reads() {
    let (stream, line) = line(1 << 20, COST);
    for _ in 0..10 {
        line.queue([ten(b"ab")]).unwrap();
    }
    line.flush();
    assert_eq!(stream.taken(), b"ab0123456789".repeat(10));
}

#[test]
fn a_burst_goes_out_with_one_write() {
    let (stream, line) = line(1 << 20, 1 << 20);
    for _ in 0..PIECES_AT_ONCE {
        line.queue([ten(b"ab")]).unwrap();
    }
    assert_eq!(stream.writes.load(Ordering::Relaxed), 0);
    line.flush();
    assert_eq!(stream.writes.load(Ordering::Relaxed), 1);
    assert_eq!(stream.taken(), b"ab0123456789".repeat(PIECES_AT_ONCE));
    assert_eq!(line.waiting_bytes(), 0);
}

#[test]
fn the_driver_is_woken_when_something_waits_and_writes_it_when_there_is_room() {
    let (stream, line) = line(5, 1 << 20);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(line.poll_drive(&mut Context::from_waker(&waker)).is_pending());
    line.send(b"ab", &BODY).unwrap();
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    line.send(b"cd", &BODY).unwrap();
    assert!(drive(&line).is_pending());
    stream.makes_room(100);
    assert!(drive(&line).is_pending());
    assert_eq!(stream.taken(), b"ab0123456789cd0123456789");
}

#[test]
fn the_end_is_told_once_and_a_line_at_rest_is_not_torn() {
    let (stream, line) = line(100, 100);
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    assert!(line.poll_drive(&mut Context::from_waker(&waker)).is_pending());
    line.end(Reason::ForcedClose);
    line.end(Reason::PingTimeout);
    assert_eq!(woken.0.load(Ordering::Relaxed), 1);
    assert_eq!(drive(&line), Poll::Ready(Reason::ForcedClose), "the first reason stays");
    assert!(!stream.aborted.load(Ordering::Relaxed));
}

#[test]
fn what_waits_is_torn_off_at_the_end() {
    let (stream, line) = line(1, 100);
    line.send(b"ab", &BODY).unwrap();
    line.end(Reason::ForcedClose);
    assert!(stream.aborted.load(Ordering::Relaxed));
}

#[test]
fn after_the_last_nothing_is_taken_and_what_waits_still_goes_out() {
    let (stream, line) = line(1, 100);
    line.send(b"ab", &BODY).unwrap();
    line.send_last(b"!", &Bytes::new(), Reason::ForcedClose).unwrap();
    assert_eq!(line.send(b"ab", &BODY), Err(Closed(Reason::ForcedClose)));
    assert_eq!((line.ended(), line.closing()), (None, Some(Reason::ForcedClose)));
    stream.makes_room(100);
    assert!(drive(&line).is_pending());
    assert_eq!(stream.taken(), b"ab0123456789!");
}

#[test]
fn a_broken_stream_ends_the_line() {
    let (stream, line) = line(100, 100);
    stream.broken.store(true, Ordering::Relaxed);
    assert_eq!(line.send(b"ab", &BODY), Err(Closed(Reason::TransportError)));
    assert_eq!(drive(&line), Poll::Ready(Reason::TransportError));
}

#[derive(Clone, Debug)]
enum Act {
    Send(Vec<u8>, Vec<u8>),
    Queue(Vec<u8>, Vec<u8>),
    Flush,
    Room(usize),
    AtOnce(usize),
}

fn act() -> impl Strategy<Value = Act> {
    let bytes = |most| proptest::collection::vec(any::<u8>(), 0..=most);
    prop_oneof![
        (bytes(HEAD_BYTES_MAX), bytes(300)).prop_map(|(head, body)| Act::Send(head, body)),
        (bytes(HEAD_BYTES_MAX), bytes(300)).prop_map(|(head, body)| Act::Queue(head, body)),
        Just(Act::Flush),
        (0_usize..600).prop_map(Act::Room),
        (1_usize..200).prop_map(Act::AtOnce),
    ]
}

proptest! {
    /// However the stream cuts what it takes: what was sent comes out, whole and in order.
    #[test]
    fn nothing_is_lost_doubled_or_reordered(acts in proptest::collection::vec(act(), 1..60)) {
        let (stream, line) = line(0, 1 << 20);
        let mut expected = Vec::new();
        for act in acts {
            match act {
                Act::Send(head, body) | Act::Queue(head, body) if head.is_empty() && body.is_empty() => {}
                Act::Send(head, body) => {
                    expected.extend([head.clone(), body.clone()].concat());
                    line.send(&head, &body.into()).unwrap();
                }
                Act::Queue(head, body) => {
                    expected.extend([head.clone(), body.clone()].concat());
                    line.queue([Piece::new(&head, &body.into(), 0)]).unwrap();
                }
                Act::Flush => line.flush(),
                Act::Room(bytes) => stream.makes_room(bytes),
                Act::AtOnce(bytes) => stream.at_once.store(bytes, Ordering::Relaxed),
            }
            prop_assert!(expected.starts_with(&stream.taken()));
        }
        stream.makes_room(1 << 20);
        prop_assert!(drive(&line).is_pending());
        prop_assert_eq!(stream.taken(), expected);
        prop_assert_eq!((line.waiting_bytes(), line.stalled_since()), (0, None));
    }
}
