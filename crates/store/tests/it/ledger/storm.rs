//! A storm: random orders of many people, each given to the store and to a reckoning beside it, again and again over
//! crashes. After each round the wallets are what the reckoning says, so nothing was charged twice and nothing lost.
//!
//! A crash ends a whole runtime in the middle of its work: the writer, its connection and whoever waits are gone at
//! whatever they were doing. What was ordered is then ordered again, as a caller without an answer does.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use parlor_store::{
    AccountKind, Author, AuthorKind, Cause, Error, Mutation, Options, Store, Subject, SubjectKind, Tenant,
    TenantId, TransactionId, UserId, UserUpsert, Wallet,
    ledger::{Balances, Earner, Order},
};
use tokio::{runtime::Runtime, task::JoinSet};
use uuid::Uuid;

const PEOPLE: usize = 24;
/// Orders at the same time, of different people.
const ROUND: usize = 8;
const COMMISSION: i64 = 1_500;

/// What a storm came to.
#[derive(Debug, Default)]
pub struct Weather {
    pub orders: usize,
    pub repeated: usize,
    pub refused: usize,
    pub crashes: usize,
    /// Orders that a crash found carried out, though nobody had the answer.
    pub unanswered: usize,
}

#[derive(Clone, Debug)]
enum Deed {
    Credit { who: usize, amount: i64 },
    Debit { who: usize, from: AccountKind, amount: i64 },
    Hold { who: usize, session: Uuid, amount: i64 },
    Extend { who: usize, amount: i64 },
    ExtendUpTo { who: usize, amount: i64 },
    Capture { who: usize, earner: usize, amount: i64 },
    Settle { who: usize, earner: usize, amount: i64 },
    Release { who: usize },
    Refund { id: TransactionId },
}

/// An order: a deed and its key.
#[derive(Clone, Debug)]
struct Ordered {
    key: String,
    deed: Deed,
    session: Option<Uuid>,
}

/// What the store answers.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Answer {
    Posted(TransactionId),
    Settled { charged: i64, released: i64 },
}

type Answered = Result<(Answer, bool), Error>;

/// A running store, in a runtime of its own.
struct Life {
    runtime: Runtime,
    store: Store,
}

impl Life {
    fn begin(url: &str) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let options = Options { url: url.to_owned(), read_connections: 2 };
        let store = runtime.block_on(Store::open(options, Box::new(|_| {}))).unwrap();
        Self { runtime, store }
    }

    /// Whatever is under way stops where it is.
    fn crash(self) {
        let Self { runtime, store } = self;
        runtime.shutdown_background();
        drop(store);
    }
}

/// Whose account got how much.
type Moved = (usize, AccountKind, i64);

/// The reckoning.
struct Books {
    people: Vec<UserId>,
    wallets: Vec<Balances>,
    /// What is held for whom: the session, what remains, what was charged.
    holds: BTreeMap<usize, (Uuid, i64, i64)>,
    /// What can be taken back: whose accounts got how much.
    refundable: Vec<(TransactionId, Vec<Moved>)>,
}

/// Numbers that look like chance, the same each time (xorshift64*).
struct Dice(u64);

impl Dice {
    fn up_to(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let drawn = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(drawn).unwrap() % most
    }

    fn amount(&mut self) -> i64 {
        i64::try_from(self.up_to(60)).unwrap() + 1
    }
}

