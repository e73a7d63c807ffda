//! What connections hear: from the wish of one to its place among a topic's subscribers, and again on every new link.

use std::sync::Arc;

use parlor_api::v1::{self, link_request, topic::Name};
use tokio::time::Instant;

use super::{Pending, State, Subscription};
use crate::{
    dialect::{
        Answer, Subscribed, TopicHandle,
        refusal::{Kind, Refusal},
    },
    fanout::{self, Joining},
    link::{Wanted, connections, ledger::Purpose, topics::TopicId},
    outbox::Item,
};

impl State {
    pub(super) fn subscribe(&mut self, connection: Arc<str>, wanted: Wanted, now: Instant) {
        let Some(known) = self.connections.get(&connection) else { return };
        if self.refuses(&known.outbox, wanted.tag) {
            return;
        }
        let message = connections::subscribe(&connection, &wanted.topic);
        let purpose = Purpose::Subscribe { connection, wanted };
        self.ledger.ask_in_time(message, purpose, now);
    }

    /// A connection hears a topic no longer, or one conversation of it; the last one takes the topic along.
    pub(super) fn unsubscribe(&mut self, connection: &str, topic: TopicId, only: Option<&str>) {
        let Some(known) = self.connections.get_mut(connection) else { return };
        let ends = |heard: &mut Subscription| {
            heard.topic == topic && only.is_none_or(|only| heard.only.as_deref() == Some(only))
        };
        let ended: Vec<_> = known.subscriptions.extract_if(.., ends).collect();
        let hears_on = known.hears(topic);
        let handle = self.topics.get(topic).and_then(|topic| topic.handle);
        self.topics.leave_all(connection, &ended);
        if let Some(handle) = handle.filter(|_| !hears_on) {
            self.give_back(connection, handle);
        }
    }

    pub(super) fn subscribed(&mut self, subscribed: v1::LinkSubscribed) {
        let Some(Pending { purpose, repeated, .. }) = self.ledger.answered(subscribed.number) else {
            // Its time was over: the connection was told that it failed.
            return self.take_back(&subscribed);
        };
        match purpose {
            Purpose::Subscribe { connection, wanted } => {
                self.joined(&connection, wanted, &subscribed);
                // Nothing is known to be above its position, but what was told of it may be lost with the link.
                if let Some((id, topic)) = self.topics.by_handle(subscribed.topic).filter(|_| repeated) {
                    let after = topic.seen();
                    self.fetch(id, Some(after));
                }
            }
            Purpose::Resubscribe { connection, topic } => self.rejoined(&connection, topic, subscribed),
            Purpose::Attach { .. } | Purpose::Fetch { .. } | Purpose::Tell => {}
        }
    }

    fn joined(&mut self, connection: &Arc<str>, wanted: Wanted, subscribed: &v1::LinkSubscribed) {
        let Some(known) = self.connections.get(connection) else { return };
        if known.has_dropped(subscribed) {
            let why = "whoever it has proved to be since may not hear it";
            let refusal = Refusal::of(Kind::NotPermitted, why);
            known.outbox.push(Item::answer(wanted.tag, Err(refusal), None));
            return;
        }
        let id = self.topics.open(&wanted.topic, &known.tenant, subscribed);
        // Before the answer: nothing of what is replaced is delivered after it.
        if let Some(replaced) = wanted.replaces.map(|topic| TopicId(topic.0)).filter(|topic| *topic != id) {
            self.unsubscribe(connection, replaced, None);
        }
        let Some(known) = self.connections.get_mut(connection) else { return };
        let topic = self.topics.get(id).expect("it was opened just now");
        let (position, conversation_id) = (subscribed.position, subscribed.conversation_id.clone());
        let answer = Answer::Subscribed(Subscribed { topic: TopicHandle(id.0), position, conversation_id });
        // The answer goes first: what is delivered from here on is above its position.
        known.outbox.push(Item::answer(wanted.tag, Ok(answer), None));
        if let Some(snapshot) = &subscribed.snapshot {
            known.outbox.push(fanout::step(&Arc::new(snapshot.clone()), wanted.audience, None));
        }
        let picks = matches!(&wanted.topic, Name::Feed(feed) if feed.conversation.is_some());
        let only = picks.then(|| subscribed.conversation_id.clone());
        let after = topic.joined_at(subscribed.position);
        topic.subscribers.join(&Joining {
            dialect: &known.mounted.dialect,
            audience: wanted.audience,
            connection,
            outbox: &known.outbox,
            from: subscribed.position,
            only: only.as_deref(),
        });
        known.hear(Subscription { topic: id, name: wanted.topic, audience: wanted.audience, only });
        self.fetch(id, after);
    }

    /// The topic stands again on a new link; the numbers tell what was missed.
    fn rejoined(&mut self, connection: &str, id: TopicId, subscribed: v1::LinkSubscribed) {
        let Some(known) = self.connections.get(connection) else { return };
        let Some(heard) = known.subscriptions.iter().find(|heard| heard.topic == id) else {
            return self.take_back(&subscribed);
        };
        let leads_elsewhere = matches!(heard.name, Name::Own(_))
            && self.topics.get(id).is_some_and(|topic| !topic.is_of(&subscribed.conversation_id));
        // Nothing can be told of either to a dialect that asked for neither now: its client begins anew.
        if leads_elsewhere || known.has_dropped(&subscribed) {
            return self.connections.end(connection);
        }
        if let Some(snapshot) = subscribed.snapshot {
            known.outbox.push(fanout::step(&Arc::new(snapshot), heard.audience, None));
        }
        self.topics.bind(id, subscribed.topic);
        let after = self.topics.get(id).and_then(|topic| topic.head(subscribed.position, None));
        self.fetch(id, after);
    }

    /// A subscription nobody has is given back.
    fn take_back(&mut self, subscribed: &v1::LinkSubscribed) {
        let connection = subscribed.connection.as_str();
        let id = self.topics.by_handle(subscribed.topic).map(|(id, _)| id);
        if !id.is_some_and(|id| self.connections.hears(connection, id)) {
            self.give_back(connection, subscribed.topic);
        }
    }

    fn give_back(&mut self, connection: &str, topic: u64) {
        let unsubscribe = v1::LinkUnsubscribe { connection: connection.to_owned(), topic };
        self.ledger.ask(link_request::Command::Unsubscribe(unsubscribe), Purpose::Tell);
    }
}
