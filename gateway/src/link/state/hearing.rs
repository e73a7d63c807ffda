//! What connections hear: from the wish of one to its place among a topic's subscribers, and again on every new link.

use std::sync::Arc;

use parlor_api::v1::{self, link_request, topic::Name};
use tokio::time::Instant;

use super::{State, Subscription, subscription};
use crate::{
    dialect::{
        Answer, TopicHandle,
        refusal::{Kind, Refusal},
    },
    fanout::{self, Joining},
    link::{Wanted, ledger::Purpose, topics::TopicId},
    outbox::Item,
};

impl State {
    pub(super) fn subscribe(&mut self, connection: Arc<str>, wanted: Wanted, now: Instant) {
        let Some(known) = self.connections.get(&connection) else { return };
        if self.refuses(&known.outbox, wanted.tag) {
            return;
        }
        let message = subscription(&connection, &wanted.topic);
        let purpose = Purpose::Subscribe { connection, wanted };
        self.ledger.ask_in_time(message, purpose, now);
    }

    pub(super) fn unsubscribe(&mut self, connection: &str, topic: TopicId) {
        let Some(known) = self.connections.get_mut(connection) else { return };
        known.subscriptions.retain(|subscription| subscription.topic != topic);
        if let Some(handle) = self.topics.leave(topic, connection) {
            let unsubscribe = v1::LinkUnsubscribe { connection: connection.to_owned(), topic: handle };
            self.ledger.ask(link_request::Command::Unsubscribe(unsubscribe), Purpose::Tell);
        }
    }

    /// One conversation of a feed; the last one takes the feed along.
    pub(super) fn unhear(&mut self, connection: &str, topic: TopicId, conversation_id: &str) {
        let Some(known) = self.connections.get_mut(connection) else { return };
        let is_it =
            |heard: &Subscription| heard.topic == topic && heard.only.as_deref() == Some(conversation_id);
        known.subscriptions.retain(|heard| !is_it(heard));
        if !known.subscriptions.iter().any(|heard| heard.topic == topic) {
            return self.unsubscribe(connection, topic);
        }
        if let Some(topic) = self.topics.get(topic) {
            topic.subscribers.leave_conversation(connection, conversation_id);
        }
    }

    pub(super) fn subscribed(&mut self, subscribed: v1::LinkSubscribed) {
        let Some(answered) = self.ledger.answered(subscribed.number) else {
            // Its time was over: the connection was told that it failed.
            self.take_back(&subscribed);
            return;
        };
        match answered.purpose {
            Purpose::Subscribe { connection, wanted } => {
                self.joined(&connection, wanted, &subscribed);
                if answered.repeated {
                    self.look_behind(&subscribed);
                }
            }
            Purpose::Resubscribe { connection, topic } => self.rejoined(&connection, topic, subscribed),
            Purpose::Attach { .. } | Purpose::Reattach { .. } | Purpose::Fetch { .. } | Purpose::Tell => {}
        }
    }

    pub(super) fn joined(&mut self, connection: &Arc<str>, wanted: Wanted, subscribed: &v1::LinkSubscribed) {
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
            self.unsubscribe(connection, replaced);
        }
        let Some(known) = self.connections.get_mut(connection) else { return };
        let topic = self.topics.get(id).expect("it was opened just now");
        let answer = Answer::Subscribed {
            topic: TopicHandle(id.0),
            position: subscribed.position,
            conversation_id: subscribed.conversation_id.clone(),
        };
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
        let heard = Subscription { topic: id, name: wanted.topic, audience: wanted.audience, only };
        let is_same = |known: &Subscription| {
            known.topic == id && known.audience == heard.audience && known.only == heard.only
        };
        if !known.subscriptions.iter().any(is_same) {
            // A few topics for each of very many connections.
            known.subscriptions.reserve_exact(1);
            known.subscriptions.push(heard);
        }
        self.fetch(id, after);
    }

    /// The topic stands again on a new link; the numbers tell what was missed.
    pub(super) fn rejoined(&mut self, connection: &str, id: TopicId, subscribed: v1::LinkSubscribed) {
        let Some(known) = self.connections.get(connection) else { return };
        let Some(heard) = known.subscriptions.iter().find(|heard| heard.topic == id) else {
            self.take_back(&subscribed);
            return;
        };
        let leads_elsewhere = matches!(heard.name, Name::Own(_))
            && self.topics.get(id).is_some_and(|topic| !topic.is_of(&subscribed.conversation_id));
        // Nothing can be told of either to a dialect that asked for neither now: its client begins anew.
        if leads_elsewhere || known.has_dropped(&subscribed) {
            return self.end(connection);
        }
        if let Some(snapshot) = subscribed.snapshot {
            known.outbox.push(fanout::step(&Arc::new(snapshot), heard.audience, None));
        }
        self.topics.bind(id, subscribed.topic);
        let after = self.topics.get(id).and_then(|topic| topic.head(subscribed.position, None));
        self.fetch(id, after);
    }

    /// A subscription nobody has is given back.
    pub(super) fn take_back(&mut self, subscribed: &v1::LinkSubscribed) {
        let connection = subscribed.connection.as_str();
        let id = self.topics.by_handle(subscribed.topic).map(|(id, _)| id);
        let hears = self
            .connections
            .get(connection)
            .is_some_and(|known| known.subscriptions.iter().any(|heard| Some(heard.topic) == id));
        if !hears {
            let unsubscribe =
                v1::LinkUnsubscribe { connection: connection.to_owned(), topic: subscribed.topic };
            self.ledger.ask(link_request::Command::Unsubscribe(unsubscribe), Purpose::Tell);
        }
    }

    /// Fetches above the position even though nothing is known to be there.
    pub(super) fn look_behind(&mut self, subscribed: &v1::LinkSubscribed) {
        if let Some((id, topic)) = self.topics.by_handle(subscribed.topic) {
            let after = topic.seen();
            self.fetch(id, Some(after));
        }
    }
}
