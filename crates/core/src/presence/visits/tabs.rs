//! Which connections a visit has on this node, and what follows from it: a pure state machine for each visit.
//!
//! A page has one or more connections, and a visitor several pages. A connection may carry the mark that it loaded a page,
//! that it said its page is hidden, and that it said its page is being left. The visit is idle when as many carry the mark
//! of a hidden page as loaded one; it is left at once when all that it has are leaving, and otherwise when the last has
//! been gone for a linger. Each decision has a turn, so that the later one stays in whatever order they are stored.

use std::{collections::HashMap, sync::Arc, time::Duration};

use parlor_store::{TenantId, VisitState};

/// How long a visit whose connections broke is still there: a page that reloads, or a train in a tunnel.
pub const LINGER: Duration = Duration::from_secs(10);

/// How long it is, if one of its pages said that it is being left: the next page loads within that.
pub const LEAVING_LINGER: Duration = Duration::from_secs(2);

/// A visit of a tenant, by its key.
pub type Key = (TenantId, Arc<str>);

/// What a visitor's page says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    Load,
    Act,
    Hide,
    Leave,
}

/// What is to be stored of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// `None` as it was.
    pub state: Option<VisitState>,
    pub connected: bool,
    pub turn: i64,
}

/// What a sign leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed {
    pub decision: Decision,
    /// The connection recorded nothing before.
    pub is_bound: bool,
    /// Call [`Tabs::linger_over`] with this number after the linger: nothing else will end the visit.
    pub linger: Option<u64>,
}

/// What is left when a connection is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Nothing to do.
    Rest,
    /// Others remain, and the visit has become idle.
    Decided(Key, Decision),
    /// It was the last.
    Linger(Key, u64, Duration),
}

/// A connection records another visit than before.
#[derive(Debug, PartialEq, Eq)]
pub struct OtherVisit;

/// The connections of this node, and the visits that they have.
#[derive(Debug, Default)]
pub struct Tabs {
    /// Those that are attached, and what they record once they do.
    attached: HashMap<Arc<str>, Option<Key>>,
    visits: HashMap<Key, Open>,
    turn: i64,
    next_linger: u64,
}

#[derive(Debug, Default)]
struct Open {
    tabs: HashMap<Arc<str>, Tab>,
    linger: Option<u64>,
    /// A page said that it is being left, and nothing was done since.
    leaving: bool,
    state: Option<VisitState>,
}

#[derive(Debug, Default)]
struct Tab {
    loaded: bool,
    hidden: bool,
    leaving: bool,
}

impl Open {
    fn is_idle(&self) -> bool {
        let loaded = self.tabs.values().filter(|tab| tab.loaded).count();
        let hidden = self.tabs.values().filter(|tab| tab.hidden).count();
        hidden > 0 && hidden >= loaded
    }

    fn is_left(&self) -> bool {
        self.tabs.values().all(|tab| tab.leaving)
    }

    /// What the visit becomes by a sign.
    fn after(&self, sign: Sign) -> Option<VisitState> {
        match sign {
            Sign::Load | Sign::Act => Some(VisitState::Active),
            Sign::Hide => (self.tabs.is_empty() || self.is_idle()).then_some(VisitState::Idle),
            Sign::Leave => self.is_left().then_some(VisitState::Left),
        }
    }
}

impl Tabs {
    /// A connection opened, or says so again.
    pub fn attach(&mut self, connection: &Arc<str>) {
        self.attached.entry(Arc::clone(connection)).or_default();
    }

    /// A visitor's page says something, over a connection or without one. A connection that is gone already, whose last
    /// words are carried out now, counts for nothing.
    pub fn sign(&mut self, key: &Key, connection: Option<&str>, sign: Sign) -> Result<Signed, OtherVisit> {
        let attached = connection.and_then(|name| self.attached.get_key_value(name));
        let mut is_bound = false;
        let tab = match attached.map(|(name, bound)| (Arc::clone(name), bound.as_ref())) {
            Some((_, Some(bound))) if bound != key => return Err(OtherVisit),
            Some((name, bound)) => {
                is_bound = bound.is_none();
                Some(name)
            }
            None => None,
        };
        if let Some(name) = &tab
            && is_bound
        {
            self.attached.insert(Arc::clone(name), Some(key.clone()));
        }
        let is_gone = connection.is_some() && tab.is_none();
        let mut nothing = Open::default();
        let is_open = tab.is_some() || is_gone || self.visits.contains_key(key);
        let open = if is_open { self.visits.entry(key.clone()).or_default() } else { &mut nothing };
        if let Some(name) = tab {
            open.linger = None;
            let tab = open.tabs.entry(name).or_default();
            tab.loaded |= sign == Sign::Load;
            tab.hidden = sign == Sign::Hide || (tab.hidden && sign == Sign::Leave);
            tab.leaving = sign == Sign::Leave;
        }
        open.leaving = sign == Sign::Leave || (open.leaving && sign == Sign::Hide);
        let state = open.after(sign);
        open.state = state.or(open.state);
        let connected = !open.tabs.is_empty() && open.state != Some(VisitState::Left);
        let mut linger = None;
        if open.tabs.is_empty() && is_gone {
            self.next_linger += 1;
            open.linger = Some(self.next_linger);
            linger = open.linger;
        }
        self.turn += 1;
        Ok(Signed { decision: Decision { state, connected, turn: self.turn }, is_bound, linger })
    }

    /// What a connection has begun to record was refused: it may record something else.
    pub fn refuse(&mut self, key: &Key, connection: &str) {
        if let Some(bound) = self.attached.get_mut(connection) {
            *bound = None;
        }
        if let Some(open) = self.visits.get_mut(key) {
            open.tabs.remove(connection);
            if open.tabs.is_empty() && open.linger.is_none() {
                self.visits.remove(key);
            }
        }
    }

    /// A connection is gone, with its marks.
    pub fn detach(&mut self, connection: &str) -> Gone {
        let Some(Some(key)) = self.attached.remove(connection) else { return Gone::Rest };
        let Some(open) = self.visits.get_mut(&key) else { return Gone::Rest };
        open.tabs.remove(connection);
        if open.tabs.is_empty() {
            if open.state == Some(VisitState::Left) {
                self.visits.remove(&key);
                return Gone::Rest;
            }
            self.next_linger += 1;
            open.linger = Some(self.next_linger);
            let linger = if open.leaving { LEAVING_LINGER } else { LINGER };
            return Gone::Linger(key, self.next_linger, linger);
        }
        if open.state == Some(VisitState::Active) && open.is_idle() {
            open.state = Some(VisitState::Idle);
            self.turn += 1;
            let decision = Decision { state: open.state, connected: true, turn: self.turn };
            return Gone::Decided(key, decision);
        }
        Gone::Rest
    }

    /// A linger is over; `None` if somebody came back, or another runs.
    pub fn linger_over(&mut self, key: &Key, number: u64) -> Option<Decision> {
        let is_over = self.visits.get(key).is_some_and(|open| open.linger == Some(number));
        is_over.then(|| {
            self.visits.remove(key);
            self.turn += 1;
            Decision { state: Some(VisitState::Left), connected: false, turn: self.turn }
        })
    }

    /// How many connections a visit has.
    pub fn connections(&self, key: &Key) -> usize {
        self.visits.get(key).map_or(0, |open| open.tabs.len())
    }
}

#[cfg(test)]
mod tests;
