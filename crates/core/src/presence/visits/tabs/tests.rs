//! The state of a visit is what a naive count of its connections says, whatever comes in whatever order.

use proptest::prelude::*;

use super::*;

const TENANT: TenantId = TenantId(1);

fn key(name: &str) -> Key {
    (TENANT, name.into())
}

/// A connection, counted naively.
#[derive(Clone, Debug)]
struct Naive {
    name: Arc<str>,
    loaded: bool,
    hidden: bool,
    leaving: bool,
}

/// What a visit is by rereading all that it has.
#[derive(Default)]
struct Model {
    attached: Vec<Arc<str>>,
    tabs: Vec<Naive>,
    state: Option<VisitState>,
}

impl Model {
    fn sign(&mut self, name: Option<&str>, sign: Sign) {
        let attached = name.and_then(|name| self.attached.iter().find(|known| ***known == *name)).cloned();
        if let Some(name) = attached {
            if !self.tabs.iter().any(|tab| tab.name == name) {
                let name = Arc::clone(&name);
                self.tabs.push(Naive { name, loaded: false, hidden: false, leaving: false });
            }
            let tab = self.tabs.iter_mut().find(|tab| tab.name == name).unwrap();
            match sign {
                Sign::Load => (tab.loaded, tab.hidden, tab.leaving) = (true, false, false),
                Sign::Act => (tab.hidden, tab.leaving) = (false, false),
                Sign::Hide => (tab.hidden, tab.leaving) = (true, false),
                Sign::Leave => tab.leaving = true,
            }
        }
        match sign {
            Sign::Load | Sign::Act => self.state = Some(VisitState::Active),
            Sign::Hide if self.tabs.is_empty() || self.is_idle() => self.state = Some(VisitState::Idle),
            Sign::Leave if self.tabs.iter().all(|tab| tab.leaving) => self.state = Some(VisitState::Left),
            Sign::Hide | Sign::Leave => {}
        }
    }

    fn is_idle(&self) -> bool {
        let hidden = self.tabs.iter().filter(|tab| tab.hidden).count();
        hidden > 0 && hidden >= self.tabs.iter().filter(|tab| tab.loaded).count()
    }

    fn detach(&mut self, name: &str) {
        self.attached.retain(|known| **known != *name);
        let before = self.tabs.len();
        self.tabs.retain(|tab| *tab.name != *name);
        let is_changed = self.tabs.len() != before && !self.tabs.is_empty();
        if is_changed && self.state == Some(VisitState::Active) && self.is_idle() {
            self.state = Some(VisitState::Idle);
        }
    }
}

proptest! {
    #[test]
    fn a_visit_is_what_a_naive_count_says(moves in proptest::collection::vec((0_u8..9, 0_usize..4), 1..80)) {
        let names: Vec<Arc<str>> = ["a", "b", "c", "d"].map(Arc::from).into();
        let (mut tabs, mut model, key) = (Tabs::default(), Model::default(), key("ses"));
        let (mut stored, mut connected, mut turn) = (None, false, 0);
        let mut lingers: Vec<u64> = Vec::new();
        for (what, which) in moves {
            let name = &names[which];
            let mut decided = Vec::new();
            match what {
                0 | 1 => {
                    tabs.attach(name);
                    if !model.attached.contains(name) {
                        model.attached.push(Arc::clone(name));
                    }
                }
                2..=5 => {
                    let sign = [Sign::Load, Sign::Act, Sign::Hide, Sign::Leave][usize::from(what) - 2];
                    let signed = tabs.sign(&key, Some(name), sign).unwrap();
                    decided.push(signed.decision);
                    lingers.extend(signed.linger);
                    model.sign(Some(name), sign);
                }
                6 => {
                    match tabs.detach(name) {
                        Gone::Rest => {}
                        Gone::Decided(_, decision) => decided.push(decision),
                        Gone::Linger(_, number, _) => lingers.push(number),
                    }
                    model.detach(name);
                }
                7 => {
                    for number in std::mem::take(&mut lingers) {
                        let over = tabs.linger_over(&key, number);
                        if over.is_some() {
                            prop_assert!(model.tabs.is_empty(), "nobody is there");
                            model.state = Some(VisitState::Left);
                        }
                        decided.extend(over);
                    }
                }
                _ => {
                    // A restart: connections attach anew, and what nobody says any more is let go by the store.
                    (tabs, model.tabs, model.attached) = (Tabs::default(), Vec::new(), Vec::new());
                    (turn, lingers) = (0, Vec::new());
                    if stored.is_some() {
                        (stored, connected) = (Some(VisitState::Left), false);
                        model.state = stored;
                    }
                }
            }
            for decision in decided {
                prop_assert!(decision.turn > turn);
                turn = decision.turn;
                stored = decision.state.or(stored);
                connected = decision.connected;
            }
            prop_assert_eq!(stored, model.state);
            prop_assert_eq!(tabs.connections(&key), model.tabs.len());
            if connected {
                prop_assert!(!tabs.visits.is_empty(), "somebody will end it");
            }
            let is_watched = !model.tabs.is_empty() || !lingers.is_empty();
            if tabs.visits.contains_key(&key) {
                prop_assert!(is_watched, "nothing is kept of who is not there");
            }
        }
    }
}

#[test]
fn a_connection_records_one_visit() {
    let mut tabs = Tabs::default();
    tabs.attach(&"a".into());
    assert!(tabs.sign(&key("own"), Some("a"), Sign::Load).unwrap().is_bound);
    assert!(!tabs.sign(&key("own"), Some("a"), Sign::Act).unwrap().is_bound);
    assert_eq!(tabs.sign(&key("victims"), Some("a"), Sign::Leave), Err(OtherVisit));
    tabs.refuse(&key("own"), "a");
    assert!(
        tabs.sign(&key("other"), Some("a"), Sign::Load).unwrap().is_bound,
        "what was refused binds nobody"
    );
    assert_eq!(tabs.connections(&key("own")), 0);
}

#[test]
fn two_sockets_of_one_page_make_one_visit_and_one_idle_page() {
    let (mut tabs, key) = (Tabs::default(), key("ses"));
    ["1", "2"].iter().for_each(|name| tabs.attach(&(*name).into()));
    // As real pages do it: the first loads, the second says the rest.
    tabs.sign(&key, Some("1"), Sign::Load).unwrap();
    let hidden = tabs.sign(&key, Some("2"), Sign::Hide).unwrap().decision;
    assert_eq!(hidden.state, Some(VisitState::Idle));
    assert_eq!(tabs.sign(&key, Some("2"), Sign::Act).unwrap().decision.state, Some(VisitState::Active));
    assert_eq!(tabs.sign(&key, Some("2"), Sign::Leave).unwrap().decision.state, None, "the sibling is there");
    assert_eq!(tabs.detach("2"), Gone::Rest);
    assert_eq!(tabs.detach("1"), Gone::Linger(key.clone(), 1, LEAVING_LINGER));
    assert_eq!(tabs.linger_over(&key, 1).unwrap().state, Some(VisitState::Left));
}

#[test]
fn last_words_of_a_connection_that_is_gone_keep_nobody_there() {
    let (mut tabs, key) = (Tabs::default(), key("ses"));
    let signed = tabs.sign(&key, Some("gone"), Sign::Act).unwrap();
    assert!(!signed.decision.connected && !signed.is_bound);
    let number = signed.linger.expect("it ends by itself");
    assert_eq!(tabs.linger_over(&key, number).unwrap().state, Some(VisitState::Left));
}
