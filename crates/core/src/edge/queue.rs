//! What waits for one gateway: control first, then events, each in order.
//!
//! [`super::gateway::Gateway`] fills it and one response stream at a time empties it. Events are bounded in bytes by the mailbox; control
//! is bounded because it begins nothing while too much is unread.
//!
//! Locks, in this order: control, then the mailbox; and the topics, then a topic's own, then the mailbox. A topic's own lock
//! comes never with control.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use futures::stream::{self, StreamExt as _};
use parlor_api::v1::{self, LinkResponse, link_response::Body};
use prost::Message as _;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::stream::Responses;
use crate::{
    hub::{Announced, Item, Mailbox, Topic, Watch, Watcher},
    locked::lock,
    wire::unsigned,
};

/// When so many bytes of events are in an answer, it is full: half of what a gRPC client takes by default.
pub(super) const FETCH_BYTES: usize = 2 * 1024 * 1024;

/// Answers that may be unread; beyond it no more commands are read.
const MAX_UNREAD: usize = 1024;

/// Bytes of fetched events that may be unread; beyond it no more are fetched: two full answers.
const MAX_UNREAD_BYTES: usize = 2 * FETCH_BYTES;

/// The gateway's name for a topic.
pub(super) type Handle = u64;

/// What is put among the events. The snapshot of a state is added when it is read: a lag before it tells the
/// state as it is then, and what follows must not be older.
pub(super) enum Note {
    Subscribed(Box<v1::LinkSubscribed>),
    Resumed { topic: Handle, head: i64 },
}

/// The queue of one gateway.
pub(super) struct Queue {
    control: Mutex<Control>,
    control_ready: Notify,
    /// Something was read, so more may be begun.
    room: Notify,
    events: Mailbox<Note, Handle>,
    /// The topics this gateway hears now.
    topics: Mutex<HashMap<Handle, Arc<Watch>>>,
}

#[derive(Default)]
struct Control {
    bodies: VecDeque<(Box<Body>, usize)>,
    bytes: usize,
}

/// Hears one topic for one gateway.
struct Ear {
    handle: Handle,
    queue: Arc<Queue>,
}

impl Watcher for Ear {
    fn hear(&self, _topic: Topic, announced: &Announced) {
        self.queue.events.take(self.handle, announced);
    }
}

impl Queue {
    pub fn new(limit_bytes: usize) -> Arc<Self> {
        Arc::new(Self {
            control: Mutex::default(),
            control_ready: Notify::new(),
            room: Notify::new(),
            events: Mailbox::new(limit_bytes),
            topics: Mutex::default(),
        })
    }

    /// A watcher that brings a topic here.
    pub fn ear(self: &Arc<Self>, handle: Handle) -> Arc<dyn Watcher> {
        Arc::new(Ear { handle, queue: Arc::clone(self) })
    }

    /// Sends before every event that waits.
    pub fn control(&self, body: Body) {
        let bytes = if let Body::Fetched(fetched) = &body { fetched.encoded_len() } else { 0 };
        let mut control = lock(&self.control);
        control.bytes += bytes;
        control.bodies.push_back((Box::new(body), bytes));
        drop(control);
        self.control_ready.notify_one();
    }

    /// Sends in its place among the events.
    pub fn note(&self, note: Note) {
        self.events.note(note);
    }

    /// True if the gateway reads its answers, so that more commands may be taken.
    pub fn has_room(&self) -> bool {
        let control = lock(&self.control);
        control.bodies.len() + self.events.notes() < MAX_UNREAD && control.bytes < MAX_UNREAD_BYTES
    }

    /// Completes when an answer was read since this was last awaited. Nothing is lost if the future is dropped.
    pub async fn room(&self) {
        self.room.notified().await;
    }

    /// Adds a topic whose watch begins here. What the beginning puts among the events is read by another task, which
    /// finds the topic: the lock is held until it is there.
    pub fn add(&self, handle: Handle, begin: impl FnOnce() -> Watch) {
        let mut topics = lock(&self.topics);
        topics.insert(handle, Arc::new(begin()));
    }

    pub fn remove(&self, handle: Handle) {
        // Dropped after the lock is free: the drop takes the topic's lock.
        let removed = lock(&self.topics).remove(&handle);
        drop(removed);
    }

    pub fn topic(&self, handle: Handle) -> Option<Topic> {
        self.watch(handle).map(|watch| watch.topic())
    }

    pub fn watch(&self, handle: Handle) -> Option<Arc<Watch>> {
        lock(&self.topics).get(&handle).cloned()
    }

    /// The link is broken: forgets what waits. Whoever comes back asks again, and is told where the topics are.
    pub fn shut(&self) {
        self.events.shut();
        *lock(&self.control) = Control::default();
    }

    /// The gateway came back: each topic tells where it is now, and goes on from there.
    pub fn reopen(&self) {
        self.events.open();
        let watches: Vec<_> =
            lock(&self.topics).iter().map(|(handle, watch)| (*handle, watch.clone())).collect();
        for (handle, watch) in watches {
            watch.at_head(|began| {
                self.note(Note::Resumed { topic: handle, head: began.position });
            });
        }
    }