/// Lets it storm over a database that is migrated: so many orders, with a crash in one of so many rounds.
pub fn storm(url: &str, seed: u64, orders: usize, crash_in: usize, verify_every: usize) -> Weather {
    let (mut life, mut dice, mut weather) = (Life::begin(url), Dice(seed | 1), Weather::default());
    let (tenant, people) = life.runtime.block_on(populate(&life.store));
    let wallets = vec![Balances::default(); PEOPLE];
    let mut books = Books { people, wallets, holds: BTreeMap::new(), refundable: Vec::new() };
    let mut round = 0;
    while weather.orders < orders {
        round += 1;
        let ordered = books.round(&mut dice, round);
        weather.orders += ordered.len();
        let crashes = dice.up_to(crash_in) == 0;
        if crashes {
            let doomed = spawn(&life, tenant, &books.people, &ordered);
            let until = Instant::now() + Duration::from_micros(u64::try_from(dice.up_to(6_000)).unwrap());
            while Instant::now() < until {
                std::hint::spin_loop();
            }
            drop(doomed);
            life.crash();
            life = Life::begin(url);
            weather.crashes += 1;
        }
        let answers = carry_out(&life, tenant, &books.people, &ordered);
        let again = if dice.up_to(4) == 0 { ordered.len() } else { 0 };
        let repeated = carry_out(&life, tenant, &books.people, &ordered[..again]);
        weather.repeated += again;
        for (at, (ordered, answer)) in ordered.iter().zip(&answers).enumerate() {
            weather.refused += usize::from(answer.is_err());
            weather.unanswered += usize::from(matches!(answer, Ok((_, true))));
            assert!(crashes || !matches!(answer, Ok((_, true))), "{ordered:?} was not ordered before");
            books.reckon(ordered, answer);
            if let Some(second) = repeated.get(at) {
                match (answer, second) {
                    (Ok((first, _)), Ok((second, true))) => assert_eq!(first, second, "{ordered:?}"),
                    (Err(_), Err(_)) => {}
                    other => panic!("{ordered:?}: {other:?}"),
                }
            }
        }
        books.compare(&life, tenant);
        if round % verify_every == 0 {
            prove(&life, tenant);
        }
    }
    prove(&life, tenant);
    life.runtime.block_on(life.store.close());
    weather
}

async fn populate(store: &Store) -> (TenantId, Vec<UserId>) {
    let tenant = Tenant {
        id: TenantId(0),
        slug: "storm".into(),
        number: None,
        display_name: String::new(),
        origins: Vec::new(),
        created_at: 1,
    };
    let tenant = store.directory.create_tenant(tenant).await.unwrap().id;
    let mut people = Vec::new();
    for _ in 0..PEOPLE {
        people.push(store.directory.upsert_user(tenant, UserUpsert::default(), 1).await.unwrap().0.id);
    }
    (tenant, people)
}

fn prove(life: &Life, tenant: TenantId) {
    let verdict = life.runtime.block_on(life.store.billing.verify(tenant)).unwrap();
    assert_eq!(verdict.wrong, None);
}

fn spawn(
    life: &Life,
    tenant: TenantId,
    people: &[UserId],
    ordered: &[Ordered],
) -> JoinSet<(usize, Answered)> {
    let mut under_way = JoinSet::new();
    for (at, ordered) in ordered.iter().enumerate() {
        let (store, ordered, people) = (life.store.clone(), ordered.clone(), people.to_vec());
        let made = async move { (at, ordered.make(&store, tenant, &people).await) };
        under_way.spawn_on(made, life.runtime.handle());
    }
    under_way
}

fn carry_out(life: &Life, tenant: TenantId, people: &[UserId], ordered: &[Ordered]) -> Vec<Answered> {
    let mut answers = life.runtime.block_on(spawn(life, tenant, people, ordered).join_all());
    answers.sort_by_key(|(at, _)| *at);
    answers.into_iter().map(|(_, answer)| answer).collect()
}

