//! Money, from outside: what is booked once, what is never overdrawn, what a hold comes to, and what a proof finds.

use std::collections::BTreeSet;

use parlor_store::{
    AccountKind, Author, AuthorKind, Cause, Error, Mutation, Subject, SubjectKind, TenantId, User, Wallet,
    What,
    ledger::{Balances, Earner, Order, Posted},
};
use sea_orm::{ConnectionTrait as _, Database};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::world::{World, open};

mod crashes;
mod storm;

crate::stories!(
    the_same_request_is_booked_once_whoever_asks,
    many_who_spend_the_same_money_spend_it_once,
    two_writers_never_overdraw,
    a_hold_lives_and_ends_once,
    nothing_is_booked_for_who_is_not_there,
    what_is_booked_is_final,
    every_kind_of_tampering_is_found_and_named,
    who_is_erased_leaves_amounts_alone,
);

/// What is paid for in these stories.
pub const SESSION: SubjectKind = SubjectKind(2);

pub fn order(tenant: TenantId, key: &str, subject: Option<Uuid>) -> Order {
    let author = Author { kind: AuthorKind::System, user_id: None, name: String::new(), user: None };
    Order {
        cause: Cause { tenant, author, at: 1_000, origin: String::new() },
        made_by: "system".to_owned(),
        key: key.to_owned(),
        subject: subject.map(|id| Subject { kind: SESSION, id }),
        note: String::new(),
    }
}

const HOUSE: Earner = Earner { provider: None, commission: 0 };

impl World {
    pub fn wallet(&self, of: &User) -> Wallet {
        Wallet { tenant: self.tenant, owner: of.id, unit: "coin".to_owned() }
    }

    fn ordered(&self, key: &str) -> Order {
        order(self.tenant, key, None)
    }

    pub async fn credited(&self, of: &User, amount: i64) -> Posted {
        let key = format!("credit:{}:{amount}", of.id);
        self.store.apply(Mutation::credit(self.ordered(&key), self.wallet(of), amount)).await.unwrap()
    }

    pub async fn balances(&self, of: &User) -> Balances {
        self.store.billing.balances(self.tenant, self.wallet(of).id()).await.unwrap()
    }

    pub async fn wrong(&self) -> Option<String> {
        let wrong = self.store.billing.verify(self.tenant).await.unwrap().wrong;
        wrong.map(|wrong| format!("{}: {}", wrong.row, wrong.problem))
    }
}

async fn the_same_request_is_booked_once_whoever_asks(world: World) {
    let ann = world.user("ann").await;
    let mut callers = JoinSet::new();
    for _ in 0..32 {
        let (store, order, wallet) = (world.store.clone(), world.ordered("pay-1"), world.wallet(&ann));
        callers.spawn(async move { store.apply(Mutation::credit(order, wallet, 100)).await.unwrap() });
    }
    let answers = callers.join_all().await;
    assert_eq!(answers.iter().filter(|posted| !posted.replayed).count(), 1, "one effect");
    assert!(answers.iter().all(|posted| posted.transaction == answers[0].transaction), "one answer");
    let other = Mutation::credit(world.ordered("pay-1"), world.wallet(&ann), 99);
    assert_eq!(world.store.apply(other).await.unwrap_err(), Error::RequestIdReused);
    let debit = Mutation::debit(world.ordered("pay-1"), world.wallet(&ann), AccountKind::Available, 100);
    assert_eq!(world.store.apply(debit).await.unwrap_err(), Error::RequestIdReused);
    assert_eq!(world.balances(&ann).await.available, 100);
    let told = world.heard().iter().filter(|event| event.subject.kind == SubjectKind::WALLET).count();
    assert_eq!((told, world.wrong().await), (1, None));
}

async fn many_who_spend_the_same_money_spend_it_once(world: World) {
    let ann = world.user("ann").await;
    world.credited(&ann, 100).await;
    let mut contenders = JoinSet::new();
    for contender in 0..64 {
        let (store, wallet) = (world.store.clone(), world.wallet(&ann));
        let order = order(world.tenant, &format!("spend-{contender}"), Some(Uuid::now_v7()));
        contenders.spawn(async move {
            if contender % 2 == 0 {
                store.apply(Mutation::debit(order, wallet, AccountKind::Available, 7)).await.map(|_| ())
            } else {
                store.apply(Mutation::hold(order, wallet, 7)).await.map(|_| ())
            }
        });
    }
    let answers = contenders.join_all().await;
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 14);
    let refusal = Error::InsufficientFunds { available: 2, required: 7 };
    assert!(answers.iter().all(|answer| answer.is_ok() || *answer == Err(refusal.clone())));
    assert_eq!(world.balances(&ann).await.available, 2);
    assert_eq!(world.wrong().await, None);
}

