//! The bus of a single process: each subscription is a queue bounded in bytes.
//!
//! Two locks, always in this order: the map of topics, then the queue of one subscription. Both are held for a push or a
//! pop and never across an await.

use std::{
    collections::{HashMap, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll},
};

use bytes::Bytes;
use futures::{Stream, task::AtomicWaker};

use crate::{Bus, Delivery, Error, Subscription};

/// What one subscription may hold. A hub reads faster than a writer commits, so this is only reached while the hub
/// fetches a long tail, and then the tail brings what was lost here.
pub const DEFAULT_QUEUE_BYTES: usize = 1024 * 1024;

/// What a queued message costs beside its bytes, so that empty messages are bounded too.
const MESSAGE_OVERHEAD_BYTES: usize = 64;

/// The bus of a single process.
#[derive(Clone, Debug)]
pub struct Memory {
    topics: Arc<Mutex<Topics>>,
    queue_bytes: usize,
}

type Topics = HashMap<String, Vec<Arc<Queue>>>;

#[derive(Debug, Default)]
struct Queue {
    waiting: Mutex<Waiting>,
    reader: AtomicWaker,
}

#[derive(Debug, Default)]
struct Waiting {
    deliveries: VecDeque<Delivery>,
    bytes: usize,
}

struct Deliveries {
    topic: String,
    queue: Arc<Queue>,
    topics: Arc<Mutex<Topics>>,
}

impl Default for Memory {
    fn default() -> Self {
        Self::new(DEFAULT_QUEUE_BYTES)
    }
}

impl Memory {
    /// A bus whose subscriptions hold at most so many bytes each.
    #[must_use]
    pub fn new(queue_bytes: usize) -> Self {
        Self { topics: Arc::default(), queue_bytes }
    }
}

#[async_trait::async_trait]
impl Bus for Memory {
    fn publish(&self, topic: &str, message: Bytes) {
        let topics = lock(&self.topics);
        for queue in topics.get(topic).into_iter().flatten() {
            queue.push(message.clone(), self.queue_bytes);
        }
    }

    async fn subscribe(&self, topic: &str) -> Result<Subscription, Error> {
        let queue = Arc::<Queue>::default();
        lock(&self.topics).entry(topic.to_owned()).or_default().push(Arc::clone(&queue));
        let topics = Arc::clone(&self.topics);
        Ok(Subscription::new(Deliveries { topic: topic.to_owned(), queue, topics }))
    }

    fn heard_topics(&self) -> usize {
        lock(&self.topics).len()
    }
}

impl Queue {
    fn push(&self, message: Bytes, limit: usize) {
        let mut waiting = lock(&self.waiting);
        let cost = message.len() + MESSAGE_OVERHEAD_BYTES;
        if waiting.bytes + cost <= limit {
            waiting.bytes += cost;
            waiting.deliveries.push_back(Delivery::Message(message));
        } else if waiting.deliveries.back() != Some(&Delivery::Gap) {
            waiting.deliveries.push_back(Delivery::Gap);
        }
        drop(waiting);
        self.reader.wake();
    }

    fn pop(&self) -> Option<Delivery> {
        let mut waiting = lock(&self.waiting);
        let delivery = waiting.deliveries.pop_front()?;
        if let Delivery::Message(message) = &delivery {
            waiting.bytes -= message.len() + MESSAGE_OVERHEAD_BYTES;
        }
        Some(delivery)
    }
}

impl Stream for Deliveries {
    type Item = Delivery;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Delivery>> {
        if let Some(delivery) = self.queue.pop() {
            return Poll::Ready(Some(delivery));
        }
        // Registered before looking again, so that a push in between is not missed.
        self.queue.reader.register(context.waker());
        self.queue.pop().map_or(Poll::Pending, |delivery| Poll::Ready(Some(delivery)))
    }
}

impl Drop for Deliveries {
    fn drop(&mut self) {
        let mut topics = lock(&self.topics);
        if let Some(queues) = topics.get_mut(&self.topic) {
            queues.retain(|queue| !Arc::ptr_eq(queue, &self.queue));
            if queues.is_empty() {
                topics.remove(&self.topic);
            }
        }
    }
}

/// No code panics while it holds one of these locks, so what a poisoned one guards is whole.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance;

    #[tokio::test]
    async fn keeps_the_promises_of_a_bus() {
        conformance::check(|queue_bytes| Arc::new(Memory::new(queue_bytes))).await;
    }

    #[tokio::test]
    async fn a_queue_holds_its_bytes_and_not_one_more() {
        let bus = Memory::new(2 * (3 + MESSAGE_OVERHEAD_BYTES));
        let mut heard = bus.subscribe("a").await.unwrap();
        for text in ["one", "two", "six"] {
            bus.publish("a", Bytes::from_static(text.as_bytes()));
        }
        assert_eq!(heard.next().await, Some(Delivery::Message(Bytes::from_static(b"one"))));
        assert_eq!(heard.next().await, Some(Delivery::Message(Bytes::from_static(b"two"))));
        assert_eq!(heard.next().await, Some(Delivery::Gap));

        bus.publish("a", Bytes::from_static(b"ten"));
        assert_eq!(heard.next().await, Some(Delivery::Message(Bytes::from_static(b"ten"))));
    }
}
