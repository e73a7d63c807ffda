//! Connections that hear the same, and what they are owed: events are gathered and then written to each at once.

use std::{collections::HashMap, sync::Arc};

use crate::outbox::{Item, Outbox, Run, Shown};

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Hearers {
    members: HashMap<Arc<str>, Member>,
    /// In the order of their numbers.
    owed: Vec<Shown>,
}

#[derive(Debug)]
struct Member {
    outbox: Arc<Outbox>,
    /// It is given events above this number only.
    from: u64,
}

impl Hearers {
    pub fn is_empty(&self) -> bool {
        self.members.is_empty()
    }

    /// Adds a connection that is given the events above `from`; one that is here already goes on as it is.
    pub fn join(&mut self, connection: &Arc<str>, outbox: &Arc<Outbox>, from: u64) {
        let member = || Member { outbox: Arc::clone(outbox), from };
        self.members.entry(Arc::clone(connection)).or_insert_with(member);
    }

    /// Takes a connection out. It is still given what it is owed.
    pub fn leave(&mut self, connection: &str) {
        if let Some(member) = self.members.remove(connection) {
            member.take(&Run::new(self.owed.clone()));
        }
    }

    /// How many have not been given the event of this number.
    pub fn waiting_for(&self, number: u64) -> usize {
        self.members.values().filter(|member| number > member.from).count()
    }

    /// The event of this number is not for this connection; false if it is none of these, or was given it.
    pub fn pass_over(&mut self, connection: &str, number: u64) -> bool {
        let Some(member) = self.members.get_mut(connection).filter(|member| number > member.from) else {
            return false;
        };
        if !self.owed.is_empty() {
            member.take(&Run::new(self.owed.clone()));
        }
        member.from = number;
        true
    }

    /// An event is owed to everybody who has not been given it.
    pub fn owe(&mut self, shown: Shown) {
        self.owed.push(shown);
    }

    /// Gives everybody what is owed. Each is written to once.
    pub fn flush(&mut self) {
        if self.owed.is_empty() {
            return;
        }
        let run = Run::new(std::mem::take(&mut self.owed));
        self.members.values().for_each(|member| member.take(&run));
    }

    /// Gives everybody who has not been given the event of this number an item of its own, after what is owed.
    pub fn push(&mut self, number: u64, item: impl Fn() -> Item) {
        self.flush();
        for member in self.members.values().filter(|member| number > member.from) {
            member.outbox.push(item());
        }
    }

    /// Everybody is given the events above what `from` makes of the number so far.
    pub fn go_on(&mut self, from: impl Fn(u64) -> u64) {
        self.flush();
        self.members.values_mut().for_each(|member| member.from = from(member.from));
    }
}

impl Member {
    fn take(&self, run: &Run) {
        self.outbox.push_run(run, self.from);
    }
}
