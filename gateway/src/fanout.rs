//! Who hears a topic, and how an event reaches them: rendered once for each (dialect, audience), its bytes shared.

use std::sync::Arc;

use parlor_api::v1;

use crate::{
    dialect::{Audience, Dialect, Input, Rendered},
    outbox::{Item, Outbox, Ticket},
};

/// The connections that hear one topic.
#[derive(Debug, Default)]
pub(crate) struct Subscribers {
    groups: Vec<Group>,
}

/// Those for whom an event looks the same.
#[derive(Debug)]
struct Group {
    dialect: Arc<dyn Dialect>,
    audience: Audience,
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    connection: Arc<str>,
    outbox: Arc<Outbox>,
    /// It is given events above this number only.
    from: u64,
}

/// One who begins to hear a topic.
#[derive(Debug)]
pub(crate) struct Joining<'a> {
    pub dialect: &'a Arc<dyn Dialect>,
    pub audience: Audience,
    pub connection: &'a Arc<str>,
    pub outbox: &'a Arc<Outbox>,
    pub from: u64,
}

impl Subscribers {
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Adds a connection; one that hears the topic as the same audience already goes on as it is.
    pub fn join(&mut self, joining: &Joining<'_>) {
        let found = self.groups.iter_mut().position(|group| {
            group.audience == joining.audience && group.dialect.name() == joining.dialect.name()
        });
        let index = found.unwrap_or_else(|| {
            let dialect = Arc::clone(joining.dialect);
            self.groups.push(Group { dialect, audience: joining.audience, members: Vec::new() });
            self.groups.len() - 1
        });
        let members = &mut self.groups[index].members;
        if !members.iter().any(|member| member.connection == *joining.connection) {
            members.push(Member {
                connection: Arc::clone(joining.connection),
                outbox: Arc::clone(joining.outbox),
                from: joining.from,
            });
        }
    }

    pub fn leave(&mut self, connection: &str) {
        for group in &mut self.groups {
            if let Some(index) = group.members.iter().position(|member| &*member.connection == connection) {
                group.members.swap_remove(index);
            }
        }
        self.groups.retain(|group| !group.members.is_empty());
    }

    /// Everybody has been given the events up to this number, and is not given them again after a rewind.
    pub fn passed(&mut self, number: u64) {
        for member in self.groups.iter_mut().flat_map(|group| &mut group.members) {
            member.from = member.from.max(number);
        }
    }

    /// Everybody is given the events above this number, whatever they were given before.
    pub fn restart(&mut self, number: u64) {
        for member in self.groups.iter_mut().flat_map(|group| &mut group.members) {
            member.from = number;
        }
    }

    /// Hands an event to everybody who may see it and has not; the ticket tells when it has left.
    pub fn deliver(&self, number: u64, event: &Arc<v1::Event>, ticket: &Ticket) {
        for group in &self.groups {
            let waiting = group.members.iter().filter(|member| number > member.from);
            group.deliver(waiting, event, ticket);
        }
    }

    /// Hands the state itself to everybody, as it is after a break.
    pub fn snapshot(&self, event: &Arc<v1::Event>) {
        for group in &self.groups {
            for member in &group.members {
                member.outbox.push(step(event, group.audience, None));
            }
        }
    }
}

impl Group {
    fn deliver<'a>(
        &self,
        members: impl Iterator<Item = &'a Member>,
        event: &Arc<v1::Event>,
        ticket: &Ticket,
    ) {
        if !may_see(event, self.audience) {
            return;
        }
        let rendered = self.dialect.render(event, self.audience);
        let mut count = 0;
        for member in members {
            count += 1;
            let item = match &rendered {
                Rendered::Frame(frame) => Item::Frame(frame.clone(), Some(Arc::clone(ticket))),
                Rendered::Step => step(event, self.audience, Some(Arc::clone(ticket))),
                Rendered::Nothing => return,
            };
            member.outbox.push(item);
        }
        metrics::counter!("parlor_gateway_deliveries_total", "dialect" => self.dialect.name())
            .increment(count);
    }
}

/// An event or a state for the machine of a connection.
pub(crate) fn step(event: &Arc<v1::Event>, audience: Audience, ticket: Option<Ticket>) -> Item {
    Item::Input(Box::new(Input::Event { event: Arc::clone(event), audience }), ticket)
}

/// The core names the widest audience of an event; a dialect may narrow it, never widen it.
fn may_see(event: &v1::Event, audience: Audience) -> bool {
    match (event.audience(), audience) {
        (v1::Audience::Staff, Audience::Customer) => false,
        (v1::Audience::Staff, Audience::Staff)
        | (v1::Audience::Participants | v1::Audience::Unspecified, Audience::Staff | Audience::Customer) => {
            true
        }
    }
}