    /// Forgets every topic.
    pub fn clear(&self) {
        let topics = std::mem::take(&mut *lock(&self.topics));
        drop(topics);
    }

    /// What goes down one stream, from when the gateway's task has taken it over until it is replaced.
    pub fn responses(self: Arc<Self>, begun: CancellationToken, until: CancellationToken) -> Responses {
        let responses = stream::unfold((self, begun, until), |(queue, begun, until)| async move {
            let next = async {
                begun.cancelled().await;
                queue.next(&until).await
            };
            let body = until.run_until_cancelled(next).await??;
            Some((Ok(LinkResponse { body: Some(body) }), (queue, begun, until)))
        });
        responses.boxed()
    }

    /// The next thing to say on a stream; `None` once it is `until`.
    async fn next(&self, until: &CancellationToken) -> Option<Body> {
        loop {
            match self.pop(until)? {
                Some(Waiting::Control(body)) => return Some(*body),
                Some(Waiting::Item(item)) => {
                    if let Some(body) = self.body(item) {
                        return Some(body);
                    }
                }
                None => tokio::select! {
                    () = self.control_ready.notified() => {}
                    () = self.events.filled() => {}
                },
            }
        }
    }

    /// Takes what comes next, if there is something; `None` for a stream that is over. That is looked at under the lock:
    /// a stream that was replaced takes nothing from its successor.
    fn pop(&self, until: &CancellationToken) -> Option<Option<Waiting>> {
        let mut control = lock(&self.control);
        if until.is_cancelled() {
            return None;
        }
        let waiting = match control.bodies.pop_front() {
            Some((body, bytes)) => {
                control.bytes -= bytes;
                Some(Waiting::Control(body))
            }
            None => self.events.pop().map(Waiting::Item),
        };
        drop(control);
        if matches!(waiting, Some(Waiting::Control(_) | Waiting::Item(Item::Note(_)))) {
            self.room.notify_one();
        }
        Some(waiting)
    }

    /// An item as the gateway is told it; `None` if it concerns a topic that nobody there hears any more.
    fn body(&self, item: Item<Note, Handle>) -> Option<Body> {
        match item {
            Item::Event(topic, announced) => {
                self.watch(topic)?;
                let number = unsigned(announced.number);
                let event = Some(Arc::unwrap_or_clone(announced.event));
                Some(Body::Event(v1::LinkEvent { topic, number, event }))
            }
            Item::Lagged { topic, head } => {
                let watch = self.watch(topic)?;
                if watch.topic().is_log() {
                    return Some(lagged(topic, head, None));
                }
                Some(watch.at_head(|began| lagged(topic, began.position, began.snapshot)))
            }
            Item::Note(Note::Subscribed(mut answer)) => {
                let state = self.watch(answer.topic).filter(|watch| !watch.topic().is_log());
                if let Some(began) = state.map(|watch| watch.at_head(|began| began)) {
                    answer.position = unsigned(began.position);
                    answer.snapshot = began.snapshot.map(Arc::unwrap_or_clone);
                }
                Some(Body::Subscribed(*answer))
            }
            Item::Note(Note::Resumed { topic, head }) => self.body(Item::Lagged { topic, head }),
        }
    }
}

/// What a stream takes out.
enum Waiting {
    Control(Box<Body>),
    Item(Item<Note, Handle>),
}

fn lagged(topic: Handle, head: i64, snapshot: Option<Arc<v1::Event>>) -> Body {
    let snapshot = snapshot.map(Arc::unwrap_or_clone);
    Body::Lagged(v1::LinkLagged { topic, head: unsigned(head), snapshot })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fetched(bytes: usize) -> Body {
        let event = v1::Event { conversation_id: "x".repeat(bytes), ..Default::default() };
        let events = vec![v1::LinkEvent { event: Some(event), ..Default::default() }];
        Body::Fetched(v1::LinkFetched { events, ..Default::default() })
    }

    async fn reading_one_makes_room(queue: &Queue) {
        assert!(!queue.has_room());
        let room = queue.room();
        tokio::pin!(room);
        assert!(futures::poll!(&mut room).is_pending());
        queue.next(&CancellationToken::new()).await.unwrap();
        room.await;
        assert!(queue.has_room());
    }

    #[tokio::test]
    async fn unread_answers_fill_it_and_reading_one_wakes_who_fills_it() {
        let queue = Queue::new(1024);
        for number in 0..MAX_UNREAD as u64 {
            assert!(queue.has_room());
            queue.control(Body::Done(v1::LinkDone { number }));
        }
        reading_one_makes_room(&queue).await;
    }

    #[tokio::test]
    async fn unread_bytes_fill_it_too() {
        let queue = Queue::new(1024);
        queue.control(fetched(FETCH_BYTES));
        assert!(queue.has_room());
        queue.control(fetched(FETCH_BYTES));
        reading_one_makes_room(&queue).await;
    }

    #[tokio::test]
    async fn a_stream_that_is_over_takes_nothing() {
        let queue = Queue::new(1024);
        queue.control(Body::Done(v1::LinkDone { number: 1 }));
        let (over, next) = (CancellationToken::new(), CancellationToken::new());
        over.cancel();
        assert_eq!(queue.next(&over).await, None);
        assert!(queue.next(&next).await.is_some());
    }
}
