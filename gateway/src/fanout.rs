//! Who hears a topic, and how an event reaches them: rendered once for each (dialect, audience), its bytes shared.

use std::{collections::HashMap, sync::Arc};

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
    members: HashMap<Arc<str>, Member>,
    /// Those who hear single conversations of a feed, by conversation; and which, by connection.
    picky: HashMap<String, HashMap<Arc<str>, Member>>,
    picks: HashMap<Arc<str>, Vec<String>>,
}

#[derive(Debug)]
struct Member {
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
            group.audience == joining.audience && group.dialect.name() == joining.dialect.name()
        });
        let index = found.unwrap_or_else(|| {
            let dialect = Arc::clone(joining.dialect);
            self.groups.push(Group::new(dialect, joining.audience));
            self.groups.len() - 1
        });
        self.groups[index]
            .members_of(joining)
            .entry(Arc::clone(joining.connection))
            .or_insert_with(|| Member { outbox: Arc::clone(joining.outbox), from: joining.from });
    }

    pub fn leave(&mut self, connection: &str) {
        for group in &mut self.groups {
            if let Some(member) = group.members.remove(connection) {
                member.outbox.flush();
            }
            for conversation_id in group.picks.remove(connection).unwrap_or_default() {
                group.drop_pick(connection, &conversation_id);
            }
        }
        self.groups.retain(|group| !group.is_empty());
    }

    /// A connection hears one conversation of the feed no longer.
    pub fn leave_conversation(&mut self, connection: &str, conversation_id: &str) {
        for group in &mut self.groups {
            group.drop_pick(connection, conversation_id);
            if let Some(picks) = group.picks.get_mut(connection) {
                picks.retain(|pick| pick != conversation_id);
                if picks.is_empty() {
                    group.picks.remove(connection);
                }
            }
        }
        self.groups.retain(|group| !group.is_empty());
    }

    /// Everybody has been given the events up to this number, and is not given them again after a rewind.
    pub fn passed(&mut self, number: u64) {
        for member in self.groups.iter_mut().flat_map(Group::everybody) {
            member.from = member.from.max(number);
        }
    }

    /// Everybody is given the events above this number, whatever they were given before.
    pub fn restart(&mut self, number: u64) {
        for member in self.groups.iter_mut().flat_map(Group::everybody) {
            member.from = number;
        }
    }

    /// Hands an event to everybody who may see it and has not; the ticket tells when it has left. Quietly, it is written
    /// with the next [`Self::flush`].
    pub fn deliver(&self, number: u64, event: &Arc<v1::Event>, ticket: &Ticket, quietly: bool) {
        for group in &self.groups {
            let picky = group.picky.get(&event.conversation_id).into_iter().flat_map(HashMap::values);
            let waiting = group.members.values().chain(picky).filter(|member| number > member.from);
            if waiting.clone().next().is_none() {
                continue;
            }
            group.deliver(waiting, event, ticket, quietly);
        }
    }

    /// Writes what was delivered quietly.
    pub fn flush(&self) {
        self.groups.iter().flat_map(Group::all).for_each(|member| member.outbox.flush());
    }

    /// Hands the state itself to everybody, as it is after a break.
    pub fn snapshot(&self, event: &Arc<v1::Event>) {
        for group in &self.groups {
            for member in group.members.values() {
                member.outbox.push(step(event, group.audience, None));
            }
        }
    }
}

impl Group {
    fn new(dialect: Arc<dyn Dialect>, audience: Audience) -> Self {
        let (picky, picks) = (HashMap::new(), HashMap::new());
        Self { dialect, audience, members: HashMap::new(), picky, picks }
    }

    fn is_empty(&self) -> bool {
        self.members.is_empty() && self.picky.is_empty()
    }

    fn all(&self) -> impl Iterator<Item = &Member> {
        self.members.values().chain(self.picky.values().flat_map(HashMap::values))
    }

    fn everybody(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut().chain(self.picky.values_mut().flat_map(HashMap::values_mut))
    }

    /// Where somebody who joins belongs.
    fn members_of(&mut self, joining: &Joining<'_>) -> &mut HashMap<Arc<str>, Member> {
        let Some(conversation_id) = joining.only else { return &mut self.members };
        let picks = self.picks.entry(Arc::clone(joining.connection)).or_default();
        if !picks.iter().any(|pick| pick == conversation_id) {
            picks.push(conversation_id.to_owned());
        }
        self.picky.entry(conversation_id.to_owned()).or_default()
    }

    fn drop_pick(&mut self, connection: &str, conversation_id: &str) {
        let Some(members) = self.picky.get_mut(conversation_id) else { return };
        if let Some(member) = members.remove(connection) {
            member.outbox.flush();
        }
        if members.is_empty() {
            self.picky.remove(conversation_id);
        }
    }

    fn deliver<'a>(
        &self,
        members: impl Iterator<Item = &'a Member>,
        event: &Arc<v1::Event>,
        ticket: &Ticket,
        quietly: bool,
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
            if quietly {
                member.outbox.push_quietly(item);
            } else {
                member.outbox.push(item);
            }
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
