//! Who is connected to this node: a pure state machine for each person.
//!
//! A person is *wanted* online while they have a connection, or while the linger after the last one runs. They are
//! *shown* online once that is stored and announced. Whoever calls a transition that answers [`Step::Settle`] owns the
//! person's settling: it moves `shown` to `wanted`, one edge at a time, until both agree. So edges of one person never
//! overlap, however quickly connections come and go.
//!
//! Those whom earlier lives left online are shown, and wanted until they go. They may be very many, so nothing is kept of
//! them but their names; they go together, some hundreds at a time, and while they do, whoever lets them go owns their
//! settling.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use parlor_store::{TenantId, User, UserId};
use tokio::sync::oneshot;

/// A person of a tenant.
pub type Key = (TenantId, UserId);

/// The name of a connection that is counted: its own, within what makes it unique on this node.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Counted {
    pub scope: Arc<str>,
    pub name: Arc<str>,
}

/// What a transition asks its caller to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing.
    Rest,
    /// Settle the person: the caller is now the only one who does.
    Settle,
    /// Call [`Roster::linger_over`] with this number after this time.
    Linger(u64, Duration),
}

/// A move from offline to online or back, to be stored and announced.
#[derive(Debug, PartialEq, Eq)]
pub struct Edge {
    pub user: Arc<User>,
    pub online: bool,
}

/// A connection that is counted.
#[derive(Debug)]
pub struct Connected {
    pub step: Step,
    /// It was not counted before.
    pub is_new: bool,
    /// Completes when the person is shown online.
    pub shown: oneshot::Receiver<()>,
}

/// Everybody who is connected, or was a moment ago.
#[derive(Debug, Default)]
pub struct Roster {
    people: HashMap<Key, Person>,
    /// Whom earlier lives left online, and who did not come back yet. None of them is among the people.
    left_over: BTreeSet<Key>,
    next_linger: u64,
}

#[derive(Debug)]
struct Person {
    user: Arc<User>,
    connections: HashSet<Counted>,
    linger: Option<u64>,
    shown: bool,
    settling: bool,
    waiting: Vec<oneshot::Sender<()>>,
    /// Dropped with the person, when they are gone.
    until_gone: Vec<oneshot::Sender<()>>,
}

impl Person {
    fn wanted(&self) -> bool {
        !self.connections.is_empty() || self.linger.is_some()
    }

    fn settle(&mut self) -> Step {
        if self.wanted() == self.shown || self.settling {
            return Step::Rest;
        }
        self.settling = true;
        Step::Settle
    }
}

impl Roster {
    /// Of those whom earlier lives left online.
    pub fn taking_over(left_over: impl IntoIterator<Item = Key>) -> Self {
        Self { left_over: left_over.into_iter().collect(), ..Self::default() }
    }

    /// A connection of a person opened, or says so again.
    pub fn connect(&mut self, tenant: TenantId, user: &Arc<User>, connection: Counted) -> Connected {
        let key = (tenant, user.id);
        let never_left = self.left_over.remove(&key);
        let person = self
            .people
            .entry(key)
            .or_insert_with(|| Person { shown: never_left, ..Person::new(Arc::clone(user)) });
        person.user = Arc::clone(user);
        let is_new = person.connections.insert(connection);
        person.linger = None;
        let (shown, wait) = oneshot::channel();
        if person.shown && !person.settling {
            // A receiver that is dropped is a caller who no longer cares.
            let _ = shown.send(());
        } else {
            person.waiting.push(shown);
        }
        Connected { step: person.settle(), is_new, shown: wait }
    }

    /// A connection is gone; the person stays for the linger if it was the last.
    pub fn disconnect(&mut self, key: Key, connection: &Counted, linger: Duration) -> Step {
        let Some(person) = self.people.get_mut(&key) else { return Step::Rest };
        if !person.connections.remove(connection) || !person.connections.is_empty() {
            return Step::Rest;
        }
        self.next_linger += 1;
        person.linger = Some(self.next_linger);
        Step::Linger(self.next_linger, linger)
    }