async fn two_writers_never_overdraw(world: World) {
    let ann = world.user("ann").await;
    world.credited(&ann, 100).await;
    let (other, _heard) = open(&world.place.url()).await.unwrap();
    let mut contenders = JoinSet::new();
    for contender in 0..64 {
        let store = if contender % 2 == 0 { world.store.clone() } else { other.clone() };
        // Each order comes to both.
        let (order, wallet) = (world.ordered(&format!("spend-{}", contender / 2)), world.wallet(&ann));
        contenders.spawn(async move {
            store.apply(Mutation::debit(order, wallet, AccountKind::Available, 9)).await
        });
    }
    let answers = contenders.join_all().await;
    let booked: BTreeSet<i64> = answers.iter().flatten().map(|posted| posted.transaction.number).collect();
    assert_eq!(booked.len(), 11);
    assert_eq!(world.balances(&ann).await.available, 1);
    assert_eq!(world.wrong().await, None);
    other.close().await;
}

async fn a_hold_lives_and_ends_once(world: World) {
    let (ann, pro, store) = (world.user("ann").await, world.user("pro").await, &world.store);
    world.credited(&ann, 30).await;
    let session = Some(Uuid::now_v7());
    let order = |key: &str| order(world.tenant, key, session);
    let earner = Earner { provider: Some(pro.id), commission: 2_500 };
    let early = Mutation::extend_hold(order("early"), 1);
    assert_eq!(store.apply(early).await.unwrap_err(), Error::NotFound(What::Hold));
    // The beginning is free: nothing is booked, and the hold is there.
    for _ in 0..2 {
        assert_eq!(store.apply(Mutation::hold(order("begin"), world.wallet(&ann), 0)).await, Ok(None));
    }
    let another = Mutation::hold(order("another"), world.wallet(&ann), 1);
    assert_eq!(store.apply(another).await.unwrap_err(), Error::HoldState);
    store.apply(Mutation::extend_hold(order("minute-1"), 20)).await.unwrap();
    let short = Mutation::extend_hold(order("minute-2"), 20);
    let refusal = Error::InsufficientFunds { available: 10, required: 20 };
    assert_eq!(store.apply(short).await.unwrap_err(), refusal);
    for replayed in [false, true] {
        let rest = store.apply(Mutation::extend_hold_up_to(order("minute-2"), 20)).await.unwrap();
        assert_eq!((rest.transaction.amount, rest.replayed), (10, replayed), "as much as there is");
    }
    let none = store.apply(Mutation::extend_hold_up_to(order("minute-3"), 20)).await.unwrap_err();
    assert_eq!(none, Error::InsufficientFunds { available: 0, required: 20 });
    for _ in 0..2 {
        store.apply(Mutation::capture(order("tick-1"), 10, earner)).await.unwrap();
    }
    let over = Mutation::capture(order("tick-2"), 21, earner);
    assert_eq!(
        store.apply(over).await.unwrap_err(),
        Error::InsufficientFunds { available: 20, required: 21 }
    );
    assert_eq!(world.balances(&pro).await, Balances { earnings: 8, ..Balances::default() });
    assert_eq!(world.balances(&ann).await, Balances { held: 20, ..Balances::default() });
    for replayed in [false, true] {
        let settled = store.apply(Mutation::settle(order("end"), 11, earner)).await.unwrap();
        assert_eq!((settled.charged, settled.released, settled.replayed), (21, 9, replayed));
    }
    for late in [Mutation::settle(order("end-again"), 5, earner), Mutation::release(order("release"))] {
        assert_eq!(store.apply(late).await.unwrap_err(), Error::HoldState);
    }
    let late = Mutation::extend_hold(order("late"), 1);
    assert_eq!(store.apply(late).await.unwrap_err(), Error::HoldState);
    assert_eq!(world.balances(&ann).await, Balances { available: 9, ..Balances::default() });
    assert_eq!(world.balances(&pro).await.earnings, 8 + 9);
    let hold = store.billing.hold(world.tenant, order("").subject.unwrap()).await.unwrap().unwrap();
    assert_eq!((hold.remaining, hold.charged, hold.released, hold.is_ended), (0, 21, 9, true));
    assert_eq!(world.wrong().await, None);
    // More than is held is never charged.
    let session = order("").subject.map(|_| Uuid::now_v7());
    let order = |key: &str| crate::ledger::order(world.tenant, key, session);
    store.apply(Mutation::hold(order("b2"), world.wallet(&ann), 9)).await.unwrap();
    let settled = store.apply(Mutation::settle(order("e2"), 1_000, HOUSE)).await.unwrap();
    assert_eq!((settled.charged, settled.released), (9, 0));
    assert_eq!(world.wrong().await, None);
}

