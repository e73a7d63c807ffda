//! Who hears a topic, and how an event reaches them: rendered once for each (dialect, audience), its bytes shared.

use std::{collections::HashMap, sync::Arc};

use parlor_api::v1;

use self::hearers::Hearers;
use crate::{
    dialect::{Audience, Dialect, Input, Rendered},
    outbox::{Item, Outbox, Shown, Ticket},
};

mod hearers;
#[cfg(test)]
mod tests;

/// The connections that hear one topic.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    groups: Vec<Group>,
    /// Of what is owed, as its frames count it.
    owed_bytes: usize,
}

/// Those for whom an event looks the same.
#[derive(Debug)]
struct Group {
    dialect: Arc<dyn Dialect>,
    audience: Audience,
    /// Those who hear all of it.
    hearers: Hearers,
    /// Those who hear single conversations of a feed, by conversation.
    picky: HashMap<String, Hearers>,
}

/// One who begins to hear a topic.
#[derive(Debug)]
pub(crate) struct Joining<'a> {
    pub dialect: &'a Arc<dyn Dialect>,
    pub audience: Audience,
    pub connection: &'a Arc<str>,
    pub outbox: &'a Arc<Outbox>,
    pub from: u64,
    /// Of a feed, only the events of this conversation.
    pub only: Option<&'a str>,
}

impl Subscribers {
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Adds a connection; one that hears the topic as the same audience already goes on as it is.
    pub fn join(&mut self, joining: &Joining<'_>) {
        let found = self.groups.iter_mut().position(|group| {
            group.audience == joining.audience && group.dialect.wire().name == joining.dialect.wire().name
        });
        let index = found.unwrap_or_else(|| {
            let (dialect, audience) = (Arc::clone(joining.dialect), joining.audience);
            let (hearers, picky) = (Hearers::default(), HashMap::new());
            self.groups.push(Group { dialect, audience, hearers, picky });
            self.groups.len() - 1
        });
        let group = &mut self.groups[index];
        let hearers = match joining.only {
            Some(conversation_id) => group.picky.entry(conversation_id.to_owned()).or_default(),
            None => &mut group.hearers,
        };
        hearers.join(joining.connection, joining.outbox, joining.from);
    }

    /// A connection hears the topic, or this one conversation of a feed, no longer.
    pub fn leave(&mut self, connection: &str, only: Option<&str>) {
        for group in &mut self.groups {
            match only {
                None => group.hearers.leave(connection),
                Some(conversation_id) => {
                    let Some(hearers) = group.picky.get_mut(conversation_id) else { continue };
                    hearers.leave(connection);
                    if hearers.is_empty() {
                        group.picky.remove(conversation_id);
                    }
                }
            }
        }
        self.groups.retain(|group| !group.hearers.is_empty() || !group.picky.is_empty());
    }

    /// Everybody has been given the events up to this number, and is not given them again after a rewind.
    pub fn passed(&mut self, number: u64) {
        self.everybody().for_each(|hearers| hearers.go_on(|from| from.max(number)));
    }

    /// Everybody is given the events above this number, whatever they were given before.
    pub fn restart(&mut self, number: u64) {
        self.everybody().for_each(|hearers| hearers.go_on(|_| number));
    }

    /// Everybody who may see an event and has not is owed it until the next [`Self::flush`]; the ticket tells when it has
    /// left.
    pub fn deliver(&mut self, number: u64, event: &Arc<v1::Event>, ticket: &Ticket) {
        for group in &mut self.groups {
            self.owed_bytes += group.deliver(number, event, ticket);
        }
    }

    /// What is owed, as its frames count it: each once, however many are owed it.
    pub fn owed_bytes(&self) -> usize {
        self.owed_bytes
    }

    /// Writes what is owed, to each with one write.
    pub fn flush(&mut self) {
        self.owed_bytes = 0;
        self.everybody().for_each(Hearers::flush);
    }

    /// Hands the state itself to everybody, as it is after a break.
    pub fn snapshot(&mut self, event: &Arc<v1::Event>) {
        for group in &mut self.groups {
            let audience = group.audience;
            group.hearers.push(u64::MAX, || step(event, audience, None));
        }
    }

    fn everybody(&mut self) -> impl Iterator<Item = &mut Hearers> {
        self.groups.iter_mut().flat_map(|group| group.picky.values_mut().chain([&mut group.hearers]))
    }
}

impl Group {
    /// Returns the bytes of what is owed for it.
    fn deliver(&mut self, number: u64, event: &Arc<v1::Event>, ticket: &Ticket) -> usize {
        if !self.dialect.may_see(self.audience, event.audience()) {
            return 0;
        }
        let picky = self.picky.get_mut(&event.conversation_id);
        let mut hearers: Vec<_> = picky.into_iter().chain([&mut self.hearers]).collect();
        let mut count: usize = hearers.iter().map(|hearers| hearers.waiting_for(number)).sum();
        if count == 0 {
            return 0;
        }
        let frame = match self.dialect.render(event, self.audience) {
            Rendered::Frame(frame) => Some(frame),
            Rendered::FrameButOrigin(frame) => {
                let passed_over =
                    |hearers: &mut &mut Hearers| hearers.pass_over(&event.origin_connection, number);
                count -= hearers.iter_mut().map(passed_over).filter(|passed_over| *passed_over).count();
                Some(frame)
            }
            Rendered::Step => None,
            Rendered::Nothing => return 0,
        };
        let mut bytes = 0;
        if let Some(frame) = frame {
            let shown = Shown { number, frame, ticket: Arc::clone(ticket) };
            bytes = shown.bytes();
            let somebody = hearers.iter_mut().filter(|hearers| !hearers.is_empty());
            somebody.for_each(|hearers| hearers.owe(shown.clone()));
        } else {
            let item = || step(event, self.audience, Some(Arc::clone(ticket)));
            hearers.iter_mut().for_each(|hearers| hearers.push(number, item));
        }
        metrics::counter!(crate::metric::DELIVERIES, "dialect" => self.dialect.wire().name)
            .increment(count as u64);
        bytes
    }
}

/// An event or a state for the machine of a connection.
pub(crate) fn step(event: &Arc<v1::Event>, audience: Audience, ticket: Option<Ticket>) -> Item {
    Item::Input(Box::new(Input::Event { event: Arc::clone(event), audience }), ticket)
}