impl Ordered {
    async fn make(&self, store: &Store, tenant: TenantId, people: &[UserId]) -> Answered {
        let author = Author { kind: AuthorKind::System, user_id: None, name: String::new(), user: None };
        let order = Order {
            cause: Cause { tenant, author, at: 1_000, origin: String::new() },
            made_by: "system".to_owned(),
            key: self.key.clone(),
            subject: self.session.map(|id| Subject { kind: SubjectKind(2), id }),
            note: String::new(),
        };
        let wallet = |who: usize| Wallet { tenant, owner: people[who], unit: "coin".to_owned() };
        let earner = |who: usize| Earner { provider: Some(people[who]), commission: COMMISSION };
        let posted = match self.deed {
            Deed::Credit { who, amount } => store.apply(Mutation::credit(order, wallet(who), amount)).await?,
            Deed::Debit { who, from, amount } => {
                store.apply(Mutation::debit(order, wallet(who), from, amount)).await?
            }
            Deed::Hold { who, amount, .. } => {
                store.apply(Mutation::hold(order, wallet(who), amount)).await?.expect("it is more than 0")
            }
            Deed::Extend { amount, .. } => store.apply(Mutation::extend_hold(order, amount)).await?,
            Deed::ExtendUpTo { amount, .. } => {
                store.apply(Mutation::extend_hold_up_to(order, amount)).await?
            }
            Deed::Capture { earner: who, amount, .. } => {
                store.apply(Mutation::capture(order, amount, earner(who))).await?
            }
            Deed::Refund { id } => store.apply(Mutation::refund(order, id)).await?,
            Deed::Settle { .. } | Deed::Release { .. } => {
                let ends = match self.deed {
                    Deed::Settle { earner: who, amount, .. } => Mutation::settle(order, amount, earner(who)),
                    _ => Mutation::release(order),
                };
                let settled = store.apply(ends).await?;
                let (charged, released) = (settled.charged, settled.released);
                return Ok((Answer::Settled { charged, released }, settled.replayed));
            }
        };
        Ok((Answer::Posted(posted.transaction.id), posted.replayed))
    }
}

impl Books {
    /// Orders that do not touch the same people.
    fn round(&mut self, dice: &mut Dice, round: usize) -> Vec<Ordered> {
        let (mut busy, mut ordered) = (BTreeSet::new(), Vec::new());
        for at in 0..ROUND {
            let who = dice.up_to(PEOPLE);
            let earner = dice.up_to(PEOPLE);
            let held = self.holds.get(&who).copied();
            let amount = dice.amount();
            let deed = match (dice.up_to(10), held) {
                (0 | 1, _) => Deed::Credit { who, amount: amount * 3 },
                (2, _) => Deed::Debit { who, from: AccountKind::Available, amount },
                (3, _) => Deed::Debit { who, from: AccountKind::Earnings, amount },
                (4, _) if !self.refundable.is_empty() => {
                    let (id, _) = self.refundable[dice.up_to(self.refundable.len())];
                    Deed::Refund { id }
                }
                (_, None) => Deed::Hold { who, session: Uuid::now_v7(), amount },
                (5, Some(_)) => Deed::ExtendUpTo { who, amount },
                (6, Some(_)) => Deed::Extend { who, amount },
                (7, Some(_)) => Deed::Capture { who, earner, amount },
                (8, Some(_)) => Deed::Release { who },
                (_, Some(_)) => Deed::Settle { who, earner, amount },
            };
            let touched = self.touched(&deed);
            if touched.iter().any(|person| busy.contains(person)) {
                continue;
            }
            busy.extend(touched);
            let session = match deed {
                Deed::Hold { session, .. } => Some(session),
                Deed::Extend { who, .. }
                | Deed::ExtendUpTo { who, .. }
                | Deed::Capture { who, .. }
                | Deed::Settle { who, .. }
                | Deed::Release { who } => self.holds.get(&who).map(|(session, ..)| *session),
                _ => None,
            };
            ordered.push(Ordered { key: format!("{round}/{at}"), deed, session });
        }
        ordered
    }

    fn touched(&self, deed: &Deed) -> Vec<usize> {
        match deed {
            Deed::Capture { who, earner, .. } | Deed::Settle { who, earner, .. } => vec![*who, *earner],
            Deed::Refund { id } => {
                let (_, moved) = self.refundable.iter().find(|(known, _)| known == id).unwrap();
                moved.iter().map(|(who, ..)| *who).collect()
            }
            Deed::Credit { who, .. }
            | Deed::Debit { who, .. }
            | Deed::Hold { who, .. }
            | Deed::Extend { who, .. }
            | Deed::ExtendUpTo { who, .. }
            | Deed::Release { who } => vec![*who],
        }
    }

