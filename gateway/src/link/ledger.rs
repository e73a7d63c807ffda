//! The commands of this gateway that have no answer yet, by number, and those on their way out.
//!
//! A command stays here until it is answered or its time is over. While the link is down it only waits. A link that
//! resumes is asked the same numbers again; for one that does not, [`Ledger::begin_anew`] gives back what was asked.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use parlor_api::v1::{self, link_request::Command};
use tokio::time::Instant;

use crate::{
    dialect::Tag,
    link::{Wanted, topics::TopicId},
};

/// Above so many commands without an answer, new ones are refused at once.
const PENDING_MAX: usize = 65_536;

/// Why a command was asked, and so what becomes of its answer.
#[derive(Clone, Debug)]
pub(super) enum Purpose {
    /// Nobody waits for what is told anew on a new link.
    Attach {
        connection: Arc<str>,
        tag: Option<Tag>,
    },
    Subscribe {
        connection: Arc<str>,
        wanted: Wanted,
    },
    Resubscribe {
        connection: Arc<str>,
        topic: TopicId,
    },
    Fetch {
        topic: TopicId,
        after: u64,
    },
    /// Nobody waits for the answer.
    Tell,
}

/// A command that has no answer yet.
#[derive(Debug)]
pub(super) struct Pending {
    request: v1::LinkRequest,
    pub purpose: Purpose,
    /// It was asked again on a resumed link: what followed the first answer may be lost with it.
    pub repeated: bool,
}

/// The commands of one epoch.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// A connection waits so long for an answer of a core that may be away, before it is told so.
    within: Duration,
    number: u64,
    up: bool,
    outgoing: VecDeque<v1::LinkRequest>,
    pending: BTreeMap<u64, Pending>,
    deadlines: VecDeque<(Instant, u64)>,
}

impl Ledger {
    pub fn new(within: Duration) -> Self {
        Self { within, ..Self::default() }
    }

    pub fn is_up(&self) -> bool {
        self.up
    }

    pub fn is_full(&self) -> bool {
        self.pending.len() >= PENDING_MAX
    }

    pub fn has_outgoing(&self) -> bool {
        !self.outgoing.is_empty()
    }

    pub fn next_outgoing(&mut self) -> Option<v1::LinkRequest> {
        self.outgoing.pop_front()
    }

    /// Gives a command its number.
    pub fn numbered(&mut self, command: Command) -> v1::LinkRequest {
        self.number += 1;
        v1::LinkRequest { number: self.number, command: Some(command) }
    }

    /// Asks, and waits as long as it takes.
    pub fn ask(&mut self, command: Command, purpose: Purpose) {
        let request = self.numbered(command);
        if self.up {
            self.outgoing.push_back(request.clone());
        }
        self.pending.insert(request.number, Pending { request, purpose, repeated: false });
    }

    /// Asks for somebody who waits only so long.
    pub fn ask_in_time(&mut self, command: Command, purpose: Purpose, now: Instant) {
        self.ask(command, purpose);
        self.deadlines.push_back((now + self.within, self.number));
    }

    /// Says that the gateway lives; the answer says no more than that the core does.
    pub fn renew(&mut self) {
        let renew = self.numbered(Command::Renew(v1::LinkRenew {}));
        self.outgoing.push_back(renew);
    }

    /// What a number was asked for; `None` if its time was over.
    pub fn answered(&mut self, number: u64) -> Option<Pending> {
        self.pending.remove(&number)
    }

    /// A command whose time is over, if there is one.
    pub fn overdue(&mut self, now: Instant) -> Option<Purpose> {
        while let Some((deadline, number)) = self.deadlines.front().copied() {
            if deadline > now {
                return None;
            }
            self.deadlines.pop_front();
            if let Some(pending) = self.pending.remove(&number) {
                return Some(pending.purpose);
            }
        }
        None
    }

    /// The stream is broken.
    pub fn lost(&mut self) {
        self.up = false;
        self.outgoing.clear();
    }

    /// The core knows this epoch still: the same numbers are asked again.
    pub fn resume(&mut self) {
        self.up = true;
        for pending in self.pending.values_mut() {
            pending.repeated = true;
            self.outgoing.push_back(pending.request.clone());
        }
    }

    /// The core has forgotten everything: gives back, in order, what was asked for connections and not answered.
    pub fn begin_anew(&mut self) -> Vec<(Command, Purpose)> {
        self.up = true;
        self.deadlines.clear();
        let pending = std::mem::take(&mut self.pending).into_values();
        let asked = pending.filter(|pending| match pending.purpose {
            Purpose::Attach { tag, .. } => tag.is_some(),
            Purpose::Subscribe { .. } => true,
            Purpose::Resubscribe { .. } | Purpose::Fetch { .. } | Purpose::Tell => false,
        });
        asked.filter_map(|pending| Some((pending.request.command?, pending.purpose))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WITHIN: Duration = Duration::from_secs(10);

    fn attach() -> (Command, Purpose) {
        let purpose = Purpose::Attach { connection: "one".into(), tag: Some(1) };
        (Command::Attach(v1::LinkAttach::default()), purpose)
    }

    fn sent(ledger: &mut Ledger) -> Vec<u64> {
        std::iter::from_fn(|| ledger.next_outgoing()).map(|request| request.number).collect()
    }

    #[test]
    fn what_is_asked_while_the_link_is_down_goes_out_when_it_is_up() {
        let mut ledger = Ledger::new(WITHIN);
        let (command, purpose) = attach();
        ledger.ask(command, purpose);
        assert_eq!(sent(&mut ledger), [0; 0]);
        ledger.resume();
        assert_eq!(sent(&mut ledger), [1]);
        ledger.lost();
        ledger.resume();
        assert_eq!(sent(&mut ledger), [1], "the same number again");
        assert!(ledger.answered(1).is_some_and(|pending| pending.repeated));
        assert!(ledger.answered(1).is_none(), "one answer is enough");
    }

    #[test]
    fn a_new_epoch_of_the_core_is_asked_for_connections_only() {
        let mut ledger = Ledger::new(WITHIN);
        ledger.ask(Command::Detach(v1::LinkDetach::default()), Purpose::Tell);
        let (command, purpose) = attach();
        ledger.ask(command, purpose);
        let again = ledger.begin_anew();
        assert!(matches!(again.as_slice(), [(Command::Attach(_), Purpose::Attach { .. })]));
    }

    #[test]
    fn time_is_over_exactly_at_the_deadline() {
        let mut ledger = Ledger::new(WITHIN);
        let now = Instant::now();
        let (command, purpose) = attach();
        ledger.ask_in_time(command, purpose, now);
        assert!(ledger.overdue(now + WITHIN - Duration::from_millis(1)).is_none());
        assert!(ledger.overdue(now + WITHIN).is_some());
        assert!(ledger.answered(1).is_none());
    }

    #[test]
    fn it_is_full_at_its_bound() {
        let mut ledger = Ledger::new(WITHIN);
        for _ in 0..PENDING_MAX {
            assert!(!ledger.is_full());
            let (command, purpose) = attach();
            ledger.ask(command, purpose);
        }
        assert!(ledger.is_full());
    }
}
