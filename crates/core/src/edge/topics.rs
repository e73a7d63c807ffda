//! What the connections of one gateway hear: one watch for each topic, whoever of them asked.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use parlor_api::{limits::TOPICS, v1};

use super::{
    connection::{Heard, Hearing},
    queue::{Handle, Note, Queue},
};
use crate::{
    Error, Result,
    hub::{Began, Topic},
    wire::unsigned,
};

pub(super) struct Topics {
    queue: Arc<Queue>,
    next_handle: Handle,
    handles: HashMap<Topic, Handle>,
    listeners: HashMap<Handle, Listeners>,
    /// What each connection hears, and whether it was let in by a key.
    heard: HashMap<Arc<str>, Vec<(Handle, bool)>>,
}

struct Listeners {
    topic: Topic,
    connections: HashSet<Arc<str>>,
}

impl Topics {
    pub fn new(queue: Arc<Queue>) -> Self {
        let (handles, listeners, heard) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { queue, next_handle: 1, handles, listeners, heard }
    }

    /// The topics a connection hears.
    pub fn heard_by(&self, connection: &str) -> Vec<Heard> {
        let handles = self.heard.get(connection).into_iter().flatten();
        let heard = handles.filter_map(|(handle, by_key)| {
            let topic = self.listeners.get(handle)?.topic;
            Some(Heard { handle: *handle, topic, by_key: *by_key })
        });
        heard.collect()
    }

    /// Fails if the topic is one more than a connection may hear; what it hears already is none.
    pub fn check_count(&self, connection: &str, topic: &Topic) -> Result<()> {
        let Some(heard) = self.heard.get(connection) else { return Ok(()) };
        let again =
            self.handles.get(topic).is_some_and(|handle| heard.iter().any(|(known, _)| known == handle));
        if heard.len() >= TOPICS && !again {
            return Err(Error::LimitReached { limit: "topics of a connection", maximum: TOPICS as u64 });
        }
        Ok(())
    }

    /// Adds a listener, and says among the events where its hearing begins. Answers the topic's handle.
    pub fn subscribe(&mut self, connection: &Arc<str>, number: u64, hearing: Hearing) -> Handle {
        let Hearing { topic, conversation_id, by_key, interest } = hearing;
        let known = self.handles.get(&topic).copied();
        let handle = known.unwrap_or(self.next_handle);
        let queue = Arc::clone(&self.queue);
        let connection_name = connection.to_string();
        let begin = move |began: Began| {
            let position = unsigned(began.position);
            let answer = v1::LinkSubscribed {
                number,
                connection: connection_name,
                topic: handle,
                position,
                conversation_id,
                snapshot: None,
            };
            queue.note(Note::Subscribed(Box::new(answer)));
        };
        if let Some(watch) = known.and_then(|handle| self.queue.watch(handle)) {
            watch.at_head(begin);
        } else {
            self.next_handle += 1;
            self.queue.add(handle, || interest.watch(self.queue.ear(handle), begin));
            self.handles.insert(topic, handle);
        }
        let listeners = self.listeners.entry(handle);
        let listeners = listeners.or_insert_with(|| Listeners { topic, connections: HashSet::new() });
        listeners.connections.insert(Arc::clone(connection));
        let heard = self.heard.entry(Arc::clone(connection)).or_default();
        match heard.iter_mut().find(|(known, _)| *known == handle) {
            Some((_, by_any_key)) => *by_any_key |= by_key,
            None => {
                // A few topics for each of very many connections.
                heard.reserve_exact(1);
                heard.push((handle, by_key));
            }
        }
        handle
    }

    /// Takes a listener away; the last one takes the topic along.
    pub fn unsubscribe(&mut self, connection: &str, handle: Handle) {
        if let Some(heard) = self.heard.get_mut(connection) {
            heard.retain(|(known, _)| *known != handle);
            if heard.is_empty() {
                self.heard.remove(connection);
            }
        }
        self.leave(connection, handle);
    }

    /// Takes a connection away from everything it hears.
    pub fn forget(&mut self, connection: &str) {
        for (handle, _) in self.heard.remove(connection).into_iter().flatten() {
            self.leave(connection, handle);
        }
    }

    fn leave(&mut self, connection: &str, handle: Handle) {
        let Some(listeners) = self.listeners.get_mut(&handle) else { return };
        listeners.connections.remove(connection);
        if listeners.connections.is_empty() {
            let topic = listeners.topic;
            self.listeners.remove(&handle);
            self.handles.remove(&topic);
            self.queue.remove(handle);
        }
    }
}