    /// What should have happened; the store must have answered so.
    fn reckon(&mut self, ordered: &Ordered, answer: &Answered) {
        let short = matches!(answer, Err(Error::InsufficientFunds { .. }));
        let is_posted = matches!(answer, Ok((Answer::Posted(_), _)));
        let id = match answer {
            Ok((Answer::Posted(id), _)) => *id,
            _ => TransactionId::default(),
        };
        let expect = |enough: bool| {
            assert!(if enough { is_posted } else { short }, "{ordered:?}: {answer:?}");
            enough
        };
        match ordered.deed.clone() {
            Deed::Credit { who, amount } => {
                assert!(is_posted, "{ordered:?}: {answer:?}");
                self.wallets[who].available += amount;
                self.refundable.push((id, vec![(who, AccountKind::Available, amount)]));
            }
            Deed::Debit { who, from, amount } => {
                let account = self.wallets[who].of(from).unwrap();
                if expect(*account >= amount) {
                    *account -= amount;
                    self.refundable.push((id, vec![(who, from, -amount)]));
                }
            }
            Deed::Hold { who, session, amount } => {
                if expect(self.wallets[who].available >= amount) {
                    self.hold(who, amount);
                    self.holds.insert(who, (session, amount, 0));
                }
            }
            Deed::Extend { who, amount } => {
                if expect(self.wallets[who].available >= amount) {
                    self.hold(who, amount);
                    self.holds.get_mut(&who).unwrap().1 += amount;
                }
            }
            Deed::ExtendUpTo { who, amount } => {
                let amount = amount.min(self.wallets[who].available);
                if expect(amount > 0) {
                    self.hold(who, amount);
                    self.holds.get_mut(&who).unwrap().1 += amount;
                }
            }
            Deed::Capture { who, earner, amount } => {
                if expect(self.holds[&who].1 >= amount) {
                    let earned = self.charge(who, earner, amount);
                    let mut moved = vec![(who, AccountKind::Available, -amount)];
                    if earned > 0 {
                        moved.push((earner, AccountKind::Earnings, earned));
                    }
                    self.refundable.push((id, moved));
                }
            }
            Deed::Settle { who, earner, amount } => {
                let charge = amount.min(self.holds[&who].1);
                self.charge(who, earner, charge);
                self.end(who, ordered, answer);
            }
            Deed::Release { who } => self.end(who, ordered, answer),
            Deed::Refund { id } => {
                let at = self.refundable.iter().position(|(known, _)| *known == id).unwrap();
                let moved = self.refundable[at].1.clone();
                let enough =
                    moved.iter().all(|(who, kind, amount)| *self.wallets[*who].of(*kind).unwrap() >= *amount);
                if expect(enough) {
                    for (who, kind, amount) in moved {
                        *self.wallets[who].of(kind).unwrap() -= amount;
                    }
                    self.refundable.swap_remove(at);
                }
            }
        }
    }

    fn hold(&mut self, who: usize, amount: i64) {
        self.wallets[who].available -= amount;
        self.wallets[who].held += amount;
    }

    fn charge(&mut self, who: usize, earner: usize, amount: i64) -> i64 {
        let earned = amount - amount * COMMISSION / 10_000;
        self.wallets[who].held -= amount;
        self.wallets[earner].earnings += earned;
        let hold = self.holds.get_mut(&who).unwrap();
        (hold.1, hold.2) = (hold.1 - amount, hold.2 + amount);
        earned
    }

    fn end(&mut self, who: usize, ordered: &Ordered, answer: &Answered) {
        let (_, rest, charged) = self.holds.remove(&who).unwrap();
        self.wallets[who].held -= rest;
        self.wallets[who].available += rest;
        let settled = Answer::Settled { charged, released: rest };
        assert!(
            matches!(answer, Ok((answer, _)) if *answer == settled),
            "{ordered:?}: {answer:?} {settled:?}"
        );
    }

    fn compare(&self, life: &Life, tenant: TenantId) {
        for (owner, expected) in self.people.iter().zip(&self.wallets) {
            let wallet = Wallet { tenant, owner: *owner, unit: "coin".to_owned() };
            let stored = life.runtime.block_on(life.store.billing.balances(tenant, wallet.id())).unwrap();
            assert_eq!(stored, *expected);
            assert!(stored.available >= 0 && stored.held >= 0 && stored.earnings >= 0);
        }
    }
}