    /// A person goes, whatever connections they have. What is answered completes when they are gone.
    pub fn expel(&mut self, tenant: TenantId, user: &Arc<User>) -> (Step, oneshot::Receiver<()>) {
        let key = (tenant, user.id);
        let (sender, gone) = oneshot::channel();
        let was_left_over = self.left_over.remove(&key);
        if was_left_over {
            self.people.insert(key, Person { shown: true, ..Person::new(Arc::clone(user)) });
        }
        let Some(person) = self.people.get_mut(&key) else { return (Step::Rest, gone) };
        person.connections.clear();
        person.linger = None;
        person.until_gone.push(sender);
        let step = person.settle();
        if step == Step::Rest && !person.settling {
            self.people.remove(&key);
        }
        (step, gone)
    }

    /// Some of those who were left over and did not come back, all of one tenant.
    pub fn who_stays_away(&self, most: usize) -> Option<(TenantId, Vec<UserId>)> {
        let &(tenant, _) = self.left_over.first()?;
        let of_tenant = self.left_over.iter().take_while(|key| key.0 == tenant);
        Some((tenant, of_tenant.take(most).map(|key| key.1).collect()))
    }

    /// These people go, as far as they did not come back meanwhile: the caller is the only one who settles whom it is
    /// answered, until [`Roster::gone`]. Whoever has no user any more is forgotten.
    pub fn begin_to_go(&mut self, tenant: TenantId, ids: &[UserId], users: Vec<User>) -> Vec<Arc<User>> {
        let mut users: HashMap<UserId, Arc<User>> =
            users.into_iter().map(|user| (user.id, Arc::new(user))).collect();
        let mut going = Vec::with_capacity(ids.len());
        for &id in ids {
            if self.left_over.remove(&(tenant, id))
                && let Some(user) = users.remove(&id)
            {
                let person = Person { shown: true, settling: true, ..Person::new(Arc::clone(&user)) };
                self.people.insert((tenant, id), person);
                going.push(user);
            }
        }
        going
    }

    /// That they went is stored and announced. Answers who came back meanwhile: the caller goes on settling them.
    pub fn gone(&mut self, tenant: TenantId, ids: &[UserId]) -> Vec<Key> {
        let mut back = Vec::new();
        for &id in ids {
            let key = (tenant, id);
            if self.people.get(&key).is_some_and(Person::wanted) {
                self.settled(key, false);
                back.push(key);
            } else {
                self.people.remove(&key);
            }
        }
        back
    }

    /// A linger ran out. Nothing happens if the person came back since.
    pub fn linger_over(&mut self, key: Key, number: u64) -> Step {
        match self.people.get_mut(&key) {
            Some(person) if person.linger == Some(number) => {
                person.linger = None;
                person.settle()
            }
            _ => Step::Rest,
        }
    }

    /// The next edge of a person who is being settled; `None` ends the settling.
    pub fn next_edge(&mut self, key: Key) -> Option<Edge> {
        let person = self.people.get_mut(&key)?;
        let online = person.wanted();
        if online != person.shown {
            return Some(Edge { user: Arc::clone(&person.user), online });
        }
        person.settling = false;
        if online {
            for waiting in person.waiting.drain(..) {
                let _ = waiting.send(());
            }
        } else {
            self.people.remove(&key);
        }
        None
    }

    /// An edge is stored and announced.
    pub fn settled(&mut self, key: Key, online: bool) {
        if let Some(person) = self.people.get_mut(&key) {
            person.shown = online;
        }
    }

    /// How many connections a person has on this node.
    pub fn connections(&self, key: Key) -> u32 {
        self.people.get(&key).map_or(0, |person| u32::try_from(person.connections.len()).unwrap_or(u32::MAX))
    }
}