async fn nothing_is_booked_for_who_is_not_there(world: World) {
    let nobody = Wallet { tenant: world.tenant, owner: parlor_store::UserId::new(), unit: "coin".into() };
    let credit = Mutation::credit(world.ordered("1"), nobody.clone(), 5);
    assert_eq!(world.store.apply(credit).await.unwrap_err(), Error::NotFound(What::User));
    let ann = world.user("ann").await;
    let strange = Mutation::credit(order(TenantId(77), "1", None), world.wallet(&ann), 5);
    assert_eq!(world.store.apply(strange).await.unwrap_err(), Error::NotFound(What::Tenant));
    assert_eq!(world.wrong().await, None);
    assert_eq!(world.store.billing.verify(world.tenant).await.unwrap().transactions, 0);
}

async fn what_is_booked_is_final(world: World) {
    let ann = world.user("ann").await;
    world.credited(&ann, 5).await;
    let database = Database::connect(world.place.url()).await.unwrap();
    let refusals = [
        ("UPDATE ledger_entry SET amount = 6 WHERE amount = 5", "final"),
        ("DELETE FROM ledger_entry", "final"),
        ("UPDATE ledger_account SET balance = -1 WHERE kind = 1", "constraint"),
        (
            "INSERT INTO ledger_transaction SELECT tenant, number + 1, id, kind, key, unit, amount, subject_kind, \
          subject_id, refunds, note, made_by, created_at FROM ledger_transaction",
            "unique",
        ),
    ];
    for (sql, why) in refusals {
        let refused = database.execute_unprepared(sql).await.unwrap_err().to_string().to_lowercase();
        assert!(refused.contains(why), "{sql}: {refused}");
    }
    database.close().await.unwrap();
    assert_eq!(world.wrong().await, None);
}

/// What somebody with the database in hand may do, and how the proof names it. `NUMBER` is the number of the last booking.
const TAMPERING: &[(&str, &str)] = &[
    ("UPDATE ledger_account SET balance = balance + 1 WHERE kind = 1", "ledger_account"),
    ("UPDATE ledger_account SET last_sequence = last_sequence - 1 WHERE kind = 2", "ledger_account"),
    ("UPDATE ledger_hold SET remaining = remaining + 1", "ledger_account"),
    ("UPDATE ledger_hold SET charged = charged - 1", "ledger_hold"),
    ("UPDATE ledger_transaction SET amount = amount + 1 WHERE number = 2", "ledger_transaction 2"),
    ("UPDATE ledger_transaction SET kind = 2 WHERE number = 1", "ledger_entry 1/1"),
    ("DELETE FROM ledger_transaction WHERE number = 2", "ledger_transaction 2: it is missing"),
    ("DELETE FROM ledger_entry WHERE number = 3", "ledger_transaction 3: its 0 entries"),
    ("DELETE FROM ledger_entry WHERE number = 3 AND line = 2", "ledger_transaction 3: its 1 entries"),
    ("UPDATE ledger_entry SET amount = amount + 1 WHERE number = 2 AND line = 1", "ledger_entry 2/1"),
    ("UPDATE ledger_entry SET balance = balance + 1 WHERE number = 3 AND line = 2", "ledger_entry 3/2"),
    (
        "UPDATE ledger_entry SET amount = amount + 1, balance = balance + 1 WHERE number = 3 AND line = 2",
        "ledger_transaction 3",
    ),
    ("UPDATE ledger_entry SET sequence = sequence + 5 WHERE number = 2 AND line = 2", "ledger_entry 2/2"),
    ("UPDATE ledger_entry SET number = 9 WHERE number = 3", "ledger_transaction 3: its 0 entries"),
    (
        "INSERT INTO ledger_entry SELECT tenant, 99, line, account, account_kind, wallet, sequence + 50, amount, \
      balance, kind, created_at FROM ledger_entry WHERE number = 3",
        "ledger_transaction 4: it is missing",
    ),
];