impl Person {
    fn new(user: Arc<User>) -> Self {
        Self {
            user,
            connections: HashSet::new(),
            linger: None,
            shown: false,
            settling: false,
            waiting: Vec::new(),
            until_gone: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use parlor_store::Roles;
    use proptest::prelude::*;

    use super::*;

    const TENANT: TenantId = TenantId(1);
    const LINGER: Duration = Duration::from_secs(5);

    fn user() -> Arc<User> {
        Arc::new(User {
            tenant: TENANT,
            id: UserId::new(),
            number: 1,
            display_name: String::new(),
            username: None,
            email: String::new(),
            avatar_url: String::new(),
            roles: Roles::CUSTOMER,
            identities: Vec::new(),
            created_at: 0,
            updated_at: 0,
            disabled: false,
        })
    }

    fn named(name: &str) -> Counted {
        Counted { scope: "test".into(), name: name.into() }
    }

    fn settle(roster: &mut Roster, key: Key) -> Vec<bool> {
        let mut edges = Vec::new();
        while let Some(edge) = roster.next_edge(key) {
            roster.settled(key, edge.online);
            edges.push(edge.online);
        }
        edges
    }

    #[test]
    fn two_connections_make_one_edge_each_way() {
        let (mut roster, ann) = (Roster::default(), user());
        let key = (TENANT, ann.id);
        assert_eq!(roster.connect(TENANT, &ann, named("a")).step, Step::Settle);
        assert_eq!(settle(&mut roster, key), [true]);
        assert_eq!(roster.connect(TENANT, &ann, named("b")).step, Step::Rest);
        assert_eq!(roster.connections(key), 2);
        assert_eq!(roster.disconnect(key, &named("a"), LINGER), Step::Rest);
        let Step::Linger(number, LINGER) = roster.disconnect(key, &named("b"), LINGER) else {
            panic!("no linger")
        };
        assert_eq!(roster.linger_over(key, number), Step::Settle);
        assert_eq!(settle(&mut roster, key), [false]);
        assert!(roster.people.is_empty());
    }

    #[test]
    fn who_says_so_again_is_counted_once_and_known_to_be() {
        let (mut roster, ann) = (Roster::default(), user());
        assert!(roster.connect(TENANT, &ann, named("a")).is_new);
        assert!(!roster.connect(TENANT, &ann, named("a")).is_new);
        assert_eq!(roster.connections((TENANT, ann.id)), 1);
    }

    #[test]
    fn who_returns_within_the_linger_never_left() {
        let (mut roster, ann) = (Roster::default(), user());
        let key = (TENANT, ann.id);
        roster.connect(TENANT, &ann, named("a"));
        settle(&mut roster, key);
        let Step::Linger(number, _) = roster.disconnect(key, &named("a"), LINGER) else {
            panic!("no linger")
        };
        assert_eq!(roster.connect(TENANT, &ann, named("b")).step, Step::Rest);
        assert_eq!(roster.linger_over(key, number), Step::Rest);
    }

    #[test]
    fn who_is_expelled_goes_at_once_and_what_is_dropped_later_changes_nothing() {
        for left_over in [false, true] {
            let ann = user();
            let key = (TENANT, ann.id);
            let mut roster = Roster::taking_over(left_over.then_some(key));
            if !left_over {
                roster.connect(TENANT, &ann, named("a"));
                settle(&mut roster, key);
            }
            let (step, mut gone) = roster.expel(TENANT, &ann);
            assert_eq!(step, Step::Settle);
            assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Empty));
            assert_eq!(settle(&mut roster, key), [false]);
            assert_eq!(gone.try_recv(), Err(oneshot::error::TryRecvError::Closed));
            assert_eq!(roster.disconnect(key, &named("a"), LINGER), Step::Rest);
            assert!(roster.people.is_empty() && roster.left_over.is_empty());
            let (step, mut gone) = roster.expel(TENANT, &ann);
            assert_eq!((step, gone.try_recv()), (Step::Rest, Err(oneshot::error::TryRecvError::Closed)));
        }
    }

    #[test]
    fn who_was_left_over_goes_with_the_others_of_their_tenant() {
        let (ann, other) = (user(), TenantId(2));
        let mut roster = Roster::taking_over([(TENANT, ann.id), (other, ann.id)]);
        assert_eq!(roster.who_stays_away(10), Some((TENANT, vec![ann.id])));
        let going = roster.begin_to_go(TENANT, &[ann.id], vec![(*ann).clone()]);
        assert_eq!(going, std::slice::from_ref(&ann));
        assert_eq!(roster.gone(TENANT, &[ann.id]), []);
        assert!(roster.people.is_empty());
        assert_eq!(roster.who_stays_away(10), Some((other, vec![ann.id])));
        assert_eq!(roster.begin_to_go(other, &[ann.id], vec![]), [], "there is no such user any more");
        assert_eq!(roster.who_stays_away(10), None);
    }