async fn every_kind_of_tampering_is_found_and_named(world: World) {
    let ann = world.user("ann").await;
    let order = |key: &str| order(world.tenant, key, Some(Uuid::from_u128(7)));
    world.credited(&ann, 50).await;
    world.store.apply(Mutation::hold(order("h"), world.wallet(&ann), 20)).await.unwrap();
    world.store.apply(Mutation::capture(order("c"), 5, HOUSE)).await.unwrap();
    assert_eq!(world.wrong().await, None);
    let database = Database::connect(world.place.url()).await.unwrap();
    let unseal: &[&str] = match &world.place {
        crate::world::Place::Sqlite(_) => {
            &["DROP TRIGGER ledger_entry_no_update", "DROP TRIGGER ledger_entry_no_delete"]
        }
        crate::world::Place::Postgres(_) => &["DROP TRIGGER ledger_entry_no_change ON ledger_entry"],
    };
    for sql in unseal {
        database.execute_unprepared(sql).await.unwrap();
    }
    for table in ["account", "transaction", "entry", "hold"] {
        let keep = format!("CREATE TABLE kept_{table} AS SELECT * FROM ledger_{table}");
        database.execute_unprepared(&keep).await.unwrap();
    }
    for (sql, named) in TAMPERING {
        assert!(database.execute_unprepared(sql).await.unwrap().rows_affected() > 0, "{sql}");
        let found = world.wrong().await.unwrap_or_else(|| panic!("not found: {sql}"));
        assert!(found.starts_with(named), "{sql}: {found}");
        for table in ["account", "transaction", "entry", "hold"] {
            database.execute_unprepared(&format!("DELETE FROM ledger_{table}")).await.unwrap();
            let back = format!("INSERT INTO ledger_{table} SELECT * FROM kept_{table}");
            database.execute_unprepared(&back).await.unwrap();
        }
        assert_eq!(world.wrong().await, None, "it was put back");
    }
    database.close().await.unwrap();
}

async fn who_is_erased_leaves_amounts_alone(world: World) {
    let ann = world.user("ann").await;
    let mut order = world.ordered("1");
    order.note = "for Ann's birthday".to_owned();
    order.made_by = format!("user:{}", ann.id);
    world.store.apply(Mutation::credit(order, world.wallet(&ann), 5)).await.unwrap();
    let persons = &world.store.persons;
    let departing = parlor_store::Departing {
        tenant: world.tenant,
        user: ann.id,
        whole_conversations: false,
        at: 2_000,
        mark_of: std::sync::Arc::new(|_| ([0; 32], 0)),
    };
    world.store.apply(Mutation::begin_erasure(departing)).await.unwrap();
    let refused = world.store.apply(Mutation::credit(world.ordered("2"), world.wallet(&ann), 5)).await;
    assert_eq!(refused.unwrap_err(), Error::NotFound(What::User));
    let erasure = parlor_store::Erasure {
        tenant: world.tenant,
        user: ann.id,
        begun_at: 2_000,
        whole_conversations: false,
    };
    let mut walk = parlor_store::Walk::new(erasure);
    while !persons.erase_some(&mut walk, 2_001).await.unwrap() {}
    persons.end_erasure(erasure).await.unwrap();
    let id = world.wallet(&ann).id();
    assert_eq!(world.store.billing.wallet_owner(world.tenant, id).await, Ok(None));
    let entries = world.store.billing.entries(world.tenant, id, Default::default(), 10).await.unwrap();
    let [(entry, of)] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((entry.balance, of.note.as_str(), of.made_by.as_str()), (5, "", "erased"));
    assert_eq!(world.wrong().await, None);
}