    #[test]
    fn who_was_left_over_and_comes_back_never_left() {
        let ann = user();
        let key = (TENANT, ann.id);
        let mut roster = Roster::taking_over([key]);
        let mut back = roster.connect(TENANT, &ann, named("a"));
        assert_eq!(back.step, Step::Rest);
        assert!(back.shown.try_recv().is_ok());
        assert_eq!(roster.who_stays_away(10), None);
        assert_eq!(roster.begin_to_go(TENANT, &[ann.id], vec![(*ann).clone()]), []);
    }

    #[test]
    fn who_comes_back_while_they_go_is_shown_again_once_they_have_gone() {
        let ann = user();
        let key = (TENANT, ann.id);
        let mut roster = Roster::taking_over([key]);
        roster.begin_to_go(TENANT, &[ann.id], vec![(*ann).clone()]);
        let mut back = roster.connect(TENANT, &ann, named("a"));
        assert_eq!(back.step, Step::Rest, "somebody else settles them");
        assert!(back.shown.try_recv().is_err());
        assert_eq!(roster.gone(TENANT, &[ann.id]), [key]);
        assert_eq!(settle(&mut roster, key), [true]);
        assert!(back.shown.try_recv().is_ok());
    }

    #[test]
    fn a_connect_waits_until_the_person_is_shown() {
        let (mut roster, ann) = (Roster::default(), user());
        let mut first = roster.connect(TENANT, &ann, named("a")).shown;
        assert!(first.try_recv().is_err());
        settle(&mut roster, (TENANT, ann.id));
        assert!(first.try_recv().is_ok());
        let mut second = roster.connect(TENANT, &ann, named("b")).shown;
        assert!(second.try_recv().is_ok());
    }

    proptest! {
        /// Whatever happens, edges alternate, and in the end the person is shown as they are.
        #[test]
        fn edges_alternate(left in any::<bool>(), moves in proptest::collection::vec((0u8..5, 0u8..3), 1..60)) {
            let ann = user();
            let key = (TENANT, ann.id);
            let mut roster = Roster::taking_over(left.then_some(key));
            let (mut settling, mut edges, mut lingers) = (false, vec![left], Vec::new());
            let mut going = Vec::new();
            for (what, which) in moves {
                let name = named(&which.to_string());
                let step = match what {
                    0 => roster.connect(TENANT, &ann, name).step,
                    1 => roster.disconnect(key, &name, LINGER),
                    2 => lingers.pop().map_or(Step::Rest, |number| roster.linger_over(key, number)),
                    3 if going.is_empty() => {
                        going = roster.begin_to_go(TENANT, &[ann.id], vec![(*ann).clone()]);
                        Step::Rest
                    }
                    3 => {
                        going.clear();
                        edges.push(false);
                        if roster.gone(TENANT, &[ann.id]).is_empty() { Step::Rest } else { Step::Settle }
                    }
                    _ if settling => {
                        match roster.next_edge(key) {
                            Some(edge) => { roster.settled(key, edge.online); edges.push(edge.online); }
                            None => settling = false,
                        }
                        Step::Rest
                    }
                    _ => Step::Rest,
                };
                match step {
                    Step::Settle => { prop_assert!(!settling, "two settle one person"); settling = true; }
                    Step::Linger(number, _) => lingers.push(number),
                    Step::Rest => {}
                }
            }
            if !going.is_empty() {
                edges.push(false);
                settling = !roster.gone(TENANT, &[ann.id]).is_empty();
            }
            let left = !roster.left_over.is_empty();
            let wanted = left || roster.people.get(&key).is_some_and(Person::wanted);
            if settling { edges.extend(settle(&mut roster, key)); }
            prop_assert!(edges.windows(2).all(|pair| pair[0] != pair[1]));
            prop_assert_eq!(edges.last().copied().unwrap_or(false), wanted);
        }
    }
}
